import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { Command } from "../../../src/core/model/command.ts";
import { inPhase, withProxy } from "../../../src/core/model/edit.ts";
import { ASSIST_MS, ASSIST_RENEWAL_MS } from "../../../src/core/model/limits.ts";
import { billable, countReady } from "../../../src/core/model/proxies.ts";
import type { State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const SECOND = 1000;
const PLACE = { region: "nbg1", size: "cx23" };
let drawn = 0.1;
const random = () => {
	drawn = (drawn * 16_807.5) % 1;
	return drawn;
};
const order = (state: State, command: Command, now: number) => apply(state, { on: "command", command }, now);
const callsOf = (state: State, call: string, now: number) => plan(state, now, random).effects.filter((effect) => effect.call === call);

/** A pool of which so many are ready, and of which all places are sold out. */
function soldOut(ready: number, min: number, spec: Partial<State["spec"]> = {}): State {
	const state = poolOf(ready, () => ({}));
	const breaker = { until: NOW + 3600 * SECOND, failures: 3, why: "sold out", steppedAt: NOW };
	const places = state.places.with("nbg1:cx23", { breaker, priceTries: 0, priceRetryAt: 0, checkedAt: 0, gone: "" });
	return { ...state, places, spec: { ...state.spec, min, max: min + 5, places: [PLACE], fallback: "vultr/default", ...spec } };
}

const planned = (state: State, now: number) => plan(state, now, random).state;

describe("a pool that cannot place its proxies", () => {
	test("has its fallback add them after five minutes, and says so again each minute", () => {
		let state = planned(soldOut(2, 5), NOW);
		expect(callsOf(state, "assist", NOW + 299 * SECOND)).toEqual([]);
		const [asked] = callsOf(state, "assist", NOW + 300 * SECOND);
		expect(asked).toEqual({ call: "assist", endpoint: "vultr/default", count: 3 });
		if (asked?.call !== "assist") throw new Error("it is asked");
		state = apply(state, { on: "done", effect: asked, result: null, startedAt: NOW }, NOW + 301 * SECOND);
		expect(callsOf(state, "assist", NOW + 302 * SECOND)).toEqual([]);
		expect(callsOf(state, "assist", NOW + 301 * SECOND + ASSIST_RENEWAL_MS)).toEqual([asked]);
		expect(state.log.at(-1)?.text).toBe("vultr/default stands in for 3 of its proxies");
	});

	test("gives them back once its own are ready, and not while these are on their way up", () => {
		const lacking = soldOut(2, 5);
		const asked = { endpoint: "vultr/default", count: 3, at: NOW, tries: 0, retryAt: 0 };
		const booting = { ...lacking, places: lacking.places.without("nbg1:cx23"), asked, unplacedSince: NOW - 400 * SECOND };
		let state: State = booting;
		for (let n = 0; n < 3; n++) {
			const [proxy] = [...state.proxies.values()];
			if (proxy !== undefined)
				state = withProxy(state, { ...inPhase(proxy, { at: "booting", vm: `b${n}` }, "", NOW), id: `new${n}`, address: null });
		}
		const later = NOW + 10 * SECOND;
		expect(callsOf(planned(state, later), "assist", later)).toEqual([]);
		for (let n = 0; n < 3; n++) {
			const proxy = state.proxies.get(`new${n}`);
			if (proxy !== undefined)
				state = withProxy(state, { ...inPhase(proxy, { at: "ready", vm: `b${n}` }, "", NOW), address: `10.9.9.${n}`, wasReady: true });
		}
		expect(countReady(state)).toBe(5);
		expect(callsOf(planned(state, later), "assist", later)).toEqual([{ call: "assist", endpoint: "vultr/default", count: 0 }]);
	});

	test("is told once where its fallback is none", () => {
		const state = planned(soldOut(2, 5), NOW);
		const effect = { call: "assist", endpoint: "vultr/default", count: 3 } as const;
		const refused = apply(state, { on: "done", effect, result: 'FALLBACK "vultr/default" is no pool', startedAt: NOW }, NOW + 300 * SECOND);
		expect(refused.log.at(-1)?.text).toBe('FALLBACK "vultr/default" is no pool');
		expect(callsOf(refused, "assist", NOW + 310 * SECOND)).toEqual([]);
	});
});

describe("a fallback", () => {
	const own = () => {
		const state = poolOf(2, () => ({}));
		return { ...state, spec: { ...state.spec, min: 2, max: 4, places: [PLACE], fallback: "digitalocean/default" } };
	};

	test("adds what is wanted within its own bounds, and asks nobody for that in turn", () => {
		const asked = order(own(), { do: "assist", from: "other", count: 7 }, NOW);
		const state = planned(asked, NOW);
		expect(billable(state)).toBe(4);
		expect(state.target).toBe(2);
		expect(state.unplacedSince).toBeNull();
	});

	test("drains it once it is not wanted any more, or not said again", () => {
		const four = poolOf(4, () => ({}));
		const state = { ...four, spec: { ...four.spec, min: 2, max: 4, places: [PLACE] } };
		const draining = (after: State) => [...after.proxies.values()].filter(({ phase }) => phase.at === "draining").length;
		const asked = order(state, { do: "assist", from: "other", count: 2 }, NOW);
		expect(draining(planned(asked, NOW + SECOND))).toBe(0);
		expect(draining(planned(order(asked, { do: "assist", from: "other", count: 0 }, NOW + SECOND), NOW + SECOND))).toBe(2);
		expect(draining(planned(asked, NOW + ASSIST_MS))).toBe(2);
	});
});

describe("the rate limit of an account", () => {
	const until = NOW + 90 * SECOND;
	const known = () => ({ ...poolOf(1, () => ({})), accountKey: "abc" });

	test("is told to the other pools by the one that was told to wait, once", () => {
		const effect = { call: "list" } as const;
		const failure = { kind: "rate", message: "slow down", retryAt: until } as const;
		const closed = apply(known(), { on: "failed", effect, failure, startedAt: NOW }, NOW);
		const [told] = callsOf(closed, "share", NOW);
		expect(told).toEqual({ call: "share", account: "abc", until, rate: null });
		if (told?.call !== "share") throw new Error("it is told");
		const after = apply(closed, { on: "done", effect: told, result: null, startedAt: NOW }, NOW);
		expect(callsOf(after, "share", NOW + SECOND)).toEqual([]);
	});

	test("stops a pool that is told, which tells nobody in turn", () => {
		const told = order(known(), { do: "limited", until, rate: null }, NOW);
		expect(told.breakers.rate.until).toBe(until);
		expect(callsOf({ ...told, listedAt: 0 }, "list", until - 1)).toEqual([]);
		expect(callsOf(told, "share", NOW)).toEqual([]);
		expect(callsOf({ ...told, listedAt: 0 }, "list", until)).toHaveLength(1);
	});

	test("of which little is left is kept for deletes by all", () => {
		const rate = { limit: 1000, remaining: 200, resetAt: NOW + 600 * SECOND };
		expect(callsOf({ ...known(), rate }, "share", NOW)).toEqual([{ call: "share", account: "abc", until: 0, rate }]);
		const told = order(known(), { do: "limited", until: 0, rate }, NOW);
		expect(callsOf({ ...told, listedAt: 0 }, "list", NOW + SECOND)).toEqual([]);
	});
});
