import { describe, expect, it } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { Effect } from "../../../src/core/effects/index.ts";
import type { Event } from "../../../src/core/events.ts";
import { billedNow, costOf, spentHourly } from "../../../src/core/model/cost.ts";
import { problemsOf, summaryOf } from "../../../src/core/model/projection.ts";
import type { Price, State } from "../../../src/core/model/state.ts";
import { Table } from "../../../src/core/model/table.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const HOUR = 3_600_000;
const PRICE: Price = { hourly: 0.1, currency: "EUR", asOf: NOW };

/** A pool of so many ready proxies, launched with the settings "a", whose price is known. */
function pool(
	ready: number,
	{ spec, money = {}, ...more }: Partial<Omit<State, "spec" | "money">> & { spec?: object; money?: object } = {},
): State {
	const state = poolOf(ready, () => ({ account: "a" }));
	const known = { ...PRICE, account: "a", askedAt: NOW, place: "" };
	return {
		...state,
		account: "a",
		...more,
		spec: { ...state.spec, max: 10, ...spec },
		money: { ...state.money, prices: [known], ...money },
	};
}

let drawn = 0;
/** Each intent has another id. */
const random = () => ((drawn++ * 7919) % 36_007) / 36_007;
const planned = (state: State, now = NOW) => plan(state, now, random);
const dispatch = (state: State, ...events: readonly Event[]) => events.reduce((before, event) => apply(before, event, NOW), state);
const launching = (state: State) => [...state.proxies.values()].filter(({ phase }) => phase.at === "launching").length;
const callsOf = (effects: readonly Effect[], call: Effect["call"]) => effects.filter((effect) => effect.call === call);

describe("the price of a VM", () => {
	it("is asked for at once, then once a day, and for new settings at once", () => {
		const unpriced = pool(1, { money: { prices: [] } });
		expect(callsOf(planned(unpriced).effects, "price")).toEqual([{ call: "price", account: "a", place: null }]);
		const priced = dispatch(unpriced, { on: "done", effect: { call: "price", account: "a", place: null }, result: PRICE, startedAt: NOW });
		expect(callsOf(planned(priced).effects, "price")).toEqual([]);
		expect(callsOf(planned(priced, NOW + 24 * HOUR).effects, "price")).toHaveLength(1);
		expect(callsOf(planned({ ...priced, account: "b" }).effects, "price")).toEqual([{ call: "price", account: "b", place: null }]);
	});

	it("that cannot be had leaves the known one in force, and is not asked for again at once", () => {
		const effect = { call: "price", account: "a", place: null } as const;
		const failed = dispatch(pool(1), {
			on: "failed",
			effect,
			failure: { kind: "auth", message: "this token may not read sizes" },
			startedAt: NOW,
		});
		expect(costOf(failed)).toEqual({ hourly: 0.1, currency: "EUR", asOf: NOW });
		expect(failed.breakers.auth.failures).toBe(0);
		expect(callsOf(planned({ ...failed, account: "b" }).effects, "price")).toEqual([]);
	});

	it("of former settings goes on being that of the VMs that were launched with them", () => {
		const state = dispatch(
			{ ...pool(2), account: "b" },
			{ on: "done", effect: { call: "price", account: "b", place: null }, result: { ...PRICE, hourly: 0.5 }, startedAt: NOW },
		);
		expect(costOf(state)?.hourly).toBe(0.2);
		expect(spentHourly({ ...state, orphans: Table.of([["x", { firstSeenAt: NOW, seenAt: NOW, tries: 0, retryAt: 0 }]]) }, NOW)).toBeCloseTo(
			0.7,
		);
	});
});

