/**
 * What the agent lets through, held against a strict reader: requests and SOCKS greetings are made by a grammar, damaged at random
 * and cut anywhere. Whatever reaches the origin must be one request that can be read in one way only, or a beginning of one after
 * which the connection is cut. Each request must get its own answer, whatever else an origin sends. `MUSTER_FUZZ_CASES` and
 * `MUSTER_FUZZ_SEED` say how many and which.
 */
import { Agent as HttpAgent, request } from "node:http";
import { createServer, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import {
	type Agent,
	basic,
	dial,
	listen,
	onLinux,
	PASSWORD,
	readAll,
	readToEnd,
	startAgent,
	startWorker,
	tcpOrigin,
	USERNAME,
} from "./harness.ts";

// A test run is to say the same each time: whoever looks for more names another seed.
const SEED = Number(process.env.MUSTER_FUZZ_SEED ?? 1);
const AT_ONCE = 20;

/** Mulberry32: numbers from 0 to 1 that a seed repeats. */
function numbers(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

class Dice {
	readonly #next: () => number;
	constructor(seed: number) {
		this.#next = numbers(seed);
	}
	below(count: number): number {
		return Math.floor(this.#next() * count);
	}
	one<T>(list: readonly T[]): T {
		return list[this.below(list.length)] as T;
	}
	chance(share: number): boolean {
		return this.#next() < share;
	}
}

const JUNK = [
	"\r",
	"\n",
	"\r\n",
	"\0",
	" ",
	"\t",
	":",
	";",
	",",
	"\x0b",
	"\x80",
	"0",
	"-",
	"+",
	"_",
	"chunked",
	"Content-Length: 1\r\n",
	"\r\n\r\n",
];
const LENGTHS = ["Content-Length", "content-length", "Content-Length ", "Content_Length", "Content-Length\t", " Content-Length"];
const CODINGS = [
	"chunked",
	"Chunked",
	"chunked ",
	"gzip, chunked",
	"chunked, chunked",
	"identity",
	"xchunked",
	"chunked;q=1",
	"\x0bchunked",
	"chun\rked",
];

function bodyOf(dice: Dice): { lines: string[]; body: string } {
	const text = "b".repeat(dice.below(40));
	if (dice.chance(0.3)) return { lines: [], body: dice.chance(0.3) ? text : "" };
	const size = dice.one([
		`${text.length}`,
		`${text.length}`,
		`${text.length}`,
		`0${text.length}`,
		`+${text.length}`,
		`${text.length}, ${text.length}`,
		"-1",
		"",
		"0x5",
	]);
	if (dice.chance(0.45)) return { lines: [`${dice.chance(0.8) ? "Content-Length" : dice.one(LENGTHS)}: ${size}`], body: text };
	let body = "";
	for (let count = dice.below(6); count > 0; count--) {
		const chunk = dice.chance(0.7) ? "c".repeat(1 + dice.below(20)) : dice.one(["0\r\n\r\n", "\r\n", "GET / HTTP/1.1\r\n\r\n", "x"]);
		const length = dice.chance(0.9) ? chunk.length.toString(16) : dice.one(["0x1", " 1", "1 ", "-1", "g", `${"0".repeat(20)}1`, "1_0"]);
		body += `${length}${dice.one(["", "", "", ";x", ";x=y", ' ; x="y;\\"z"', ";", ";=", ";x\x01"])}${dice.one(["\r\n", "\r\n", "\r\n", "\r\n", "\n"])}${chunk}\r\n`;
	}
	body += `${dice.one(["0", "0", "000", "0;x=y"])}\r\n${dice.one(["", "", "X-T: 1\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "bad\r\n"])}\r\n`;
	const lines = [`Transfer-Encoding: ${dice.chance(0.7) ? "chunked" : dice.one(CODINGS)}`];
	if (dice.chance(0.1)) lines.push(`Content-Length: ${text.length}`);
	return { lines, body };
}

function requestOf(dice: Dice, port: number): string {
	const { lines, body } = bodyOf(dice);
	const fields = [basic().trim(), ...lines, "X-A: b"];
	if (dice.chance(0.2))
		fields.push(
			dice.one([
				"Connection: close",
				"Connection: content-length",
				"Connection: transfer-encoding, x-a",
				"Host: other",
				"X:\ty",
				": x",
				"X y: z",
				"X: 1\r\n folded",
			]),
		);
	if (dice.chance(0.3)) fields.sort(() => dice.below(3) - 1);
	const end = dice.chance(0.9) ? "\r\n" : "\n";
	const target = `http://${dice.one(["", "", "u:p@"])}127.0.0.1:${port}${dice.one(["/", "/a?b", "", "?x", "/%0d%0a", "/\x80"])}`;
	const first = `${dice.one(["GET", "POST", "PUT", "OPTIONS", "get"])} ${target} HTTP/${dice.one(["1.1", "1.1", "1.1", "1.0", "1.2", "2.0"])}`;
	let text = [first, ...fields].join(end) + end + end + body;
	if (dice.chance(0.2)) text += `GET http://127.0.0.1:${port}/second HTTP/1.1\r\n${basic()}\r\n`;
	for (let count = dice.chance(0.5) ? 0 : dice.below(3); count > 0; count--) {
		const at = dice.below(text.length);
		text = text.slice(0, at) + dice.one([dice.one(JUNK), "", text.slice(at, at + 10)]) + text.slice(at + dice.below(2));
	}
	return text;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*)$`);
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t -~])*"';
const CHUNK = new RegExp(`^([0-9A-Fa-f]{1,15})(?:[ \\t]*;[ \\t]*${TOKEN}(?:[ \\t]*=[ \\t]*(?:${TOKEN}|${QUOTED}))?)*$`);

/**
 * Reads what one connection to an origin carried, by RFC 9112 without any of its liberties. Null for exactly one whole request,
 * "unfinished" for a beginning of one; else what is wrong.
 */
function strictly(bytes: string): string | null {
	const end = bytes.indexOf("\r\n\r\n");
	if (end < 0) return bytes.includes("\n\n") ? "a bare line feed" : "unfinished";
	const [first = "", ...lines] = bytes.slice(0, end).split("\r\n");
	const line = new RegExp(`^(${TOKEN}) (?:/[^\\x00-\\x20\\x7f]*|\\*) HTTP/1\\.([01])$`).exec(first);
	if (!line) return `the request line ${JSON.stringify(first)}`;
	const fields = lines.map((text) => FIELD.exec(text));
	if (fields.includes(null)) return "a malformed header";
	const values = (name: string) => fields.filter((field) => field?.[1]?.toLowerCase() === name).map((field) => field?.[2]?.trim() ?? "");
	if (values("host").length !== 1) return "not one Host";
	if (values("proxy-authorization").length > 0) return "the proxy's credentials";
	const [lengths, codings] = [values("content-length"), values("transfer-encoding")];
	if (lengths.length + codings.length > 1) return "two lengths";
	let at = end + 4;
	if (codings.length === 1) {
		if (codings[0]?.toLowerCase() !== "chunked" || line[2] === "0") return "a coding";
		for (;;) {
			const lineEnd = bytes.indexOf("\r\n", at);
			if (lineEnd < 0) return /\n/.test(bytes.slice(at)) ? "a bare line feed" : "unfinished";
			const size = CHUNK.exec(bytes.slice(at, lineEnd));
			if (!size) return `a chunk's size ${JSON.stringify(bytes.slice(at, lineEnd))}`;
			const length = Number.parseInt(size[1] ?? "", 16);
			at = lineEnd + 2;
			if (length === 0) break;
			if (bytes.length < at + length + 2) return "unfinished";
			if (bytes.slice(at + length, at + length + 2) !== "\r\n") return "a chunk's end";
			at += length + 2;
		}
		for (;;) {
			const lineEnd = bytes.indexOf("\r\n", at);
			if (lineEnd < 0) return "unfinished";
			const trailer = bytes.slice(at, lineEnd);
			at = lineEnd + 2;
			if (trailer === "") break;
			const name = FIELD.exec(trailer)?.[1]?.toLowerCase();
			if (name === undefined || /^(content-length|transfer-encoding|host)$/.test(name)) return `the trailer ${JSON.stringify(trailer)}`;
		}
	} else if (lengths.length === 1) {
		if (!/^(0|[1-9]\d*)$/.test(lengths[0] ?? "")) return `the length ${lengths[0]}`;
		at += Number(lengths[0]);
	}
	return at === bytes.length ? null : at > bytes.length ? "unfinished" : `${bytes.length - at} bytes after the request`;
}

