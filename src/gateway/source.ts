import { connect, type Socket } from "node:net";
import type { Exit } from "./exits.ts";
import { ignore } from "./relay.ts";

export const CONNECT_MS = 5_000;
/** What has been silent for so long is asked by the system whether it is there. */
export const KEEP_ALIVE_MS = 60_000;
const SHARED_BYTES = 64 * 1024;
const OWN_BYTES = 512 * 1024;
/** What comes in pieces of this size and more is bulk. At least what a socket's writable side takes before it says that it is full. */
const BULK_BYTES = 64 * 1024;
const MAX_OWN = 32;

/** All connections read into this one; what they read is copied before another one does. */
const shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
/** How many connections read into a buffer of their own. */
let owning = 0;

/**
 * A connection to an exit. It is read into a buffer that is there already, and in bulk passed on from it without a copy: Node's own way takes a new
 * buffer of 64 KB for each read, which costs twice as much and leaves as much garbage.
 */
export class Source {
	readonly exit: Exit;
	readonly socket: Socket;
	/** What comes; a chunk may be kept only by writing it to the sink. */
	onData: (chunk: Buffer) => void = () => this.socket.destroy();
	/** Where it goes. Null: nowhere yet. */
	sink: Socket | null = null;
	#buffer: Buffer = shared;

	/** Reads nothing before it is connected; CONNECT_MS later it has a "timeout". */
	constructor(exit: Exit) {
		this.exit = exit;
		this.socket = connect({
			host: exit.ip,
			port: exit.port,
			noDelay: true,
			allowHalfOpen: true,
			timeout: CONNECT_MS,
			// A VM that is deleted says no word: without this a tunnel that only waits would wait for ever.
			keepAlive: true,
			keepAliveInitialDelay: KEEP_ALIVE_MS,
			onread: { buffer: () => this.#buffer, callback: (size) => this.#read(size) },
		});
		this.#watch();
	}

	/** Takes off all that listens to the socket. */
	clear(): void {
		this.socket.removeAllListeners();
		this.socket.setTimeout(0);
		this.#watch();
	}

	#watch(): void {
		// "close" follows, and is what is heard.
		this.socket.on("error", ignore);
		this.socket.once("close", () => this.#giveBack());
	}

	/** False: reads nothing more until the sink has drained, upon which the socket is to be resumed. */
	#read(size: number): boolean {
		const buffer = this.#buffer;
		const isBulk = size >= BULK_BYTES;
		if (buffer === shared || !isBulk) {
			if (buffer !== shared) this.#giveBack();
			else if (isBulk && owning < MAX_OWN) {
				owning++;
				this.#buffer = Buffer.allocUnsafeSlow(OWN_BYTES);
			}
			const copy = Buffer.allocUnsafe(size);
			buffer.copy(copy, 0, 0, size);
			this.onData(copy);
			return !this.socket.isPaused();
		}
		const { sink } = this;
		this.onData(size === buffer.length ? buffer : buffer.subarray(0, size));
		if (sink === null || sink.writableLength === 0) return !this.socket.isPaused();
		// It is still being written out of this buffer. Whoever uses the connection next must not read into it.
		if (this.sink !== sink) this.#giveBack();
		return false;
	}

	#giveBack(): void {
		if (this.#buffer === shared) return;
		this.#buffer = shared;
		owning--;
	}
}
