import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { Event } from "../../../src/core/events.ts";
import type { Command } from "../../../src/core/model/command.ts";
import { samplesOf } from "../../../src/core/model/metrics.ts";
import { summaryOf } from "../../../src/core/model/projection.ts";
import { fieldsStored, type Metrics, type Proxy, type Spec, type State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const random = () => 0.5;
const SECOND = 1000;
const INTERVAL = 30 * SECOND;

/** A pool whose proxies are ready, and whose creates and deletes are done as soon as they are planned. */
class Pool {
	state: State;
	now = NOW;
	/** Open connections of each proxy at its reports; null: it reports nothing. */
	active: (proxy: Proxy, all: number) => number | null = () => 0;
	canBoot = true;
	/** Connections that one which drains still has; the others have gone to another proxy. */
	left = 0;

	constructor(count: number, spec: Partial<Spec>) {
		const state = poolOf(count, () => ({}));
		this.state = { ...state, spec: { ...state.spec, min: 1, max: 100, ...spec } };
	}

	get target(): number {
		return this.state.target;
	}

	get size(): number {
		return [...this.state.proxies.values()].filter(({ phase }) => phase.at !== "draining" && phase.at !== "deleting").length;
	}

	get said(): readonly string[] {
		return this.state.log.map(({ text }) => text);
	}

	dispatch(event: Event): void {
		this.state = apply(this.state, event, this.now);
	}

	command(command: Command): void {
		this.dispatch({ on: "command", command });
	}

	settle(change: Partial<Spec>): void {
		this.state = { ...this.state, spec: { ...this.state.spec, ...change }, told: [] };
	}

	/** What is in storage when an instance has gone: what is stored lazily is as it was `then`. */
	reload(then: State): void {
		this.state = { ...this.state, ...Object.fromEntries(fieldsStored("vitals").map((key) => [key, then[key]])) };
	}

	/** One plan, carried out: what is launched is ready at once, what is deleted is gone. */
	look(): void {
		this.state = plan(this.state, this.now, random).state;
		let { proxies } = this.state;
		for (const [id, proxy] of this.state.proxies) {
			if (proxy.phase.at === "launching" && this.canBoot) proxies = proxies.with(id, ready(proxy));
			if (proxy.phase.at === "deleting") proxies = proxies.without(id);
		}
		this.state = { ...this.state, proxies };
	}

	report(): void {
		const proxies = [...this.state.proxies.values()];
		const ready = proxies.filter(({ phase }) => phase.at === "ready").length;
		for (const proxy of proxies) {
			const active = proxy.phase.at === "draining" ? this.left : this.active(proxy, ready);
			if (active === null) continue;
			this.dispatch({ on: "heartbeat", id: proxy.id, active, metrics: { cpu: active / 10 }, credentials: 0, sessions: [] });
		}
	}

	/** So many intervals: reports, and a plan at each one's end. Returns the target after each. */
	pass(intervals = 1): number[] {
		return Array.from({ length: intervals }, () => {
			this.report();
			this.look();
			const { target } = this.state;
			this.now += INTERVAL;
			return target;
		});
	}
}

let made = 0;
function ready(proxy: Proxy): Proxy {
	const address = `198.51.${Math.floor(++made / 200) % 250}.${made % 200}`;
	return {
		...proxy,
		phase: { at: "ready", vm: `vm-${proxy.id}` },
		registered: true,
		wasReady: true,
		keyHash: "k",
		tokenHash: "t",
		address,
	};
}

/** The same connections however many proxies there are. */
const spread = (connections: number) => (_proxy: Proxy, all: number) => connections / all;

describe("growing", () => {
	test("10 over 2 with 2<=active<4, at most 8 and 3 at a time: 5, then 7", () => {
		const pool = new Pool(2, { max: 8, rules: ["2<=active<4"], rampLimit: 3 });
		pool.active = spread(20);
		expect(pool.pass(4)).toEqual([5, 7, 7, 7]);
		expect(pool.said).toContain("target changed 2 => 5: active is 20 in all: 2<=active<4 asks for 6 to 10, by 3 at a time");
		expect(pool.said).toContain("target changed 5 => 7: active is 20 in all: 2<=active<4 asks for 6 to 10");
	});

	test("goes by intervals, not by plans", () => {
		const pool = new Pool(1, { rules: ["1<=active<=2"], rampLimit: 2 });
		pool.active = spread(40);
		pool.report();
		for (let i = 0; i < 20; i++) {
			pool.look();
			pool.now += SECOND;
		}
		expect(pool.target).toBe(3);
	});

	test("takes back what drains, beyond the ramp", () => {
		const pool = new Pool(10, { rules: ["1<=active<=2"], rampLimit: 2, scaleInWindowSeconds: 0 });
		pool.active = spread(8);
		pool.left = 1;
		expect(pool.pass()).toEqual([8]);
		pool.active = spread(40);
		// 28 are wished for: two that drain come back, two are launched.
		expect(pool.pass()).toEqual([12]);
		expect(pool.said.filter((text) => text.startsWith("recommissioning"))).toHaveLength(2);
	});

	test("is not limited by the ramp where an operator orders it", () => {
		const pool = new Pool(2, { rules: ["1<=active<=2"], rampLimit: 1 });
		pool.active = spread(3);
		pool.pass();
		pool.command({ do: "scale", min: 12, max: 20 });
		pool.look();
		expect(pool.target).toBe(12);
	});

	test("without rules the target is the minimum, at once", () => {
		const pool = new Pool(2, { rules: ["1<=active<=2"] });
		pool.active = spread(12);
		pool.pass(3);
		expect(pool.target).toBe(7);
		pool.settle({ rules: [] });
		pool.look();
		expect(pool.target).toBe(1);
	});
});

describe("shrinking", () => {
	const shrinking = (spec: Partial<Spec> = {}) => {
		const pool = new Pool(10, { rules: ["2<=active<=4"], ...spec });
		pool.active = spread(30);
		pool.pass();
		expect(pool.target).toBe(10);
		pool.active = spread(6);
		return pool;
	};

	test("waits for the window, and then goes by the ramp", () => {
		const pool = shrinking({ rampLimit: 3 });
		const targets = pool.pass(14);
		expect(targets.slice(0, 9)).toEqual(Array(9).fill(10));
		expect(targets.slice(9)).toEqual([7, 4, 2, 2, 2]);
	});

	test("one burst holds all for another window", () => {
		const pool = shrinking();
		pool.pass(8);
		pool.active = spread(30);
		pool.pass();
		pool.active = spread(6);
		expect(pool.pass(9)).toEqual(Array(9).fill(10));
		expect(pool.pass()[0]).toBe(5);
	});

	test("an instance that has lost its memory does not shrink before a whole window has passed", () => {
		const pool = shrinking();
		pool.reload({ ...pool.state, scaleInWindow: [], decidedAt: 0 });
		pool.report();
		expect(pool.pass(10)).toEqual(Array(10).fill(10));
		expect(pool.pass()[0]).toBe(5);
	});

	test("a rise that only the target tells of holds the window too", () => {
		const pool = new Pool(4, { rules: ["2<=active<=4"], rampLimit: 20 });
		pool.active = spread(10);
		pool.pass(20);
		const before = pool.state;
		pool.active = spread(30);
		expect(pool.pass()).toEqual([11]);
		pool.active = spread(6);
		// Stored lazily, and lost: the decision of that rise.
		pool.reload({ ...before, vitals: pool.state.vitals });
		expect(pool.pass(9)).toEqual(Array(9).fill(11));
	});

	test("a proxy that does not report forbids it, and its silence is no 0", () => {
		const pool = shrinking();
		const [silent] = pool.state.proxies.keys();
		pool.active = (proxy) => (proxy.id === silent ? null : 0);
		expect(pool.pass(20)).toEqual(Array(20).fill(10));
		pool.active = () => 0;
		expect(pool.pass(9)).toEqual(Array(9).fill(10));
		expect(pool.pass()[0]).toBe(5);
	});

	test("a metric that nobody reports bounds nothing and forbids it", () => {
		const pool = shrinking({ rules: ["2<=active<=4", "jobs<=3"], scaleInWindowSeconds: 0 });
		expect(pool.pass(5)).toEqual(Array(5).fill(10));
		const [first] = pool.state.proxies.values();
		pool.command({ do: "metrics", address: first?.address ?? "", metrics: { jobs: [1, 0] } });
		expect(pool.pass()[0]).toBe(5);
	});

	test("at constant load the size stays, whatever it was", () => {
		fc.assert(
			fc.property(fc.nat(200), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 7 }), (connections, count, rampLimit) => {
				const pool = new Pool(count, { max: 50, rules: ["2<=active<4"], rampLimit, scaleInWindowSeconds: 90 });
				pool.active = spread(connections);
				const targets = pool.pass(70);
				expect(new Set(targets.slice(-10)).size).toBe(1);
				const steps = targets.map((target, index) => target - (targets[index - 1] ?? count));
				const turns = steps.filter((step) => step !== 0).map(Math.sign);
				expect(new Set(turns).size).toBeLessThanOrEqual(1);
				for (const step of steps) expect(step).toBeLessThanOrEqual(rampLimit);
				for (const step of steps) expect(step).toBeGreaterThanOrEqual(-rampLimit);
			}),
			{ numRuns: 50 },
		);
	});

	test("whatever the load does, the target stays within the bounds", () => {
		fc.assert(
			fc.property(fc.array(fc.nat(300), { maxLength: 30 }), fc.nat(5), fc.nat(20), fc.nat(8), (loads, min, more, at) => {
				const pool = new Pool(3, { min, max: min + more, rules: ["2<=active<4"], scaleInWindowSeconds: 60 });
				for (const [index, load] of loads.entries()) {
					if (index === at) pool.settle({ min: 2, max: 9 });
					pool.active = spread(load);
					const [target] = pool.pass();
					expect(target).toBeGreaterThanOrEqual(pool.state.spec.min);
					expect(target).toBeLessThanOrEqual(pool.state.spec.max);
				}
			}),
			{ numRuns: 50 },
		);
	});

	test("idle ones go first, those with a stale report not among them", () => {
		const pool = shrinking({ rampLimit: 20, scaleInWindowSeconds: 0 });
		const ids = [...pool.state.proxies.keys()];
		pool.active = (proxy) => (ids.indexOf(proxy.id) < 5 ? 2 : 0);
		pool.pass();
		const draining = [...pool.state.proxies.values()].filter(({ phase }) => phase.at === "draining").map(({ id }) => id);
		expect(draining).toHaveLength(6);
		expect(draining).toEqual(expect.arrayContaining(ids.slice(5)));
	});

	test("pausing holds the size; stopping empties it at once; starting goes to the minimum and from there by the rules", () => {
		const pool = shrinking({ min: 2, scaleInWindowSeconds: 0 });
		pool.command({ do: "run", run: "paused" });
		expect(pool.pass(3)).toEqual([10, 10, 10]);
		pool.command({ do: "run", run: "stopped" });
		pool.look();
		expect(pool.target).toBe(0);
		pool.command({ do: "run", run: "running" });
		pool.look();
		expect(pool.target).toBe(2);
	});
});

