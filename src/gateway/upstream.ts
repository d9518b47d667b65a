import type { Socket } from "node:net";
import type { Exit } from "./exits.ts";
import { Source } from "./source.ts";

/** Shorter than the agent's own 60 s, so that it seldom is the one who closes. */
const WARM_MS = 20_000;
const MAX_WARM = 64;

/** Who an upstream connection is in use by. */
export interface UpstreamUser {
	onUpstreamConnected(): void;
	/** May keep the chunk only by writing it to its own socket. */
	onUpstreamData(chunk: Buffer): void;
	onUpstreamDrain(): void;
	/** The exit ended its side in order. */
	onUpstreamEnd(): void;
	/** The connection is gone, whatever the reason; `isTimeout`: it never came about. Called once, unless the user let go before. */
	onUpstreamLost(isTimeout: boolean): void;
}

/** A connection to an exit for requests in absolute form, one after the other. */
export class Upstream {
	readonly exit: Exit;
	/** Nothing was asked on it before. */
	isFresh = true;
	isConnected = false;
	readonly #source: Source;
	#user: UpstreamUser | null = null;
	#isTimeout = false;

	/**
	 * A connection that was kept, else a new one; the newest of the kept ones, so that a crowd's shrink again. `sink` is the user's own socket, to
	 * which it writes what comes.
	 */
	static to(exit: Exit, user: UpstreamUser, sink: Socket, mayBeKept: boolean): Upstream {
		const kept = mayBeKept ? exit.idle.pop() : undefined;
		const upstream = kept ?? new Upstream(exit);
		upstream.#user = user;
		upstream.#source.sink = sink;
		if (kept !== undefined) {
			kept.isFresh = false;
			kept.socket.setTimeout(0);
		}
		return upstream;
	}

	private constructor(exit: Exit) {
		this.exit = exit;
		this.#source = new Source(exit);
		const { socket } = this.#source;
		socket.once("connect", () => {
			this.isConnected = true;
			socket.setTimeout(0);
			this.#user?.onUpstreamConnected();
		});
		this.#source.onData = (chunk) => {
			if (this.#user) this.#user.onUpstreamData(chunk);
			// What comes unasked is nobody's.
			else socket.destroy();
		};
		socket.on("drain", () => this.#user?.onUpstreamDrain());
		socket.on("end", () => {
			if (this.#user) this.#user.onUpstreamEnd();
			else socket.destroy();
		});
		socket.on("timeout", () => {
			this.#isTimeout = true;
			socket.destroy();
		});
		socket.on("close", () => {
			const at = exit.idle.indexOf(this);
			if (at >= 0) exit.idle.splice(at, 1);
			const user = this.#user;
			this.#user = null;
			user?.onUpstreamLost(this.#isTimeout);
		});
	}

	get socket(): Socket {
		return this.#source.socket;
	}

	/** Its exchange is over and the next one may come. */
	release(): void {
		const { idle, isGone } = this.exit;
		if (isGone || idle.length >= MAX_WARM || this.socket.destroyed) {
			this.drop();
			return;
		}
		this.#user = null;
		this.#source.sink = null;
		this.socket.setTimeout(WARM_MS);
		idle.push(this);
	}

	/** Nothing more is heard of it. */
	drop(): void {
		this.#user = null;
		this.socket.destroy();
	}

	/** The bare connection, for what is no longer HTTP. */
	detach(): Source {
		this.#user = null;
		this.#source.clear();
		return this.#source;
	}
}
