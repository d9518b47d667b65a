import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { EffectOf } from "../../../src/core/effects/index.ts";
import { priceOf } from "../../../src/core/model/cost.ts";
import { inPhase, withoutProxy, withProxy } from "../../../src/core/model/edit.ts";
import type { Failure } from "../../../src/core/model/failure.ts";
import { placeBreaker, placeKey } from "../../../src/core/model/places.ts";
import { summaryOf } from "../../../src/core/model/projection.ts";
import { isKept } from "../../../src/core/model/proxies.ts";
import type { Place, Proxy, Spread, State, Vm } from "../../../src/core/model/state.ts";
import { sentencesOf } from "../../../src/core/model/waiting.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const SECOND = 1000;
const A: Place = { region: "nbg1", size: "cx23" };
const B: Place = { region: "fsn1", size: "cx23" };
const C: Place = { region: "hel1", size: "cpx11" };
const SOLD_OUT: Failure = { kind: "capacity", message: "sold out" };
let drawn = 0.1;
const random = () => {
	drawn = (drawn * 16_807.5) % 1;
	return drawn;
};

function pool(count: number, places: readonly Place[], spec: Partial<State["spec"]> = {}): State {
	const empty = poolOf(0, () => ({}));
	return { ...empty, spec: { ...empty.spec, min: count, max: count, places, ...spec } };
}

const createsOf = (state: State, now: number) =>
	plan(state, now, random).effects.filter((effect): effect is EffectOf<"create"> => effect.call === "create");

/** What is kept in each place. */
function spread(state: State): Record<string, number> {
	const counts: Record<string, number> = {};
	for (const proxy of state.proxies.values()) if (isKept(proxy)) counts[placeKey(proxy.place)] = (counts[placeKey(proxy.place)] ?? 0) + 1;
	return counts;
}

/** The pool after so long at a cloud whose places have this stock, and how many creates it was asked for in each place. */
function live(start: State, stock: (place: string, now: number) => boolean, fromMs: number, forMs: number) {
	let state = start;
	const asked: Record<string, number[]> = {};
	for (let now = fromMs; now <= fromMs + forMs; now += SECOND) {
		state = plan(state, now, random).state;
		for (const effect of createsOf(state, now).slice(0, 3)) {
			state = apply(state, { on: "sent", effect, tokenHash: "t" }, now);
			const place = placeKey(state.proxies.get(effect.id)?.place ?? null);
			asked[place] = [...(asked[place] ?? []), now];
			if (stock(place, now)) {
				const tags = { deployment: "d", pool: "t", intent: effect.id };
				const vm: Vm = { vm: `vm-${effect.id}`, name: effect.id, state: "running", address: null, tags };
				state = apply(state, { on: "done", effect, result: vm, startedAt: now }, now);
			} else state = apply(state, { on: "failed", effect, failure: SOLD_OUT, startedAt: now }, now);
		}
		for (const proxy of state.proxies.values()) {
			if (proxy.phase.at === "booting") {
				const ready = inPhase(proxy, { at: "ready", vm: proxy.phase.vm }, "", now);
				const address = `10.0.${state.proxies.size % 250}.${Object.keys(asked).length}`;
				state = withProxy(state, { ...ready, address, wasReady: true, registered: true, keyHash: "k" });
			} else if (proxy.phase.at === "draining" || proxy.phase.at === "deleting") state = withoutProxy(state, proxy.id, now);
		}
	}
	return { state, asked };
}

