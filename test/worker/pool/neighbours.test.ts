import { env } from "cloudflare:workers";
import { beforeEach, expect, test } from "vitest";
import { findEndpoint } from "../../../src/d1/directory.ts";
import { deploymentOf } from "../../../src/fleet/directory.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import type { Env } from "../../../src/rpc/env.ts";
import { ask, askRunning } from "./asking.ts";
import { fault, PoolUnderTest, resetCloud } from "./harness.ts";

/** What pools of one deployment do for each other, between two real objects. */

beforeEach(async () => {
	await resetCloud();
	for (const table of ["settings", "names", "pools", "ready_parts", "proxies"]) await env.DB.prepare(`DELETE FROM ${table}`).run();
	forgetEverything();
});

async function running(name: string, scaling: Record<string, unknown>, cloud: Record<string, unknown>): Promise<PoolUnderTest> {
	const configuration = { endpoint: { cloud: "digitalocean" }, scaling, "cloud:digitalocean": cloud };
	expect((await ask("PUT", `/v1.1/endpoints/${name}`, configuration)).status).toBe(200);
	const pool = new PoolUnderTest((await findEndpoint(env.DB, name)) ?? "", await deploymentOf(env as unknown as Env));
	await askRunning(pool, "POST", `/v1.1/endpoints/${name}/state`, { action: "start" });
	return pool;
}

const readyIn = async (pool: PoolUnderTest) => (await pool.phases()).filter((at) => at === "ready").length;

test("what a pool cannot place another one adds to its own target, and drains once the first has it itself", async () => {
	const token = "local-token-of-two-neighbours";
	const second = await running("second", { min_instances: 1, max_instances: 3 }, { access_token: token, region: "sfo3" });
	await second.untilReady(1);
	await fault({ operation: "create", region: "nyc1", kind: "capacity", times: 1000 });
	const scaling = { min_instances: 1, max_instances: 1, fallback: "second", fallback_after: 10 };
	const first = await running("first", scaling, { access_token: token, region: "nyc1" });
	await first.advance(30, 5);
	expect(await first.phases()).not.toContain("ready");
	expect([...(await second.state()).assists]).toMatchObject([[first.object, { count: 1 }]]);
	await second.advanceUntilReady(2);

	await fetch("http://cloud.test/_local/faults", { method: "DELETE" });
	await first.advanceUntilReady(1);
	await first.advance(30, 5);
	expect((await second.state()).assists.size).toBe(0);
	await second.advance(120, 10, () => second.heartbeats());
	expect([await readyIn(first), await readyIn(second), (await second.vms()).length]).toEqual([1, 1, 2]);
	const where = async (name: string) => Object.values((await ask("GET", `/v1.1/endpoints/${name}/instances?state=places`)).body);
	expect([await where("first"), await where("second")]).toMatchObject([
		[{ region: "nyc1", country: "us" }],
		[{ region: "sfo3", country: "us" }],
	]);
}, 60_000);

test("a rate limit that one pool is told holds for the others of its account at once, and for no other account's", async () => {
	const token = "local-token-that-is-shared";
	const pools = [
		await running("one", { min_instances: 0, max_instances: 1 }, { access_token: token, region: "nyc1" }),
		await running("two", { min_instances: 0, max_instances: 1 }, { access_token: token, region: "sfo3" }),
		await running("other", { min_instances: 0, max_instances: 1 }, { access_token: "local-token-of-its-own", region: "nyc1" }),
	] as const;
	for (const pool of pools) await pool.settle();
	const [one, two, other] = pools;
	await fault({
		operation: "create",
		status: 429,
		headers: { "retry-after": "300" },
		body: { id: "too_many_requests", message: "slow down" },
	});
	await one.stub.command({ do: "scale", min: 1, max: 1 });
	await one.settle();
	const [told, heard, apart] = await Promise.all(pools.map(async (pool) => (await pool.state()).breakers.rate.until));
	expect(told).toBeGreaterThan(Date.now() + 250_000);
	expect(heard).toBe(told);
	expect(apart).toBe(0);
	for (const pool of [two, other]) await pool.stub.command({ do: "scale", min: 1, max: 1 });
	await two.advance(120, 30);
	await other.settle();
	const vms = await Promise.all(
		pools.map(async (pool) => [...(await pool.state()).proxies.values()].filter((proxy) => "vm" in proxy.phase).length),
	);
	expect(vms, "only the other account's was made").toEqual([0, 0, 1]);
	await two.advance(300, 30);
	expect((await two.state()).proxies.size).toBe(1);
	expect(await two.phases()).toEqual(["booting"]);
}, 60_000);
