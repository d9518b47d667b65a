import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import { conditionOf, usualBootMs } from "../../../src/core/model/health.ts";
import { summaryOf } from "../../../src/core/model/projection.ts";
import { countReady } from "../../../src/core/model/proxies.ts";
import type { Proxy, State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const booting: Partial<Proxy> = { phase: { at: "booting", vm: "vm-new" }, wasReady: false };
let drawn = 0;
const draw = () => (drawn++ % 36) / 36;
const planned = (state: State, now: number) => plan(state, now, draw).state;
/** As whoever reads the summary is told, some time after it was published. */
const told = (state: State, now: number) => conditionOf({ displayName: "", settings: {}, ...summaryOf(state) }, countReady(state), now);

describe("a pool that is short of proxies", () => {
	const short = () =>
		planned(
			poolOf(3, (index) => (index === 0 ? booting : {})),
			NOW,
		);

	test("is degraded after two minutes, though nothing was published meanwhile", () => {
		const state = short();
		expect(told(state, NOW + 2 * MINUTE).isDegraded).toBe(false);
		const late = told(state, NOW + 2 * MINUTE + 1);
		expect(late).toMatchObject({ isDegraded: true, state: "running", wanted: 3, since: NOW });
		expect(late.problems[0]).toContain("only 2 of 3 proxies are ready");
	});

	test("misses a static backend whose name has no known address", () => {
		const pool = poolOf(0, () => ({}));
		const state = planned({ ...pool, spec: { ...pool.spec, min: 0, max: 0, unresolved: ["no-such-host.invalid:3128"] }, target: 0 }, NOW);
		const early = told(state, NOW);
		expect(early).toMatchObject({ isDegraded: false, wanted: 1 });
		expect(early.problems.join()).toMatch(/no address is known of its static backends.*: no-such-host\.invalid:3128$/);
		expect(told(state, NOW + 2 * MINUTE + 1)).toMatchObject({ isDegraded: true });
	});

	test("has as long as its own boots usually take, where these are slow", () => {
		const slow = { ...short(), bootTimes: [...Array(19).fill(5 * MINUTE), 50 * MINUTE] };
		expect(usualBootMs(slow)).toBe(5 * MINUTE);
		expect(told(slow, NOW + 4 * MINUTE).isDegraded).toBe(false);
		expect(told(slow, NOW + 6 * MINUTE).isDegraded).toBe(true);
	});

	test("starts anew once what was wanted then is ready, though more is wanted by now", () => {
		let state = short();
		state = { ...state, spec: { ...state.spec, min: 4, max: 4 } };
		state = planned(state, NOW + MINUTE);
		expect(state.standing).toMatchObject({ since: NOW, wanted: 4, wantedThen: 3 });
		const id = "proxy00000000000";
		const effect = { call: "probe", id, address: "203.0.113.0" } as never;
		state = apply(state, { on: "done", effect, result: { is: "ok", active: 0 }, startedAt: NOW } as never, NOW + 90 * SECOND);
		state = planned(state, NOW + 90 * SECOND);
		expect(state.standing).toMatchObject({ isShort: true, since: NOW + 90 * SECOND });
		expect(state.bootTimes).toEqual([91 * SECOND]);
	});

	test("is none while it is paused, or stopped", () => {
		for (const run of ["paused", "stopped"] as const) {
			const state = planned({ ...short(), run }, NOW + 5 * MINUTE);
			expect(told(state, NOW + 60 * MINUTE)).toMatchObject({ isDegraded: false, state: run });
		}
	});

	test("is none while a rolling deployment has its batch out of service", () => {
		const rolling = { enabled: true, minAvailable: 1, batchSize: 2 };
		const pool = poolOf(4, (index) =>
			index === 0
				? { phase: { at: "draining", vm: "vm-0", until: NOW + MINUTE, hiddenAt: null, spare: false }, createdAt: NOW - 10 * MINUTE }
				: {},
		);
		const state = planned({ ...pool, spec: { ...pool.spec, rolling, ageLimitSeconds: 300 } }, NOW);
		expect(state.standing.isShort).toBe(false);
	});
});

describe("what is told of at once", () => {
	const price = (state: State) => plan({ ...state, account: "a" }, NOW, draw).effects.find(({ call }) => call === "price");

	test("credentials that are refused for a price, with the cloud's sentence and no breaker opened, until a list shows that they are good", () => {
		const pool = { ...poolOf(2, () => ({})), account: "a" };
		const effect = price(pool);
		if (effect === undefined) throw new Error("no price is asked for");
		const refused = apply(
			pool,
			{ on: "failed", effect, failure: { kind: "auth", message: "401: Unable to authenticate you" }, startedAt: NOW },
			NOW,
		);
		expect(refused.breakers.auth.failures).toBe(0);
		expect(told(refused, NOW)).toMatchObject({ isDegraded: true, problems: [expect.stringContaining("401: Unable to authenticate you")] });
		expect(told({ ...refused, listedAt: NOW + 1 }, NOW + 1).isDegraded).toBe(false);
	});

	test("a circuit breaker that is open, and a VM that no proxy explains", () => {
		const pool = poolOf(2, () => ({}));
		expect(told(pool, NOW).isDegraded).toBe(false);
		const launch = { until: NOW + MINUTE, failures: 1, why: "launch failed: 500", steppedAt: NOW };
		expect(told({ ...pool, breakers: { ...pool.breakers, launch } }, NOW).isDegraded).toBe(true);
		const orphan = { firstSeenAt: NOW, seenAt: NOW, tries: 0, retryAt: 0 };
		expect(told({ ...pool, orphans: pool.orphans.with("vm-x", orphan) }, NOW).isDegraded).toBe(true);
	});

	test("a setting that suspends the pool", () => {
		expect(told({ ...poolOf(2, () => ({})), suspended: "A is missing" }, NOW)).toMatchObject({ isDegraded: true, state: "suspended" });
	});
});

describe("a rule whose metric nobody reports", () => {
	test("degrades the pool after two intervals, and no longer than that", () => {
		const pool = poolOf(2, () => ({}));
		const state = planned({ ...pool, spec: { ...pool.spec, rules: ["actve <= 4"] } }, NOW);
		expect(told(state, NOW + 60 * SECOND).isDegraded).toBe(false);
		const late = told(state, NOW + 61 * SECOND);
		expect([late.isDegraded, late.problems[0]]).toEqual([true, expect.stringContaining('"actve", which nobody has reported')]);
		const posted = apply(
			state,
			{ on: "command", command: { do: "metrics", address: null, metrics: { actve: [1, 3] } } },
			NOW + 61 * SECOND,
		);
		expect(told(planned(posted, NOW + 62 * SECOND), NOW + 200 * SECOND).isDegraded).toBe(false);
	});
});
