import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import {
	type Agent,
	ask,
	basic,
	dial,
	eventually,
	httpOrigin,
	onLinux,
	read,
	readAll,
	readHead,
	readToEnd,
	socks,
	startAgent,
	startWorker,
	tcpOrigin,
} from "./harness.ts";

const PRINTED = "p@ss/w:rd";
/** What Node buffers in one go, at the least. */
const PIECE_BYTES = 10_000;
const start = async (): Promise<Agent> => startAgent(await startWorker());

/** An agent with these credentials. */
async function startWith(username: string, password: string): Promise<Agent> {
	const worker = await startWorker();
	const credentials = { version: 1, username, password };
	worker.directives = { ...worker.directives, credentials };
	return startAgent(worker, { config: { credentials } });
}

/** An origin that tells what was asked of it, and by which of its connections. */
async function teller(): Promise<{ port: number; seen: string[]; raw: string[] }> {
	const [seen, raw]: [string[], string[]] = [[], []];
	const port = await httpOrigin(async (request, response) => {
		const body = (await readAll(request)).toString();
		seen.push(`${request.method} ${request.url} ${body}`);
		raw.push(request.rawHeaders.join("\n"));
		response.end(body || "ok");
	});
	return { port, seen, raw };
}

/** Reads one answer with a Content-Length. */
async function answerOn(socket: Socket): Promise<{ status: number; body: string; headers: Readonly<Record<string, string>> }> {
	const { status, headers } = await readHead(socket);
	return { status, headers, body: (await read(socket, Number(headers["content-length"] ?? 0))).toString() };
}

describe.runIf(onLinux)("a client's connection", () => {
	it("is kept for the next request, to whatever origin that names, and each origin sees only its own", async () => {
		const [agent, a, b] = [await start(), await teller(), await teller()];
		const socket = await dial(agent);
		for (const [origin, path, body] of [
			[a, "/1", "one"],
			[b, "/2", ""],
			[a, "/3", "three"],
		] as const) {
			socket.write(`POST http://127.0.0.1:${origin.port}${path} HTTP/1.1\r\n${basic()}Content-Length: ${body.length}\r\n\r\n${body}`);
			expect(await answerOn(socket)).toMatchObject({ status: 200, body: body || "ok" });
		}
		expect([a.seen, b.seen]).toEqual([["POST /1 one", "POST /3 three"], ["POST /2 "]]);
	});

	it("carries requests that were sent without waiting, each to its own origin", async () => {
		const [agent, a, b] = [await start(), await teller(), await teller()];
		const get = (port: number, path: string) => `GET http://127.0.0.1:${port}${path} HTTP/1.1\r\n${basic()}\r\n`;
		const socket = await dial(agent);
		socket.write(get(a.port, "/1") + get(b.port, "/2") + get(a.port, "/3"));
		for (let count = 0; count < 3; count++) expect((await answerOn(socket)).status).toBe(200);
		expect([a.seen, b.seen]).toEqual([["GET /1 ", "GET /3 "], ["GET /2 "]]);
	});

	it("needs credentials and permission for each request", async () => {
		const [agent, origin] = [await start(), await teller()];
		const socket = await dial(agent);
		const url = `http://127.0.0.1:${origin.port}/`;
		const expected: [string, number][] = [
			[`GET ${url} HTTP/1.1\r\n${basic()}\r\n`, 200],
			[`GET ${url} HTTP/1.1\r\n\r\n`, 407],
			[`GET http://10.0.0.1/ HTTP/1.1\r\n${basic()}\r\n`, 403],
			[`GET ${url} HTTP/1.1\r\n${basic()}\r\n`, 200],
			[`CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\n${basic()}\r\n`, 200],
		];
		for (const [request, status] of expected) {
			socket.write(request);
			expect([request, (await answerOn(socket)).status]).toEqual([request, status]);
		}
		expect(origin.seen).toHaveLength(2);
	});

	it("is kept after 407, for clients that authenticate on the second try; not after one to a CONNECT, which libsoup would repeat for the proxy itself", async () => {
		const [agent, origin] = [await start(), await teller()];
		const socket = await dial(agent);
		socket.write(`GET http://127.0.0.1:${origin.port}/first HTTP/1.1\r\nHost: x\r\n\r\n`);
		expect((await answerOn(socket)).status).toBe(407);
		socket.write(`GET http://127.0.0.1:${origin.port}/second HTTP/1.1\r\nHost: x\r\n${basic()}\r\n`);
		expect((await answerOn(socket)).status).toBe(200);
		expect(origin.seen).toEqual(["GET /second "]);
		const tunnel = await dial(agent);
		const isClosed = new Promise((resolve) => tunnel.once("end", () => resolve(true)));
		tunnel.write(`CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
		expect((await answerOn(tunnel)).status).toBe(407);
		tunnel.resume();
		expect(await isClosed).toBe(true);
	});

	it("is closed where the client asks for it, where the answer ends with its connection, and with HTTP/1.0", async () => {
		const [agent, origin] = [await start(), await teller()];
		const endless = await tcpOrigin((socket) => socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\nall")));
		for (const request of [
			`GET http://127.0.0.1:${origin.port}/ HTTP/1.1\r\n${basic()}Connection: close\r\n\r\n`,
			`GET http://127.0.0.1:${origin.port}/ HTTP/1.1\r\n${basic()}Proxy-Connection: close\r\n\r\n`,
			`GET http://127.0.0.1:${origin.port}/ HTTP/1.0\r\n${basic()}\r\n`,
			`GET http://127.0.0.1:${endless}/ HTTP/1.1\r\n${basic()}\r\n`,
		]) {
			const socket = await dial(agent);
			socket.write(request);
			const text = (await readToEnd(socket)).toString();
			expect(text).toContain("\r\nConnection: close\r\n");
		}
	});
});

