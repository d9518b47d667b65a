import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { tend } from "../../../src/fleet/fleet.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import type { Env } from "../../../src/rpc/env.ts";
import { ask, askRunning } from "./asking.ts";
import { PoolUnderTest, resetCloud } from "./harness.ts";

const listed = async (): Promise<string[]> => {
	const { body } = await ask("GET", "/?limit=100");
	return body.proxies.map((proxy: { ip: string }) => proxy.ip).sort();
};

beforeEach(async () => {
	await resetCloud();
	forgetEverything();
});

describe("the API with a pool behind it", () => {
	test("a PATCH is carried out, and what is ready is listed with its URL", async () => {
		const pool = await new PoolUnderTest().start();
		const { status, body } = await askRunning(pool, "PATCH", "/providers/digitalocean", { min_scaling: 2, max_scaling: 2 });
		expect(status).toBe(200);
		expect(body.provider.scaling).toEqual({ min_scaling: 2, max_scaling: 2 });
		await pool.untilReady(2);
		await pool.settle();
		forgetEverything();
		const ips = await listed();
		expect(ips).toHaveLength(2);
		expect((await ask("GET", "/random")).body.proxy).toMatchObject({
			auth_enabled: true,
			instance: "default",
			display_name: "DigitalOcean",
		});
		expect((await ask("GET", "/providers/digitalocean")).body.provider.ips.sort()).toEqual(ips);
		expect((await ask("GET", "/health")).body.status).toBe("healthy");
	});

	test("a destroyed proxy is gone from the list when the answer comes, and may be destroyed again", async () => {
		const pool = await new PoolUnderTest().start();
		await askRunning(pool, "PATCH", "/providers/digitalocean", { min_scaling: 2, max_scaling: 2 });
		await pool.untilReady(2);
		await pool.settle();
		forgetEverything();
		const [doomed] = await listed();
		const path = `/destroy?ip_address=${doomed}`;
		const first = await askRunning(pool, "DELETE", path);
		expect(first).toMatchObject({ status: 200, body: { message: "Proxy scheduled for deletion", proxy: { ip: doomed } } });
		expect(await listed()).not.toContain(doomed);
		const again = await askRunning(pool, "DELETE", path);
		expect([again.status, again.body.proxy]).toEqual([200, first.body.proxy]);
		await pool.untilReady(2);
		expect((await pool.vms()).map((vm) => vm.ip)).not.toContain(doomed);
	});

	test("a proxy being restarted is not in the list, and comes back", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await pool.settle();
		forgetEverything();
		const [ip] = await listed();
		const { status, body } = await askRunning(pool, "DELETE", `/restart?ip_address=${ip}`);
		expect([status, body.message]).toEqual([200, "Proxy scheduled for restart"]);
		expect(await listed()).toEqual([]);
		// Its agent starts anew, and registers with the key that it has kept.
		pool.keys.clear();
		await pool.untilReady(1);
		await pool.settle();
		forgetEverything();
		expect(await listed()).toEqual([ip]);
	});

	test("cron makes the pool that the environment names, and a second run finds it", async () => {
		for (const table of ["settings", "names", "pools", "ready_parts", "proxies"]) await env.DB.prepare(`DELETE FROM ${table}`).run();
		forgetEverything();
		const bindings = env as unknown as Env;
		expect((await ask("GET", "/random")).status, "starting").toBe(503);
		await tend(bindings, Date.now());
		const pools = async () => (await env.DB.prepare("SELECT object FROM pools").all()).results;
		const made = await pools();
		expect(made).toHaveLength(1);
		await tend(bindings, Date.now());
		expect(await pools()).toEqual(made);
	});
});
