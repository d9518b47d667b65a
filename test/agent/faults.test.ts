import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import {
	type Agent,
	ask,
	basic,
	dial,
	eventually,
	httpOrigin,
	lookups,
	onLinux,
	read,
	readHead,
	readToEnd,
	startAgent,
	startWorker,
	tcpOrigin,
	tunnel,
} from "./harness.ts";

const start = async (): Promise<Agent> => startAgent(await startWorker());
const get = (port: number, path = "/") => `GET http://127.0.0.1:${port}${path} HTTP/1.1\r\n${basic()}\r\n`;

/** An origin that answers each first data with these bytes, and ends if they are all. */
const answering = (text: string | Buffer, isAll = true) =>
	tcpOrigin((socket) => socket.once("data", () => (isAll ? socket.end(text) : socket.write(text))));

/** Writes without end of what is refused, and gives what was read until the connection's end. */
async function upload(socket: Socket, head: string, bytes: number): Promise<string> {
	const got = readToEnd(socket);
	socket.write(head);
	const block = Buffer.alloc(64 * 1024);
	for (let sent = 0; sent < bytes && !socket.destroyed; sent += block.length) {
		if (!socket.write(block)) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), got]);
	}
	return (await got).toString();
}

describe.runIf(onLinux)("an origin's early answer, after which it closes while the upload goes on", () => {
	const ANSWER = `HTTP/1.1 413 Content Too Large\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n${"x".repeat(1000)}`;
	/** It reads the head, answers, and closes with unread data, so that the kernel resets. */
	const hasty = () =>
		tcpOrigin((socket) => {
			socket.once("data", () => {
				socket.pause();
				socket.write(ANSWER, () => setImmediate(() => socket.destroy()));
			});
		});

	for (const bytes of [200_000, 1_000_000, 20_000_000]) {
		it(`arrives whole beside ${bytes / 1000} KB, through a tunnel and by plain HTTP`, async () => {
			const [agent, port] = [await start(), await hasty()];
			const head = (target: string, more: string) => `PUT ${target} HTTP/1.1\r\n${more}Content-Length: ${bytes}\r\n\r\n`;
			const lost = { tunnel: 0, plain: 0 };
			const rounds = 10;
			for (let round = 0; round < rounds; round++) {
				const through = await upload(await tunnel(agent, `127.0.0.1:${port}`), head("/", "Host: x\r\n"), bytes);
				if (through !== ANSWER) lost.tunnel++;
				const plain = await upload(await dial(agent), head(`http://127.0.0.1:${port}/`, basic()), bytes);
				if (!plain.startsWith("HTTP/1.1 413 ") || !plain.endsWith("x".repeat(1000))) lost.plain++;
			}
			// Direct, the same is lost now and then: the reset may overtake it.
			expect([lost.tunnel <= 2, lost.plain <= 2, lost]).toEqual([true, true, lost]);
		});
	}
});

describe.runIf(onLinux)("a client that gave up", () => {
	it("at a silent origin is not told as open for long, nor kept", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		const agent = await startAgent(worker, { limits: { HALF_CLOSED_SECONDS: 1, HALF_CLOSED_TUNNEL_SECONDS: 6 } });
		const port = await tcpOrigin((socket) => socket.resume());
		const plain = await dial(agent);
		plain.write(get(port));
		const through = await tunnel(agent, `127.0.0.1:${port}`);
		const ends = [port, plain.localPort, through.localPort].map((end) => `127.0.0.1:${end}`);
		await eventually(() => worker.heartbeats.at(-1)?.body.active === 2 && agent.socketsTo(...ends) === 4, "both are open");
		plain.destroy();
		through.destroy();
		// Not only because the tunnel has been closed.
		await eventually(() => worker.heartbeats.at(-1)?.body.active === 0 && agent.socketsTo(...ends) > 0, "none is told, though one is kept");
		expect(worker.heartbeats.at(-1)?.body.sessions).toEqual([]);
		await eventually(() => agent.socketsTo(...ends) === 0, "both are closed", 20_000);
	});

	it("is not taken for one that only ended its side and gets its answer", async () => {
		const agent = await startAgent(await startWorker(), { limits: { HALF_CLOSED_SECONDS: 1, HALF_CLOSED_TUNNEL_SECONDS: 4 } });
		const port = await tcpOrigin((socket) => {
			socket.once("data", () => setTimeout(() => socket.end("late"), 2000));
		});
		const socket = await tunnel(agent, `127.0.0.1:${port}`);
		socket.end("question");
		expect((await readToEnd(socket)).toString()).toBe("late");
	});
});

