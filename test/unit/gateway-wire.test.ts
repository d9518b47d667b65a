import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Body, headEnd, isConnectionToClose, isUpgrade, Malformed, parseHead } from "../../src/gateway/wire.ts";

const head = (...lines: readonly string[]) => parseHead(`${["GET http://a/ HTTP/1.1", ...lines].join("\r\n")}\r\n\r\n`);

describe("a head", () => {
	test("is passed on but for what concerns this hop alone", () => {
		const read = head(
			...["Host: a", "X-One: 1", "Proxy-Authorization: Basic c2VjcmV0", "Proxy-Connection: keep-alive", "Keep-Alive: timeout=5"],
			...["Connection: close, X-Mine", "x-mine: gone", "Upgrade: h2c", "X-Two: é"],
		);
		expect(read.lines).toBe("Host: a\r\nX-One: 1\r\nX-Two: é\r\n");
		expect(read.proxyAuthorization).toBe("Basic c2VjcmV0");
		expect([isConnectionToClose(read), isUpgrade(read)]).toEqual([true, false]);
		expect(isUpgrade(head("Connection: keep-alive, Upgrade", "Upgrade: websocket"))).toBe(true);
	});

	test("cannot hide what frames the body behind Connection", () => {
		const read = head("Connection: content-length", "Content-Length: 3");
		expect(read.lines).toBe("Content-Length: 3\r\n");
		expect(Body.ofRequest(read).isDone).toBe(false);
	});

	test("that two readers could read in two ways is refused", () => {
		for (const lines of [
			["Content-Length: 3", "Transfer-Encoding: chunked"],
			["Content-Length: 3", "Content-Length: 4"],
			["Content-Length: 3, 3"],
			["Content-Length: -1"],
			["Transfer-Encoding: identity"],
			["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
			["Host: a", "Host: b"],
			["no colon"],
			["Name : x"],
			[" folded: x"],
			["X: a\rb"],
			["X: a\nY: b"],
			["X: a\0"],
		])
			expect(() => head(...lines), lines.join("|")).toThrow(Malformed);
		expect(() => headEnd(Buffer.alloc(40_000, "x"))).toThrow(Malformed);
	});
});

describe("the end of a body", () => {
	const chunked = () => Body.ofRequest(head("Transfer-Encoding: chunked"));

	test("is found in chunks wherever they are cut, and what follows is not its", () => {
		const text = fc.string({ minLength: 1, maxLength: 30 });
		fc.assert(
			fc.property(fc.array(text, { maxLength: 5 }), fc.boolean(), fc.array(fc.nat(20), { minLength: 1 }), (parts, hasTrailer, cuts) => {
				const written = parts.map((part) => `${Buffer.byteLength(part).toString(16)};x=y\r\n${part}\r\n`).join("");
				const body = Buffer.from(`${written}0\r\n${hasTrailer ? "X: y\r\n" : ""}\r\n`);
				const all = Buffer.concat([body, Buffer.from("GET ")]);
				const reader = chunked();
				let taken = 0;
				for (let at = 0, turn = 0; at < all.length && !reader.isDone; turn++) {
					const piece = all.subarray(at, at + 1 + (cuts[turn % cuts.length] ?? 0));
					taken += reader.take(piece);
					at += piece.length;
				}
				expect([reader.isDone, taken]).toEqual([true, body.length]);
			}),
		);
	});

	test("is refused where a chunk's size or end is not one", () => {
		for (const text of [
			"x\r\n",
			"+3\r\nabc\r\n",
			"0x3\r\n",
			"3\nabc\r\n",
			"3\r\nabcd\r\n",
			"\r\n",
			`${"f".repeat(14)}\r\n`,
			"f".repeat(5000),
		])
			expect(() => chunked().take(Buffer.from(text)), text.slice(0, 20)).toThrow(Malformed);
	});

	test("comes with the length, at once for an answer that has none, and else with the connection", () => {
		const of = (lines: readonly string[], status: number, method = "GET") => Body.ofAnswer(head(...lines), status, method);
		const sized = of(["Content-Length: 5"], 200);
		expect([sized.take(Buffer.from("abc")), sized.isDone]).toEqual([3, false]);
		expect([sized.take(Buffer.from("defg")), sized.isDone]).toEqual([2, true]);
		for (const [status, method] of [
			[204, "GET"],
			[304, "GET"],
			[200, "HEAD"],
		] as const)
			expect(of(["Content-Length: 5"], status, method).isDone).toBe(true);
		expect([of([], 200).isEndless, of([], 200).isDone]).toEqual([true, false]);
	});
});