describe("a pool of several places", () => {
	test.each<[Spread, Record<string, number>]>([
		["pack", { "nbg1:cx23": 4, "fsn1:cx23": 4, "hel1:cpx11": 2 }],
		["even", { "nbg1:cx23": 4, "fsn1:cx23": 3, "hel1:cpx11": 3 }],
	])("%s: fills them in its order, no place beyond its bound", (how, wanted) => {
		const { state } = live(pool(10, [A, B, C], { spread: how, maxPerPlace: 4 }), () => true, NOW, 10 * SECOND);
		expect(spread(state)).toEqual(wanted);
	});

	test("cheapest: goes where today's price is the lowest, and counts each VM at its own", () => {
		const start = pool(3, [A, B, C], { spread: "cheapest" });
		const priced = [A, B].reduce(
			(state, place, index) =>
				apply(
					state,
					{
						on: "done",
						effect: { call: "price", account: state.account, place },
						result: { hourly: 0.02 - index / 100, currency: "EUR", asOf: NOW },
						startedAt: NOW,
					},
					NOW,
				),
			{ ...start, account: "a" },
		);
		const { state } = live(priced, () => true, NOW, 5 * SECOND);
		expect(spread(state)).toEqual({ "fsn1:cx23": 3 });
		expect([...state.proxies.values()].map((proxy) => priceOf(state, proxy)?.hourly)).toEqual([0.01, 0.01, 0.01]);
		expect(summaryOf(state).cost?.hourly).toBeCloseTo(0.03);
	});

	test("of which one is sold out is full at once, and says so without being degraded", () => {
		const { state, asked } = live(pool(10, [A, B, C]), (place) => place !== "nbg1:cx23", NOW, 5 * SECOND);
		expect(spread(state)).toEqual({ "fsn1:cx23": 10 });
		// Those of the first burst, and none since: nothing is missing.
		expect(asked["nbg1:cx23"]).toHaveLength(3);
		expect(summaryOf(state)).toMatchObject({
			degraded: false,
			places: [A, B, C],
		});
		expect(sentencesOf(summaryOf(state), null, NOW).join()).toContain(
			"nbg1:cx23: launch failed: sold out; it is tried again within a minute",
		);
	});

	test("that are all sold out buys nothing, tries each place by one at growing intervals, and is full within 60 s of the first restock", () => {
		const soldOut = live(pool(10, [A, B, C]), () => false, NOW, 600 * SECOND);
		expect([...soldOut.state.proxies.values()].every(({ phase }) => phase.at === "launching" && phase.sentAt === null)).toBe(true);
		for (const times of Object.values(soldOut.asked)) {
			const gaps = times.flatMap((at, index) => (index === 0 ? [] : [at - (times[index - 1] ?? 0)])).filter((gap) => gap > 0);
			expect(Math.min(...gaps)).toBeGreaterThanOrEqual(4 * SECOND);
			expect(gaps.slice(0, 4)).toEqual([...gaps.slice(0, 4)].sort((a, b) => a - b));
			expect(Math.max(...gaps)).toBeLessThanOrEqual(42 * SECOND);
		}
		expect(summaryOf(soldOut.state).degraded).toBe(true);
		expect(soldOut.state.log.some(({ text }) => text.startsWith("no place has room: nbg1:cx23 until "))).toBe(true);
		const restocked = live(soldOut.state, (place) => place === "hel1:cpx11", NOW + 601 * SECOND, 50 * SECOND);
		expect(spread(restocked.state)).toEqual({ "hel1:cpx11": 10 });
	});

	test("moves an intent only while nothing was sent of it", () => {
		const planned = plan(pool(2, [A, B]), NOW, random).state;
		const [first, second] = createsOf(planned, NOW);
		if (first === undefined || second === undefined) throw new Error("two creates are due");
		const sent = apply(planned, { on: "sent", effect: first, tokenHash: "t" }, NOW);
		const lost = apply(
			sent,
			{ on: "failed", effect: first, failure: { kind: "unknown", message: "no answer" }, startedAt: NOW },
			NOW + SECOND,
		);
		const out = apply(lost, { on: "sent", effect: second, tokenHash: "t" }, NOW + SECOND);
		const closed = apply(out, { on: "failed", effect: second, failure: SOLD_OUT, startedAt: NOW + SECOND }, NOW + 2 * SECOND);
		const after = plan(closed, NOW + 2 * SECOND, random).state;
		expect(after.proxies.get(first.id)?.place).toEqual(A);
		expect([...after.proxies.values()].filter(({ id }) => id !== first.id).map(({ place }) => place)).toEqual([B]);
	});

	test("closes one place for what that place refuses, and all creates for what is passing", () => {
		const refused = (failure: Failure) => {
			const planned = plan(pool(1, [A, B]), NOW, random).state;
			const [effect] = createsOf(planned, NOW);
			if (effect === undefined) throw new Error("a create is due");
			const sent = apply(planned, { on: "sent", effect, tokenHash: "t" }, NOW);
			return apply(sent, { on: "failed", effect, failure, startedAt: NOW }, NOW + SECOND);
		};
		for (const kind of ["capacity", "quota", "invalid", "notFound"] as const) {
			const state = refused({ kind, message: "no" });
			expect([placeBreaker(state, A).failures, placeBreaker(state, B).failures, state.breakers.launch.failures]).toEqual([1, 0, 0]);
		}
		const passing = refused({ kind: "transient", message: "later" });
		expect([placeBreaker(passing, A).failures, passing.breakers.launch.failures]).toEqual([0, 1]);
	});

	test.each<[Spread, Record<string, number>]>([
		["even", { "nbg1:cx23": 1, "fsn1:cx23": 1, "hel1:cpx11": 1 }],
		["pack", { "nbg1:cx23": 3 }],
	])("%s: keeps its spread when it shrinks", (how, wanted) => {
		const { state } = live(pool(9, [A, B, C], { spread: how, maxPerPlace: 3 }), () => true, NOW, 10 * SECOND);
		const smaller = live({ ...state, spec: { ...state.spec, min: 3, max: 3 } }, () => true, NOW + 20 * SECOND, 5 * SECOND);
		expect(spread(smaller.state)).toEqual(wanted);
	});

	test("lets go first of what is in no place of its settings any more", () => {
		const { state } = live(pool(4, [A]), () => true, NOW, 5 * SECOND);
		const moved = { ...state, spec: { ...state.spec, places: [B], min: 5, max: 5 } };
		const more = live(moved, () => true, NOW + 10 * SECOND, 5 * SECOND).state;
		const fewer = live({ ...more, spec: { ...more.spec, min: 1, max: 5 } }, () => true, NOW + 20 * SECOND, 5 * SECOND).state;
		expect(spread(fewer)).toEqual({ "fsn1:cx23": 1 });
	});
});

