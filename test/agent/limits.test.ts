import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import {
	ask,
	basic,
	dial,
	eventually,
	httpOrigin,
	onLinux,
	read,
	readHead,
	readToEnd,
	startAgent,
	startWorker,
	tcpOrigin,
	tunnel,
} from "./harness.ts";

const MEGABYTE = 1 << 20;
/** More than the kernels' buffers on both ways take of what nobody reads. */
const ENDLESS_BYTES = 48 * MEGABYTE;

describe.runIf(onLinux)("the agent's limits", () => {
	it("a thousand idle tunnels stay open, in 64 MB", async () => {
		const sockets = new Set<Socket>();
		const port = await tcpOrigin((socket) => {
			sockets.add(socket);
			socket.pipe(socket);
		});
		const agent = await startAgent(await startWorker());
		const tunnels = await many(1000, () => tunnel(agent, `127.0.0.1:${port}`));
		await eventually(() => sockets.size === 1000, "each reaches the origin");
		expect(agent.rssBytes()).toBeLessThan(64 * MEGABYTE);
		for (const socket of [tunnels.at(0), tunnels.at(-1)]) {
			socket?.write("still here");
			expect(socket && (await read(socket, 10)).toString()).toBe("still here");
		}
	});

	it("hundreds of tunnels whose clients do not read hold back their origins, in 48 MB", async () => {
		const block = Buffer.alloc(64 * 1024);
		const written: number[] = [];
		const port = await tcpOrigin((socket) => {
			const index = written.push(0) - 1;
			const more = () => {
				while (socket.writable && (written[index] ?? 0) < ENDLESS_BYTES) {
					written[index] = (written[index] ?? 0) + block.length;
					if (!socket.write(block)) {
						socket.once("drain", more);
						return;
					}
				}
			};
			more();
		});
		const agent = await startAgent(await startWorker());
		// Unbounded, they would hold 100 MB.
		const clients = await many(400, () => tunnel(agent, `127.0.0.1:${port}`));
		for (const client of clients) client.pause();
		let last = -1;
		// Full when nothing moves any more.
		await eventually(
			async () => {
				const sum = written.reduce((total, bytes) => total + bytes, 0);
				const isStill = sum === last;
				last = sum;
				await new Promise((resolve) => setTimeout(resolve, 500));
				return isStill && written.length === 400;
			},
			"the origins are held back",
			100_000,
		);
		expect(Math.max(...written)).toBeLessThan(ENDLESS_BYTES);
		// Where what is held is not counted it is 60 to 70.
		expect(agent.rssBytes()).toBeLessThan(48 * MEGABYTE);
		// The others are served meanwhile.
		const web = await httpOrigin((_, response) => response.end("ok"));
		expect((await ask(agent, `GET http://127.0.0.1:${web}/ HTTP/1.1\r\n${basic()}\r\n`)).body).toBe("ok");
	}, 150_000);

	it("what clients send ahead of their turn is held back too, in 64 MB", async () => {
		const port = await tcpOrigin((socket) => socket.resume());
		const agent = await startAgent(await startWorker());
		const clients = await many(400, () => dial(agent));
		// So that all of it is there when the agent looks.
		agent.signal("SIGSTOP");
		const ahead = Buffer.alloc(256 * 1024, "GET http://127.0.0.1/ HTTP/1.1\r\n\r\n");
		for (const client of clients) {
			client.write(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\n${basic()}\r\n`);
			client.write(ahead);
		}
		await new Promise((resolve) => setTimeout(resolve, 1000));
		agent.signal("SIGCONT");
		const web = await httpOrigin((_, response) => response.end("ok"));
		expect((await ask(agent, `GET http://127.0.0.1:${web}/ HTTP/1.1\r\n${basic()}\r\n`)).body).toBe("ok");
		expect(agent.rssBytes()).toBeLessThan(64 * MEGABYTE);
	});

	it("with few descriptors sessions are refused before those run out, however many wait or are kept, and probes are answered", async () => {
		const web = await httpOrigin((_, response) => response.end("ok"));
		const echo = await tcpOrigin((socket) => socket.pipe(socket));
		const agent = await startAgent(await startWorker(), { descriptors: 300, limits: { LINGER_SECONDS: 0.2 } });
		const get = `GET http://127.0.0.1:${web}/ HTTP/1.1\r\n${basic()}\r\n`;
		const kept = await many(200, async () => {
			const socket = await dial(agent);
			socket.write(get);
			await readHead(socket);
			socket.resume();
			return socket;
		});
		expect(kept.some((socket) => !socket.readableEnded && !socket.destroyed)).toBe(true);
		await many(100, () => dial(agent));
		const connect = async () => {
			const socket = await dial(agent);
			socket.write(`CONNECT 127.0.0.1:${echo} HTTP/1.1\r\n${basic()}\r\n`);
			return (await readHead(socket)).status;
		};
		await eventually(async () => (await connect()) === 200, "those that are not kept have gone, and there is room");
		expect([...new Set(await many(100, connect))].sort()).toEqual([200, 503]);
		expect((await ask(agent, `GET http://probe.muster/${"0".repeat(32)} HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(200);
		expect(agent.log()).not.toMatch(/cannot accept|internal error/);
	});

	it("with few descriptors a name with many silent addresses takes no more of them than there are", async () => {
		const echo = await tcpOrigin((socket) => socket.pipe(socket));
		const hosts = Array.from({ length: 20 }, (_, index) => `127.0.1.${index + 1}`);
		await silence(hosts, echo);
		const limits = { CONNECT_SECONDS: 5, NEXT_ADDRESS_SECONDS: 0.05 };
		const agent = await startAgent(await startWorker(), { descriptors: 300, limits, names: { "silent.test": [hosts.join(" ")] } });
		const tried = () => agent.socketsTo(...hosts.map((host) => `${host}:${echo}`));
		const connect = async (host: string) => (await ask(agent, `CONNECT ${host}:${echo} HTTP/1.1\r\n${basic()}\r\n`)).status;
		const one = connect("silent.test");
		await eventually(() => tried() === 8, "eight are tried at once");
		const others = Array.from({ length: 20 }, () => connect("silent.test"));
		await eventually(async () => (await connect("127.0.0.1")) === 503, "the room is used up");
		expect((await ask(agent, `GET http://probe.muster/${"0".repeat(32)} HTTP/1.1\r\n${basic()}\r\n`)).status).toBe(200);
		expect(new Set(await Promise.all([one, ...others]))).toEqual(new Set([504]));
		await eventually(() => tried() === 0, "all are closed");
		expect(await Promise.all(Array.from({ length: 25 }, () => connect("127.0.0.1")))).toEqual(new Array(25).fill(200));
		expect(agent.log()).not.toMatch(/cannot accept|internal error/);
	});

	it("of each kind of trouble there is one line in the log, however often it happens", async () => {
		// Far fewer than it reckons with.
		const agent = await startAgent(await startWorker(), { descriptors: 40, limits: { MAX_STRANGERS: 1000 } });
		for (let round = 0; round < 3; round++) {
			// All at once: it would close the oldest in time if they came one by one.
			agent.signal("SIGSTOP");
			const strangers = await many(60, () => dial(agent).catch(() => null));
			agent.signal("SIGCONT");
			await new Promise((resolve) => setTimeout(resolve, 500));
			for (const socket of strangers) socket?.destroy();
		}
		await eventually(() => /cannot accept/.test(agent.log()), "it tells");
		expect(agent.log().match(/cannot accept/g)).toHaveLength(1);
		expect(agent.log()).not.toContain("internal error");
	});

	it("probes at once are bounded, and what is beyond is told so at once", async () => {
		const limits = { MAX_PROBES: 3, PROBE_SECONDS: 3 };
		const agent = await startAgent({ url: "http://silent.test" }, { isLonely: true, names: { "silent.test": null }, limits });
		const began = performance.now();
		const probe = async () => {
			const { status } = await ask(agent, `GET http://probe.muster/${"0".repeat(32)} HTTP/1.1\r\n${basic()}\r\n`);
			return { status, isSoon: performance.now() - began < 2500 };
		};
		const answers = await Promise.all(Array.from({ length: 8 }, probe));
		expect(answers.filter(({ status, isSoon }) => status === 503 && isSoon)).toHaveLength(5);
		expect(answers.filter(({ status }) => status === 502)).toHaveLength(3);
		expect((await probe()).status, "there is room again").toBe(502);
	});

	it("a first address that is silent costs a quarter of a second, not the whole time, whichever family it is of", async () => {
		const port = await tcpOrigin((socket) => socket.end("here"), "127.0.0.3");
		await silence(["127.0.0.2", "::1"], port);
		const names = { "four.test": ["127.0.0.2 127.0.0.3"], "six.test": ["::1 127.0.0.3"] };
		const agent = await startAgent(await startWorker(), { names, limits: { IPV6_ROUTE: "::1" } });
		for (const name of Object.keys(names)) {
			const began = performance.now();
			const answer = await ask(agent, `CONNECT ${name}:${port} HTTP/1.1\r\n${basic()}\r\n`);
			expect([name, answer.status, answer.body]).toEqual([name, 200, "here"]);
			// Without the second try it would be ten.
			expect(performance.now() - began).toBeLessThan(5000);
		}
	});

	it.runIf(process.getuid?.() === 0)(
		"as an ordinary user it passes on large and tiny pieces, whole and in order",
		async () => {
			const agent = await startAgent(await startWorker(), { isOrdinaryUser: true });
			const carried: string[] = [];
			const port = await tcpOrigin((socket) => {
				const hash = createHash("sha256");
				// Late, so that pieces wait on their way.
				socket.pause();
				setTimeout(() => socket.resume(), 500);
				socket.on("data", (data) => hash.update(data));
				socket.on("end", () => {
					carried.push(hash.digest("hex"));
					socket.end();
				});
			});
			const sent = await many(50, async () => {
				const socket = await tunnel(agent, `127.0.0.1:${port}`);
				socket.setNoDelay(true);
				const hash = createHash("sha256");
				const write = (data: Buffer) => {
					hash.update(data);
					socket.write(data);
				};
				for (let round = 0; round < 2; round++) {
					write(randomBytes(MEGABYTE));
					for (let piece = 0; piece < 100; piece++) {
						write(randomBytes(1));
						if (piece % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
					}
				}
				socket.end();
				await readToEnd(socket);
				return hash.digest("hex");
			});
			expect(carried.sort()).toEqual(sent.sort());
			expect(agent.log()).not.toContain("internal error");
		},
		60_000,
	);

	it("a head must be there within its time, however slowly it goes on arriving", async () => {
		const agent = await startAgent(await startWorker(), { limits: { HEAD_SECONDS: 1 } });
		const socket = await dial(agent);
		const drip = setInterval(() => socket.write("X"), 50);
		socket.write("GET http://127.0.0.1/ HTTP/1.1\r\nX: ");
		const head = await readHead(socket);
		clearInterval(drip);
		expect([head.status, head.headers.connection]).toEqual([408, "close"]);
		await readToEnd(socket);
		expect(socket.readableEnded || socket.destroyed).toBe(true);
	});

	it("who says nothing is cut: before it authenticates, and after", async () => {
		const agent = await startAgent(await startWorker(), { limits: { HEAD_SECONDS: 1 } });
		const silent = await dial(agent);
		const authenticated = await dial(agent);
		authenticated.write(
			Buffer.concat([Buffer.from([5, 1, 2, 1, 8]), Buffer.from("changeme"), Buffer.from([13]), Buffer.from("correct horse")]),
		);
		expect([...(await read(authenticated, 4))]).toEqual([5, 2, 1, 0]);
		expect([(await readToEnd(silent)).length, (await readToEnd(authenticated)).length]).toEqual([0, 0]);
	});

	it("an idle tunnel is cut, one with traffic in either direction is not", async () => {
		const origins: Socket[] = [];
		const port = await tcpOrigin((socket) => origins.push(socket));
		const agent = await startAgent(await startWorker(), { limits: { IDLE_SECONDS: 1.5 } });
		const [idle, busy] = [await tunnel(agent, `127.0.0.1:${port}`), await tunnel(agent, `127.0.0.1:${port}`)];
		const traffic = setInterval(() => origins[1]?.write("x"), 100);
		busy.resume();
		const began = performance.now();
		await readToEnd(idle);
		expect(performance.now() - began).toBeLessThan(8000);
		expect(busy.readableEnded || busy.destroyed).toBe(false);
		clearInterval(traffic);
	});

	it("strangers have a cap of their own, and the oldest of them makes room: a client gets in through any number", async () => {
		const web = await httpOrigin((_, response) => response.end("ok"));
		const agent = await startAgent(await startWorker(), { limits: { MAX_STRANGERS: 50 } });
		const inside = await tunnel(agent, `127.0.0.1:${web}`);
		const strangers = await many(120, () => dial(agent));
		for (const socket of strangers) socket.resume();
		await eventually(() => strangers.filter((socket) => socket.destroyed || socket.readableEnded).length >= 70, "the oldest are cut");
		expect(strangers.slice(-40).every((socket) => !socket.destroyed && !socket.readableEnded)).toBe(true);
		expect((await ask(agent, `GET http://127.0.0.1:${web}/ HTTP/1.1\r\n${basic()}\r\n`)).body).toBe("ok");
		inside.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
		expect((await readHead(inside)).status).toBe(200);
	});
});

/** Listens so that whoever connects hears nothing: its queue is full. */
async function silence(hosts: readonly string[], port: number): Promise<void> {
	const program = `
import socket, sys
sockets = []
for host in sys.argv[2:]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(sys.argv[1])))
    listener.listen(0)
    clients = [socket.socket(family) for _ in range(8)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex((host, int(sys.argv[1])))
    sockets += [listener, *clients]
print("silent", flush=True)
sys.stdin.read()
`;
	const child: ChildProcess = spawn("python3", ["-c", program, String(port), ...hosts], { stdio: ["pipe", "pipe", "inherit"] });
	onTestFinished(() => {
		child.kill("SIGKILL");
	});
	await new Promise((resolve) => child.stdout?.once("data", resolve));
}

/** Makes `count` of something, 50 at a time. */
async function many<T>(count: number, make: () => Promise<T>): Promise<T[]> {
	const all: T[] = [];
	while (all.length < count) all.push(...(await Promise.all(Array.from({ length: Math.min(50, count - all.length) }, make))));
	return all;
}
