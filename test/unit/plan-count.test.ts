import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CHANGING_MS, day, fleetDay, ownShare } from "./plan-day.ts";

const SECOND = 1000;

test("a thousand idle VMs in pools of 250 take less than half of what the free plan allows a day, and none is ever late", async () => {
	const { pool, all } = await fleetDay(4, 250);
	expect(all.worker).toBeLessThanOrEqual(50_000);
	expect(all.object).toBeLessThanOrEqual(50_000);
	expect(all.written).toBeLessThanOrEqual(50_000);
	expect(all.read).toBeLessThanOrEqual(2_500_000);
	expect(all.gbSeconds).toBeLessThanOrEqual(6_500);
	// Samples alone, which are a fiftieth of the fleet each interval.
	expect(pool.probes).toBeLessThan(2_880 * 6);
	expect([...pool.state.proxies.values()].every(({ phase }) => phase.at === "ready")).toBe(true);
	console.info(`1,000 VMs, a day of the free plan: ${JSON.stringify(all)}`);
	// What the README states is what was counted.
	const row = [all.worker, all.object, all.written].map((count) => Math.round(count).toLocaleString("en")).join(" | ");
	expect(readFileSync(join(import.meta.dirname, "../../README.md"), "utf8")).toContain(`| 1,000 VMs in four pools of 250 | ${row} |`);
});

test("a pool whose cloud is sold out tries it each 40 s at the least, and tells readers how often each ten minutes", async () => {
	const { creates, publications } = await day(3, 3, { isLined: true, soldOut: 2 });
	expect(creates).toBeGreaterThan(86_400 / 40);
	// It was two for each of them.
	expect(publications).toBeLessThanOrEqual(86_400 / 600 + 10);
});

test("a VM's own share is at most 60 requests a day while idle, and 400 while its connections change all the time", async () => {
	const share = (how: Parameters<typeof day>[2]) => ownShare(20, how);
	const idle = await share({ isLined: true });
	expect(idle).toBeLessThanOrEqual(60);
	// Changes that go on are told each 15 s, and rises each minute besides: test/agent/pace.test.ts counts them.
	const busy = await share({ isLined: true, reportMs: CHANGING_MS });
	expect(busy).toBeLessThanOrEqual(400);
	// Where rules go by them a pool looks each interval whether anybody is there or not; what changes below their bound adds nothing to that.
	const ruled = await share({ isLined: true, reportMs: CHANGING_MS, demand: { rule: "active < 3", connections: [1, 2, 1, 3, 2, 0, 2] } });
	expect(ruled).toBeLessThanOrEqual(400);
	const called = await share({ isLined: false, reportMs: 30 * SECOND });
	expect(called).toBeGreaterThanOrEqual(5_760);
	const words = [idle, busy, ruled, called].map((requests) => requests.toFixed(1));
	console.info(`a VM's requests a day: idle ${words[0]}, changing ${words[1]}, changing under a rule ${words[2]}, by calls ${words[3]}`);
});
