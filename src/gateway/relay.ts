import type { Socket } from "node:net";
import type { Source } from "./source.ts";

const peers = Symbol("the other end");
const told = Symbol("what is done at the end");

interface End extends Socket {
	[peers]?: End;
	[told]?: (bytesUp: number, bytesDown: number) => void;
}

/**
 * Passes on all that comes on either connection to the other, each direction until its end: one that is half-closed goes on in the other
 * direction. `early` has come from the client already. `onEnd` is called once both are closed, with the bytes that the client and the other
 * side sent. The handlers are shared by all, so that an idle tunnel costs little.
 */
export function relay(client: Socket, source: Source, early: Buffer, onEnd: (bytesUp: number, bytesDown: number) => void): void {
	const [a, b] = [client as End, source.socket as End];
	[a[peers], b[peers], a[told]] = [b, a, onEnd];
	a.on("data", onData);
	source.onData = (chunk) => onData.call(b, chunk);
	source.sink = client;
	for (const end of [a, b]) {
		end.on("drain", onDrain);
		end.on("end", onFinish);
		end.on("error", onError);
		end.on("close", onClose);
	}
	if (early.length > 0) onData.call(a, early);
	if (a.readableEnded) onFinish.call(a);
	if (b.readableEnded) onFinish.call(b);
	if (a.destroyed) onClose.call(a);
	if (b.destroyed) onClose.call(b);
	a.resume();
	b.resume();
}

function onData(this: End, chunk: Buffer): void {
	const peer = this[peers];
	// A socket that got much says that it is full even if all of it has gone out.
	if (peer?.writable && !peer.write(chunk) && peer.writableLength > 0) this.pause();
}

function onDrain(this: End): void {
	this[peers]?.resume();
}

function onFinish(this: End): void {
	this[peers]?.end();
}

/** A reset is passed on as one: what was cut must not look complete. */
function onError(this: End): void {
	this[peers]?.resetAndDestroy();
}

/** Nobody is left to whom the other side could say anything; what was written to it may still be on its way. */
function onClose(this: End): void {
	const peer = this[peers];
	if (peer === undefined) return;
	if (!peer.destroyed) {
		peer.destroySoon();
		return;
	}
	delete this[peers];
	delete peer[peers];
	const [client, upstream] = this[told] === undefined ? [peer, this] : [this, peer];
	client[told]?.(client.bytesRead, upstream.bytesRead);
	delete client[told];
}

/** For the errors of sockets of which "close" is what is heard. */
export function ignore(): void {}
