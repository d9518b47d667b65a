import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { Socket } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ANY } from "../../src/gateway/user.ts";
import { eventually, httpOrigin, listen, read, readAll, readHead, readToEnd, tcpOrigin, USERNAME } from "../agent/harness.ts";

import { asUser, DEAD, dialPort, freePorts, type Muster, startFleet, startGateway, startMuster } from "./harness.ts";

/** Says which address asked, and the headers that it was asked with. */
const echo: RequestListener = (request, response) => {
	void readAll(request).then((body) => {
		const { socket, headers, method, url } = request;
		response.end(JSON.stringify({ from: socket.remoteAddress, headers, method, url, bytes: body.length }));
	});
};

interface Echo {
	readonly from: string;
	readonly headers: Record<string, string>;
	readonly method: string;
	readonly url: string;
	readonly bytes: number;
}

/** Reads one answer with Content-Length or chunks. */
async function readAnswer(socket: Socket) {
	const head = await readHead(socket);
	const length = head.headers["content-length"];
	if (length !== undefined) return { ...head, body: (await read(socket, Number(length))).toString() };
	let body = "";
	for (;;) {
		let line = "";
		while (!line.endsWith("\r\n")) line += (await read(socket, 1)).toString();
		const size = Number.parseInt(line, 16);
		body += (await read(socket, size)).toString();
		await read(socket, 2);
		if (size === 0) return { ...head, body };
	}
}

const get = (port: number, headers = "", method = "GET") =>
	`${method} http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${headers}\r\n`;

async function ask(gatewayPort: number, originPort: number, headers = ""): Promise<Echo> {
	const socket = await dialPort(gatewayPort);
	socket.write(get(originPort, headers));
	const { status, body } = await readAnswer(socket);
	expect(status, body).toBe(200);
	socket.destroy();
	return JSON.parse(body) as Echo;
}

