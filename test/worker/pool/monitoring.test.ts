import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { readRecords } from "../../../src/d1/history.ts";
import { tend } from "../../../src/fleet/fleet.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import type { Env } from "../../../src/rpc/env.ts";
import { ask, askRunning } from "./asking.ts";
import { PoolUnderTest, resetCloud } from "./harness.ts";

const bindings = env as unknown as Env;

beforeEach(async () => {
	await resetCloud();
	forgetEverything();
});

describe("what a pool would do", () => {
	test("is told with its reasons, and not done", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await pool.settle();
		const before = await pool.vms();
		const { status, body } = await ask("GET", "/providers/digitalocean/default/plan");
		expect(status).toBe(200);
		expect(body).toMatchObject({
			pool: "digitalocean/default",
			target: { now: 1, next: 1 },
			why: {
				run: "running",
				halted: null,
				bounds: { min: 1, max: 3, surge: 2 },
				count: { ready: 1, billed: 1 },
				rules: [],
				breakers: [],
				launches: true,
			},
		});
		expect(body.effects.map(({ call }: { call: string }) => call)).not.toContain("create");
		expect(await pool.vms()).toEqual(before);
		expect((await ask("GET", "/providers/digitalocean/nyc/plan")).status).toBe(404);
	});
});

describe("the check of an account", () => {
	test("tells that the cloud takes the credentials, and whose VMs there are", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		const { status, body } = await ask("POST", "/providers/digitalocean/default/check");
		expect([status, body.ok, body.vms]).toEqual([200, true, { own: 1, others: expect.any(Number) }]);
	});

	test("of an account that no pool runs with tells what is missing", async () => {
		const { status, body } = await ask("POST", "/providers/hetzner/default/check");
		expect([status, body.ok, body.kind, body.message]).toEqual([200, false, "auth", "the account's credentials are not set"]);
		expect((await ask("POST", "/providers/hetzner/other/check")).status).toBe(404);
	});
});

describe("cron", () => {
	test("collects what pools count, whatever VMs are gone", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await pool.settle();
		await tend(bindings, Date.now());
		const first = (await readRecords(env.DB))[pool.object];
		expect(first?.meters.phases.ready).toBe(1);
		expect(first?.meters.counters.creates).toEqual({ created: 1 });
		expect(first?.meters.counters.boots.counts.reduce((sum, count) => sum + count, 0)).toBe(1);
		await askRunning(pool, "PATCH", "/providers/digitalocean", { min_scaling: 0, max_scaling: 0 });
		await pool.until(({ proxies }) => proxies.size === 0, "no proxy");
		await pool.settle();
		await tend(bindings, Date.now());
		const last = (await readRecords(env.DB))[pool.object];
		expect(last?.meters.counters.deletes).toEqual({ scale_in: 1 });
		expect(last?.meters.billed).toBe(0);
		const { events } = (await ask("GET", "/events?pool=digitalocean/default")).body;
		const kinds = events.map(({ kind }: { kind: string }) => kind);
		expect(kinds).toEqual(expect.arrayContaining(["created", "ready", "scaled", "drained", "deleting", "deleted"]));
		expect(events.find(({ kind }: { kind: string }) => kind === "ready").text).toMatch(/^ready [\d.]+: after \d+ s$/);
		const { vms, totals } = (await ask("GET", "/history/vms?pool=digitalocean/default")).body;
		expect(vms[0]).toMatchObject({ reason: "scale_in", size: "s-1vcpu-512mb-10gb", ready_after: expect.any(Number), currency: "USD" });
		expect(vms[0].cost).toBeGreaterThan(0);
		expect(totals[0].count).toBeGreaterThan(0);
	});
});
