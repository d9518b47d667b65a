import { afterEach, describe, expect, test, vi } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { EffectOf } from "../../../src/core/effects/index.ts";
import { projectionHash } from "../../../src/core/model/projection.ts";
import type { State, StaticBackend, Verdict } from "../../../src/core/model/state.ts";
import { countUp, staticId } from "../../../src/core/model/statics.ts";
import { Table } from "../../../src/core/model/table.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const SECOND = 1000;
const OK: Verdict = { is: "ok", active: null };
const SILENT: Verdict = { is: "silent" };

const backends = (count: number): readonly StaticBackend[] =>
	Array.from({ length: count }, (_, index) => ({ address: `10.1.${index >> 8}.${index & 255}`, port: 3128, access: "", mark: "" }));

function pool(statics: readonly StaticBackend[]): State {
	const empty = poolOf(0, () => ({}));
	return { ...empty, spec: { ...empty.spec, min: 0, max: 0, statics, intervalSeconds: 30 } };
}

function due(state: State, now: number) {
	const planned = plan(state, now, () => 0.5);
	const effects = planned.effects.filter((effect): effect is EffectOf<"probeStatic"> => effect.call === "probeStatic");
	return { state: planned.state, effects, wakeAt: planned.wakeAt };
}

const done = (state: State, effect: EffectOf<"probeStatic">, result: Verdict, now: number) =>
	apply(state, { on: "done", effect, result, startedAt: now }, now);

/** All of them probed once, so many a second. */
function probedOnce(start: State, aSecond: number): { readonly state: State; readonly now: number } {
	let [state, now] = [start, NOW];
	for (let left = start.spec.statics.length; left > 0; now += SECOND) {
		const planned = due(state, now);
		state = planned.state;
		for (const effect of planned.effects.slice(0, Math.min(aSecond, left))) state = done(state, effect, OK, now);
		left -= Math.min(aSecond, planned.effects.length, left);
	}
	return { state, now };
}

/** What a plan looks up in tables, and reads of the list of backends. */
function lookedAt(state: State, now: number) {
	let reads = 0;
	const list = state.spec.statics;
	const get = vi.spyOn(Table.prototype, "get");
	const counted = new Proxy(list, {
		get: (target, name, receiver) => {
			if (typeof name === "string" && /^\d+$/.test(name)) reads++;
			return Reflect.get(target, name, receiver);
		},
	});
	// The first plan reads a list that it does not know yet.
	const settled = plan({ ...state, spec: { ...state.spec, statics: counted } }, now - 1, () => 0.5).state;
	reads = 0;
	get.mockClear();
	const { effects } = due(settled, now);
	const lookups = get.mock.calls.length;
	get.mockRestore();
	return { reads, lookups, effects: effects.length };
}

afterEach(() => vi.restoreAllMocks());

describe("static backends", () => {
	test("are each probed once in the time that so many take, and those in doubt sooner", () => {
		const list = backends(300);
		const { state, now } = probedOnce(pool(list), 40);
		expect(countUp(state)).toBe(300);
		// 300 of them, 150 an interval: each once a minute.
		const next = due(state, now);
		expect(next.effects).toEqual([]);
		expect(next.wakeAt).toBeLessThanOrEqual(NOW + 60 * SECOND);
		const later = due(state, NOW + 60 * SECOND);
		expect(later.effects).toHaveLength(40);
		const [first] = later.effects;
		if (first === undefined) throw new Error("one is due");
		const doubted = done(later.state, first, SILENT, NOW + 60 * SECOND);
		expect(due(doubted, NOW + 64 * SECOND).effects.map(({ id }) => id)).not.toContain(first.id);
		expect(due(doubted, NOW + 65 * SECOND).effects[0]).toMatchObject({ id: first.id, isWhole: true });
	});

	test("that are new wait for their first probe, and those that the settings name no more are forgotten", () => {
		const list = backends(5);
		const { state, now } = probedOnce(pool(list), 5);
		const other: StaticBackend = { address: "10.9.9.9", port: 1080, access: "", mark: "" };
		const changed = due({ ...state, spec: { ...state.spec, statics: [...list.slice(1), other] } }, now);
		expect(changed.effects.map(({ id }) => id)).toEqual(["10.9.9.9:1080"]);
		expect([...changed.state.statics.keys()]).toEqual(list.slice(1).map(staticId));
		expect(countUp(changed.state)).toBe(4);
	});

	test("of a clock that was set back do not wait for it", () => {
		const { state } = probedOnce(pool(backends(5)), 5);
		expect(due(state, NOW - 3600 * SECOND).effects).toHaveLength(5);
	});

	test("are shown anew when one of them comes or goes", () => {
		const { state, now } = probedOnce(pool(backends(3)), 3);
		const [effect] = due(state, now + 60 * SECOND).effects;
		if (effect === undefined) throw new Error("one is due");
		const again = done(state, effect, OK, now + 60 * SECOND);
		expect(projectionHash(again)).toBe(projectionHash(state));
		let down = again;
		for (let i = 0; i < 3; i++) down = done(down, effect, SILENT, now + 60 * SECOND);
		// The log says so too: what it says is left out here.
		expect(projectionHash({ ...down, logSeq: state.logSeq, log: state.log })).not.toBe(projectionHash(state));
	});

	test("cost a plan what is due of them: of 5,000 the few that are, and nothing of the others", () => {
		const { state, now } = probedOnce(pool(backends(5_000)), 5);
		const idle = lookedAt(state, now);
		expect(idle).toMatchObject({ reads: 0, effects: 0 });
		expect(idle.lookups).toBeLessThan(20);
		// 34 intervals of 30 s for all: the first of them are due again.
		const someDue = lookedAt(state, NOW + 34 * 30 * SECOND + 2 * SECOND);
		expect(someDue.effects).toBe(15);
		expect(someDue.reads).toBe(0);
		expect(someDue.lookups).toBeLessThan(20 + 15 * 10);
	});
});