describe("a pool whose places leave no room says why it waits", () => {
	const said = (state: State) => sentencesOf(summaryOf(state), null, NOW).filter((text) => text.includes("no place has room"));
	const rolled = (state: State, now: number) => apply(state, { on: "command", command: { do: "roll", isOn: true } }, now);
	const bounded = (count: number) => live(pool(count, [A, B], { maxPerPlace: 2, max: 10 }), () => true, NOW, 10 * SECOND).state;

	test("where fewer fit than it is to have", () => {
		const state = bounded(5);
		expect(state.proxies.size).toBe(4);
		const why = "no place has room: nbg1:cx23 has as many as MAX_PER_PLACE lets it (2), fsn1:cx23 has as many as MAX_PER_PLACE lets it (2)";
		expect(said(state)).toEqual([why]);
		expect(state.log.filter(({ text }) => text === why)).toHaveLength(1);
		const roomier = live({ ...state, spec: { ...state.spec, maxPerPlace: 3 } }, () => true, NOW + 20 * SECOND, 10 * SECOND).state;
		expect(said(roomier)).toEqual([]);
		expect(roomier.proxies.size).toBe(5);
	});

	test("where proxies that are too old, or that an operator wants replaced, have no room for their successors", () => {
		const full = bounded(4);
		expect(said(full)).toEqual([]);
		const aged = { ...full, spec: { ...full.spec, ageLimitSeconds: 60 } };
		for (const state of [rolled(full, NOW + 20 * SECOND), aged]) {
			const later = live(state, () => true, NOW + 100 * SECOND, 60 * SECOND).state;
			expect([...later.proxies.keys()]).toEqual([...full.proxies.keys()]);
			expect(said(later)).toEqual([
				expect.stringMatching(/^proxies that are to be replaced stay, since no place has room for their successors: nbg1:cx23 has /),
			]);
			expect(later.log.filter(({ text }) => text.startsWith("proxies that are to be replaced stay"))).toHaveLength(1);
		}
	});

	test("once, however often a place that is sold out is asked meanwhile", () => {
		const full = live(pool(4, [A, B], { maxPerPlace: 4, max: 10 }), () => true, NOW, 10 * SECOND).state;
		const later = live(rolled(full, NOW + 20 * SECOND), () => false, NOW + 30 * SECOND, 300 * SECOND);
		expect(later.asked["fsn1:cx23"]?.length).toBeGreaterThan(5);
		expect(said(later.state)).toEqual([expect.stringMatching(/: nbg1:cx23 has as many .*, fsn1:cx23 is closed$/)]);
		expect(later.state.log.filter(({ text }) => text.includes("no place has room for their successors"))).toHaveLength(1);
		const restocked = live(later.state, () => true, NOW + 331 * SECOND, 300 * SECOND).state;
		expect([...restocked.proxies.keys()].filter((id) => full.proxies.has(id))).toEqual([]);
		expect(said(restocked)).toEqual([]);
	});
});

