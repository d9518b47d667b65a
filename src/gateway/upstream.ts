import { connect, type Socket } from "node:net";
import type { Exit } from "./exits.ts";
import { ignore } from "./relay.ts";

export const CONNECT_MS = 5_000;
/** Shorter than the agent's own 60 s, so that it seldom is the one who closes. */
const WARM_MS = 20_000;
const MAX_WARM = 64;

/** Who an upstream connection is in use by. */
export interface UpstreamUser {
	onUpstreamConnected(): void;
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
	readonly socket: Socket;
	/** Nothing was asked on it before. */
	isFresh = true;
	isConnected = false;
	#user: UpstreamUser | null;
	#isTimeout = false;

	/** A connection that was kept, else a new one; the newest of the kept ones, so that a crowd's shrink again. */
	static to(exit: Exit, user: UpstreamUser, mayBeKept: boolean): Upstream {
		const kept = mayBeKept ? exit.idle.pop() : undefined;
		if (kept === undefined) return new Upstream(exit, user);
		kept.isFresh = false;
		kept.#user = user;
		kept.socket.setTimeout(0);
		return kept;
	}

	private constructor(exit: Exit, user: UpstreamUser) {
		this.exit = exit;
		this.#user = user;
		const socket = connect({ host: exit.ip, port: exit.port, noDelay: true, allowHalfOpen: true, timeout: CONNECT_MS });
		this.socket = socket;
		socket.once("connect", () => {
			this.isConnected = true;
			socket.setTimeout(0);
			this.#user?.onUpstreamConnected();
		});
		socket.on("data", (chunk) => {
			if (this.#user) this.#user.onUpstreamData(chunk);
			// What comes unasked is nobody's.
			else socket.destroy();
		});
		socket.on("drain", () => this.#user?.onUpstreamDrain());
		socket.on("end", () => {
			if (this.#user) this.#user.onUpstreamEnd();
			else socket.destroy();
		});
		socket.on("timeout", () => {
			this.#isTimeout = true;
			socket.destroy();
		});
		// "close" follows.
		socket.on("error", ignore);
		socket.on("close", () => {
			const at = exit.idle.indexOf(this);
			if (at >= 0) exit.idle.splice(at, 1);
			const user = this.#user;
			this.#user = null;
			user?.onUpstreamLost(this.#isTimeout);
		});
	}

	/** Its exchange is over and the next one may come. */
	release(): void {
		this.#user = null;
		const { idle, isGone } = this.exit;
		if (isGone || idle.length >= MAX_WARM || this.socket.destroyed) {
			this.drop();
			return;
		}
		this.socket.setTimeout(WARM_MS);
		idle.push(this);
	}

	/** Nothing more is heard of it. */
	drop(): void {
		this.#user = null;
		this.socket.destroy();
	}

	/** The bare socket, for what is no longer HTTP. */
	detach(): Socket {
		this.#user = null;
		this.socket.removeAllListeners();
		this.socket.on("error", ignore);
		return this.socket;
	}
}