describe.runIf(onLinux)("an answer", () => {
	const answerOf = async (agent: Agent, text: string | Buffer) => ask(agent, get(await answering(text)));

	it("that clients read is passed on, cleaned of what they could read in two ways", async () => {
		const agent = await start();
		const cases: [string, number, Record<string, string | undefined>][] = [
			["HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok", 299, {}],
			["HTTP/1.1 600\r\nContent-Length: 2\r\n\r\nok", 600, {}],
			["HTTP/1.1 999 Request denied\r\nContent-Length: 2\r\n\r\nok", 999, {}],
			["HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 2\r\n\r\nok", 200, { "x-a": "1" }],
			["HTTP/1.1 200 OK\r\nContent-Length : 2\r\nno colon here\r\n\r\nok", 200, { "content-length": "2" }],
			["HTTP/1.1 200 OK\r\nX-A: a\x00b\x01c\rd\r\nContent-Length: 2\r\n\r\nok", 200, { "x-a": "a b c d" }],
			["HTTP/1.1 200 OK\r\nX (y): 1\r\n: 2\r\nContent-Length: 2\r\n\r\nok", 200, { "x (y)": undefined, "": undefined }],
			["HTTP/1.1 200 OK\r\nX-A: a\r\n  folded\r\n\tagain\r\nContent-Length: 2\r\n\r\nok", 200, { "x-a": "a folded again" }],
			["HTTP/1.1 200 OK\r\n folded first\r\nContent-Length: 2\r\n\r\nok", 200, {}],
			[`HTTP/1.1 200 OK\r\nX-A: a\r\n${" b\n".repeat(900)}Content-Length: 2\r\n\r\nok`, 200, { "x-a": `a${" b".repeat(900)}` }],
			["HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 2\n\nok", 200, { "x-a": "1" }],
			["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, { "content-length": "2" }],
			["HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", 200, { "content-length": "2" }],
		];
		for (const [text, status, headers] of cases) {
			const answer = await answerOf(agent, text);
			expect([text, answer.status, answer.body]).toEqual([text, status, "ok"]);
			for (const [name, value] of Object.entries(headers)) expect([text, answer.headers[name]]).toEqual([text, value]);
		}
	});

	it("that is none, or whose length is in doubt, is 502 with the line that is bad, never a bare cut", async () => {
		const agent = await start();
		const cases: [string, string][] = [
			["<html>old</html>", "<html>old</html>"],
			["ICY 200 OK\r\n\r\n", "ICY 200 OK"],
			["HTTP/1.1 99 Low\r\n\r\n", "HTTP/1.1 99 Low"],
			["HTTP/1.1 200 OK\r\nContent-Len", "HTTP/1.1 200 OK"],
			["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", "Content-Length"],
			["HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", "Content-Length"],
			["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"],
			["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", "bad chunk"],
			["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "bad chunk"],
			["HTTP/1.1 100 Continue\r\n\r\n".repeat(11), "too many interim answers"],
			[`HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(1001)}\r\n`, "its head is too long"],
			[`HTTP/1.1 200 OK\r\nX: y\r\n${" z\n".repeat(20_000)}\r\n`, "its head is too long"],
			[`HTTP/1.1 103 Early Hints\r\n${"X: y\r\n".repeat(300)}\r\n`.repeat(4), "its head is too long"],
		];
		for (const [text, bad] of cases) {
			const answer = await answerOf(agent, text);
			// Interim answers went before.
			const said = answer.status < 200 ? answer.body : `HTTP/1.1 ${answer.status} \r\n\r\n${answer.body}`;
			expect([text, said]).toEqual([text, expect.stringContaining("HTTP/1.1 502 ")]);
			expect([text, said]).toEqual([text, expect.stringContaining(bad)]);
		}
	});

	it("in chunks whose last line end is missing is whole; one cut before is a cut", async () => {
		const agent = await start();
		for (const end of ["0\r\n", "0\r\n\r", "0\r\nX-T: 1\r\n"]) {
			const answer = await answerOf(agent, `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n${end}`);
			expect([answer.status, answer.body.startsWith("2\r\nok\r\n0\r\n"), answer.body.endsWith("\r\n\r\n")]).toEqual([200, true, true]);
		}
		const socket = await dial(agent);
		const failed = new Promise((resolve) => socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
		socket.write(get(await answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0")));
		socket.resume();
		expect(await failed).toBe("ECONNRESET");
	});
});

describe.runIf(onLinux)("a look-up", () => {
	it("goes on for those who wait, though another gave up", async () => {
		const port = await tcpOrigin((socket) => socket.end("here"));
		const agent = await startAgent(await startWorker(), { names: { "slow.test": ["after:4 127.0.0.1"] }, limits: { RESOLVE_SECONDS: 3 } });
		const request = `CONNECT slow.test:${port} HTTP/1.1\r\n${basic()}\r\n`;
		const first = ask(agent, request);
		await new Promise((resolve) => setTimeout(resolve, 2500));
		const second = ask(agent, request);
		expect([(await first).status, (await second).status]).toEqual([504, 200]);
		expect(lookups(agent)).toEqual(["slow.test"]);
	});

	it("of one client's dead names leaves the others theirs", async () => {
		const port = await tcpOrigin((socket) => socket.end("live"));
		const dead = Array.from({ length: 8 }, (_, index) => `dead${index}.test`);
		const names = { ...Object.fromEntries(dead.map((name) => [name, null])), "live.test": ["127.0.0.1"] };
		const limits = { RESOLVER_THREADS: 4, RESOLVER_SHARE: 2, RESOLVE_SECONDS: 3 };
		const agent = await startAgent(await startWorker(), { names, limits });
		const waiting = dead.map((name) => ask(agent, `CONNECT ${name}:80 HTTP/1.1\r\n${basic()}\r\n`));
		await eventually(() => lookups(agent).length === 2, "its share is in use");
		const other = await dial(agent, { localAddress: "127.0.0.9" });
		other.write(`CONNECT live.test:${port} HTTP/1.1\r\n${basic()}\r\n`);
		expect((await readHead(other)).status).toBe(200);
		for (const { status } of await Promise.all(waiting)) expect(status).toBe(504);
	});

	it("of one client waits behind so many others of its own, and no more", async () => {
		const dead = Array.from({ length: 8 }, (_, index) => `dead${index}.test`);
		const limits = { RESOLVER_SHARE: 2, MAX_NAMES: 3, RESOLVE_SECONDS: 2 };
		const agent = await startAgent(await startWorker(), { names: Object.fromEntries(dead.map((name) => [name, null])), limits });
		const statuses = await Promise.all(
			dead.map(async (name) => (await ask(agent, `CONNECT ${name}:80 HTTP/1.1\r\n${basic()}\r\n`)).status),
		);
		expect(statuses.sort()).toEqual([503, 503, 503, 504, 504, 504, 504, 504]);
	});

	it("that finds nothing is not repeated for a moment, and one that does neither", async () => {
		const port = await tcpOrigin((socket) => socket.end());
		const agent = await startAgent(await startWorker(), { names: { "live.test": ["127.0.0.1"], "none.test": ["nothing.invalid"] } });
		for (let count = 0; count < 3; count++) {
			expect((await ask(agent, `CONNECT none.test:80 HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(502);
			expect((await ask(agent, `CONNECT live.test:${port} HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(200);
		}
		expect(lookups(agent)).toEqual(["none.test", "live.test"]);
	});
});

describe.runIf(onLinux)("what the agent remembers of an address", () => {
	it.runIf(process.getuid?.() === 0)("is forgotten when the machine gets or loses one", async () => {
		// Another run of the tests has another.
		const own = `223.255.254.${randomInt(1, 255)}`;
		const agent = await startAgent(await startWorker(), { limits: { CONNECT_SECONDS: 0.3 } });
		const status = async () => (await ask(agent, `CONNECT ${own}:80 HTTP/1.1\r\n${basic()}\r\n`)).status;
		const change = (what: string) => execFileSync("ip", ["addr", what, `${own}/32`, "dev", "lo"]);
		expect(await status()).not.toBe(403);
		change("add");
		try {
			await eventually(async () => (await status()) === 403, "it is its own now");
		} finally {
			change("del");
		}
		await eventually(async () => (await status()) !== 403, "it is another's again");
	});
});

/** How long the pool waits for the answer to a probe. */
const PROBE_MS = 3_000;

describe.runIf(onLinux)("one client's flood", () => {
	it("of tiny chunks or interim answers leaves time for probes and others", async () => {
		const agent = await start();
		const flood = (block: string) =>
			tcpOrigin((socket) => {
				const more = () => {
					while (!socket.destroyed && socket.write(block));
				};
				socket.on("drain", more);
				socket.once("data", () => {
					socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
					more();
				});
			});
		const ports = [await flood("1\r\nx\r\n".repeat(2000)), await flood("1;y=z\r\nx\r\n".repeat(1000))];
		for (let count = 0; count < 10; count++) {
			const socket = await dial(agent);
			socket.write(get(ports[count % 2] ?? 0));
			socket.resume();
		}
		const web = await httpOrigin((_, response) => response.end("ok"));
		let late = 0;
		for (let count = 0; count < 5; count++) {
			const began = performance.now();
			const answers = await Promise.all([
				ask(agent, get(web)),
				ask(agent, `GET http://probe.muster/${"0".repeat(32)} HTTP/1.1\r\n${basic()}\r\n`),
			]);
			expect(answers.map(({ status }) => status)).toEqual([200, 200]);
			if (performance.now() - began > PROBE_MS) late++;
		}
		// One that is not in time makes no proxy unhealthy, and the machine may have been busy with others.
		expect(late).toBeLessThanOrEqual(1);
	});
});

describe.runIf(onLinux)("sessions", () => {
	it("are counted by identity: one that comes from the port of another that has just gone stays visible, and can be dropped", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		const agent = await startAgent(worker);
		const port = await tcpOrigin((socket) => socket.pipe(socket));
		// Of an address of its own and a port that no system gives out by itself, so that no other program takes it in between.
		const from = { localAddress: `127.76.${randomInt(0, 255)}.${randomInt(1, 255)}`, localPort: randomInt(10_000, 15_000) };
		const first = await dial(agent, from);
		first.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n${basic()}\r\n`);
		expect((await readHead(first)).status).toBe(200);
		agent.signal("SIGSTOP");
		first.resetAndDestroy();
		await new Promise((resolve) => setTimeout(resolve, 100));
		const second = await dial(agent, from);
		second.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n${basic()}\r\n`);
		await new Promise((resolve) => setTimeout(resolve, 100));
		agent.signal("SIGCONT");
		expect((await readHead(second)).status).toBe(200);
		const name = `${from.localAddress}:${from.localPort}`;
		const seen = worker.heartbeats.length;
		await eventually(() => worker.heartbeats.length > seen + 2, "heartbeats");
		expect(worker.heartbeats.at(-1)?.body).toMatchObject({ active: 1, sessions: [name] });
		worker.directives = { ...worker.directives, drop: [name] };
		second.resume();
		await eventually(() => second.destroyed, "it is dropped");
	});

	it("are bounded by the machine's memory", async () => {
		const port = await tcpOrigin((socket) => socket.pipe(socket));
		// More than half of any machine's.
		const agent = await startAgent(await startWorker(), { limits: { SESSION_BYTES: 2 ** 50 } });
		expect((await ask(agent, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(503);
		expect((await ask(agent, `GET http://probe.muster/${"0".repeat(32)} HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(200);
	});
});

describe.runIf(onLinux)("a proxy that is drained", () => {
	it("refuses nobody in the seconds in which lists still name it", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2, drain: true, grace: 2 };
		const agent = await startAgent(worker);
		const web = await httpOrigin((_, response) => response.end("ok"));
		await eventually(() => worker.heartbeats.length >= 1, "it has heard it");
		expect((await ask(agent, get(web))).status).toBe(200);
		await eventually(async () => (await ask(agent, get(web))).status === 503, "it refuses");
	});
});

describe.runIf(onLinux)("on SIGTERM", () => {
	it("it first listens no more, then lets sessions end, then ends", async () => {
		const agent = await start();
		const port = await tcpOrigin((socket) => socket.pipe(socket));
		const socket = await tunnel(agent, `127.0.0.1:${port}`);
		let hasEnded = false;
		const ended = agent.kill("SIGTERM").then(() => {
			hasEnded = true;
		});
		await eventually(
			() =>
				dial(agent).then(
					() => false,
					(error: NodeJS.ErrnoException) => error.code === "ECONNREFUSED",
				),
			"it listens no more",
		);
		socket.write("alive");
		expect((await read(socket, 5)).toString()).toBe("alive");
		expect(hasEnded).toBe(false);
		socket.end();
		await readToEnd(socket);
		await ended;
	});

	it("it cuts what has not ended in time", async () => {
		const agent = await startAgent(await startWorker(), { limits: { STOP_SECONDS: 1 } });
		const port = await tcpOrigin((socket) => socket.pipe(socket));
		const socket = await tunnel(agent, `127.0.0.1:${port}`);
		const cut = new Promise((resolve) => socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
		socket.resume();
		await agent.kill("SIGTERM");
		expect(await cut).toBe("ECONNRESET");
	});
});

describe.runIf(onLinux)("where its state cannot be saved", () => {
	it("it serves, says so, and acknowledges new credentials only once they are kept", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		const agent = await startAgent(worker, { hasBrokenState: true });
		expect(worker.registrations[0]?.body.agent).toMatch(/not saved/);
		worker.directives = { ...worker.directives, credentials: { version: 2, username: "second", password: "secret" } };
		const status = async () =>
			(await ask(agent, `GET http://probe.muster/${"0".repeat(32)} HTTP/1.1\r\n${basic("second", "secret")}\r\n`)).status;
		await eventually(async () => (await status()) === 200, "they are in force");
		const seen = worker.heartbeats.length;
		await eventually(() => worker.heartbeats.length > seen + 2, "heartbeats");
		expect(worker.heartbeats.at(-1)?.body).toMatchObject({ credentials: 1, metrics: { unsaved: 1 } });
		agent.mendState();
		await eventually(() => worker.heartbeats.at(-1)?.body.credentials === 2, "they are kept");
		expect(worker.heartbeats.at(-1)?.body.metrics.unsaved).toBeUndefined();
		expect(agent.log().match(/not saved/g)).toHaveLength(1);
	});
});
