import { evictDurableObject } from "cloudflare:test";
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { LineOrder } from "../../../src/agent/protocol.ts";
import { credentialsAsked } from "../../../src/core/model/credentials.ts";
import type { State } from "../../../src/core/model/state.ts";
import { readOrderedCredentials, writeSetting } from "../../../src/d1/settings.ts";
import { resealCredentials } from "../../../src/fleet/credentials.ts";
import { readFacts, tickPools } from "../../../src/fleet/fleet.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import { openedOrder } from "../../../src/settings/ordered-credentials.ts";
import { ask } from "./asking.ts";
import { bindings, PoolUnderTest, resetCloud } from "./harness.ts";

const KEY = "the-encryption-key-of-the-tests";
const ANOTHER_KEY = "another-encryption-key-of-the-tests";

beforeEach(async () => {
	await resetCloud();
	await writeSetting(bindings.DB, "credentials", null);
	// Those of other files would be told as well.
	await bindings.DB.batch(["pools", "names", "ready_parts", "proxies"].map((table) => bindings.DB.prepare(`DELETE FROM ${table}`)));
	forgetEverything();
});

// The next file's pools are told what D1 holds.
afterAll(() => writeSetting(bindings.DB, "credentials", null));

const asked = (state: State) => credentialsAsked(state)?.password;
const withKeys = (pool: PoolUnderTest, ENCRYPTION_KEY: string) =>
	pool.inside((inside) => {
		inside.env = { ...inside.env, ENCRYPTION_KEY };
	});
const told = async (pool: PoolUnderTest) => {
	await pool.stub.tick(await readFacts(bindings));
	return pool.state();
};
const set = async (password: string) => {
	expect((await ask("PUT", "/auth", { password })).status).toBe(200);
	return (await readFacts(bindings)).credentials ?? null;
};

describe("credentials that are set by PUT /auth", () => {
	test("are told on the lines at once, of a pool that sleeps too, and shown of a proxy once it has acknowledged them", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		const [key = ""] = pool.keys.values();
		const { webSocket } = await pool.stub.fetch("https://muster.test/v1.1/agent", {
			headers: { Upgrade: "websocket", Authorization: `Bearer ${key}` },
		});
		if (webSocket === null) throw new Error("no line");
		webSocket.accept();
		onTestFinished(() => webSocket.close());
		const orders: LineOrder[] = [];
		webSocket.addEventListener("message", ({ data }) => {
			if (data !== "pong") orders.push(JSON.parse(String(data)));
		});
		await pool.until(() => orders.length === 1, "the first order");
		await pool.settle();
		await evictDurableObject(pool.stub);

		const { status, body } = await ask("PUT", "/auth", { username: "you", password: "at-once", former_seconds: 0 });
		expect([status, body.pools]).toEqual([200, { told: 1, of: 1 }]);
		const secondTold = () => orders.find(({ credentials }) => credentials?.version === 2);
		await pool.until(() => secondTold() !== undefined, "the order");
		expect(secondTold()?.credentials).toEqual({ version: 2, username: "you", password: "at-once", former: 0 });

		const passwords = async () => {
			await pool.settle();
			forgetEverything();
			return (await ask("GET", "/")).body.proxies.map((proxy: { password: string }) => proxy.password);
		};
		expect(await passwords()).toEqual(["pass"]);
		expect((await ask("GET", "/auth")).body.in_force).toEqual({ proxies: 0, of: 1 });
		const report = {
			number: 1,
			active: 0,
			metrics: {},
			credentials: 2,
			whole: true,
			opened: [],
			closed: [],
			heard: secondTold()?.order ?? 0,
		};
		webSocket.send(JSON.stringify(report));
		await pool.until(async (state) => [...state.proxies.values()][0]?.credentials === 2, "it is acknowledged");
		expect(await passwords()).toEqual(["at-once"]);
		expect((await ask("GET", "/auth")).body.in_force).toEqual({ proxies: 1, of: 1 });
	});

	test("outlive crashes and configurations, and an older telling changes nothing", async () => {
		const pool = await new PoolUnderTest().start();
		const facts = await readFacts(bindings);
		const first = await set("first");
		const second = await set("second");
		await pool.crash();
		expect(asked(await pool.state())).toBe("second");
		for (const credentials of [first, second, null]) await pool.stub.tick({ ...facts, credentials });
		await pool.stub.tick({ agentUrl: null, rolling: null, proxies: 0 });
		const state = await pool.state();
		expect([asked(state), state.credentials.length]).toEqual(["second", 2]);
	});

	test("are what a pool begins with that is made later", async () => {
		await set("before");
		const pool = await new PoolUnderTest().start();
		await told(pool);
		expect(asked(await pool.state())).toBe("before");
		expect((await pool.state()).proxies.size).toBe(0);
	});

	test("give way to the deployment's own once they are deleted, and do not come back", async () => {
		const pool = await new PoolUnderTest().start();
		const credentials = await set("set");
		expect((await ask("DELETE", "/auth")).body).toMatchObject({ password: "pass", source: "environment" });
		expect(asked(await pool.state())).toBe("pass");
		await pool.stub.tick({ ...(await readFacts(bindings)), credentials });
		expect(asked(await pool.state())).toBe("pass");
	});

	test("stay in force where ENCRYPTION_KEY has lost its key, and a pool that never had any launches nothing", async () => {
		const pool = await new PoolUnderTest().start();
		await set("kept");
		const later = await set("later");
		await withKeys(pool, ANOTHER_KEY);
		expect(asked(await told(pool))).toBe("later");
		const fresh = new PoolUnderTest();
		await fresh.start();
		await fresh.inside((inside) => {
			// As a pool that is told of them before anything else.
			inside.commit(inside.state, { ...inside.state, credentials: [] }, null);
		});
		await withKeys(fresh, ANOTHER_KEY);
		const suspended = await told(fresh);
		expect([suspended.credentials, suspended.suspended]).toEqual([[], expect.stringContaining("ENCRYPTION_KEY")]);
		await withKeys(fresh, `${ANOTHER_KEY},${KEY}`);
		const mended = await told(fresh);
		expect([asked(mended), mended.suspended, mended.orderedCredentials.revision]).toEqual(["later", null, later?.revision]);
	});

	test("are stored again by cron where D1 has lost them, or holds older ones", async () => {
		const pool = await new PoolUnderTest().start();
		const first = await set("first");
		const second = await set("second");
		for (const lost of [null, JSON.stringify(first)]) {
			await writeSetting(bindings.DB, "credentials", lost);
			await tickPools(bindings, await readFacts(bindings));
			const stored = await readOrderedCredentials(bindings.DB);
			expect(stored?.revision).toBe(second?.revision);
			expect(stored && openedOrder([KEY], stored).password).toBe("second");
			expect(asked(await pool.state())).toBe("second");
		}
	});

	test("are encrypted anew with the first key", async () => {
		const before = await set("same");
		if (before === null) throw new Error("nothing is stored");
		await resealCredentials({ ...bindings, ENCRYPTION_KEY: `${ANOTHER_KEY},${KEY}` }, before);
		const after = await readOrderedCredentials(bindings.DB);
		expect(after?.revision).toBe(before.revision);
		expect(after && openedOrder([ANOTHER_KEY], after).password).toBe("same");
	});
});
