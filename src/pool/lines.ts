/**
 * The WebSockets of a pool's object, which survive its sleep (https://developers.cloudflare.com/durable-objects/best-practices/websockets/): while nothing is
 * said, the object is not in memory and nothing is billed. Whatever is to be known of a line after a sleep stands in its note.
 *
 * Two kinds share this hub. **agent**: `agent-lines.ts`. **viewer**: whoever looks on. A viewer joins so: a route, having checked the key,
 * hands the request to the object's `fetch` at a path of its own; {@link Lines.accept} with kind `viewer`, a name that is the viewer's alone and a note answers it;
 * from then on `lines.all("viewer")` finds its line and `line.send(text)` reaches it at no cost. What it says comes to `Pool.webSocketMessage`, each 20 messages
 * billed as one request; its `ping` is answered without waking anybody.
 */
import { LINE_CLOSES, LINE_PING, LINE_PONG } from "../agent/protocol.ts";
import type { Ms } from "../core/model/state.ts";

export type LineKind = "agent" | "viewer";

/** The platform keeps 16,384 bytes with a socket. */
interface Attachment {
	readonly kind: LineKind;
	readonly name: string;
	/** Rises with each line of the same name. */
	readonly connection: number;
	readonly openedAt: Ms;
	readonly note: unknown;
}

export class Lines {
	private readonly ctx: DurableObjectState;

	/** In the object's constructor, each time: a deploy forgets the answer to pings. */
	constructor(ctx: DurableObjectState) {
		this.ctx = ctx;
		ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(LINE_PING, LINE_PONG));
	}

	/** Opens a line: 101, and what was open of the same kind and name is closed. `note` is kept with it over sleeps. */
	accept(kind: LineKind, name: string, note: unknown, now: Ms): { readonly answer: Response; readonly line: Line } {
		const { 0: client, 1: server } = new WebSocketPair();
		const older = this.sockets(kind, name);
		const connection = 1 + Math.max(0, ...older.map((socket) => attachmentOf(socket)?.connection ?? 0));
		this.ctx.acceptWebSocket(server, [kind, tagOf(kind, name)]);
		const attachment: Attachment = { kind, name, connection, openedAt: now, note };
		server.serializeAttachment(attachment);
		for (const socket of older) close(socket, LINE_CLOSES.replaced, "a newer line");
		return { answer: new Response(null, { status: 101, webSocket: client }), line: new Line(this.ctx, server, attachment) };
	}

	/** All lines of a kind that are open, or were when last heard of. */
	all(kind: LineKind): readonly Line[] {
		return this.ctx.getWebSockets(kind).flatMap((socket) => this.of(socket) ?? []);
	}

	/** The newest line of this name. */
	get(kind: LineKind, name: string): Line | null {
		const lines = this.sockets(kind, name).flatMap((socket) => this.of(socket) ?? []);
		return lines.reduce<Line | null>((newest, line) => (newest === null || line.connection > newest.connection ? line : newest), null);
	}

	/** The line of a socket; null where a newer one has its place, or it is none of ours. */
	lineOf(socket: WebSocket): Line | null {
		const line = this.of(socket);
		const newest = line && this.get(line.kind, line.name);
		return newest !== null && newest.connection > (line?.connection ?? 0) ? null : line;
	}

	/** Answers the other side's Close, which the runtime leaves to us. */
	ended(socket: WebSocket): void {
		close(socket);
	}

	private of(socket: WebSocket): Line | null {
		const attachment = attachmentOf(socket);
		return attachment && new Line(this.ctx, socket, attachment);
	}

	private sockets(kind: LineKind, name: string): readonly WebSocket[] {
		return this.ctx.getWebSockets(tagOf(kind, name));
	}
}

export class Line {
	private readonly ctx: DurableObjectState;
	private readonly socket: WebSocket;
	private attachment: Attachment;

	constructor(ctx: DurableObjectState, socket: WebSocket, attachment: Attachment) {
		this.ctx = ctx;
		this.socket = socket;
		this.attachment = attachment;
	}

	get kind(): LineKind {
		return this.attachment.kind;
	}

	get name(): string {
		return this.attachment.name;
	}

	get connection(): number {
		return this.attachment.connection;
	}

	get note(): unknown {
		return this.attachment.note;
	}

	/** Keeps another note with it. */
	keep(note: unknown): void {
		this.attachment = { ...this.attachment, note };
		this.socket.serializeAttachment(this.attachment);
	}

	/** When the platform last answered a ping on it, or when it was opened. */
	get aliveAt(): Ms {
		return Math.max(this.attachment.openedAt, this.ctx.getWebSocketAutoResponseTimestamp(this.socket)?.getTime() ?? 0);
	}

	/** A line that is broken takes nothing: whoever is on it opens another. */
	send(text: string): void {
		try {
			this.socket.send(text);
		} catch {
			close(this.socket);
		}
	}

	close(code: number, why: string): void {
		close(this.socket, code, why);
	}
}

function attachmentOf(socket: WebSocket): Attachment | null {
	return socket.deserializeAttachment() as Attachment | null;
}

function tagOf(kind: LineKind, name: string): string {
	return `${kind}:${name}`;
}

/** Without a code where it answers a Close: most codes that come cannot be sent. One that is closed already is left so. */
function close(socket: WebSocket, code?: number, why?: string): void {
	try {
		socket.close(code, why);
	} catch {
		// It is over.
	}
}