describe("a pool's own bound", () => {
	it("launches as many as fit, decimal fractions or not, and says once what it leaves out", () => {
		const { state } = planned(pool(1, { target: 6, spec: { min: 6, maxHourlyCost: 0.3 } }));
		expect(launching(state)).toBe(2);
		const said = state.log.filter(({ severity }) => severity === "WARNING").map(({ text }) => text);
		expect(said).toEqual(["its own MAX_HOURLY_COST of 0.3 EUR has no room for another VM at 0.1"]);
		expect(problemsOf(state)).toEqual(said);
		expect(planned(state).state.log).toHaveLength(state.log.length);
	});

	it("launches nothing while the price is not known, and says why", () => {
		const pricing = { tries: 1, retryAt: NOW + HOUR, why: "its price cannot be had: the table lacks it", refusedAt: null };
		const { state, effects } = planned(pool(1, { spec: { min: 3, maxHourlyCost: 5 }, money: { prices: [], pricing } }));
		expect([launching(state), callsOf(effects, "create")]).toEqual([0, []]);
		expect(problemsOf(state)[0]).toMatch(/price is not known.*the table lacks it/);
	});

	it("takes back intents, and deletes nothing, when it is lowered", () => {
		const before = planned(pool(2, { spec: { min: 4, maxHourlyCost: 1 } })).state;
		expect(launching(before)).toBe(2);
		const { state, effects } = planned({ ...before, spec: { ...before.spec, maxHourlyCost: 0.1 } });
		expect([launching(state), state.proxies.size]).toEqual([0, 2]);
		expect([callsOf(effects, "create"), callsOf(effects, "delete")]).toEqual([[], []]);
	});

	it("counts a VM that is gone until the end of the hour that it began", () => {
		const state = pool(2, { spec: { min: 3, maxHourlyCost: 0.3, billedSeconds: 3600 } });
		const [first] = state.proxies.values();
		if (first === undefined) throw new Error("no proxy");
		const deleting = {
			...first,
			createdAt: NOW - 10 * 60_000,
			phase: { at: "deleting", vm: "vm-0", acceptedAt: NOW - 1 } as const,
			absentAt: NOW,
		};
		const after = planned({ ...state, proxies: state.proxies.with(first.id, deleting) }).state;
		expect([after.proxies.size, launching(after)]).toEqual([2, 1]);
		expect(spentHourly(after, NOW)).toBeCloseTo(0.3);
		expect(launching(planned(after, NOW + 51.6 * 60_000).state)).toBe(2);
	});
});

describe("the deployment's budget", () => {
	const budgeted = (ready: number, min: number, allotment: object = {}, more: object = {}) => {
		const { money } = pool(ready);
		return pool(ready, {
			...more,
			target: min,
			spec: { min },
			money: { budget: 0.5, allotment: { ...money.allotment, hourly: ready * 0.1, ...allotment } },
		});
	};

	it("is asked for a part before anything is launched, and that part only is launched", () => {
		const { state, effects } = planned(budgeted(1, 4));
		expect(launching(state)).toBe(0);
		const [ask] = callsOf(effects, "reserve");
		expect(ask).toMatchObject({ version: 1, currency: "EUR", hold: 0.1, price: 0.1, count: 3, bound: 0.5 });
		if (ask?.call !== "reserve") throw new Error("nothing is asked for");
		const sent = dispatch(state, { on: "sent", effect: ask });
		expect(planned(sent).effects.filter(({ call }) => call === "reserve" || call === "create")).toEqual([]);
		const granted = dispatch(sent, {
			on: "done",
			effect: ask,
			result: { hourly: 0.30000000000000004, isRefused: true, isOver: false },
			startedAt: NOW,
		});
		const after = planned(granted).state;
		expect(launching(after)).toBe(2);
		expect(problemsOf(after)).toEqual(["the deployment's MAX_HOURLY_COST of 0.5 EUR has no room for another VM at 0.1"]);
	});

	it("is asked again only once others are known to have given some back", () => {
		const refused = budgeted(1, 2, { isRefused: true, tries: 1, retryAt: NOW - 1 }, { allotted: { EUR: 0.5 } });
		expect(callsOf(planned(refused).effects, "reserve")).toEqual([]);
		const told = dispatch(refused, { on: "fleet", proxies: 2, dailyRequests: 100_000, allotted: { EUR: 0.4 } });
		expect(callsOf(planned(told).effects, "reserve")).toHaveLength(1);
	});

	it("gets back what is not needed after a minute, and not sooner", () => {
		const state = budgeted(1, 1, { hourly: 0.3, at: NOW });
		expect(callsOf(planned(state).effects, "reserve")).toEqual([]);
		expect(planned(state).wakeAt).toBeLessThanOrEqual(NOW + 60_000);
		const [back] = callsOf(planned(state, NOW + 60_000).effects, "reserve");
		expect(back).toMatchObject({ hold: 0.1, count: 0 });
		if (back?.call !== "reserve") throw new Error("nothing is given back");
		// From now on it counts on no more, whether the answer comes or not.
		expect(dispatch(state, { on: "sent", effect: back }).money.allotment).toMatchObject({ hourly: 0.1, isSettled: false });
	});

	it("that all together exceed is not used again when VMs go", () => {
		const state = budgeted(1, 2, { hourly: 0.2, isOver: true });
		const { state: after, effects } = planned(state);
		expect([launching(after), callsOf(effects, "reserve").length]).toEqual([0, 1]);
	});

	it("is nothing in a currency that it does not name", () => {
		const { money } = pool(1);
		const { state, effects } = planned(pool(1, { target: 2, spec: { min: 2 }, money: { ...money, budget: { USD: 5 } } }));
		expect(launching(state)).toBe(0);
		expect(callsOf(effects, "reserve")).toMatchObject([{ bound: 0, hold: 0.1 }]);
	});

	it("costs no write while nothing changes", () => {
		const { state, effects } = planned(budgeted(2, 2));
		expect([state.money, callsOf(effects, "reserve")]).toEqual([budgeted(2, 2).money, []]);
	});
});