/** An origin that says so much to each request, by the number of the request on its connection; `cut` resets it. Counts connections. */
async function script(...answers: string[]): Promise<{ port: number; count: () => number; ended: () => number }> {
	let [count, ended] = [0, 0];
	const port = await tcpOrigin((socket) => {
		count++;
		let number = 0;
		socket.on("data", () => {
			const text = answers[number++] ?? answers.at(-1) ?? "";
			if (text === "cut") socket.resetAndDestroy();
			else if (text.endsWith("cut")) socket.end(text.slice(0, -3));
			else socket.write(text);
		});
		socket.on("end", () => {
			ended++;
			socket.end();
		});
	});
	return { port, count: () => count, ended: () => ended };
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe.runIf(onLinux)("the connection to the origin", () => {
	const get = (port: number, more = "") => `GET http://127.0.0.1:${port}/ HTTP/1.1\r\n${basic()}${more}\r\n`;

	/** How many connections two requests of one client take. */
	async function taken(agent: Agent, answer: string, first = "", method = "GET"): Promise<number> {
		const [origin, socket] = [await script(answer), await dial(agent)];
		socket.on("data", () => {});
		for (const request of [`${method} http://127.0.0.1:${origin.port}/ HTTP/1.1\r\n${basic()}${first}\r\n`, get(origin.port)]) {
			const answered = new Promise((resolve) => socket.once("data", resolve));
			socket.write(request);
			await answered;
			// What comes after the answer's first bytes comes in this time too.
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
		return origin.count();
	}

	it("carries its client's next GET too, and is not asked to be closed", async () => {
		const [agent, origin] = [await start(), await teller()];
		const socket = await dial(agent);
		for (let count = 0; count < 3; count++) {
			socket.write(get(origin.port));
			expect((await answerOn(socket)).status).toBe(200);
		}
		for (const headers of origin.raw) expect(headers).not.toMatch(/connection/i);
		expect(await taken(agent, OK)).toBe(1);
		expect(await taken(agent, "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")).toBe(1);
	});

	it("carries large answers one after the other, each with its own head", async () => {
		const [agent, body] = [await start(), "large".repeat(200_000)];
		const connections = new Set<Socket>();
		const port = await httpOrigin((request, response) => {
			connections.add(request.socket);
			response.setHeader("content-length", body.length);
			response.end(body);
		});
		const socket = await dial(agent);
		for (let count = 0; count < 4; count++) {
			socket.write(get(port));
			const { status, headers } = await readHead(socket);
			expect([status, headers["keep-alive"]]).toEqual([200, undefined]);
			for (let at = 0; at < body.length; at += PIECE_BYTES)
				expect((await read(socket, PIECE_BYTES)).toString() === body.slice(at, at + PIECE_BYTES)).toBe(true);
		}
		expect(connections.size).toBe(1);
	});

	it("carries no other where either message's end could be in doubt, or where it may be somebody's", async () => {
		const agent = await start();
		for (const answer of [
			"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
			"HTTP/1.1 204 No Content\r\n\r\n",
			`${OK}more`,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nmore",
		])
			expect([answer, await taken(agent, answer)]).toEqual([answer, 2]);
		for (const line of ["Authorization: NTLM x\r\n", "Content-Length: 0\r\n", "Connection: Upgrade\r\nUpgrade: x\r\n"])
			expect([line, await taken(agent, OK, line)]).toEqual([line, 2]);
		for (const method of ["POST", "HEAD", "OPTIONS"]) expect([method, await taken(agent, OK, "", method)]).toEqual([method, 2]);
	});

	it("that ended meanwhile is replaced by a new one, once, and only where no byte of an answer came", async () => {
		const agent = await start();
		const cases: [string, number, number][] = [
			["cut", 200, 2],
			["HTTP/1.1 200cut", 502, 1],
			["HTTP/1.1 103 Early Hints\r\n\r\ncut", 103, 1],
		];
		for (const [second, status, count] of cases) {
			const [origin, socket] = [await script(OK, second), await dial(agent)];
			socket.write(get(origin.port));
			expect((await answerOn(socket)).status).toBe(200);
			socket.write(get(origin.port));
			expect([second, (await answerOn(socket)).status, origin.count()]).toEqual([second, status, count]);
		}
		const [origin, socket] = [await script("cut"), await dial(agent)];
		socket.write(get(origin.port));
		expect([(await answerOn(socket)).status, origin.count()]).toEqual([502, 1]);
	});

	it("is closed when something comes on it that answers nothing", async () => {
		const agent = await start();
		let [count, ended] = [0, 0];
		const port = await tcpOrigin((socket) => {
			const body = `${++count}`;
			socket.on("data", () => {
				socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${body}`);
				setTimeout(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!"), 30);
			});
			socket.on("close", () => ended++);
			socket.on("end", () => socket.destroy());
		});
		const socket = await dial(agent);
		for (const body of ["1", "2", "3"]) {
			socket.write(get(port));
			expect((await answerOn(socket)).body).toBe(body);
			await eventually(() => ended === count, "it is closed");
		}
	});

	it("is one client's alone, and ends with it, with time, and when another origin is asked for", async () => {
		const agent = await startAgent(await startWorker(), { limits: { KEEP_ORIGIN_SECONDS: 0.3 } });
		const origins = [await script(OK), await script(OK)] as const;
		const [one, two] = [await dial(agent), await dial(agent)];
		const own = `127.0.0.1:${one.localPort}`;
		const others = [...origins.map(({ port }) => port), two.localPort].map((port) => `127.0.0.1:${port}`);
		for (const [socket, origin] of [
			[one, origins[0]],
			[two, origins[0]],
			[one, origins[1]],
		] as const) {
			socket.write(get(origin.port));
			expect((await answerOn(socket)).status).toBe(200);
		}
		expect(origins.map(({ count }) => count())).toEqual([2, 1]);
		await eventually(() => origins[0].ended() >= 1, "the other origin's is closed");
		two.destroy();
		await eventually(() => origins[0].ended() === 2, "its client's end closes it");
		await eventually(() => origins[1].ended() === 1, "so does time");
		await eventually(() => agent.socketsTo(...others) === 0, "the others' are closed");
		expect(agent.socketsTo(own), "the client's stays").toBe(1);
	});

	it("is not used any more where the destination is no longer permitted", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		const [agent, origin] = [await startAgent(worker), await script(OK)];
		const socket = await dial(agent);
		const status = async () => {
			socket.write(get(origin.port));
			return (await answerOn(socket)).status;
		};
		expect(await status()).toBe(200);
		// What the pool knows as the machine's own address is no destination.
		worker.directives = { ...worker.directives, address: "127.0.0.1" };
		await eventually(async () => (await status()) === 403, "it is refused");
		expect(origin.count()).toBe(1);
	});
});

describe.runIf(onLinux)("an upgrade", () => {
	const upgrade = (port: number, more = "") =>
		`GET ws://127.0.0.1:${port}/chat HTTP/1.1\r\n${basic()}Connection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`;

	it("that the origin grants becomes a tunnel, with what was sent early", async () => {
		const agent = await start();
		let head = "";
		const port = await tcpOrigin((socket) =>
			socket.once("data", (data) => {
				head = data.toString();
				socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-X: y\r\n\r\nhello");
				socket.pipe(socket);
			}),
		);
		const socket = await dial(agent);
		socket.write(`${upgrade(port)}early`);
		const { status, headers } = await readHead(socket);
		expect([status, headers.upgrade, headers.connection, headers["sec-x"]]).toEqual([101, "websocket", "upgrade", "y"]);
		expect((await read(socket, 10)).toString()).toBe("helloearly");
		socket.end("GET / not HTTP");
		expect((await readToEnd(socket)).toString()).toBe("GET / not HTTP");
		expect(head).toContain("GET /chat HTTP/1.1\r\n");
		expect(head.toLowerCase()).toContain("connection: upgrade\r\n");
	});

	it("that the origin does not grant is an ordinary exchange", async () => {
		const [agent, origin] = [await start(), await teller()];
		const socket = await dial(agent);
		socket.write(upgrade(origin.port));
		expect((await answerOn(socket)).status).toBe(200);
		socket.write(`GET http://127.0.0.1:${origin.port}/next HTTP/1.1\r\n${basic()}\r\n`);
		expect((await answerOn(socket)).status).toBe(200);
		expect(origin.seen).toEqual(["GET /chat ", "GET /next "]);
	});

	it("to HTTP/2 without TLS is not asked for, nor one with a body", async () => {
		const [agent, origin] = [await start(), await teller()];
		const url = `http://127.0.0.1:${origin.port}/`;
		await ask(agent, `GET ${url} HTTP/1.1\r\n${basic()}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n`);
		await ask(agent, `POST ${url} HTTP/1.1\r\n${basic()}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx`);
		expect(origin.seen).toEqual(["GET / ", "POST / x"]);
		for (const headers of origin.raw) expect(headers).not.toMatch(/upgrade|http2/i);
	});
});

describe.runIf(onLinux)("credentials are accepted", () => {
	const status = async (agent: Agent, pair: Buffer) =>
		(
			await ask(
				agent,
				`GET http://probe.muster/${"0".repeat(32)} HTTP/1.1\r\nProxy-Authorization: Basic ${pair.toString("base64")}\r\n\r\n`,
			)
		).status;

	it("as UTF-8, as Latin-1 and percent-encoded, and in no other way", async () => {
		const agent = await startWith("jürgen", PRINTED);
		const good = [
			Buffer.from(`jürgen:${PRINTED}`),
			Buffer.from(`jürgen:${PRINTED}`, "latin1"),
			Buffer.from("j%C3%BCrgen:p%40ss%2Fw%3Ard"),
			Buffer.from("j%FCrgen:p%40ss%2fw%3ard"),
		];
		for (const pair of good) expect([pair.toString(), await status(agent, pair)]).toEqual([pair.toString(), 200]);
		for (const pair of ["jurgen:p@ss/w:rd", "j%25C3%25BCrgen:p%2540ss", "j?rgen:p@ss/w:rd"])
			expect(await status(agent, Buffer.from(pair))).toBe(407);
		const { code } = await socks(agent, Buffer.from([5, 1, 0, 1, 10, 0, 0, 1, 0, 80]), "j%C3%BCrgen", "p%40ss%2Fw%3Ard");
		expect(code).toBe(2);
	});

	it("with a percent sign of their own", async () => {
		const agent = await startWith("me", "50%25off");
		expect(await status(agent, Buffer.from("me:50%25off"))).toBe(200);
		expect(await status(agent, Buffer.from("me:50%2525off"))).toBe(200);
		expect(await status(agent, Buffer.from("me:50%off"))).toBe(407);
	});

	it("with parameters after the user name, whatever they select", async () => {
		const agent = await startWith("team-session-a", "pass");
		for (const name of [
			"team-session-a",
			"team-session-a-session-abc123",
			"team-session-a-country-de-region-fra1-lifetime-10m",
			"team-session-a-host-my--shop.example-provider-hetzner-instance-x",
			"team-session-a-host-my%2Dshop.example",
		])
			expect([name, await status(agent, Buffer.from(`${name}:pass`))]).toEqual([name, 200]);
		for (const name of [
			"team",
			"team-session-a-",
			"team-session-a-planet-mars",
			"team-session-a-session-",
			"team-session-b",
			"team-session-ax",
		])
			expect([name, await status(agent, Buffer.from(`${name}:pass`))]).toEqual([name, 407]);
		expect(await status(agent, Buffer.from("team-session-a-session-b:wrong"))).toBe(407);
		expect((await socks(agent, Buffer.from([5, 1, 0, 1, 10, 0, 0, 1, 0, 80]), "team-session-a-session-x", "pass")).code).toBe(2);
	});

	it("where the same line comes twice", async () => {
		const [agent, origin] = [await start(), await teller()];
		expect((await ask(agent, `GET http://127.0.0.1:${origin.port}/ HTTP/1.1\r\n${basic()}${basic()}\r\n`)).status).toBe(200);
	});
});

describe.runIf(onLinux)("a request is read", () => {
	it("with userinfo before the destination, which nobody sees", async () => {
		const [agent, origin] = [await start(), await teller()];
		for (const userinfo of ["bob:x", "bob", "b@b:p@ss", "a:b:c"]) {
			expect((await ask(agent, `GET http://${userinfo}@127.0.0.1:${origin.port}/x@y HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(200);
		}
		expect(new Set(origin.seen)).toEqual(new Set(["GET /x@y "]));
		for (const headers of origin.raw) expect(headers).not.toMatch(/bob|p@ss|a:b/);
		expect(agent.log()).not.toMatch(/bob|p@ss/);
		expect((await ask(agent, `CONNECT bob:x@127.0.0.1:${origin.port} HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(400);
	});

	it("after empty lines, and with lines that end in LF only", async () => {
		const [agent, origin] = [await start(), await teller()];
		const url = `http://127.0.0.1:${origin.port}/`;
		expect((await ask(agent, `\r\n\r\n\nGET ${url}a HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(200);
		expect((await ask(agent, `POST ${url}b HTTP/1.1\n${basic().replace("\r\n", "\n")}Content-Length: 2\n\nhi`)).status).toBe(200);
		expect(origin.seen).toEqual(["GET /a ", "POST /b hi"]);
		for (const mixed of [
			`GET ${url} HTTP/1.1\n${basic()}\r\n`,
			`GET ${url} HTTP/1.1\r\n${basic()}X: 1\n\n`,
			`GET ${url} HTTP/1.1\r\n${basic()}X: 1\n\r\n`,
		])
			expect((await ask(agent, mixed)).status).toBe(400);
	});

	it("for https and wss only by CONNECT, which is said", async () => {
		const agent = await start();
		for (const scheme of ["https", "wss"]) {
			const answer = await ask(agent, `GET ${scheme}://example.com/ HTTP/1.1\r\n${basic()}\r\n`);
			expect([answer.status, answer.body]).toEqual([400, `For ${scheme}:// use CONNECT host:port.\n`]);
		}
	});

	it("and refused at once in the protocol's own way where it is not HTTP", async () => {
		const agent = await start();
		const cases: [string, Buffer, Buffer][] = [
			["TLS", Buffer.from([0x16, 3, 1, 0, 100, 1]), Buffer.from([0x15, 3, 1, 0, 2, 2, 40])],
			["SOCKS4", Buffer.from([4, 1, 0, 80, 127, 0, 0, 1, 0]), Buffer.from([0, 0x5b, 0, 0, 0, 0, 0, 0])],
			[
				"SOCKS4a",
				Buffer.concat([Buffer.from([4, 1, 0, 80, 0, 0, 0, 1, 0]), Buffer.from("host\0")]),
				Buffer.from([0, 0x5b, 0, 0, 0, 0, 0, 0]),
			],
			["garbage", Buffer.from([0, 1, 2]), Buffer.alloc(0)],
		];
		for (const [what, first, reply] of cases) {
			const socket = await dial(agent);
			const began = performance.now();
			socket.write(first);
			expect([what, await readToEnd(socket)]).toEqual([what, reply]);
			expect(performance.now() - began).toBeLessThan(5000);
		}
		const socket = await dial(agent);
		socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
		const frames = await readToEnd(socket);
		// An empty SETTINGS frame, then GOAWAY with HTTP_1_1_REQUIRED (RFC 9113, 6.8 and 7).
		expect([frames.length, frames[3], frames[12], frames.readUInt32BE(22)]).toEqual([26, 4, 7, 0xd]);
	});
});

describe.runIf(onLinux)("an answer of the agent's own", () => {
	it("names its cause as RFC 9209 does, and says what to do", async () => {
		const agent = await startAgent(await startWorker(), { names: { "dead.test": null, "none.test": [] }, limits: { RESOLVE_SECONDS: 1 } });
		const silent = await tcpOrigin((socket) => socket.end());
		const cases: [string, number, string][] = [
			[`CONNECT 10.0.0.1:80 HTTP/1.1\r\n${basic()}`, 403, "destination_ip_prohibited"],
			[`CONNECT dead.test:80 HTTP/1.1\r\n${basic()}`, 504, "dns_timeout"],
			[`CONNECT no-such-name.invalid:80 HTTP/1.1\r\n${basic()}`, 502, "dns_error"],
			[`CONNECT 127.0.0.1:9 HTTP/1.1\r\n${basic()}`, 502, "connection_refused"],
			["CONNECT 127.0.0.1:9 HTTP/1.1\r\n", 407, "http_request_denied"],
			["GET / HTTP/1.1\r\n", 400, "http_request_error"],
			[`GET http://127.0.0.1:${silent}/ HTTP/1.1\r\n${basic()}`, 502, "http_protocol_error"],
		];
		for (const [request, status, error] of cases) {
			const answer = await ask(agent, `${request}\r\n`);
			expect([answer.status, answer.headers["proxy-status"]]).toEqual([status, `muster; error=${error}`]);
			expect(answer.body).toMatch(/^[A-Z].*\.\n$/);
		}
	});
});

describe.runIf(onLinux)("IPv6", () => {
	const target = (port: number) => `[::1]:${port}`;

	it("is served by literal, by SOCKS5 and by name where there is a route", async () => {
		const port = await tcpOrigin((socket) => socket.end("six"), "::1");
		// Loopback stands for the route.
		const agent = await startAgent(await startWorker(), {
			limits: { IPV6_ROUTE: "::1" },
			names: { "six.test": ["::1"], "both.test": ["::1 127.0.0.1"] },
		});
		for (const host of [target(port), `six.test:${port}`, `both.test:${port}`]) {
			const answer = await ask(agent, `CONNECT ${host} HTTP/1.1\r\n${basic()}\r\n`);
			expect([host, answer.status, answer.body]).toEqual([host, 200, "six"]);
		}
		const address = Buffer.from([5, 1, 0, 4, ...new Array(15).fill(0), 1, port >> 8, port & 255]);
		expect((await socks(agent, address)).code).toBe(0);
	});

	it("goes on with IPv4 where the IPv6 address does not answer", async () => {
		const port = await tcpOrigin((socket) => socket.end("four"));
		const agent = await startAgent(await startWorker(), { limits: { IPV6_ROUTE: "::1" }, names: { "both.test": ["::1 127.0.0.1"] } });
		const answer = await ask(agent, `CONNECT both.test:${port} HTTP/1.1\r\n${basic()}\r\n`);
		expect([answer.status, answer.body]).toEqual([200, "four"]);
	});

	it("is refused clearly where there is no route", async () => {
		const port = await tcpOrigin((socket) => socket.end("six"), "::1");
		const agent = await startAgent(await startWorker(), { limits: { IPV6_ROUTE: "::2" } });
		const answer = await ask(agent, `CONNECT ${target(port)} HTTP/1.1\r\n${basic()}\r\n`);
		expect([answer.status, answer.body]).toEqual([403, expect.stringContaining("no IPv6")]);
	});

	it("has the same rules as IPv4: nothing but global unicast", async () => {
		const agent = await startAgent(await startWorker(), { limits: { IPV6_ROUTE: "::1" } });
		for (const address of [
			...[
				"::",
				"::ffff:127.0.0.1",
				"::ffff:10.0.0.1",
				"::127.0.0.1",
				"64:ff9b::a00:1",
				"64:ff9b:1::1",
				"100::1",
				"fc00::1",
				"fd00:ec2::254",
			],
			...["fe80::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "5f00::1"],
		]) {
			const answer = await ask(agent, `CONNECT [${address}]:443 HTTP/1.1\r\n${basic()}\r\n`);
			expect([address, answer.status]).toEqual([address, 403]);
		}
	});
});