describe("rules that conflict", () => {
	test("are told of once, and anew when the configuration changes", () => {
		const pool = new Pool(2, { rules: ["1<=active<=2", "10<=active<=20"] });
		pool.active = spread(40);
		pool.pass(5);
		const conflicts = () => pool.said.filter((text) => text.startsWith("rules conflict"));
		expect(conflicts()).toEqual(["rules conflict: 10<=active<=20 cannot be met together with those before it"]);
		pool.settle({});
		pool.pass(2);
		expect(conflicts()).toHaveLength(2);
	});
});

describe("a pool that may be empty", () => {
	const asleep = () => new Pool(0, { min: 0, max: 4, rules: ["1<=active<=4"] });

	test("wakes for a client, and sleeps again when nobody comes", () => {
		const pool = asleep();
		pool.pass(3);
		expect(pool.size).toBe(0);
		expect(summaryOf(pool.state).wakes).toBe(true);
		pool.command({ do: "wake" });
		pool.look();
		expect([pool.target, pool.size]).toEqual([1, 1]);
		expect(pool.said).toContain("target changed 0 => 1: a client asks for a proxy");
		// The boot limit of 600 s is longer than the window.
		expect(pool.pass(20)).toEqual(Array(20).fill(1));
		expect(pool.pass(2).at(-1)).toBe(0);
		expect(pool.size).toBe(0);
	});

	test("ends empty when its boots fail and nobody asks any more, though nothing was ever measured", () => {
		const pool = asleep();
		pool.canBoot = false;
		pool.command({ do: "wake" });
		pool.pass(25);
		expect([pool.target, pool.size]).toEqual([0, 0]);
	});

	test("does not come and go where two rules contradict each other: where nobody can be connected, the connections are 0", () => {
		const pool = new Pool(1, { min: 0, max: 4, rules: ["1<=active<=4", "jobs<3"], scaleInWindowSeconds: 0 });
		for (let i = 0; i < 20; i++) {
			pool.command({ do: "metrics", address: null, metrics: { jobs: [1, 6] } });
			pool.pass();
			if (i > 0) expect([pool.target, pool.size]).toEqual([0, 0]);
		}
	});

	test("keeps one while a client is connected, though the rules ask for none", () => {
		const pool = new Pool(1, { min: 0, max: 4, rules: ["2<active"], scaleInWindowSeconds: 0 });
		pool.active = () => 1;
		expect(pool.pass(5)).toEqual([1, 1, 1, 1, 1]);
		pool.active = () => 0;
		expect(pool.pass(3).at(-1)).toBe(0);
	});

	test("wakes as many as those who ask at the same time need, by its rules, and no more than rules add at one time", () => {
		const wokenFor = (callers: number, spec: Partial<Spec> = {}) => {
			const pool = new Pool(0, { min: 0, max: 20, rules: ["1<=active<=4"], rampLimit: 10, ...spec });
			pool.command({ do: "wake", callers });
			pool.look();
			return pool.target;
		};
		expect(wokenFor(1)).toBe(1);
		expect(wokenFor(12)).toBe(3);
		expect(wokenFor(1_000)).toBe(10);
		expect(wokenFor(1_000, { max: 4 })).toBe(4);
		expect(wokenFor(50, { rules: ["cpu<50"] }), "no rule says how many connections one has").toBe(5);
		expect(wokenFor(50, { rules: ["cpu<50"], rampLimit: 2 })).toBe(2);
		expect(wokenFor(50, { rules: ["active<=5", "instances<4"] }), "a rule bounds the proxies").toBe(3);
	});

	test("wakes more when more ask, within the same interval too", () => {
		const pool = asleep();
		pool.command({ do: "wake" });
		pool.look();
		pool.command({ do: "wake", callers: 9 });
		pool.command({ do: "wake", callers: 2 });
		pool.look();
		expect(pool.target).toBe(3);
		expect(pool.said).toContain("target changed 1 => 3: 9 clients ask for a proxy");
	});

	test("goes on with as many as asked at first while none of them is served, whoever asks again", () => {
		const pool = asleep();
		pool.settle({ scaleInWindowSeconds: 0 });
		pool.canBoot = false;
		pool.command({ do: "wake", callers: 12 });
		for (let i = 0; i < 5; i++) {
			pool.command({ do: "wake" });
			pool.pass();
			expect(pool.target).toBe(3);
		}
		pool.canBoot = true;
		pool.pass();
		pool.command({ do: "wake" });
		pool.pass(3);
		expect(pool.target).toBe(1);
	});

	test("adds up the clients of isolates that tell of them at about the same time, and counts nobody twice who comes again by another", () => {
		const pool = asleep();
		pool.settle({ max: 20 });
		const tell = (from: string, callers: number) => {
			pool.command({ do: "wake", from, callers });
			return pool.state.wokenFor;
		};
		expect([tell("a", 1), tell("a", 8), tell("b", 1), tell("b", 9), tell("a", 3)]).toEqual([1, 8, 9, 17, 17]);
		pool.now += 5_000;
		expect([tell("c", 9), tell("a", 8), tell("b", 2)]).toEqual([17, 17, 19]);
		for (let isolate = 0; isolate < 200; isolate++) tell(`other${isolate}`, 1);
		expect(pool.state.wakers.length).toBeLessThanOrEqual(64);
	});

	test("takes a wake down once an interval", () => {
		const pool = asleep();
		pool.command({ do: "wake" });
		const { wokenAt } = pool.state;
		pool.now += INTERVAL - 1;
		pool.command({ do: "wake" });
		expect(pool.state.wokenAt).toBe(wokenAt);
		pool.command({ do: "wake" });
		expect(pool.state.wokenAt).toBe(wokenAt);
		pool.now += 1;
		pool.command({ do: "wake" });
		expect(pool.state.wokenAt).toBe(pool.now);
	});

	test.each([
		["has no rules", { rules: [] }],
		["keeps at least one anyway", { min: 1 }],
		["may have none", { max: 0 }],
	])("does not wake where it %s", (_, change) => {
		const pool = asleep();
		pool.settle(change);
		pool.command({ do: "wake" });
		expect(pool.state.wokenAt).toBe(0);
		expect(summaryOf(pool.state).wakes).toBe(false);
	});

	test("does not wake while it is stopped or paused", () => {
		for (const run of ["stopped", "paused"] as const) {
			const pool = asleep();
			pool.command({ do: "run", run });
			pool.command({ do: "wake" });
			expect(pool.state.wokenAt).toBe(0);
		}
	});
});