describe("proxies that operators destroy", () => {
	const destroy = (state: State, count: number, now: number) => {
		let after = state;
		const ids = [...state.proxies.values()].filter(({ phase }) => phase.at === "ready").map(({ id }) => id);
		for (const id of ids.slice(0, count)) after = apply(after, { on: "command", command: { do: "destroy", id } }, now);
		return after;
	};
	/** All that is being deleted is gone. */
	const gone = (state: State) => {
		const deleting = [...state.proxies.values()].filter(({ phase }) => phase.at === "deleting");
		return { ...state, proxies: deleting.reduce((proxies, { id }) => proxies.without(id), state.proxies) };
	};

	it("leave at once, and beyond what may be replaced in an hour their successors wait, which the pool says", () => {
		const before = pool(8, { target: 8, spec: { min: 8, max: 8, maxReplacementsPerHour: 3 } });
		const destroyed = destroy(before, 5, NOW);
		expect([...destroyed.proxies.values()].filter(({ phase }) => phase.at === "deleting")).toHaveLength(5);
		const { state } = planned(gone(destroyed), NOW);
		expect(launching(state)).toBe(3);
		expect(problemsOf(state).join()).toContain("MAX_REPLACEMENTS_PER_HOUR: 3");
		expect(launching(planned(state, NOW + 59 * 60_000).state)).toBe(3);
		const later = planned(state, NOW + 61 * 60_000).state;
		expect(launching(later)).toBe(5);
		expect(problemsOf(later)).toEqual([]);
	});

	it("are replaced six times an hour, or twice the target, unless a setting says otherwise", () => {
		expect(summaryOf(pool(2, { target: 2 })).replacementsPerHour).toBe(6);
		expect(summaryOf(pool(9, { target: 9 })).replacementsPerHour).toBe(18);
		expect(summaryOf(pool(9, { target: 9, spec: { maxReplacementsPerHour: 0 } })).replacementsPerHour).toBe(0);
	});

	it("are replaced at once when an operator starts the pool again", () => {
		const held = planned(gone(destroy(pool(3, { target: 3, spec: { min: 3, max: 3, maxReplacementsPerHour: 0 } }), 2, NOW)), NOW).state;
		expect(launching(held)).toBe(0);
		const started = apply(held, { on: "command", command: { do: "run", run: "running" } }, NOW);
		expect(launching(planned(started, NOW).state)).toBe(2);
	});

	it("are billed to the end of the hour that they began, and so they are shown", () => {
		const summary = { displayName: "", settings: {}, ...summaryOf(pool(2)) };
		const charges = [
			{ until: NOW + HOUR, hourly: 0.2, count: 2, currency: "EUR" },
			{ until: NOW - 1, hourly: 7, count: 70, currency: "EUR" },
		];
		expect(billedNow({ ...summary, charges }, NOW)).toEqual({ count: 4, spent: [{ amount: 0.4, currency: "EUR" }] });
	});
});
