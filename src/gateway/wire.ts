/** HTTP/1.1 as it goes over a connection: heads, and where bodies end. A head that two readers could read in two ways is refused. */

/** As the agent: a head that is longer is refused. */
export const MAX_HEAD_BYTES = 32 * 1024;
const MAX_CHUNK_LINE_BYTES = 4096;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9112, 2.2: no line may end in a bare CR or LF. */
const ORPHAN = /\0|\r(?!\n)|(?<!\r)\n/;
/** RFC 9110, 7.6.1; TE and Trailer among them are harmless to pass on, and Upgrade is judged by itself. */
const HOP_BY_HOP = new Set(["connection", "keep-alive", "proxy-connection", "upgrade"]);

/** A head that is not HTTP, or may be read in more than one way. */
export class Malformed extends Error {}

export interface Head {
	/** The request line, or the status line. */
	readonly first: string;
	/** Lines that are passed on, each with its end. */
	readonly lines: string;
	/** Names in lower case that `Connection` lists: `close`, `keep-alive`, `upgrade`. */
	readonly connection: string;
	readonly upgrade: string | null;
	readonly contentLength: number | null;
	readonly isChunked: boolean;
	readonly proxyAuthorization: string | null;
	/** There is a Proxy-Authenticate: a proxy's own 407 has it (RFC 9110, 15.5.8), a site's comes through no proxy of Muster's. */
	readonly isChallenge: boolean;
	readonly proxyStatus: string | null;
	readonly host: string | null;
}

/** Where the head at the beginning of `data` ends, its blank line included; -1: not yet. Throws Malformed where it is too long. */
export function headEnd(data: Buffer): number {
	const at = data.indexOf("\r\n\r\n");
	if (at > MAX_HEAD_BYTES || (at < 0 && data.length > MAX_HEAD_BYTES)) throw new Malformed("The head is longer than 32 KB.");
	return at < 0 ? -1 : at + 4;
}

/** A head with its blank line, read as Latin-1 so that every byte is passed on as it was. Throws Malformed. */
export function parseHead(text: string): Head {
	if (ORPHAN.test(text)) throw new Malformed("A line of the head ends wrongly.");
	const firstEnd = text.indexOf("\r\n");
	let [lines, connection] = ["", ""];
	let upgrade: string | null = null;
	let contentLength: number | null = null;
	let isChunked = false;
	let proxyAuthorization: string | null = null;
	let isChallenge = false;
	let proxyStatus: string | null = null;
	let host: string | null = null;
	let at = firstEnd + 2;
	while (at < text.length - 2) {
		const end = text.indexOf("\r\n", at);
		const colon = text.indexOf(":", at);
		if (colon < 0 || colon > end) throw new Malformed("A header line has no colon.");
		const written = text.slice(at, colon);
		if (!TOKEN.test(written)) throw new Malformed("A header's name is malformed.");
		const name = written.toLowerCase();
		switch (name) {
			case "content-length": {
				const value = text.slice(colon + 1, end).trim();
				const length = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
				if (Number.isNaN(length) || (contentLength !== null && contentLength !== length))
					throw new Malformed("Content-Length is malformed.");
				if (contentLength === null) lines += text.slice(at, end + 2);
				contentLength = length;
				break;
			}
			case "transfer-encoding": {
				const value = text
					.slice(colon + 1, end)
					.trim()
					.toLowerCase();
				if (isChunked || !(value === "chunked" || value.endsWith(", chunked") || value.endsWith(",chunked")))
					throw new Malformed("Transfer-Encoding is malformed.");
				isChunked = true;
				lines += text.slice(at, end + 2);
				break;
			}
			case "connection":
				connection += `${text
					.slice(colon + 1, end)
					.trim()
					.toLowerCase()},`;
				break;
			case "upgrade":
				upgrade = text.slice(colon + 1, end).trim();
				break;
			case "proxy-authorization":
				proxyAuthorization = text.slice(colon + 1, end).trim();
				break;
			case "proxy-authenticate":
				isChallenge = true;
				break;
			case "host":
				if (host !== null) throw new Malformed("There are two Host headers.");
				host = text.slice(colon + 1, end).trim();
				lines += text.slice(at, end + 2);
				break;
			case "proxy-status":
				proxyStatus = text.slice(colon + 1, end).trim();
				lines += text.slice(at, end + 2);
				break;
			default:
				if (!HOP_BY_HOP.has(name)) lines += text.slice(at, end + 2);
		}
		at = end + 2;
	}
	if (isChunked && contentLength !== null) throw new Malformed("There are both Content-Length and Transfer-Encoding.");
	const head = {
		first: text.slice(0, firstEnd),
		lines,
		connection,
		upgrade,
		contentLength,
		isChunked,
		proxyAuthorization,
		isChallenge,
		proxyStatus,
		host,
	};
	return connection === "" ? head : withoutNamed(head);
}