describe("one address in front of a fleet", () => {
	test("gives each connection another exit, and stays with it on that connection", async () => {
		const { muster, agents } = await startFleet(3);
		const { port } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		const exits = new Set<string>();
		for (let i = 0; i < 40; i++) exits.add((await ask(port, origin)).from);
		expect(exits).toEqual(new Set(agents.map(({ address }) => address)));
		const socket = await dialPort(port);
		const kept = new Set<string>();
		for (let i = 0; i < 8; i++) {
			socket.write(get(origin));
			kept.add((JSON.parse((await readAnswer(socket)).body) as Echo).from);
		}
		expect(kept.size).toBe(1);
	});

	test("says which exit it was, and passes on neither its own key nor the credentials of any proxy", async () => {
		const { muster, agents } = await startFleet(1);
		const { port, log } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		const socket = await dialPort(port);
		socket.write(get(origin, `${asUser(USERNAME)}Proxy-Connection: keep-alive\r\nX-Own: kept\r\n`));
		const { headers, body } = await readAnswer(socket);
		expect(headers).toMatchObject({
			"muster-exit": agents[0]?.address,
			"proxy-status": `muster-gateway; next-hop="${agents[0]?.address}"`,
		});
		const seen = (JSON.parse(body) as Echo).headers;
		expect(seen).toMatchObject({ "x-own": "kept" });
		expect(Object.keys(seen).filter((name) => /proxy|auth|via|forwarded|muster/.test(name))).toEqual([]);
		expect(log.join()).not.toContain("secret");
	});

	test("opens tunnels by CONNECT and by SOCKS5 on the same port, each half-closed by itself", async () => {
		const { muster, agents } = await startFleet(1);
		const { port } = await startGateway(muster);
		const origin = await tcpOrigin((socket) => {
			void readToEnd(socket).then((all) => socket.end(`${socket.remoteAddress} got ${all}`));
		});
		const tunnel = await dialPort(port);
		tunnel.write(`CONNECT 127.0.0.1:${origin} HTTP/1.1\r\nHost: 127.0.0.1:${origin}\r\n\r\nearly and `);
		expect(await readHead(tunnel)).toMatchObject({ status: 200, headers: { "muster-exit": agents[0]?.address } });
		tunnel.end("late");
		expect((await readToEnd(tunnel)).toString()).toBe(`${agents[0]?.address} got early and late`);

		const socks = await dialPort(port);
		socks.write(Buffer.from([5, 1, 0]));
		expect([...(await read(socks, 2))]).toEqual([5, 0]);
		socks.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, origin >> 8, origin & 255]));
		expect((await read(socks, 10))[1]).toBe(0);
		socks.end("by SOCKS");
		expect((await readToEnd(socks)).toString()).toBe(`${agents[0]?.address} got by SOCKS`);
	});

	test("chooses by the user name of SOCKS5 as by that of HTTP, and refuses one that it does not understand", async () => {
		const { muster } = await startFleet(3);
		const { port } = await startGateway(muster, ["--user", "me:pass"]);
		const origin = await httpOrigin(echo);
		const login = async (name: string, password: string) => {
			const socket = await dialPort(port);
			const [first, second] = [Buffer.from(name), Buffer.from(password)];
			socket.write(Buffer.concat([Buffer.from([5, 1, 2, 1, first.length]), first, Buffer.from([second.length]), second]));
			return { socket, said: [...(await read(socket, 4))] };
		};
		for (let session = 0; session < 6; session++) {
			const name = `me-session-${session}`;
			const { socket, said } = await login(name, "pass");
			expect(said).toEqual([5, 2, 1, 0]);
			socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, origin >> 8, origin & 255]));
			expect((await read(socket, 10))[1]).toBe(0);
			socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${origin}\r\n\r\n`);
			const { from } = JSON.parse((await readAnswer(socket)).body) as Echo;
			expect(from).toBe((await ask(port, origin, asUser(name, "pass"))).from);
		}
		for (const [name, password] of [
			["me", "wrong"],
			["you", "pass"],
			["me-sesion-a", "pass"],
		] as const)
			expect((await login(name, password)).said, name).toEqual([5, 2, 1, 1]);
	});

	test("tells the exit a SOCKS5 destination of each kind, and its client what the exit says of it", async () => {
		const asked: (string | undefined)[] = [];
		const server = createServer().on("connect", ({ url }, socket) => {
			asked.push(url);
			socket.end("HTTP/1.1 502 Bad Gateway\r\nProxy-Status: muster; error=dns_error\r\nContent-Length: 0\r\n\r\n");
		});
		const spy = await listen(server, "127.78.255.252");
		const { port } = await startGateway(
			await startMuster([{ agent: { address: "127.78.255.252", port: spy, url: `http://127.78.255.252:${spy}` } }]),
		);
		const ipv6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a];
		for (const destination of [
			[1, 192, 0, 2, 7],
			[3, 7, ...Buffer.from("example")],
			[4, ...ipv6],
		]) {
			const socket = await dialPort(port);
			socket.write(Buffer.from([5, 1, 0, 5, 1, 0, ...destination, 1, 187]));
			expect([...(await read(socket, 4))]).toEqual([5, 0, 5, 4]);
		}
		expect(asked).toEqual(["192.0.2.7:443", "example:443", "[2001:db8:0:0:0:0:0:2a]:443"]);
		const binding = await dialPort(port);
		binding.write(Buffer.from([5, 1, 0, 5, 2, 0, 1, 192, 0, 2, 7, 1, 187]));
		expect([...(await read(binding, 4))]).toEqual([5, 0, 5, 7]);
	});

	test("keeps a session at one exit, and only the sessions of an exit that dies move", async () => {
		const { muster, agents } = await startFleet(3);
		const { port } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		const exitOf = async (session: string) => (await ask(port, origin, asUser(`${USERNAME}-session-${session}`))).from;
		const names = Array.from({ length: 12 }, (_, index) => `s${index}`);
		const before = new Map<string, string>();
		for (const name of names) before.set(name, await exitOf(name));
		expect(new Set(before.values()).size).toBeGreaterThan(1);
		for (const name of names) expect(await exitOf(name)).toBe(before.get(name));
		const lost = before.get("s0") ?? "";
		await agents.find(({ address }) => address === lost)?.kill("SIGKILL");
		for (const name of names) {
			const now = await exitOf(name);
			if (before.get(name) === lost) expect(now).not.toBe(lost);
			else expect(now).toBe(before.get(name));
		}
	});

	test("chooses by what the user name says, and says what it does not understand", async () => {
		const { muster, agents } = await startFleet(2);
		const [a, b] = agents;
		if (!a || !b) throw new Error("two agents");
		muster.entries = [
			{ agent: a, country: "DE", region: "fsn1", provider: "hetzner" },
			{ agent: b, country: "US", region: "us-east-1", provider: "aws", instance: "Second" },
		];
		const { port } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		for (const [choice, expected] of [
			["country-de", a],
			["country-fr,us", b],
			["region-us--east--1", b],
			["provider-Hetzner", a],
			["instance-second", b],
		] as const)
			for (let i = 0; i < 4; i++) expect((await ask(port, origin, asUser(`${USERNAME}-${choice}`))).from, choice).toBe(expected.address);
		for (const [choice, fault] of [
			["sesion-a", "sesion is no key"],
			["host-a/b", "host must be a host name or an address"],
		]) {
			const socket = await dialPort(port);
			socket.write(get(origin, asUser(`${USERNAME}-${choice}`)));
			expect(await readAnswer(socket)).toMatchObject({ status: 400, body: expect.stringContaining(fault ?? "") });
		}
	});

	test("leaves out what cools down for the site that the user name says", async () => {
		const { muster, agents } = await startFleet(3);
		const [a, b] = agents;
		muster.cooling.set("shop.example", [a?.address ?? "", b?.address ?? ""]);
		const { port } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		for (let i = 0; i < 8; i++) expect((await ask(port, origin, asUser(`${USERNAME}-host-Shop.example`))).from).toBe(agents[2]?.address);
		expect(muster.calls.filter(({ query }) => query.includes("host=")).length).toBe(1);
		const others = new Set<string>();
		for (let i = 0; i < 30; i++) others.add((await ask(port, origin)).from);
		expect(others.size).toBe(3);
	});

	test("moves a session on after its lifetime, and not before", async () => {
		const { muster } = await startFleet(3);
		const { port } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		const exitOf = async (lifetime: string) => (await ask(port, origin, asUser(`${USERNAME}-session-a-lifetime-${lifetime}`))).from;
		const first = await exitOf("1s");
		await new Promise((done) => setTimeout(done, 1100));
		const second = await exitOf("1s");
		expect(second).not.toBe(first);
		for (let i = 0; i < 3; i++) expect(await exitOf("1h")).toBe(second);
	});

	test("asks for its own user name and password where it is given one", async () => {
		const { muster } = await startFleet(1);
		const { port } = await startGateway(muster, ["--user", "me:pass:word"]);
		const origin = await httpOrigin(echo);
		const socket = await dialPort(port);
		for (const headers of ["", asUser("me", "wrong"), asUser("you", "pass:word"), asUser(USERNAME)]) {
			socket.write(get(origin, headers));
			expect(await readAnswer(socket)).toMatchObject({ status: 407, headers: { "proxy-authenticate": expect.stringContaining("Basic") } });
		}
		socket.write(get(origin, asUser("me-session-1", "pass:word")));
		expect((await readAnswer(socket)).status).toBe(200);
		const socks = await dialPort(port);
		socks.write(Buffer.from([5, 1, 0]));
		expect([...(await read(socks, 2))]).toEqual([5, 255]);
	});

	test("gives each port of --sessions an exit of its own", async () => {
		const { muster } = await startFleet(3);
		const ports = await freePorts(4);
		await startGateway(muster, ["--sessions", `${ports[0]}-${ports.at(-1)}`]);
		const origin = await httpOrigin(echo);
		for (const port of ports) {
			const exits = new Set<string>();
			for (let i = 0; i < 4; i++) exits.add((await ask(port, origin)).from);
			expect(exits.size).toBe(1);
		}
	});
});

