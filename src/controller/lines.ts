/**
 * The WebSockets of a pool's object, which survive its sleep (https://developers.cloudflare.com/durable-objects/best-practices/websockets/): while nothing is
 * said, the object is not in memory and nothing is billed. Whatever is to be known of a line after a sleep stands in its note.
 *
 * Two kinds share this hub. **agent**: `agent-lines.ts`. **viewer**: whoever looks on. A viewer joins so: a route, having checked the key,
 * hands the request to the object's `fetch` at a path of its own; {@link Lines.accept} with kind `viewer`, a name that is the viewer's alone and a note takes it;
 * from then on `lines.all("viewer")` finds its line and `line.send(text)` reaches it at no cost. What it says comes to `Pool.webSocketMessage`, each 20 messages
 * billed as one request; its `ping` is answered without waking anybody.
 */
import { LINE_CLOSES, type LineEnd } from "../core/model/lines.ts";
import type { Ms } from "../core/model/state.ts";

export type LineKind = "agent" | "viewer";

/** The object's side of a WebSocket, as the platform has it. */
export interface Socket {
	serializeAttachment(attachment: unknown): void;
	deserializeAttachment(): unknown;
	/** Throws where it is closed. */
	send(text: string): void;
	close(code?: number, reason?: string): void;
}

/** The sockets of an object: the platform's, or the simulator's. */
export interface Sockets {
	accept(socket: Socket, tags: string[]): void;
	/** Those with this tag that are open, or were when last heard of. */
	tagged(tag: string): readonly Socket[];
	/** When a ping on it was last answered; null: never. */
	answeredAt(socket: Socket): Ms | null;
}

/** The platform keeps 16,384 bytes with a socket. */
interface Attachment {
	readonly kind: LineKind;
	readonly name: string;
	/** Rises with each line of the same name. */
	readonly connection: number;
	readonly openedAt: Ms;
	readonly note: unknown;
}

const REASONS: Readonly<Record<LineEnd, string>> = {
	replaced: "a newer line has its place, or it showed no life, or read nothing",
	unauthorised: "the key is not this proxy's",
	malformed: "no report, or too many of them",
};

export class Lines {
	private readonly platform: Sockets;

	constructor(sockets: Sockets) {
		this.platform = sockets;
	}

	/** Takes a socket for a line; what was open of the same kind and name is closed. `note` is kept with it over sleeps. */
	accept(socket: Socket, kind: LineKind, name: string, note: unknown, now: Ms): Line {
		const older = this.sockets(kind, name);
		const connection = 1 + Math.max(0, ...older.map((one) => attachmentOf(one)?.connection ?? 0));
		this.platform.accept(socket, [kind, tagOf(kind, name)]);
		const attachment: Attachment = { kind, name, connection, openedAt: now, note };
		socket.serializeAttachment(attachment);
		for (const one of older) close(one, LINE_CLOSES.replaced, REASONS.replaced);
		return new Line(this.platform, socket, attachment);
	}

	/** All lines of a kind that are open, or were when last heard of. */
	all(kind: LineKind): readonly Line[] {
		return this.platform.tagged(kind).flatMap((socket) => this.of(socket) ?? []);
	}

	/** The newest line of this name. */
	get(kind: LineKind, name: string): Line | null {
		const lines = this.sockets(kind, name).flatMap((socket) => this.of(socket) ?? []);
		return lines.reduce<Line | null>((newest, line) => (newest === null || line.connection > newest.connection ? line : newest), null);
	}

	/** The line of a socket; null where a newer one has its place, or it is none of ours. */
	lineOf(socket: Socket): Line | null {
		const line = this.of(socket);
		const newest = line && this.get(line.kind, line.name);
		return newest !== null && newest.connection > (line?.connection ?? 0) ? null : line;
	}

	/** Answers the other side's Close, which the runtime leaves to us. */
	ended(socket: Socket): void {
		close(socket);
	}

	private of(socket: Socket): Line | null {
		const attachment = attachmentOf(socket);
		return attachment && new Line(this.platform, socket, attachment);
	}

	private sockets(kind: LineKind, name: string): readonly Socket[] {
		return this.platform.tagged(tagOf(kind, name));
	}
}

export class Line {
	private readonly platform: Sockets;
	private readonly socket: Socket;
	readonly kind: LineKind;
	readonly name: string;
	readonly connection: number;
	private readonly openedAt: Ms;

	constructor(platform: Sockets, socket: Socket, { kind, name, connection, openedAt }: Attachment) {
		this.platform = platform;
		this.socket = socket;
		this.kind = kind;
		this.name = name;
		this.connection = connection;
		this.openedAt = openedAt;
	}

	/** As it is now: what happens on a line may change it anywhere. */
	get note(): unknown {
		return attachmentOf(this.socket)?.note;
	}

	/** Keeps another note with it. */
	keep(note: unknown): void {
		const { kind, name, connection, openedAt } = this;
		this.socket.serializeAttachment({ kind, name, connection, openedAt, note } satisfies Attachment);
	}

	/** When the platform last answered a ping on it, or when it was opened. */
	get aliveAt(): Ms {
		return Math.max(this.openedAt, this.platform.answeredAt(this.socket) ?? 0);
	}

	/** A line that is broken takes nothing: whoever is on it opens another. */
	send(text: string): void {
		try {
			this.socket.send(text);
		} catch {
			close(this.socket);
		}
	}

	close(why: LineEnd): void {
		close(this.socket, LINE_CLOSES[why], REASONS[why]);
	}
}

function attachmentOf(socket: Socket): Attachment | null {
	return socket.deserializeAttachment() as Attachment | null;
}

function tagOf(kind: LineKind, name: string): string {
	return `${kind}:${name}`;
}

/** Without a code where it answers a Close: most codes that come cannot be sent. One that is closed already is left so. */
function close(socket: Socket, code?: number, why?: string): void {
	try {
		socket.close(code, why);
	} catch {
		// It is over.
	}
}