describe("samples", () => {
	const post = (pool: Pool, address: string | null, metrics: Metrics) => pool.command({ do: "metrics", address, metrics });

	test("are weighted, merged by name, and what was posted wins", () => {
		const pool = new Pool(2, {});
		pool.active = () => 10;
		pool.report();
		post(pool, "203.0.113.0", { active: [3, 2], jobs: [1, 7] });
		post(pool, null, { queue: [2, 5] });
		expect(samplesOf(pool.state, pool.now)).toEqual({
			averages: { active: 4, cpu: 1, jobs: 7, queue: 5 },
			byAddress: { "203.0.113.0": { active: [3, 2], cpu: [1, 1], jobs: [1, 7] }, "203.0.113.1": { active: [1, 10], cpu: [1, 1] } },
			reporting: 2,
			missing: 0,
			isUnused: false,
		});
	});

	test("posted ones survive heartbeats and a new instance, and count until others take their place", () => {
		const pool = new Pool(1, {});
		post(pool, "203.0.113.0", { jobs: [1, 7] });
		pool.reload(poolOf(1, () => ({})));
		pool.now += 3600 * SECOND;
		pool.report();
		expect(samplesOf(pool.state, pool.now).averages).toMatchObject({ jobs: 7, active: 0 });
		post(pool, "203.0.113.0", { jobs: [1, 3] });
		expect(samplesOf(pool.state, pool.now).averages).toMatchObject({ jobs: 3 });
	});

	test("the endpoint's own count for one address where nobody else reports", () => {
		const pool = new Pool(0, {});
		post(pool, null, { queue: [1, 5] });
		expect(samplesOf(pool.state, pool.now)).toMatchObject({ averages: { queue: 5 }, reporting: 1 });
	});

	test("that are malformed are left out; for an address of no proxy they go nowhere; more than 64 names are not kept", () => {
		const pool = new Pool(1, {});
		const before = pool.state;
		post(pool, "192.0.2.1", { jobs: [1, 7] });
		post(pool, "203.0.113.0", { __proto__: [1, 1], "a b": [1, 1], x: [1, Number.NaN], y: [-1, 1], z: [Number.POSITIVE_INFINITY, 1] });
		expect(pool.state).toBe(before);
		post(pool, "203.0.113.0", Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`m${at}`, [1, at]])));
		expect(Object.keys([...pool.state.proxies.values()][0]?.posted ?? {})).toHaveLength(64);
	});

	test("the same again is not worth a row", () => {
		const pool = new Pool(1, {});
		post(pool, "203.0.113.0", { jobs: [1, 7] });
		const first = pool.state;
		pool.now += INTERVAL - 1;
		post(pool, "203.0.113.0", { jobs: [1, 7] });
		expect(pool.state).toBe(first);
		post(pool, "203.0.113.0", { jobs: [1, 8] });
		expect(pool.state).not.toBe(first);
	});

	test("go when their proxy's address changes", () => {
		const pool = new Pool(1, {});
		post(pool, "203.0.113.0", { jobs: [1, 7] });
		const { deployment, tag } = pool.state.pool;
		const [proxy] = pool.state.proxies.values();
		const tags = { deployment, pool: tag, intent: proxy?.id ?? null };
		pool.dispatch({
			on: "done",
			effect: { call: "list" },
			result: [{ vm: "vm-0", name: "", state: "running", address: "203.0.113.99", tags }],
			startedAt: pool.now,
		});
		expect(samplesOf(pool.state, pool.now).averages).toEqual({});
	});
});