/** An origin that answers what it can read strictly, and keeps what its connections carried, request by request, and how they ended. */
async function origin(): Promise<{ port: number; carried: { bytes: string; end: "open" | "end" | "cut" }[] }> {
	const carried: { bytes: string; end: "open" | "end" | "cut" }[] = [];
	const port = await listen(
		createServer({ allowHalfOpen: true }, (socket: Socket) => {
			let one: (typeof carried)[number] = { bytes: "", end: "open" };
			carried.push(one);
			socket.on("data", (data) => {
				one.bytes += data.toString("latin1");
				if (strictly(one.bytes) !== null) return;
				setTimeout(() => {
					socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
					// Another may follow an answer, and nothing may come before.
					if (strictly(one.bytes) !== null) return;
					one = { bytes: "", end: "open" };
					carried.push(one);
				}, 20);
			});
			socket.on("end", () => {
				one.end = "end";
				socket.end();
			});
			socket.on("error", () => {
				one.end = "cut";
			});
		}),
	);
	return { port, carried };
}

/** An answer whose body is the request's path, again and again; perhaps something that nobody asked for follows it, or the end. */
function answerTo(dice: Dice, path: string): { text: string; isEnd: boolean } {
	const body = path.repeat(dice.one([1, 1, 50, 20_000]));
	const interim = dice.chance(0.1) ? "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" : "";
	if (dice.chance(0.1)) return { text: `${interim}HTTP/1.1 200 OK\r\n\r\n${body}`, isEnd: true };
	const pieces = dice.chance(0.4)
		? [...body.matchAll(/.{1,30000}/g)].map(([piece]) => `${piece.length.toString(16)}\r\n${piece}\r\n`)
		: null;
	const framing = pieces ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`;
	const isAnnounced = dice.chance(0.1);
	const head = `HTTP/1.1 200 OK\r\n${framing}\r\n${isAnnounced ? "Connection: close\r\n" : ""}\r\n`;
	const surplus = dice.chance(0.1) ? "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad" : "";
	return { text: `${interim}${head}${pieces ? `${pieces.join("")}0\r\n\r\n` : body}${surplus}`, isEnd: isAnnounced || dice.chance(0.1) };
}

/** Sends it in pieces, ends, and reads all that comes. */
async function converse(agent: Agent, dice: Dice, bytes: Buffer): Promise<Buffer> {
	const socket = await dial(agent);
	socket.setNoDelay(true);
	const all = readToEnd(socket);
	for (let at = 0; at < bytes.length && !socket.destroyed; ) {
		const size = dice.chance(0.5) ? bytes.length : 1 + dice.below(50);
		socket.write(bytes.subarray(at, at + size));
		at += size;
		if (dice.chance(0.2)) await new Promise((resolve) => setTimeout(resolve, 1));
	}
	socket.end();
	const got = await all;
	socket.destroy();
	return got;
}

/** Declares the tests, of so many cases each. */
export function fuzz(usual: number): void {
	const cases = Number(process.env.MUSTER_FUZZ_CASES ?? usual);
	describe.runIf(onLinux)(`of ${cases} damaged ones (seed ${SEED})`, () => declare(cases));
}

function declare(cases: number): void {
	const limits = { HALF_CLOSED_SECONDS: 1, LINGER_SECONDS: 0.3 };

	it(
		"no request reaches an origin in a form that two readers could read differently",
		async () => {
			const [agent, { port, carried }] = [await startAgent(await startWorker(), { limits }), await origin()];
			let served = 0;
			for (let at = 0; at < cases; at += AT_ONCE) {
				const dice = Array.from({ length: Math.min(AT_ONCE, cases - at) }, (_, index) => new Dice(SEED + at + index));
				const texts = dice.map((one) => requestOf(one, port));
				const answers = await Promise.all(texts.map((text, index) => converse(agent, dice[index] as Dice, Buffer.from(text, "latin1"))));
				served += answers.filter((answer) => answer.toString().startsWith("HTTP/1.1 200 ")).length;
				for (const { bytes, end } of carried.splice(0)) {
					const wrong = strictly(bytes);
					if (bytes === "" || wrong === null || (wrong === "unfinished" && end !== "end")) continue;
					expect.fail(`seeds ${SEED + at}…: ${wrong}, ${end}: ${JSON.stringify(bytes)}`);
				}
			}
			// Most are damaged; that some get through shows that this tests something.
			expect(served).toBeGreaterThan(cases / 20);
			expect(agent.log()).not.toContain("internal error");
		},
		30_000 + cases * 100,
	);

	it(
		"no request gets another's answer, whatever origins add to theirs, and whenever they end",
		async () => {
			const agent = await startAgent(await startWorker(), { limits });
			const dice = new Dice(SEED);
			let [connections, requests] = [0, 0];
			const port = await tcpOrigin((socket) => {
				connections++;
				socket.on("end", () => socket.end());
				socket.on("data", (data) => {
					requests++;
					const { text, isEnd } = answerTo(dice, data.toString().split(" ")[1] ?? "");
					socket.write(text);
					if (isEnd && dice.chance(0.5)) socket.end();
					else if (isEnd) setTimeout(() => socket.end(), 2);
				});
			});
			const pool = new HttpAgent({ keepAlive: true, maxSockets: AT_ONCE });
			const headers = {
				"Proxy-Authorization": basic()
					.trim()
					.replace(/^.*?: /, ""),
			};
			const get = (path: string) =>
				new Promise<string>((resolve, reject) => {
					const options = { agent: pool, host: agent.address, port: agent.port, path: `http://127.0.0.1:${port}${path}`, headers };
					const asked = request(options, (response) => readAll(response).then((body) => resolve(body.toString()), reject));
					asked.on("error", reject).end();
				});
			const paths = Array.from({ length: cases }, (_, index) => `/${index}-`);
			const answers = await Promise.all(paths.map(get));
			pool.destroy();
			for (const [index, path] of paths.entries()) expect([path, answers[index]?.replaceAll(path, "")]).toEqual([path, ""]);
			// As many as may: that some connections carry several shows that this tests something.
			expect(connections).toBeLessThan(requests * 0.8);
			expect(agent.log()).not.toContain("internal error");
		},
		30_000 + cases * 100,
	);

	it(
		"no SOCKS greeting opens a connection unless it is a whole and right one",
		async () => {
			const [agent, { port, carried }] = [await startAgent(await startWorker(), { limits }), await origin()];
			const [name, password] = [Buffer.from(USERNAME), Buffer.from(PASSWORD)];
			const right = Buffer.concat([
				Buffer.from([5, 1, 2, 1, name.length]),
				name,
				Buffer.from([password.length]),
				password,
				Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]),
			]);
			let served = 0;
			for (let at = 0; at < cases; at += AT_ONCE) {
				const dice = Array.from({ length: Math.min(AT_ONCE, cases - at) }, (_, index) => new Dice(SEED + at + index));
				const greetings = dice.map((one) => {
					let bytes = Buffer.from(right);
					if (one.chance(0.3)) return bytes;
					for (let count = one.below(3); count >= 0; count--) {
						const place = one.below(bytes.length);
						const change = one.one([Buffer.from([one.below(256)]), Buffer.alloc(0), bytes.subarray(place, place + 3)]);
						bytes = Buffer.concat([bytes.subarray(0, place), change, bytes.subarray(place + one.below(2))]);
					}
					return one.chance(0.2) ? bytes.subarray(0, one.below(bytes.length)) : bytes;
				});
				const answers = await Promise.all(greetings.map((bytes, index) => converse(agent, dice[index] as Dice, bytes)));
				for (const [index, answer] of answers.entries()) {
					const hasPassed = answer.length >= 14 && answer[2] === 1 && answer[3] === 0 && answer[4] === 5 && answer[5] === 0;
					served += hasPassed ? 1 : 0;
					// Whoever got in knew name and password, in that order, after a method that both know.
					const sent = greetings[index] as Buffer;
					// Ends of lines ahead of the first request are skipped (RFC 9112 2.2), whatever it is then.
					const bytes = sent.subarray(sent.findIndex((byte) => byte !== 13 && byte !== 10));
					const methods = bytes.subarray(2, 2 + (bytes[1] ?? 0));
					const rest = bytes.subarray(2 + methods.length);
					const knows =
						methods.includes(2) &&
						rest
							.subarray(2)
							.toString("latin1")
							.startsWith(`${USERNAME}${String.fromCharCode(PASSWORD.length)}${PASSWORD}`);
					if (hasPassed && !knows) expect.fail(`seed ${SEED + at + index}: ${sent.toString("hex")}`);
				}
			}
			expect(served).toBeGreaterThan(cases / 10);
			expect(carried.length).toBeLessThanOrEqual(served);
			expect(agent.log()).not.toContain("internal error");
		},
		30_000 + cases * 100,
	);
}
