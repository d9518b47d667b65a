import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { createServer as createTlsServer, connect as tlsConnect } from "node:tls";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import {
	type Agent,
	ask,
	basic,
	dial,
	eventually,
	httpOrigin,
	listen,
	onLinux,
	read,
	readAll,
	readHead,
	readToEnd,
	socks,
	socksConnect,
	startAgent,
	startWorker,
	tcpOrigin,
	tunnel,
} from "./harness.ts";

const run = promisify(execFile);
const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");
const start = async (): Promise<Agent> => startAgent(await startWorker());
const echo = (socket: Socket) => socket.pipe(socket);

/** An origin that answers with the request as it got it. */
async function mirror(
	host?: string,
): Promise<{ port: number; seen: { method: string; url: string; headers: NodeJS.Dict<string | string[]>; body: string }[] }> {
	const seen: Awaited<ReturnType<typeof mirror>>["seen"] = [];
	const port = await httpOrigin(async (request, response) => {
		const body = (await readAll(request)).toString();
		seen.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
		response.end(JSON.stringify({ from: request.socket.remoteAddress, body }));
	}, host);
	return { port, seen };
}

describe.runIf(onLinux)("the agent serves", () => {
	it("plain HTTP: the origin sees the path, its own Host, end-to-end headers only, and the proxy's address", async () => {
		const [agent, origin] = [await start(), await mirror()];
		const host = `127.0.0.1:${origin.port}`;
		const answer = await ask(
			agent,
			`POST http://${host}/a?b=c HTTP/1.1\r\nHost: elsewhere.test\r\n${basic()}X-Mine: 1\r\nX-Hop: 2\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nConnection: keep-alive, x-hop, content-length\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbody`,
		);
		expect(answer.status).toBe(200);
		expect(JSON.parse(answer.body).from).toBe(agent.address);
		expect(answer.headers.connection).toBeUndefined();
		expect(origin.seen).toEqual([
			{ method: "POST", url: "/a?b=c", headers: { host, "x-mine": "1", "content-length": "4", connection: "close" }, body: "body" },
		]);
	});

	it("a tunnel to a TLS origin", async () => {
		const key = { psk: randomBytes(32), identity: "test" };
		const common = { ciphers: "PSK", maxVersion: "TLSv1.2" as const };
		const port = await listen(createTlsServer({ ...common, pskCallback: () => key.psk }, echo));
		const socket = await tunnel(await start(), `localhost:${port}`);
		const secure = tlsConnect({ ...common, socket, pskCallback: () => key, checkServerIdentity: () => undefined });
		secure.end("through TLS");
		expect((await readAll(secure)).toString()).toBe("through TLS");
	});

	it("SOCKS5 with names and addresses", async () => {
		const [agent, port] = [await start(), await tcpOrigin(echo)];
		for (const host of ["localhost", "127.0.0.1"]) {
			const { code, socket } = await socks(agent, socksConnect(host, port));
			expect(code).toBe(0);
			socket.write(host);
			expect((await read(socket, host.length)).toString()).toBe(host);
		}
	});

	it("SOCKS5 to a client that sends everything at once", async () => {
		const [agent, port, socket] = [await start(), await tcpOrigin(echo), null];
		expect(socket).toBeNull();
		const client = await dial(agent);
		const credentials = Buffer.concat([Buffer.from([1, 8]), Buffer.from("changeme"), Buffer.from([13]), Buffer.from("correct horse")]);
		client.write(Buffer.concat([Buffer.from([5, 1, 2]), credentials, socksConnect("127.0.0.1", port), Buffer.from("early")]));
		expect([...(await read(client, 2)), ...(await read(client, 2)), ...(await read(client, 10))]).toEqual([
			5, 2, 1, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0,
		]);
		expect((await read(client, 5)).toString()).toBe("early");
	});

	it("SOCKS5 errors with the codes of RFC 1928", async () => {
		const agent = await start();
		const closed = await closedPort();
		const code = async (request: Buffer) => (await socks(agent, request)).code;
		expect(await code(Buffer.from([5, 1, 0, 4, ...new Array(15).fill(0), 1, 0, 80]))).toBe(8); // IPv6
		expect(await code(Buffer.from([5, 2, 0, 1, 127, 0, 0, 1, 0, 80]))).toBe(7); // BIND
		expect(await code(socksConnect("10.0.0.1", 80))).toBe(2);
		expect(await code(socksConnect("127.0.0.1", closed))).toBe(5);
		expect(await code(socksConnect("no-such-name.invalid", 80))).toBe(4);
	});

	it("nobody without the right credentials, by any protocol", async () => {
		const [agent, origin] = [await start(), await mirror()];
		const url = `http://127.0.0.1:${origin.port}/`;
		for (const header of [
			"",
			basic("changeme", "wrong"),
			basic("wrong", "correct horse"),
			"Proxy-Authorization: Basic ???\r\n",
			basic() + basic("changeme", "wrong"),
		]) {
			for (const line of [`GET ${url}`, `CONNECT 127.0.0.1:${origin.port}`, "GET http://probe.muster/0123456789abcdef0123456789abcdef"]) {
				const answer = await ask(agent, `${line} HTTP/1.1\r\nHost: x\r\n${header}\r\n`);
				expect([answer.status, answer.headers["proxy-authenticate"]]).toEqual([407, 'Basic realm="muster"']);
			}
		}
		await expect(socks(agent, socksConnect("127.0.0.1", origin.port), "changeme", "wrong")).rejects.toThrow("SOCKS credentials refused");
		const socket = await dial(agent);
		socket.write(Buffer.from([5, 1, 0]));
		expect([...(await readToEnd(socket))]).toEqual([5, 255]);
		expect(origin.seen).toEqual([]);
	});

	it("everybody where there are no credentials", async () => {
		const [worker, origin] = [await startWorker(), await mirror()];
		worker.directives = { ...worker.directives, credentials: null };
		const agent = await startAgent(worker, { config: { credentials: null } });
		expect((await ask(agent, `GET http://127.0.0.1:${origin.port}/ HTTP/1.1\r\n\r\n`)).status).toBe(200);
		const socket = await dial(agent);
		socket.write(Buffer.concat([Buffer.from([5, 1, 0]), socksConnect("127.0.0.1", origin.port)]));
		expect([...(await read(socket, 12))].slice(0, 4)).toEqual([5, 0, 5, 0]);
	});

	it("credentials with every printable ASCII character, by HTTP and SOCKS5 and in curl's URL", async () => {
		const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index));
		const credentials = { version: 1, username: printable.replace(":", ""), password: printable };
		const [worker, origin] = [await startWorker(), await mirror()];
		worker.directives = { ...worker.directives, credentials };
		const agent = await startAgent(worker, { config: { credentials } });
		const url = `http://127.0.0.1:${origin.port}/`;
		expect((await ask(agent, `GET ${url} HTTP/1.1\r\n${basic(credentials.username, credentials.password)}\r\n`)).status).toBe(200);
		expect((await socks(agent, socksConnect("127.0.0.1", origin.port), credentials.username, credentials.password)).code).toBe(0);
		for (const scheme of ["http", "socks5h"]) {
			const { stdout } = await run("curl", ["-sS", "-x", agent.url.replace("http", scheme), url]);
			expect(JSON.parse(stdout).from).toBe(agent.address);
		}
	});

	it("curl's two requests over one proxy: each origin sees its own, and no proxy credentials", async () => {
		const [agent, a, b] = [await start(), await mirror("127.0.0.2"), await mirror("127.0.0.3")];
		await run("curl", [
			"-sS",
			"-x",
			agent.url,
			"-d",
			"for a",
			`http://127.0.0.2:${a.port}/a`,
			"--next",
			"-sS",
			"-x",
			agent.url,
			`http://127.0.0.3:${b.port}/b`,
		]);
		await run("curl", ["-sS", "-x", agent.url, `http://127.0.0.2:${a.port}/aa`, `http://127.0.0.3:${b.port}/bb`]);
		expect(a.seen.map(({ method, url, body }) => [method, url, body])).toEqual([
			["POST", "/a", "for a"],
			["GET", "/aa", ""],
		]);
		expect(b.seen.map(({ method, url }) => [method, url])).toEqual([
			["GET", "/b"],
			["GET", "/bb"],
		]);
		for (const { headers } of [...a.seen, ...b.seen]) expect(Object.keys(headers).filter((name) => name.startsWith("proxy-"))).toEqual([]);
	});

	it("no second request on a connection: what follows the body reaches nobody", async () => {
		const [agent, origin] = [await start(), await mirror()];
		const url = `http://127.0.0.1:${origin.port}`;
		const second = `GET ${url}/second HTTP/1.1\r\n${basic()}\r\n`;
		const bodies = ["\r\n", "Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n"];
		for (const body of bodies) expect((await ask(agent, `POST ${url}/first HTTP/1.1\r\n${basic()}${body}${second}`)).status).toBe(200);
		expect(origin.seen.map(({ url, body }) => [url, body])).toEqual([
			["/first", ""],
			["/first", "abc"],
			["/first", "abc"],
		]);
	});

	it("chunked bodies as they are, however they are cut", async () => {
		const agent = await start();
		const got: string[] = [];
		const port = await tcpOrigin((socket) => {
			let text = "";
			socket.on("data", (data) => {
				text += data.toString("latin1");
				if (!text.endsWith("\r\nX-T: 1\r\n\r\n")) return;
				got.push(text.slice(text.indexOf("\r\n\r\n") + 4));
				socket.end("HTTP/1.1 204 No Content\r\n\r\n");
			});
		});
		const body = `5\r\nhe\r\nl\r\nA;name="v"\r\n0123456789\r\n${(300).toString(16)}\r\n${"x".repeat(300)}\r\n000\r\nX-T: 1\r\n\r\n`;
		const socket = await dial(agent);
		socket.setNoDelay(true);
		for (const character of `PUT http://127.0.0.1:${port}/ HTTP/1.1\r\n${basic()}Transfer-Encoding: chunked\r\n\r\n${body}EXTRA`) {
			await new Promise((resolve) => socket.write(character, resolve));
		}
		expect((await readHead(socket)).status).toBe(204);
		expect(got).toEqual([body]);
	});

	it("400 for what proxy and origin could read in two ways", async () => {
		const [agent, origin] = [await start(), await mirror()];
		const url = `http://127.0.0.1:${origin.port}/`;
		const bad = [
			`POST ${url} HTTP/1.1\r\n${basic()}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
			`POST ${url} HTTP/1.1\r\n${basic()}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
			`POST ${url} HTTP/1.1\r\n${basic()}Content-Length: +3\r\n\r\nabc`,
			`POST ${url} HTTP/1.1\r\n${basic()}Content-Length: 3, 3\r\n\r\nabc`,
			`POST ${url} HTTP/1.1\r\n${basic()}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
			`POST ${url} HTTP/1.1\r\n${basic()}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
			`POST ${url} HTTP/1.0\r\n${basic()}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
			`GET ${url} HTTP/1.1\r\n${basic()}X: 1\r\n folded\r\n\r\n`,
			`GET ${url} HTTP/1.1\r\n${basic()}X: 1\rY: 2\r\n\r\n`,
			`GET ${url} HTTP/1.1\r\n${basic()}X: 1\nY: 2\r\n\r\n`,
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
			`GET https://127.0.0.1/ HTTP/1.1\r\n${basic()}\r\n`,
			`CONNECT 127.0.0.1 HTTP/1.1\r\n${basic()}\r\n`,
			`CONNECT 127.0.0.1:80/x HTTP/1.1\r\n${basic()}\r\n`,
			"GARBAGE\r\n\r\n",
			`GET  ${url} HTTP/1.1\r\n${basic()}\r\n`,
			`GET ${url} HTTP/2.0\r\n${basic()}\r\n`,
		];
		for (const request of bad) {
			const answer = await ask(agent, request);
			expect([request, answer.status, answer.headers.connection]).toEqual([request, 400, "close"]);
			expect(answer.body.length).toBeLessThan(200);
		}
		expect(origin.seen).toEqual([]);
		expect((await ask(agent, `GET ${url} HTTP/1.1\r\n${basic()}X: ${"x".repeat(33_000)}\r\n\r\n`)).status).toBe(431);
		// The origin would refuse so many in its own words.
		const long = await ask(agent, `GET ${url} HTTP/1.1\r\n${basic()}${"X:\r\n".repeat(1001)}\r\n`);
		expect([long.status, long.body]).toEqual([431, "The request's head is too long.\n"]);
	});

	it("a broken chunk cuts the connection to the origin, which must not take the body for a whole one", async () => {
		const agent = await start();
		const ends: string[] = [];
		const port = await tcpOrigin((socket) => {
			socket.on("end", () => ends.push("end"));
			socket.on("error", () => ends.push("cut"));
			socket.resume();
		});
		await ask(agent, `POST http://127.0.0.1:${port}/ HTTP/1.1\r\n${basic()}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnot a size\r\n`);
		await eventually(() => ends.length > 0, "the origin's connection ends");
		expect(ends).toEqual(["cut"]);
	});

	it("answers by their framing, even of origins that do not close, and without their hop-by-hop headers", async () => {
		const agent = await start();
		const cases: [method: string, answer: string, body: string][] = [
			[
				"GET",
				"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Foo: 1\r\n\r\nokEXTRA",
				"ok",
			],
			["GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nEXTRA", "2\r\nok\r\n0\r\n\r\n"],
			["GET", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"],
			["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ""],
		];
		for (const [method, text, body] of cases) {
			const port = await tcpOrigin((socket) => socket.once("data", () => socket.write(text)));
			const answer = await ask(agent, `${method} http://127.0.0.1:${port}/ HTTP/1.1\r\n${basic()}\r\n`);
			expect(answer.body).toBe(body);
			expect(Object.keys(answer.headers).filter((name) => /hop|keep-alive|proxy/.test(name))).toEqual([]);
			expect(answer.headers.connection ?? "close").toBe("close");
		}
		for (const text of ["", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n", `HTTP/1.1 200 OK\r\n${"x".repeat(70_000)}`]) {
			const port = await tcpOrigin((socket) => socket.once("data", () => socket.end(text)));
			expect((await ask(agent, `GET http://127.0.0.1:${port}/ HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(502);
		}
	});

	it("an answer that the origin cuts short as a cut, never as a whole one", async () => {
		const agent = await start();
		const port = await tcpOrigin((socket) =>
			socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\n\r\nhalf", () => setImmediate(() => socket.resetAndDestroy()))),
		);
		const socket = await dial(agent);
		const failed = new Promise((resolve) => socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
		socket.write(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\n${basic()}\r\n`);
		socket.resume();
		expect(await failed).toBe("ECONNRESET");
	});

	it("large transfers both ways at once, unchanged", async () => {
		const agent = await start();
		const [up, down] = [randomBytes(16 << 20), randomBytes(16 << 20)];
		const received = Promise.withResolvers<string>();
		const port = await tcpOrigin((socket) => {
			socket.end(down);
			readToEnd(socket).then((data) => {
				// An agent of another test may still call whoever had this port before.
				if (data.subarray(0, 16).equals(up.subarray(0, 16))) received.resolve(sha256(data));
			});
		});
		const socket = await tunnel(agent, `127.0.0.1:${port}`);
		socket.end(up);
		expect(sha256(await readToEnd(socket))).toBe(sha256(down));
		expect(await received.promise).toBe(sha256(up));
	});

	it("a large upload and a large answer by plain HTTP, unchanged", async () => {
		const agent = await start();
		const [up, down] = [randomBytes(16 << 20), randomBytes(16 << 20)];
		let hash = "";
		const port = await httpOrigin(async (request, response) => {
			hash = sha256(await readAll(request));
			response.end(down);
		});
		const socket = await dial(agent);
		socket.write(`PUT http://127.0.0.1:${port}/ HTTP/1.1\r\n${basic()}Connection: close\r\nContent-Length: ${up.length}\r\n\r\n`);
		socket.write(up);
		await readHead(socket);
		expect(sha256(await readToEnd(socket))).toBe(sha256(down));
		expect(hash).toBe(sha256(up));
	});

	it("half-closed connections both ways: an end is passed on, and the other direction goes on", async () => {
		const agent = await start();
		const port = await tcpOrigin(async (socket) => {
			const question = await readToEnd(socket);
			socket.write("answer to ");
			setTimeout(() => socket.end(question), 50);
		});
		const asking = await tunnel(agent, `127.0.0.1:${port}`);
		asking.end("question");
		expect((await readToEnd(asking)).toString()).toBe("answer to question");

		const got = Promise.withResolvers<string>();
		const first = await tcpOrigin(async (socket) => {
			socket.end("origin ends first");
			got.resolve((await readToEnd(socket)).toString());
		});
		const listening = await tunnel(agent, `127.0.0.1:${first}`);
		expect((await readToEnd(listening)).toString()).toBe("origin ends first");
		listening.end("and still hears");
		expect(await got.promise).toBe("and still hears");
	});

	it("an HTTP client that ends its side after the request still gets the answer", async () => {
		const [agent, origin] = [await start(), await mirror()];
		const socket = await dial(agent);
		socket.end(`GET http://127.0.0.1:${origin.port}/ HTTP/1.1\r\n${basic()}\r\n`);
		expect((await readToEnd(socket)).toString()).toContain("200 OK");
	});

	it("nothing of a request in its log", async () => {
		const [agent, origin] = [await start(), await mirror()];
		await ask(agent, `GET http://127.0.0.1:${origin.port}/secret-path HTTP/1.1\r\n${basic()}\r\n`);
		await ask(agent, `CONNECT secret-name.invalid:443 HTTP/1.1\r\n${basic("changeme", "secret-guess")}\r\n`);
		await ask(agent, `CONNECT secret-name.invalid:443 HTTP/1.1\r\n${basic()}\r\n`);
		expect(agent.log()).not.toMatch(/secret|correct|127\.0\.0\.1/);
		for (const secret of [agent.config.token, agent.config.token.split(".")[2] ?? ""]) expect(agent.log()).not.toContain(secret);
	});
});

async function closedPort(): Promise<number> {
	const { createServer } = await import("node:net");
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	await new Promise((resolve) => server.close(resolve));
	return typeof address === "object" && address ? address.port : 0;
}
