import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { LineOrder, LineReport } from "../../../src/agent/protocol.ts";
import { Controller } from "../../../src/controller/controller.ts";
import { LINE_LATE_MS } from "../../../src/core/model/limits.ts";
import { Store } from "../../../src/pool/store.ts";
import { PoolUnderTest, resetCloud } from "./harness.ts";

beforeEach(resetCloud);

/** A real WebSocket to the object. */
interface Client {
	readonly socket: WebSocket;
	readonly orders: (LineOrder & { whole?: true })[];
	readonly closes: { code: number; reason: string }[];
	report(report: Partial<LineReport>): void;
}

const NOTHING = { active: 0, metrics: {}, credentials: 1, whole: true, opened: [], closed: [], heard: 0 } as const;

const ask = (pool: PoolUnderTest, key: string) =>
	pool.stub.fetch("https://muster.test/v1.1/agent", { headers: { Upgrade: "websocket", Authorization: `Bearer ${key}` } });

async function dial(pool: PoolUnderTest, key: string): Promise<Client> {
	const { webSocket, status } = await ask(pool, key);
	if (webSocket === null) throw new Error(`no line: ${status}`);
	webSocket.accept();
	const client: Client = {
		socket: webSocket,
		orders: [],
		closes: [],
		report: (report) => webSocket.send(JSON.stringify({ ...NOTHING, ...report })),
	};
	webSocket.addEventListener("message", ({ data }) => {
		if (data !== "pong") client.orders.push(JSON.parse(String(data)));
	});
	webSocket.addEventListener("close", ({ code, reason }) => {
		client.closes.push({ code, reason });
	});
	onTestFinished(() => {
		try {
			webSocket.close();
		} catch {
			// The pool has closed it.
		}
	});
	return client;
}

async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
	const deadline = Date.now() + 20_000;
	while (!(await check())) {
		if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}

/** A pool with one ready proxy, its VM key and its id. */
async function ready() {
	const pool = await new PoolUnderTest().start();
	await pool.untilReady(1);
	const [key = ""] = pool.keys.values();
	const [id = ""] = (await pool.state()).proxies.keys();
	return { pool, key, id };
}

const vitalsOf = async (pool: PoolUnderTest, id: string) => (await pool.state()).vitals.get(id);
const socketsOf = (pool: PoolUnderTest) => pool.inside((_, ctx) => ctx.getWebSockets("agent").length);

