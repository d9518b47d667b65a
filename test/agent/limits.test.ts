import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
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

	it("a thousand tunnels whose clients do not read hold back their origins, in 64 MB", async () => {
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
		const clients = await many(1000, () => tunnel(agent, `127.0.0.1:${port}`));
		for (const client of clients) client.pause();
		let last = -1;
		// Full when nothing moves any more.
		await eventually(
			async () => {
				const sum = written.reduce((total, bytes) => total + bytes, 0);
				const isStill = sum === last;
				last = sum;
				await new Promise((resolve) => setTimeout(resolve, 500));
				return isStill && written.length === 1000;
			},
			"the origins are held back",
			100_000,
		);
		expect(Math.max(...written)).toBeLessThan(ENDLESS_BYTES);
		expect(agent.rssBytes()).toBeLessThan(64 * MEGABYTE);
		// The others are served meanwhile.
		const web = await httpOrigin((_, response) => response.end("ok"));
		expect((await ask(agent, `GET http://127.0.0.1:${web}/ HTTP/1.1\r\n${basic()}\r\n`)).body).toBe("ok");
	}, 150_000);

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

/** Makes `count` of something, 50 at a time. */
async function many<T>(count: number, make: () => Promise<T>): Promise<T[]> {
	const all: T[] = [];
	while (all.length < count) all.push(...(await Promise.all(Array.from({ length: Math.min(50, count - all.length) }, make))));
	return all;
}