describe("a proxy that fails", () => {
	test("is followed by the next one before the first byte, and reported", async () => {
		const { muster, agents } = await startFleet(1);
		muster.entries = [DEAD, ...muster.entries];
		const { gateway, port } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		for (let i = 0; i < 12; i++) {
			expect((await ask(port, origin)).from).toBe(agents[0]?.address);
			const tunnel = await dialPort(port);
			tunnel.write(`CONNECT 127.0.0.1:${origin} HTTP/1.1\r\nHost: 127.0.0.1:${origin}\r\n\r\n`);
			expect((await readHead(tunnel)).status).toBe(200);
			tunnel.destroy();
		}
		expect(gateway.stats.failovers).toBeGreaterThanOrEqual(1);
		// It is passed over once it has failed.
		expect(gateway.stats.failovers).toBeLessThanOrEqual(2);
		await gateway.reports.flush();
		expect(muster.reports[0]).toMatchObject({ ip: "127.78.255.254", host: "127.0.0.1", outcome: "error" });
		await eventually(() => muster.calls.filter(({ path }) => path === "/proxies.txt").length > 1, "the list, read anew at once", 8_000);
	});

	test("never gets the credentials of another one", async () => {
		const seen: string[] = [];
		const spy = await listen(
			createServer((request, response) => {
				seen.push(String(request.headers["proxy-authorization"]));
				response.writeHead(407, { "proxy-authenticate": "Basic" }).end();
			}),
			"127.78.255.253",
		);
		const { muster, agents } = await startFleet(1);
		muster.entries = [
			{ agent: { address: "127.78.255.253", port: spy, url: `http://spied:upon@127.78.255.253:${spy}` } },
			...muster.entries,
		];
		const { port } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		for (let i = 0; i < 12; i++)
			expect((await ask(port, origin, asUser(`${USERNAME}-session-${i}`, "mine"))).from).toBe(agents[0]?.address);
		expect(new Set(seen)).toEqual(new Set([`Basic ${Buffer.from("spied:upon").toString("base64")}`]));
	});

	test("is not followed by another one once a byte of the answer has come, or where the request could be carried out twice", async () => {
		let posts = 0;
		const { muster, agents } = await startFleet(1);
		const { port } = await startGateway(muster);
		const origin = await tcpOrigin((socket) => {
			socket.once("data", (data) => {
				if (data.toString().startsWith("POST")) {
					posts++;
					void agents[0]?.kill("SIGKILL");
				} else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
			});
		});
		const cut = await dialPort(port);
		cut.write(get(origin));
		expect((await readHead(cut)).status).toBe(200);
		expect((await read(cut, 4)).toString()).toBe("half");
		const rest = readToEnd(cut);
		await agents[0]?.kill("SIGKILL");
		expect((await rest).toString()).toBe("");
		for (const body of ["{}", ""]) {
			await agents[0]?.start();
			await eventually(async () => {
				const socket = await dialPort(port);
				socket.write(get(origin, `Content-Length: ${body.length}\r\n`, "POST"));
				socket.write(body);
				const answer = await readAnswer(socket);
				return answer.status === 502 && answer.body.includes("may have been carried out");
			}, "the refusal");
		}
		expect(posts).toBe(2);
	});

	test("leads to 502 where no other one is left", async () => {
		const { port } = await startGateway(await startMuster([DEAD]));
		const socket = await dialPort(port);
		socket.write("GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n");
		expect(await readAnswer(socket)).toMatchObject({ status: 502, headers: { "proxy-status": expect.stringContaining("error=") } });
	});

	test("is not blamed for a destination that cannot be reached", async () => {
		const { muster } = await startFleet(2);
		const { gateway, port } = await startGateway(muster);
		const socket = await dialPort(port);
		socket.write("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n");
		expect(await readAnswer(socket)).toMatchObject({
			status: 502,
			headers: { "proxy-status": expect.stringContaining("connection_refused") },
		});
		expect(gateway.stats.failovers).toBe(0);
	});

	test("is not blamed for what a site says of a proxy, which then costs no other site its sessions", async () => {
		const { muster } = await startFleet(3);
		const { gateway, port } = await startGateway(muster);
		let asked = 0;
		const hostile = await httpOrigin((request, response) => {
			asked++;
			const words = { "proxy-authenticate": "Basic", "proxy-status": "muster; error=connection_limit_reached" };
			response.writeHead(request.headers["x-status"] === "407" ? 407 : 503, words).end("no");
		});
		for (const status of [407, 503]) {
			const socket = await dialPort(port);
			socket.write(get(hostile, `X-Status: ${status}\r\n${asUser(`${USERNAME}-session-a`)}`));
			expect(await readAnswer(socket)).toMatchObject({ status, body: "no" });
		}
		expect(asked).toBe(2);
		expect([gateway.stats.failovers, gateway.fleet.exits.filter(({ suspectUntilMs }) => suspectUntilMs > 0)]).toEqual([0, []]);
	});
});