describe("another endpoint's metrics", () => {
	const found = { averages: { active: 10 }, reporting: 3, missing: 0, isUnused: false };
	const following = () => {
		const pool = new Pool(2, { rules: ["2<=active<=4"], metricsSource: "other", scaleInWindowSeconds: 0, rampLimit: 100 });
		pool.active = spread(4);
		return pool;
	};
	const measured = (pool: Pool, answer: typeof found | string) =>
		pool.dispatch({ on: "done", effect: { call: "measure", endpoint: "other" }, result: answer, startedAt: pool.now });

	test("stand for the pool's own", () => {
		const pool = following();
		measured(pool, found);
		expect(pool.pass()).toEqual([11]);
	});

	test("are asked for once an interval", () => {
		const pool = following();
		const asked = () => {
			const planned = plan(pool.state, pool.now, random);
			pool.state = planned.state;
			return planned.effects.filter(({ call }) => call === "measure").length;
		};
		expect(asked()).toBe(1);
		pool.now += INTERVAL - 1;
		expect(asked()).toBe(0);
		pool.now += 1;
		expect(asked()).toBe(1);
		pool.command({ do: "run", run: "stopped" });
		pool.now += INTERVAL;
		expect(asked()).toBe(0);
	});

	test("are not known after three intervals without an answer: nothing shrinks", () => {
		const pool = following();
		measured(pool, found);
		pool.pass();
		measured(pool, { ...found, averages: { active: 0.1 } });
		pool.now += 3 * INTERVAL;
		expect(pool.pass(3)).toEqual([11, 11, 11]);
	});

	test("a name that is none is told of once", () => {
		const pool = following();
		for (let i = 0; i < 3; i++) measured(pool, 'metrics_source "other" is no endpoint');
		expect(pool.said.filter((text) => text.startsWith("metrics_source"))).toHaveLength(1);
		expect(pool.pass(3)).toEqual([2, 2, 2]);
	});
});