describe("a line", () => {
	test("tells at once the whole wish, and takes reports: first all sessions, then what has changed", async () => {
		const { pool, key, id } = await ready();
		const client = await dial(pool, key);
		await until("an order", () => client.orders.length === 1);
		expect(client.orders[0]).toMatchObject({
			order: 1,
			drain: false,
			drop: [],
			report: 300,
			rise: 0,
			rises: {},
			url: "https://muster.test",
		});
		client.report({ number: 1, active: 2, opened: ["192.0.2.1:1", "192.0.2.1:2"], heard: 1 });
		client.report({ number: 2, active: 2, whole: false, opened: ["192.0.2.1:3"], closed: ["192.0.2.1:1"] });
		await until("both reports", async () => (await vitalsOf(pool, id))?.report === 2);
		expect((await pool.state()).sessions.get(id)).toEqual(["192.0.2.1:2", "192.0.2.1:3"]);
		expect(await vitalsOf(pool, id)).toMatchObject({ isLined: true, active: 2 });
		expect(client.orders).toHaveLength(1);
	});

	test("is opened through the Worker, which adds its headers to the pool's answer", async () => {
		const { pool, key } = await ready();
		const headers = { Upgrade: "websocket", Authorization: `Bearer ${key}` };
		const answer = await exports.default.fetch("https://muster.test/v1.1/agent", { headers });
		expect([answer.status, answer.headers.has("X-Request-Id")]).toEqual([101, true]);
		answer.webSocket?.accept();
		expect(await socketsOf(pool)).toBe(1);
		const other = await exports.default.fetch("https://muster.test/v1.1/agent", {
			headers: { ...headers, Authorization: `Bearer ${key.slice(0, -1)}z` },
		});
		expect([other.status, await other.text()]).toEqual([401, "unauthorized"]);
		answer.webSocket?.close();
	});

	test("is refused to a key that is not this proxy's, and closed once the proxy goes", async () => {
		const { pool, key } = await ready();
		const refused = await ask(pool, `${key.slice(0, -1)}z`);
		expect([refused.status, await refused.text()]).toEqual([401, "the key is not this proxy's"]);
		expect((await ask(pool, "nonsense")).status).toBe(401);
		const client = await dial(pool, key);
		await pool.stub.command({ do: "run", run: "stopped" });
		await pool.settle();
		client.report({ number: 1 });
		await until("it is closed", () => client.closes.length > 0);
		expect(client.closes[0]?.code).toBe(4401);
		// It comes again, after its proxy is gone.
		expect((await ask(pool, key)).status).toBe(401);
		expect(await socketsOf(pool)).toBe(0);
	});

	test("is told again each 20 s what it does not acknowledge, after a sleep too, and no more once it does", async () => {
		const { pool, key, id } = await ready();
		const client = await dial(pool, key);
		client.report({ number: 1, heard: 1 });
		await until("the report", async () => (await vitalsOf(pool, id))?.report === 1);
		await pool.stub.command({ do: "drop", session: "192.0.2.1:1" });
		await until("the order", () => client.orders.length === 2);
		await evictDurableObject(pool.stub);
		const now = Date.now();
		await pool.setClock(now + 15_000);
		await pool.settle();
		expect(client.orders).toHaveLength(2);
		await pool.setClock(now + 25_000);
		await pool.settle();
		await until("it is sent again", () => client.orders.length === 3);
		expect(client.orders[2]).toMatchObject({ order: 3, drop: ["192.0.2.1:1"] });
		client.report({ number: 2, whole: false, heard: 3 });
		await until("it is done", () => client.orders.at(-1)?.drop.length === 0);
		client.report({ number: 3, whole: false, heard: 4 });
		await until("that is heard", async () => (await vitalsOf(pool, id))?.report === 3);
		await pool.setClock(now + 59_000);
		await pool.settle();
		expect(client.orders).toHaveLength(4);
	});

	test("asks for a whole report where a number is missing, and takes nothing of a difference from what it does not know", async () => {
		const { pool, key, id } = await ready();
		const client = await dial(pool, key);
		client.report({ number: 1, opened: ["192.0.2.1:1"] });
		client.report({ number: 3, whole: false, opened: ["192.0.2.1:9"] });
		await until("it asks", () => client.orders.some(({ whole }) => whole === true));
		expect((await pool.state()).sessions.get(id)).toEqual(["192.0.2.1:1"]);
		client.report({ number: 4, active: 1, opened: ["192.0.2.1:9"] });
		await until("it has all", async () => (await pool.state()).sessions.get(id)?.[0] === "192.0.2.1:9");
	});

	test("brings an order to drop a session at once, until the session is reported gone", async () => {
		const { pool, key, id } = await ready();
		const client = await dial(pool, key);
		client.report({ number: 1, active: 1, opened: ["192.0.2.1:1"] });
		await until("the report", async () => (await vitalsOf(pool, id))?.report === 1);
		await pool.stub.command({ do: "drop", session: "192.0.2.1:1" });
		await until("the order", () => client.orders.some(({ drop }) => drop?.[0] === "192.0.2.1:1"));
		const order = client.orders.at(-1)?.order ?? 0;
		client.report({ number: 2, whole: false, closed: ["192.0.2.1:1"], heard: order });
		await until("it is done", async () => (await pool.state()).drops.length === 0);
		await until("the wish says so", () => client.orders.at(-1)?.drop?.length === 0);
	});

	test("is known after the object has slept: what was reported on it last, so that a difference from that is taken", async () => {
		const { pool, key, id } = await ready();
		const client = await dial(pool, key);
		client.report({ number: 1, active: 1, opened: ["192.0.2.1:1"], metrics: { requests: 2.5 } });
		client.report({ number: 2, active: 2, whole: false, opened: ["192.0.2.1:2"], metrics: { requests: 3.5 } });
		await until("both reports", async () => (await vitalsOf(pool, id))?.report === 2);
		await evictDurableObject(pool.stub);
		expect(await vitalsOf(pool, id)).toMatchObject({ isLined: true, report: 2, active: 2, metrics: { requests: 3.5 } });
		expect((await pool.state()).linesFellAt).toBe(0);
		client.report({ number: 3, active: 1, whole: false, closed: ["192.0.2.1:1"] });
		await until("the third", async () => (await vitalsOf(pool, id))?.report === 3);
		expect((await pool.state()).sessions.get(id)).toEqual(["192.0.2.1:2"]);
		expect(client.orders).toHaveLength(1);
		expect(client.closes).toEqual([]);
	});

	test("is asked for all after a sleep where its last report was too long to be kept with it", async () => {
		const { pool, key, id } = await ready();
		// A pass that is under way, or comes meanwhile, would store what is reported. What was due in a moment is not due any more.
		await pool.settle();
		await pool.inside((_, ctx) => ctx.storage.setAlarm(Date.now() + 3_600_000));
		const client = await dial(pool, key);
		const many = Array.from({ length: 700 }, (_, n) => `192.0.2.1:${10_000 + n}`);
		client.report({ number: 1, active: 700, opened: many });
		client.report({ number: 2, active: 699, whole: false, closed: many.slice(0, 1) });
		await until("the reports", async () => (await vitalsOf(pool, id))?.report === 2);
		await evictDurableObject(pool.stub);
		await pool.state();
		await until("it asks", () => client.orders.some(({ whole }) => whole === true));
		client.report({ number: 3, active: 700, opened: many });
		await until("it has all", async () => (await pool.state()).sessions.get(id)?.length === 700);
	});

	test("is told again, on the next one, what was stored and not told", async () => {
		const { pool, key } = await ready();
		const client = await dial(pool, key);
		await until("an order", () => client.orders.length === 1);
		await pool.crash();
		await until("the crash cuts it", () => client.closes.length > 0);
		await pool.stub.command({ do: "drop", session: "192.0.2.1:1" });
		const next = await dial(pool, key);
		await until("an order", () => next.orders.length === 1);
		expect(next.orders[0]?.drop).toEqual(["192.0.2.1:1"]);
	});

	test("takes an older one's place", async () => {
		const { pool, key, id } = await ready();
		const [older, newer] = [await dial(pool, key), await dial(pool, key)];
		await until("the older is closed", () => older.closes[0]?.code === 4001);
		newer.report({ number: 1, active: 1, opened: ["192.0.2.1:2"] });
		await until("the newer reports", async () => (await vitalsOf(pool, id))?.active === 1);
		expect((await vitalsOf(pool, id))?.doubtedAt).toBe(0);
	});

	test("that is half open makes its proxy suspect after a minute and takes nothing from it; what was told on it is told again on the next", async () => {
		const { pool, key, id } = await ready();
		// Nothing of it reaches the pool, and nothing of the pool's reaches its agent.
		const silent = await dial(pool, key);
		silent.report({ number: 1 });
		await until("the report", async () => (await vitalsOf(pool, id))?.report === 1);
		await pool.stub.command({ do: "drop", session: "192.0.2.1:1" });
		await until("the order", () => silent.orders.at(-1)?.drop.length === 1);
		const lateAt = (await vitalsOf(pool, id))?.heardAt ?? 0;
		await pool.setClock(lateAt + LINE_LATE_MS);
		await pool.settle();
		expect((await vitalsOf(pool, id))?.probedAt).toBe(lateAt + LINE_LATE_MS);
		expect([await pool.phases(), (await pool.vms()).length, silent.closes]).toEqual([["ready"], 1, []]);
		const next = await dial(pool, key);
		await until("the older is closed", () => silent.closes[0]?.code === 4001);
		await until("an order", () => next.orders.length === 1);
		expect(next.orders[0]).toMatchObject({ order: 1, drop: silent.orders.at(-1)?.drop });
		expect(await socketsOf(pool)).toBe(1);
	});

	test("that breaks makes its proxy suspect, which is probed at once; one that ends with a word does not", async () => {
		const { pool, key, id } = await ready();
		const client = await dial(pool, key);
		client.socket.close(1000, "bye");
		await until("it has ended", async () => (await socketsOf(pool)) === 0);
		expect((await vitalsOf(pool, id))?.doubtedAt).toBe(0);
		await dial(pool, key);
		const before = Date.now();
		// As the platform tells it of a connection that is cut.
		await runInDurableObject(pool.stub, async (object, ctx) => {
			const [socket] = ctx.getWebSockets("agent");
			if (socket !== undefined) await (object as unknown as DurableObject).webSocketClose?.(socket, 1006, "", false);
		});
		expect((await vitalsOf(pool, id))?.doubtedAt).toBeGreaterThanOrEqual(before);
		// At most one probe in 0.7 s.
		await until("it is probed", async () => {
			await pool.settle();
			return (await vitalsOf(pool, id))?.doubtedAt === 0;
		});
		expect((await vitalsOf(pool, id))?.probedAt).toBeGreaterThanOrEqual(before);
	});

	test("shows life by pings that wake nobody and change no row", async () => {
		const { pool, key, id } = await ready();
		const client = await dial(pool, key);
		client.report({ number: 1 });
		await until("the report", async () => (await vitalsOf(pool, id))?.report === 1);
		const before = (await vitalsOf(pool, id))?.heardAt ?? 0;
		await new Promise((resolve) => setTimeout(resolve, 150));
		const ponged = new Promise<void>((resolve) => {
			client.socket.addEventListener("message", ({ data }) => {
				if (data === "pong") resolve();
			});
		});
		client.socket.send("ping");
		await ponged;
		expect((await vitalsOf(pool, id))?.heardAt).toBe(before);
		await pool.settle();
		expect((await vitalsOf(pool, id))?.heardAt).toBeGreaterThan(before);
	});

	test("that says what cannot be read is closed", async () => {
		const { pool, key } = await ready();
		const long = JSON.stringify({ ...NOTHING, number: 1 }) + " ".repeat(300_000);
		const words = [
			"no JSON",
			"{}",
			"null",
			JSON.stringify({ ...NOTHING, number: 0 }),
			long,
			new TextEncoder().encode(JSON.stringify({ ...NOTHING, number: 1 })),
		];
		for (const said of words) {
			const client = await dial(pool, key);
			client.socket.send(said);
			await until("it is closed", () => client.closes.length > 0);
			expect(client.closes[0]?.code).toBe(1008);
		}
	});

	test("that says too much at once is closed", async () => {
		const { pool, key, id } = await ready();
		const client = await dial(pool, key);
		for (let number = 1; number <= 200; number++) client.report({ number, whole: number === 1 });
		await until("it is closed", () => client.closes.length > 0);
		expect(client.closes[0]?.code).toBe(1008);
		expect((await vitalsOf(pool, id))?.report).toBeLessThan(130);
	});

	test("on which nothing is read holds no more than a few orders, and is told the newest once it has caught up", async () => {
		const { pool, key } = await ready();
		const client = await dial(pool, key);
		await until("the first order", () => client.orders.length === 1);
		for (let n = 0; n < 20; n++) await pool.stub.command({ do: "drop", session: `192.0.2.1:${1000 + n}` });
		await until("orders", () => client.orders.length === 8);
		client.report({ number: 1, heard: 8 });
		await until("the newest", () => client.orders.length === 9);
		// None of these sessions is there.
		expect(client.orders[8]?.drop).toEqual([]);
		// It goes on pinging, and hears nothing any more.
		for (let n = 0; n < 20; n++) await pool.stub.command({ do: "drop", session: `192.0.2.2:${1000 + n}` });
		await pool.setClock(Date.now() + 60_000);
		await pool.settle();
		await until("it is closed", () => client.closes.length > 0);
		expect(client.orders.length).toBeLessThanOrEqual(16);
	});

	test("of an object that sleeps is answered its pings without waking it", async () => {
		const { pool, key } = await ready();
		const client = await dial(pool, key);
		client.report({ number: 1, heard: 1 });
		await pool.settle();
		await evictDurableObject(pool.stub);
		// Whoever wakes it has it read its rows.
		const loads = vi.spyOn(Store.prototype, "load");
		onTestFinished(() => loads.mockRestore());
		let pongs = 0;
		client.socket.addEventListener("message", ({ data }) => {
			if (data === "pong") pongs++;
		});
		for (let ping = 1; ping <= 5; ping++) {
			client.socket.send("ping");
			await until("its answer", () => pongs === ping);
		}
		expect(loads).not.toHaveBeenCalled();
		client.report({ number: 2, whole: false });
		await until("a report wakes it", () => loads.mock.calls.length === 1);
	});
});