describe("what goes through it", () => {
	let muster: Muster;
	const prepared = async () => {
		({ muster } = await startFleet(1));
		return await startGateway(muster);
	};
	beforeAll(() => expect(process.platform).toBe("linux"));

	test("are 100 MB in either direction, by length and in chunks, without being kept", async () => {
		const { port } = await prepared();
		const size = 100e6;
		const origin = await httpOrigin((request, response) => {
			let bytes = 0;
			request.on("data", (chunk: Buffer) => {
				bytes += chunk.length;
			});
			request.on("end", () => {
				response.writeHead(200, { "x-bytes": bytes, ...(request.url === "/sized" ? { "content-length": size } : {}) });
				const piece = Buffer.alloc(1e6, "d");
				let left = size / piece.length;
				const more = () => {
					while (left-- > 0) if (!response.write(piece)) return response.once("drain", more);
					return response.end();
				};
				more();
			});
		});
		for (const [path, framing] of [
			["sized", `Content-Length: ${size}`],
			["chunked", "Transfer-Encoding: chunked"],
		] as const) {
			const socket = await dialPort(port);
			socket.write(
				`POST http://127.0.0.1:${origin}/${path} HTTP/1.1\r\nHost: 127.0.0.1:${origin}\r\nConnection: close\r\n${framing}\r\n\r\n`,
			);
			const piece = Buffer.alloc(1e6, "u");
			for (let sent = 0; sent < size; sent += piece.length) {
				const chunk =
					path === "sized" ? piece : Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]);
				if (!socket.write(chunk)) await new Promise((done) => socket.once("drain", done));
			}
			if (path === "chunked") socket.write("0\r\n\r\n");
			const { headers } = await readHead(socket);
			expect(headers["x-bytes"]).toBe(String(size));
			let got = 0;
			for await (const chunk of socket) got += (chunk as Buffer).length;
			expect(got).toBeGreaterThanOrEqual(size);
		}
	});

	test("is an Expect that the origin answers before the body comes", async () => {
		const { port } = await prepared();
		const server = createServer(echo);
		server.on("checkContinue", (request, response) => {
			response.writeContinue();
			echo(request, response);
		});
		const origin = await listen(server);
		const socket = await dialPort(port);
		socket.write(get(origin, "Expect: 100-continue\r\nContent-Length: 4\r\n", "POST"));
		expect((await readHead(socket)).status).toBe(100);
		socket.write("body");
		expect(JSON.parse((await readAnswer(socket)).body)).toMatchObject({ bytes: 4 });
	});

	test("is a plain ws:// connection", async () => {
		const { port } = await prepared();
		const server = createServer();
		server.on("upgrade", (request, socket) => {
			socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\nhello`);
			socket.on("data", (data) => socket.write(data));
		});
		const origin = await listen(server);
		const socket = await dialPort(port);
		socket.write(
			get(
				origin,
				"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
			),
		);
		expect(await readHead(socket)).toMatchObject({ status: 101, headers: { upgrade: "websocket" } });
		socket.write(" there");
		expect((await read(socket, 11)).toString()).toBe("hello there");
	});

	test("are requests one after the other, and ahead of each other's answers, over warm connections", async () => {
		const { gateway, port } = await prepared();
		let connections = 0;
		const server = createServer(echo);
		server.on("connection", () => connections++);
		const origin = await listen(server);
		const socket = await dialPort(port);
		socket.write(get(origin) + get(origin, "Content-Length: 3\r\n", "POST").concat("abc") + get(origin, "", "HEAD") + get(origin));
		expect(JSON.parse((await readAnswer(socket)).body)).toMatchObject({ method: "GET" });
		expect(JSON.parse((await readAnswer(socket)).body)).toMatchObject({ method: "POST", bytes: 3 });
		expect((await readHead(socket)).status).toBe(200);
		expect(JSON.parse((await readAnswer(socket)).body)).toMatchObject({ method: "GET" });
		expect(gateway.fleet.exits[0]?.idle.length).toBeGreaterThan(0);
		expect(connections).toBeLessThanOrEqual(4);
	});

	test("is the answer to a client that ends its side after its request", async () => {
		const { port } = await prepared();
		const origin = await httpOrigin((_, response) => void setTimeout(() => response.end("after all"), 300));
		const socket = await dialPort(port);
		socket.end(get(origin));
		expect((await readToEnd(socket)).toString()).toMatch(/^HTTP\/1.1 200 .*after all/s);
	});

	test("is refused where two could read it in two ways", async () => {
		const { port } = await prepared();
		for (const headers of [
			"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
			"Content-Length: 3\r\nContent-Length: 4\r\n",
			"Transfer-Encoding: chunked, identity\r\n",
			"Content-Length: +3\r\n",
			"Bad Name: x\r\n",
			"X: a\nY: b\r\n",
			" folded: x\r\n",
		]) {
			const socket = await dialPort(port);
			socket.write(get(1, headers, "POST"));
			expect((await readAnswer(socket)).status, headers).toBe(400);
		}
		const socket = await dialPort(port);
		socket.write("GET / HTTP/1.1\r\nHost: gateway\r\n\r\n");
		expect(await readAnswer(socket)).toMatchObject({ status: 400, body: expect.stringContaining("This is a proxy") });
	});
});

describe("a plain HTTP request", () => {
	test("has a deadline for the head of its answer, not for the rest, and none but the proxy that was asked is", async () => {
		const { muster } = await startFleet(2);
		const answerMs = 2_000;
		const { gateway, port } = await startGateway(muster, [], { answerMs });
		let asked = 0;
		const silent = await httpOrigin(() => void asked++);
		const slow = await httpOrigin((_request, response) => {
			response.writeHead(200, { "content-length": "4" }).write("sl");
			setTimeout(() => response.end("ow"), 1.5 * answerMs);
		});
		const ofSilent = async (headers: string, method: string) => {
			const socket = await dialPort(port);
			socket.write(get(silent, headers, method));
			return readAnswer(socket);
		};
		const ofSlow = async () => {
			const socket = await dialPort(port);
			socket.write(get(slow));
			return readAnswer(socket);
		};
		const [late, lateClient, rest] = await Promise.all([ofSilent("", "GET"), ofSilent("Content-Length: 4\r\n", "POST"), ofSlow()]);
		expect(late).toMatchObject({ status: 504, headers: { "proxy-status": expect.stringContaining("http_response_timeout") } });
		expect(lateClient).toMatchObject({ status: 408, body: expect.stringContaining("body") });
		expect(rest).toMatchObject({ status: 200, body: "slow" });
		expect(asked, "each asked once").toBe(2);
		await gateway.stop(0);
		expect(muster.reports).toEqual([expect.objectContaining({ outcome: "timeout" })]);
	});
});

describe("a client that holds a connection for nothing", () => {
	const HEAD_MS = 600;
	/** Sends a byte ten times a second until the other side says or closes something. */
	const dripping = async (port: number, begin: Buffer | string) => {
		const socket = await dialPort(port);
		socket.write(begin);
		const drip = setInterval(() => socket.write("x"), 100);
		// What was on its way when the other side closed makes a reset of it.
		const said = await readToEnd(socket).catch(() => Buffer.alloc(0));
		clearInterval(drip);
		return said.toString("latin1");
	};

	test("has a deadline for the whole head of a request, however often a byte of it comes, and for a SOCKS greeting", async () => {
		const { gateway, port } = await startGateway(await startMuster([]), [], { headMs: HEAD_MS });
		expect(await dripping(port, "GET http://example.com/")).toMatch(/^HTTP\/1.1 408 /);
		expect(await dripping(port, Buffer.from([5, 200, 0]))).toBe("");
		await eventually(() => gateway.open === 0, "the end of both connections");
	});

	test("has that deadline for a later request too, and none between requests", async () => {
		const { muster } = await startFleet(1);
		const { port } = await startGateway(muster, [], { headMs: HEAD_MS });
		const origin = await httpOrigin(echo);
		const socket = await dialPort(port);
		for (let request = 0; request < 2; request++) {
			socket.write(get(origin));
			expect((await readAnswer(socket)).status).toBe(200);
			await new Promise((done) => setTimeout(done, 2 * HEAD_MS));
		}
		const drip = setInterval(() => socket.write("G"), 100);
		onTestFinished(() => clearInterval(drip));
		expect((await readAnswer(socket)).status).toBe(408);
	});

	test("is let go of once it was refused, whether it closes, waits, or goes on sending", async () => {
		const { muster } = await startFleet(1);
		const { gateway, port } = await startGateway(muster);
		const toNobody = Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 1]);
		const [closing, waiting, sending] = [await dialPort(port), await dialPort(port), await dialPort(port)];
		closing.write(toNobody);
		expect((await read(closing, 12))[3]).toBe(5);
		closing.end();
		waiting.write(toNobody);
		expect((await read(waiting, 12))[3]).toBe(5);
		sending.write("GET / HTTP/1.1\r\n\r\n");
		const drip = setInterval(() => sending.write("x"), 100);
		onTestFinished(() => clearInterval(drip));
		await eventually(() => gateway.open === 0, "the end of all three");
	});
});

describe("the fleet's list", () => {
	test("is asked for once in ten seconds with the tag of the last one, and at once after a failure", async () => {
		const { muster } = await startFleet(1);
		const { gateway, port } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		const began = performance.now();
		for (let i = 0; i < 20; i++) await ask(port, origin);
		// Where the machine is so busy that they take longer, there is one more in each ten seconds.
		expect(muster.calls.length).toBeLessThanOrEqual(1 + Math.floor((performance.now() - began) / 10_000));
		const [exit] = gateway.fleet.exits;
		if (!exit) throw new Error("an exit");
		const looked = muster.calls.length;
		gateway.fleet.suspect(exit);
		await eventually(() => muster.calls.length > looked, "the next look", 9_000);
		expect(muster.calls[looked]).toMatchObject({ status: 304 });
		expect(gateway.fleet.exits[0]).toBe(exit);
	});

	test("may be empty: clients are held while the fleet wakes, which is told of each of them", async () => {
		const { muster } = await startFleet(1);
		const { entries } = muster;
		muster.entries = [];
		muster.retryAfterSeconds = 15;
		const { port } = await startGateway(muster);
		const origin = await httpOrigin(echo);
		const held = Array.from({ length: 5 }, () => ask(port, origin));
		await eventually(() => muster.calls.filter(({ path }) => path === "/random").length >= 5, "the waking");
		muster.entries = entries;
		for (const { from } of await Promise.all(held)) expect(from).toBe(entries[0]?.agent.address);
	});

	test("holds clients for no longer than it says, and not where nothing can be woken", async () => {
		const muster = await startMuster([]);
		muster.retryAfterSeconds = 1;
		const { port } = await startGateway(muster, [], { holdMs: 500 });
		const late = await dialPort(port);
		late.write("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
		expect(await readAnswer(late)).toMatchObject({ status: 503, headers: { "retry-after": expect.anything() } });
		for (const seconds of [null, 900]) {
			muster.retryAfterSeconds = seconds;
			const { port: other } = await startGateway(muster);
			const never = await dialPort(other);
			never.write("GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n");
			expect(await readAnswer(never)).toMatchObject({ status: 503, headers: { "retry-after": String(seconds ?? 5) } });
		}
	});

	test("holds nobody who has gone", async () => {
		const muster = await startMuster([]);
		muster.retryAfterSeconds = 15;
		const { gateway, port } = await startGateway(muster);
		const [request, tunnel, socks] = [await dialPort(port), await dialPort(port), await dialPort(port)];
		request.write("GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n");
		tunnel.write("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
		socks.write(Buffer.from([5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 7, 1, 187]));
		await eventually(() => gateway.fleet.waiting === 3, "the three who wait");
		request.resetAndDestroy();
		tunnel.resetAndDestroy();
		await eventually(() => gateway.fleet.waiting === 1, "the one who still waits");
		socks.resetAndDestroy();
		await eventually(() => gateway.fleet.waiting === 0, "nobody");
	});

	test("has no proxy of a kind that Muster does not know, which is the client's fault", async () => {
		const { muster } = await startFleet(1);
		const { port } = await startGateway(muster);
		const client = await dialPort(port);
		client.write(`GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n${asUser(`${USERNAME}-country-zz`)}\r\n`);
		expect(await readAnswer(client)).toMatchObject({ status: 400, body: expect.stringContaining("unknown") });
	});

	test("fails alone: those of hosts are read all the same", async () => {
		const { muster, agents } = await startFleet(2);
		const [a, b] = agents;
		muster.cooling.set("shop.example", [a?.address ?? ""]);
		const { port, log } = await startGateway(muster, [], { holdMs: 5_000 });
		muster.statusOfAll = 500;
		expect((await ask(port, await httpOrigin(echo), asUser(`${USERNAME}-host-shop.example`))).from).toBe(b?.address);
		expect(log).toContain("Muster answers 500.");
	});

	test("goes on being used while Muster fails", async () => {
		const { muster, agents } = await startFleet(1);
		const { gateway, port, log } = await startGateway(muster);
		muster.status = 500;
		gateway.fleet.refresh();
		await eventually(() => log.includes("Muster answers 500."), "the complaint");
		expect((await ask(port, await httpOrigin(echo))).from).toBe(agents[0]?.address);
	});
});

test("what a site answers over plain HTTP is reported where its status is watched, and the next request goes elsewhere", async () => {
	const { muster, agents } = await startFleet(2);
	const { gateway, port } = await startGateway(muster, ["--watch-status", "403,429"]);
	const banned = agents[0]?.address;
	const origin = await httpOrigin((request, response) => {
		response.writeHead(request.socket.remoteAddress === banned ? 403 : 200, { "content-length": 0 }).end();
	});
	const statuses: number[] = [];
	for (let i = 0; i < 20; i++) {
		const socket = await dialPort(port);
		socket.write(get(origin));
		statuses.push((await readHead(socket)).status);
		socket.destroy();
	}
	expect(statuses.filter((status) => status === 403)).toHaveLength(1);
	await gateway.reports.flush();
	expect(muster.reports).toEqual(
		expect.arrayContaining([
			expect.objectContaining({ ip: banned, host: "127.0.0.1", outcome: "banned", status: 403 }),
			expect.objectContaining({ ip: agents[1]?.address, outcome: "ok", status: 200 }),
		]),
	);
	// The last of each kind: not one for each request.
	expect(muster.reports).toHaveLength(2);
	const socket = await dialPort(port);
	socket.write(get(origin, asUser(`${USERNAME}-session-a`)));
	await readHead(socket);
	await gateway.reports.flush();
	expect(muster.reports[2]).toMatchObject({ session: "a", host: "127.0.0.1", ms: expect.any(Number) });
});

test("at its end it tells what it still knows, in a batch of 500 at the most, of which the oldest are left out", async () => {
	const { muster } = await startFleet(1);
	const { gateway } = await startGateway(muster);
	const [exit] = gateway.fleet.exits;
	if (!exit) throw new Error("an exit");
	for (let site = 0; site < 510; site++) gateway.reports.add({ exit, authority: `site${site}.example:443`, outcome: "error", choice: ANY });
	expect(muster.reports).toEqual([]);
	await gateway.stop(0);
	expect([muster.reports.length, gateway.reports.sent, gateway.reports.lost]).toEqual([500, 500, 10]);
	expect([muster.reports[0]?.host, muster.reports.at(-1)?.host]).toEqual(["site10.example", "site509.example"]);
});

test("what Muster does not take in, of a proxy that is gone, say, counts as lost", async () => {
	const { muster } = await startFleet(1);
	const { gateway } = await startGateway(muster);
	const [exit] = gateway.fleet.exits;
	if (!exit) throw new Error("an exit");
	muster.entries = [];
	for (const authority of ["a.example", "b.example"]) gateway.reports.add({ exit, authority, outcome: "error", choice: ANY });
	await gateway.reports.flush();
	expect([muster.reports.length, gateway.reports.sent, gateway.reports.lost]).toEqual([2, 0, 2]);
});

test("on SIGTERM it lets what is under way end, and takes nobody in any more", async () => {
	const { muster } = await startFleet(1);
	const { gateway, port } = await startGateway(muster);
	const origin = await tcpOrigin((socket) => socket.pipe(socket));
	const idle = await dialPort(port);
	const tunnel = await dialPort(port);
	tunnel.write(`CONNECT 127.0.0.1:${origin} HTTP/1.1\r\nHost: 127.0.0.1:${origin}\r\n\r\n`);
	expect((await readHead(tunnel)).status).toBe(200);
	const idleEnds = readToEnd(idle);
	const stopped = gateway.stop(20);
	await expect(dialPort(port)).rejects.toThrow();
	tunnel.write("still here");
	expect((await read(tunnel, 10)).toString()).toBe("still here");
	await idleEnds;
	tunnel.end();
	await readToEnd(tunnel);
	await stopped;
});

test("once it drains, a connection ends with the answer that had begun before", async () => {
	const { muster } = await startFleet(1);
	const { gateway, port } = await startGateway(muster);
	let finish: (() => void) | null = null;
	const slow = await httpOrigin((_, response) => {
		response.writeHead(200, { "content-length": "4" }).write("do");
		finish = () => response.end("ne");
	});
	const client = await dialPort(port);
	client.write(get(slow));
	const answer = await eventually(() => finish, "the request");
	expect((await readHead(client)).headers.connection).toBeUndefined();
	const [beganMs, drainSeconds] = [performance.now(), 20];
	const stopped = gateway.stop(drainSeconds);
	answer();
	expect((await readToEnd(client)).toString()).toBe("done");
	await stopped;
	expect(performance.now() - beganMs).toBeLessThan((drainSeconds * 1_000) / 2);
});

test("the system asks an exit that is silent whether it is still there", async () => {
	const { muster, agents } = await startFleet(1);
	const { port } = await startGateway(muster);
	const origin = await tcpOrigin((socket) => socket.pipe(socket));
	const tunnel = await dialPort(port);
	tunnel.write(`CONNECT 127.0.0.1:${origin} HTTP/1.1\r\nHost: 127.0.0.1:${origin}\r\n\r\n`);
	expect((await readHead(tunnel)).status).toBe(200);
	// https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html: both ends, in hexadecimal, and which timer runs; 2 is that of keepalive.
	const { address = "", port: agentPort = 0 } = agents[0] ?? {};
	const hex = (number: number, digits: number) => number.toString(16).toUpperCase().padStart(digits, "0");
	const exit = `${address
		.split(".")
		.map((byte) => hex(Number(byte), 2))
		.reverse()
		.join("")}:${hex(agentPort, 4)}`;
	const timers = () =>
		readFileSync("/proc/net/tcp", "utf8")
			.split("\n")
			.map((line) => line.trim().split(/\s+/))
			.flatMap(([, , remote, , , timer]) => (remote === exit ? [timer?.slice(0, 2)] : []));
	await eventually(() => timers().includes("02"), "a timer of keepalive");
});

test("while it drains, an answer says that its connection ends, and what goes on for longer is cut in time", async () => {
	const { muster } = await startFleet(1);
	const { gateway, port } = await startGateway(muster);
	let finish: (() => void) | null = null;
	const slow = await httpOrigin((_, response) => {
		finish = () => response.end("done");
	});
	const endless = await tcpOrigin((socket) => socket.pipe(socket));
	const tunnel = await dialPort(port);
	tunnel.write(`CONNECT 127.0.0.1:${endless} HTTP/1.1\r\nHost: 127.0.0.1:${endless}\r\n\r\n`);
	expect((await readHead(tunnel)).status).toBe(200);
	const tunnelEnds = readToEnd(tunnel).catch(() => "reset");
	const client = await dialPort(port);
	client.write(get(slow));
	const answer = await eventually(() => finish, "the request");
	const stopped = gateway.stop(2);
	answer();
	expect(await readAnswer(client)).toMatchObject({ status: 200, body: "done", headers: { connection: "close" } });
	await stopped;
	await tunnelEnds;
	await eventually(() => gateway.stats.openTunnels === 0, "the tunnel's end");
});
