import { describe, expect, it } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { Effect, EffectOf } from "../../../src/core/effects/index.ts";
import { problemsOf, projectionHash } from "../../../src/core/model/projection.ts";
import type { State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const planned = (state: State, now = NOW) => plan(state, now, () => 0.5);
const callsOf = (effects: readonly Effect[]) => effects.map(({ call }) => call);
const published = (state: State): State => ({ ...state, published: { hash: projectionHash(state), version: 7 } });
/** A pool with one ready proxy that wants three. */
const wanting = (): State => {
	const state = poolOf(1, () => ({}));
	return published({ ...state, target: 3, spec: { ...state.spec, min: 3, max: 5 } });
};
const missing = (state: State, names: readonly string[] = []) => apply(state, { on: "directory", seen: { is: "missing", names } }, NOW);
const there = (state: State, version: number, now = NOW) => apply(state, { on: "directory", seen: { is: "there", version } }, now);
const ENTER: EffectOf<"enter"> = { call: "enter", names: [], isRemoved: false };
const entered = (state: State, by: string | null, publishedAt: number | null = null, now = NOW) =>
	apply(state, { on: "done", effect: ENTER, result: { by, publishedAt }, startedAt: NOW }, now);

describe("a pool that the directory has lost", () => {
	it("enters itself, says so, and launches and publishes nothing meanwhile", () => {
		const state = missing(wanting(), ["mine", "other"]);
		const { effects, state: after } = planned(state);
		expect(effects).toContainEqual({ call: "enter", names: ["mine", "other"], isRemoved: false });
		expect(callsOf(effects)).not.toContain("create");
		expect(callsOf(effects)).not.toContain("publish");
		expect(after.proxies.size).toBe(1);
		expect(problemsOf(state)[0]).toMatch(/^the directory \(D1\) has lost it: nothing is launched/);
		expect(callsOf(planned(wanting()).effects)).toContain("create");
	});

	it("hears of it by what it publishes, and not from a failure of D1", () => {
		const effect = { call: "publish", hash: "x", version: 8 } as const;
		const failed = (kind: "notFound" | "conflict" | "transient") =>
			apply(wanting(), { on: "failed", effect, failure: { kind, message: "so" }, startedAt: NOW }, NOW);
		expect(failed("notFound").listing.unlistedAt).toBe(NOW);
		for (const kind of ["conflict", "transient"] as const) expect(failed(kind).listing.unlistedAt).toBeNull();
	});

	it("goes on once it is entered, and publishes all that it shows", () => {
		const state = entered(missing(wanting()), null);
		expect(callsOf(planned(state).effects)).toEqual(expect.arrayContaining(["publish", "create"]));
		expect(problemsOf(state)).toEqual(problemsOf(wanting()));
	});

	it("waits, where the budget is shared, until the others can hold their parts again, and has its own held anew at once", () => {
		const base = wanting();
		const priced: State = {
			...base,
			account: "a",
			money: { ...base.money, budget: 1, prices: [{ hourly: 0.1, currency: "USD", asOf: NOW, account: "a", askedAt: NOW, place: "" }] },
		};
		const granted = { ...priced, money: { ...priced.money, allotment: { ...priced.money.allotment, hourly: 0.5, version: 3, at: NOW } } };
		const state = entered(missing(granted), null);
		const { effects, state: after } = planned(state);
		expect(effects).toContainEqual(expect.objectContaining({ call: "reserve", count: 0 }));
		expect(after.proxies.size).toBe(1);
		const answer = { hourly: 0.1, isRefused: false, isOver: false };
		const [reserve] = effects.filter((effect) => effect.call === "reserve");
		if (reserve === undefined) throw new Error("nothing is reserved");
		const held = apply(
			apply(after, { on: "sent", effect: reserve }, NOW),
			{ on: "done", effect: reserve, result: answer, startedAt: NOW },
			NOW,
		);
		expect(callsOf(planned(held).effects)).not.toContain("reserve");
		expect(planned(held, NOW + 90_000).effects).toContainEqual(expect.objectContaining({ call: "reserve", count: 2 }));
	});

	it("waits while another row has its place, and is emptied once that pool shows that it is at work", () => {
		const waiting = entered(missing(wanting()), "another", NOW - 1);
		expect([waiting.run, callsOf(planned(waiting).effects).includes("create")]).toEqual(["running", false]);
		expect(problemsOf(waiting)[0]).toMatch(/another pool has its place/);
		expect(callsOf(planned(waiting, NOW + 60_000).effects)).toContain("enter");
		const superseded = entered(waiting, "another", NOW + 30_000, NOW + 60_000);
		expect([superseded.run, superseded.listing.isSuperseded]).toEqual(["removing", true]);
		expect(planned(superseded, NOW + 180_000).effects).toContainEqual({ call: "enter", names: [], isRemoved: true });
	});

	it("is no pool that takes its own row away", () => {
		expect(missing({ ...wanting(), run: "removing", leaving: true }).listing.unlistedAt).toBeNull();
	});
});

describe("a directory that shows an older state of the pool", () => {
	it("gets it anew once that was seen twice; what was published meanwhile is no older state", () => {
		const once = there(wanting(), 5);
		expect(once.published.hash).toBe(wanting().published.hash);
		expect(there(once, 6).published.hash).toBe(once.published.hash);
		expect(there(there(once, 7), 5).published.hash).toBe(once.published.hash);
		const twice = there(once, 5);
		expect(twice.published.hash).toBe("");
		expect(callsOf(planned(twice).effects)).toContain("publish");
		expect(there(wanting(), 7)).toEqual(wanting());
	});
});