/** Further headers that `Connection` names are this hop's too. */
function withoutNamed(head: Head): Head {
	const named = head.connection
		.split(",")
		.map((name) => name.trim())
		.filter((name) => !["", "close", "keep-alive", "upgrade", "host", "content-length", "transfer-encoding"].includes(name));
	if (named.length === 0) return head;
	const kept = head.lines.split(/(?<=\r\n)/).filter((line) => !named.includes(line.slice(0, line.indexOf(":")).toLowerCase()));
	return { ...head, lines: kept.join("") };
}

export function isConnectionToClose({ connection }: Head): boolean {
	return connection !== "" && /(?:^|,)\s*close\s*(?:,|$)/.test(connection);
}

export function isUpgrade({ connection, upgrade }: Head): boolean {
	return upgrade !== null && /(?:^|,)\s*upgrade\s*(?:,|$)/.test(connection);
}

/** Finds where a body ends in what comes over a connection. */
export class Body {
	isDone: boolean;
	/** Whether it lasts until the connection ends. */
	readonly isEndless: boolean;
	readonly #isChunked: boolean;
	#left: number;
	#expect: "size" | "end" | "trailer" = "size";
	#line = "";

	private constructor(kind: "length" | "chunked" | "endless", length: number) {
		this.#isChunked = kind === "chunked";
		this.isEndless = kind === "endless";
		this.#left = kind === "endless" ? Number.POSITIVE_INFINITY : length;
		this.isDone = kind === "length" && length === 0;
	}

	static ofRequest({ isChunked, contentLength }: Head): Body {
		return isChunked ? new Body("chunked", 0) : new Body("length", contentLength ?? 0);
	}

	/** RFC 9112, 6.3. */
	static ofAnswer({ isChunked, contentLength }: Head, status: number, method: string): Body {
		if (method === "HEAD" || status < 200 || status === 204 || status === 304) return new Body("length", 0);
		if (isChunked) return new Body("chunked", 0);
		return contentLength === null ? new Body("endless", 0) : new Body("length", contentLength);
	}

	/** How many bytes at the beginning of `data` are its. Throws Malformed where chunks are. */
	take(data: Buffer): number {
		if (!this.#isChunked) {
			const size = Math.min(this.#left, data.length);
			this.#left -= size;
			this.isDone = this.#left === 0;
			return size;
		}
		let at = 0;
		while (at < data.length && !this.isDone) {
			if (this.#left > 0) {
				const step = Math.min(this.#left, data.length - at);
				this.#left -= step;
				at += step;
				continue;
			}
			const end = data.indexOf(10, at);
			const stop = end < 0 ? data.length : end + 1;
			this.#line += data.toString("latin1", at, stop);
			at = stop;
			if (this.#line.length > MAX_CHUNK_LINE_BYTES) throw new Malformed("A chunk's line is too long.");
			if (end < 0) break;
			this.#endLine(this.#line);
			this.#line = "";
		}
		return at;
	}

	#endLine(line: string): void {
		if (!line.endsWith("\r\n")) throw new Malformed("A chunk's line ends wrongly.");
		if (this.#expect === "size") {
			const size = /^([0-9A-Fa-f]{1,13})[ \t]*(?:;[^\r\n\0]*)?\r\n$/.exec(line)?.[1];
			if (size === undefined) throw new Malformed("A chunk's size is malformed.");
			this.#left = Number.parseInt(size, 16);
			this.#expect = this.#left > 0 ? "end" : "trailer";
		} else if (this.#expect === "end") {
			if (line !== "\r\n") throw new Malformed("A chunk is longer than its size.");
			this.#expect = "size";
		} else this.isDone = line === "\r\n";
	}
}

/** What the gateway answers by itself, and how the reason is called in Proxy-Status (RFC 9209, 2.3). */
export interface Refusal {
	readonly status: number;
	readonly text: string;
	readonly error: string;
	/** `details` of Proxy-Status and further header lines, without line ends. */
	readonly headers?: readonly string[];
}

const REASONS: Readonly<Record<number, string>> = {
	400: "Bad Request",
	407: "Proxy Authentication Required",
	408: "Request Timeout",
	422: "Unprocessable Content",
	431: "Request Header Fields Too Large",
	502: "Bad Gateway",
	503: "Service Unavailable",
	504: "Gateway Timeout",
};

/** A whole answer, after which the connection is closed unless `isKept`. */
export function refusalText({ status, text, error, headers = [] }: Refusal, isKept: boolean): string {
	return [
		`HTTP/1.1 ${status} ${REASONS[status] ?? "Refused"}`,
		"Content-Type: text/plain; charset=utf-8",
		`Content-Length: ${Buffer.byteLength(text) + 1}`,
		`Proxy-Status: muster-gateway; error=${error}`,
		...headers,
		...(isKept ? [] : ["Connection: close"]),
		"",
		`${text}\n`,
	].join("\r\n");
}