test("those that come back after a deploy, a thousand of them, cost one row of vitals and no pass each", async () => {
	const { pool } = await ready();
	const secret = "s".repeat(43);
	const keys = Array.from({ length: 1000 }, (_, n) => `${pool.object}.crew${String(n).padStart(8, "0")}.${secret}`);
	const hashes = await Promise.all(keys.map(sha256Of));
	await pool.inside((inside) => {
		const [one] = inside.state.proxies.values();
		if (one === undefined) throw new Error("there is a proxy");
		const crew = keys.map((key, n) => {
			const id = key.split(".")[1] ?? "";
			return {
				...one,
				id,
				address: `198.51.${n >> 8}.${n & 255}`,
				keyHash: hashes[n] ?? "",
				phase: { at: "ready", vm: `vm-${n}` },
			} as const;
		});
		const proxies = crew.reduce((table, proxy) => table.with(proxy.id, proxy), inside.state.proxies);
		inside.commit(inside.state, { ...inside.state, proxies }, null);
	});
	for (const key of keys) (await dial(pool, key)).report({ number: 1, heard: 1 });
	await until("all have reported", async () => (await pool.state()).vitals.size >= 1000);
	await pool.crash();
	await pool.state();
	const [saves, passes] = [vi.spyOn(Store.prototype, "save"), vi.spyOn(Controller.prototype, "alarm")];
	onTestFinished(() => {
		saves.mockRestore();
		passes.mockRestore();
	});
	const armedAt = await pool.inside((inside) => inside.armedAt);
	const clients = [];
	for (const key of keys) {
		const client = await dial(pool, key);
		client.report({ number: 1, heard: 1 });
		clients.push(client);
	}
	await until(
		"all are heard again",
		async () => [...(await pool.state()).vitals.values()].filter(({ report }) => report === 1).length >= 1000,
	);
	const written = saves.mock.calls.map(([changes]) => changes);
	const vitals = written.flatMap((changes) => changes.vitals?.() ?? []).length;
	expect([written.flatMap(({ proxies }) => proxies).length, vitals <= 1, passes.mock.calls.length <= 1]).toEqual([0, true, true]);
	expect(await pool.inside((inside) => inside.armedAt)).toBe(armedAt);
	expect(clients.every(({ closes }) => closes.length === 0)).toBe(true);
});

async function sha256Of(text: string): Promise<string> {
	const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
	return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