describe("what the cloud has no more", () => {
	const asked = (state: State, now: number) => plan(state, now, random).effects.filter(({ call }) => call === "retired");
	const known = { ...pool(0, [A, B]), account: "a", reconciledAt: NOW };
	const says = "the cloud no longer has the size cx23 in nbg1: the nearest that it has is cx33";
	const told = (state: State, place: Place, result: readonly string[], now = NOW) =>
		apply(state, { on: "done", effect: { call: "retired", account: "a", place }, result, startedAt: now }, now);

	test("is asked for each place once a day, and again at once when a setting changes", () => {
		expect(asked(known, NOW)).toEqual([{ call: "retired", account: "a", place: A }]);
		const one = told(known, A, []);
		expect(asked(one, NOW)).toEqual([{ call: "retired", account: "a", place: B }]);
		const both = told(one, B, []);
		expect(asked(both, NOW + 23 * 3600 * SECOND)).toEqual([]);
		expect(asked(both, NOW + 24 * 3600 * SECOND)).toHaveLength(1);
	});

	test("degrades the pool before a create fails, and says what comes nearest, until it is there again", () => {
		const gone = told(known, A, [says]);
		expect(summaryOf(gone)).toMatchObject({ degraded: true, problems: [says] });
		expect(gone.log.at(-1)?.text).toBe(says);
		expect(summaryOf(told(gone, A, []))).toMatchObject({ degraded: false, problems: [] });
	});

	test("is asked again in an hour where that could not be had", () => {
		const effect = { call: "retired", account: "a", place: A } as const;
		const failed = told(apply(known, { on: "failed", effect, failure: { kind: "auth", message: "no" }, startedAt: NOW }, NOW), B, []);
		expect(asked(failed, NOW + 3599 * SECOND)).toEqual([]);
		expect(asked(failed, NOW + 3600 * SECOND)).toHaveLength(1);
	});

	test("may be hidden from a role that may do all else: nothing is closed for it, and it is said once", () => {
		const fail = (state: State, now: number) =>
			apply(
				state,
				{ on: "failed", effect: { call: "retired", account: "a", place: A }, failure: { kind: "auth", message: "no" }, startedAt: now },
				now,
			);
		const once = fail(known, NOW);
		const twice = fail(once, NOW + 3600 * SECOND);
		expect(twice.breakers).toEqual(known.breakers);
		expect(twice.log.filter(({ text }) => text.startsWith("whether the cloud still has")).map(({ text }) => text)).toEqual([
			"whether the cloud still has what the settings name cannot be asked: no",
		]);
	});
});

test("a proxy of an earlier version has no place, and counts in the only one there is", () => {
	const { place: _, ...earlier } = [...poolOf(1, () => ({})).proxies.values()][0] as Proxy;
	const start = pool(2, [A], { maxPerPlace: 1 });
	const state = withProxy(start, { ...earlier, place: null });
	expect(createsOf(state, NOW)).toEqual([]);
});
