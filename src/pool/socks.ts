import type { Credentials, Verdict } from "../core/model/state.ts";

/** A client's part of SOCKS5 (RFC 1928) with a user name and password (RFC 1929), as far as a probe needs it. */

export type Login = Pick<Credentials, "username" | "password">;

const LINE_FEED = 10;

/** A connection, read as it is needed. */
export class Stream {
	readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
	readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
	#left: Uint8Array = new Uint8Array();

	constructor({ readable, writable }: Pick<Socket, "readable" | "writable">) {
		this.#writer = writable.getWriter();
		this.#reader = readable.getReader();
	}

	send(bytes: Uint8Array): Promise<void> {
		return this.#writer.write(bytes);
	}

	/** So many bytes; fewer where the connection ends before. */
	async take(count: number): Promise<Uint8Array> {
		while (this.#left.length < count && (await this.#more()));
		const taken = this.#left.slice(0, count);
		this.#left = this.#left.slice(count);
		return taken;
	}

	/** The first line of what comes; less of it where the connection ends before, or where it is longer than that. */
	async line(most: number): Promise<string> {
		while (this.#left.length < most && !this.#left.includes(LINE_FEED) && (await this.#more()));
		return new TextDecoder().decode(this.#left).split("\n")[0] ?? "";
	}

	/** All that comes, as text: until the end, or until it is that long. */
	async rest(most: number): Promise<string> {
		while (this.#left.length < most && (await this.#more()));
		return new TextDecoder().decode(this.#left);
	}

	async #more(): Promise<boolean> {
		const { done, value } = await this.#reader.read();
		if (done || value === undefined) return false;
		const joined = new Uint8Array(this.#left.length + value.length);
		joined.set(this.#left);
		joined.set(value, this.#left.length);
		this.#left = joined;
		return true;
	}
}

const VERSION = 5;
const NO_LOGIN = 0;
const BY_PASSWORD = 2;
const CONNECT = 1;
const BY_NAME = 3;
/** How many bytes an address has, by its kind; a name says so itself. */
const LENGTHS: Readonly<Record<number, number>> = { 1: 4, 4: 16 };
const SILENT = { is: "silent" } as const;
const REFUSED_LOGIN = { is: "credentials" } as const;

/** Asks to be led to a host; null: it is. The name goes as it is, for the proxy to look up. */
export async function throughSocks(
	stream: Stream,
	to: { readonly host: string; readonly port: number },
	login: Login | null,
): Promise<Verdict | null> {
	const bytes = (text: string) => {
		const encoded = new TextEncoder().encode(text);
		return [encoded.length, ...encoded];
	};
	await stream.send(Uint8Array.of(VERSION, 1, login === null ? NO_LOGIN : BY_PASSWORD));
	const [version, method] = await stream.take(2);
	if (version !== VERSION || method === undefined) return SILENT;
	if (method === BY_PASSWORD && login !== null) {
		await stream.send(Uint8Array.of(1, ...bytes(login.username), ...bytes(login.password)));
		const [, status] = await stream.take(2);
		if (status !== 0) return REFUSED_LOGIN;
	} else if (method !== NO_LOGIN) return REFUSED_LOGIN;
	await stream.send(Uint8Array.of(VERSION, CONNECT, 0, BY_NAME, ...bytes(to.host), to.port >> 8, to.port & 255));
	const [, reply, , kind = 0] = await stream.take(4);
	if (reply === undefined) return SILENT;
	// It was understood, and could or would not lead there.
	if (reply !== 0) return { is: "egress" };
	const length = LENGTHS[kind] ?? (await stream.take(1))[0] ?? 0;
	await stream.take(length + 2);
	return null;
}
