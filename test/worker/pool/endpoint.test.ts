import { exports } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { bindings, PoolUnderTest, resetCloud } from "./harness.ts";

beforeEach(resetCloud);

const worker = (exports as unknown as { default: { fetch: typeof fetch } }).default;
const call: typeof fetch = (input, init) => worker.fetch(input, init);
const STATE = "https://muster.test/v1.1/endpoints/digitalocean-default/state";
const act = (action: unknown) =>
	call(STATE, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ action }) });

describe("an endpoint's state", () => {
	test("is read, stopped, paused and started over HTTP, in any case", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		expect(await (await call(STATE)).json()).toEqual({ state: "RUNNING", active: [], manager: expect.stringMatching(/^[0-9a-f-]{36}$/) });
		const stopped = await act("STOP");
		expect([stopped.status, await stopped.text()]).toEqual([200, ""]);
		await pool.until(async () => (await pool.vms()).length === 0, "no VM");
		expect(await (await call(STATE)).json()).toMatchObject({ state: "STOPPED" });
		expect((await act("Start")).status).toBe(200);
		await pool.untilReady(1);
		expect((await act("pause")).status).toBe(200);
		expect(await (await call(STATE)).json()).toMatchObject({ state: "PAUSED" });
	});

	test("takes no other action, and there is none of an unknown endpoint", async () => {
		await new PoolUnderTest().start();
		expect((await act("explode")).status).toBe(400);
		expect((await call(STATE.replace("default", "nowhere"))).status).toBe(404);
	});
});

describe("a pool whose own check failed", () => {
	test("neither creates nor deletes, says so in its log and its summary, goes on serving, and is resumed by start", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await pool.inside((inside) => {
			const { state } = inside;
			// What a bug would have to do: two intents that own one VM.
			const [proxy] = state.proxies.values();
			if (proxy === undefined) throw new Error("no proxy");
			const twin = { ...proxy, id: "twin000000000000" };
			inside.commit(state, { ...state, proxies: state.proxies.with(twin.id, twin) }, null);
		});
		await pool.settle();
		const broken = await pool.state();
		expect(broken.breach).toContain("belongs to two intents");
		const told = await bindings.DB.prepare("SELECT severity FROM logs WHERE object = ? AND text LIKE 'stopped by its own check%'")
			.bind(pool.object)
			.all();
		expect(told.results).toEqual([{ severity: "ERROR" }]);
		await pool.stub.command({ do: "scale", min: 3, max: 3 });
		await pool.settle();
		expect(await pool.vms()).toHaveLength(1);
		const health = (await (await call("https://muster.test/health")).json()) as { status: string };
		expect(health.status).toBe("degraded");
		expect(JSON.stringify(health)).toContain("stopped by its own check");
		const shown = (await (await call("https://muster.test/")).json()) as { total: number };
		expect(shown.total).toBeGreaterThan(0);
		await pool.inside((inside) => {
			const proxies = inside.state.proxies.without("twin000000000000");
			inside.commit(inside.state, { ...inside.state, proxies }, null);
		});
		await act("start");
		await pool.untilReady(3);
		expect((await pool.state()).breach).toBeNull();
	});
});
