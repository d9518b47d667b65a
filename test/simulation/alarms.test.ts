import { beforeAll, describe, expect, test } from "vitest";
import { type Core, loadCore } from "./core.ts";
import type { Host } from "./host.ts";
import { MINUTE, SECOND, scenarioOf } from "./scenario.ts";
import { World } from "./world.ts";

let core: Core;
beforeAll(async () => {
	core = await loadCore();
});

/** A pool whose alarm handler runs: its first call is under way. */
function handling(): { readonly world: World; readonly host: Host; readonly next: () => void } {
	const world = new World(scenarioOf(1, { isFaultless: true }), core);
	const [setup] = world.scenario.pools;
	if (setup === undefined) throw new Error("there is no pool");
	const host = world.makePool(setup, "environment");
	const next = () => world.clock.next(Number.POSITIVE_INFINITY)?.run?.();
	for (let events = 0; events < 10 && !host.isPassing; events++) next();
	expect(host.isPassing).toBe(true);
	return { world, host, next };
}

describe("an alarm handler that is aborted", () => {
	test("is tried again soon where it has armed nothing", () => {
		const { world, host } = handling();
		host.evict(true);
		expect(host.alarmAt).toBe(world.clock.now + 2 * SECOND);
	});

	test("is not tried again where it has armed the alarm: it runs at the time that it set", () => {
		const { world, host, next } = handling();
		const at = world.clock.now + 10 * MINUTE;
		host.setAlarm(at);
		host.evict(true);
		expect(host.alarmAt).toBe(at);
		for (let events = 0; events < 1_000 && !host.isPassing; events++) next();
		expect(world.clock.now).toBeGreaterThanOrEqual(at);
		expect(world.watch.violation?.message).toMatch(/aborted with its alarm more than an interval ahead/);
	});

	test("runs at once where the time that it set has come while it ran", () => {
		const { world, host, next } = handling();
		host.setAlarm(world.clock.now);
		next();
		host.evict(true);
		const { now } = world.clock;
		for (let events = 0; events < 1_000 && !host.isPassing; events++) next();
		expect(world.clock.now).toBeLessThan(now + SECOND);
	});
});
