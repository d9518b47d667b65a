import { expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { Event } from "../../../src/core/events.ts";
import { lineDirectivesFor, mayBeToldAnew } from "../../../src/core/model/directives.ts";
import { LINE_LATE_MS, LINE_SILENT_MS, LINES_BACK_MS } from "../../../src/core/model/limits.ts";
import { VITALS } from "../../../src/core/model/liveness.ts";
import type { State, Vitals } from "../../../src/core/model/state.ts";
import { Table } from "../../../src/core/model/table.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const SECOND = 1000;
const ID = "proxy00000000000";
const random = () => 0.5;

/** A pool of ready proxies with lines, which were all heard just now. */
function lined(count: number, change: Partial<Vitals> = {}): State {
	const state = { ...poolOf(count, () => ({})), sampledAt: NOW, listedAt: NOW };
	const vitals = { ...VITALS.initial, heardAt: NOW, probedAt: NOW, reportedAt: NOW, metricsAt: NOW, isLined: true, report: 1, ...change };
	return { ...state, vitals: Table.of([...state.proxies.keys()].map((id) => [id, vitals] as const)) };
}

const probed = (state: State, now: number) =>
	plan({ ...state, sampledAt: now, listedAt: now }, now, random).effects.flatMap((effect) => (effect.call === "probe" ? [effect.id] : []));
const dispatch = (state: State, now: number, ...events: Event[]) => events.reduce((before, event) => apply(before, event, now), state);

test("a proxy whose line shows life is not probed, however seldom it reports; one whose line is silent is, after 52 s", () => {
	let state = lined(2);
	const other = [...state.proxies.keys()][1] as string;
	for (let now = NOW; now < NOW + 600 * SECOND; now += 30 * SECOND) {
		state = dispatch(state, now, { on: "lines", lives: [{ id: other, at: now - 5 * SECOND }], isLoaded: false });
		expect(probed(state, now), String(now - NOW)).toEqual(now - NOW < LINE_LATE_MS ? [] : [ID]);
	}
});

test("a line that breaks has its proxy probed at once, and again within a second each, until it is off the list", () => {
	let state = dispatch(lined(1), NOW + SECOND, { on: "lineLost", id: ID, aliveAt: NOW });
	let now = NOW + SECOND;
	for (let tries = 0; tries < 3; tries++) {
		expect(probed(state, now)).toEqual([ID]);
		const effect = { call: "probe", id: ID, address: "203.0.113.0", keyHash: "k" } as const;
		state = dispatch(state, now, { on: "done", effect, result: { is: "refused" }, startedAt: now });
		now += 700;
	}
	expect(state.proxies.get(ID)?.phase.at).toBe("unready");
	expect(now - NOW).toBeLessThan(4 * SECOND);
});

test("a probe that was under way when the line broke does not settle the doubt, the next one does", () => {
	const effect = { call: "probe", id: ID, address: "203.0.113.0", keyHash: "k" } as const;
	const ok = (startedAt: number) => ({ on: "done", effect, result: { is: "ok", active: null }, startedAt }) as const;
	const lost = dispatch(lined(1), NOW + SECOND, { on: "lineLost", id: ID, aliveAt: NOW });
	const before = dispatch(lost, NOW + 2 * SECOND, ok(NOW));
	expect(probed(before, NOW + 3 * SECOND)).toEqual([ID]);
	expect(probed(dispatch(before, NOW + 4 * SECOND, ok(NOW + 3 * SECOND)), NOW + 6 * SECOND)).toEqual([]);
});

test("where nobody can probe, a silent proxy does not come back because all lines fell anew, but when it shows life", () => {
	const phaseOf = (state: State) => state.proxies.get(ID)?.phase.at;
	const start = lined(1);
	const deaf = { ...start, spec: { ...start.spec, canProbe: false } };
	let now = NOW + LINE_SILENT_MS;
	let state = plan(deaf, now, random).state;
	expect(phaseOf(state)).toBe("unready");
	for (let fall = 0; fall < 3; fall++) {
		now += 120 * SECOND;
		state = plan(dispatch(state, now, { on: "lines", lives: [], isLoaded: true }), now, random).state;
		expect(phaseOf(state)).toBe("unready");
	}
	const heard = dispatch(state, now + SECOND, { on: "lines", lives: [{ id: ID, at: now + SECOND }], isLoaded: false });
	expect(phaseOf(plan(heard, now + SECOND, random).state)).toBe("ready");
});

test("a line that is opened again ends the doubt", () => {
	const state = dispatch(lined(1), NOW + SECOND, { on: "lineLost", id: ID, aliveAt: NOW }, { on: "lineOpened", id: ID });
	expect(probed(state, NOW + SECOND)).toEqual([]);
});

test("after a deploy, which cuts all lines, nobody who was heard just before is late until all can be back", () => {
	const fellAt = NOW + 30 * SECOND;
	const fallen = dispatch(lined(3), fellAt, { on: "lines", lives: [], isLoaded: true });
	expect(probed(fallen, fellAt + LINES_BACK_MS - 1)).toEqual([]);
	expect(probed(fallen, fellAt + LINES_BACK_MS)).toHaveLength(3);
});

test("a VM that vanished before a deploy is probed in time to be off the list within 90 s", () => {
	for (const afterMs of [10_000, 40_000, LINE_LATE_MS - 1]) {
		const fallen = dispatch(lined(1), NOW + afterMs, { on: "lines", lives: [], isLoaded: true });
		const again = dispatch(fallen, NOW + afterMs + 10 * SECOND, { on: "lines", lives: [], isLoaded: true });
		let [state, now] = [again, NOW + afterMs + 10 * SECOND];
		while (state.proxies.get(ID)?.phase.at === "ready") {
			now += 100;
			if (probed(state, now).length === 0) continue;
			// Silence takes three seconds to tell.
			const effect = { call: "probe", id: ID, address: "203.0.113.0", keyHash: "k" } as const;
			now += 3 * SECOND;
			state = dispatch(state, now, { on: "done", effect, result: { is: "silent" }, startedAt: now });
		}
		expect(now - NOW, String(afterMs)).toBeLessThanOrEqual(90 * SECOND);
	}
});

test("an instance that woke up and finds its lines takes nobody's absence for a deploy", () => {
	const loaded = dispatch(lined(2), NOW + 100 * SECOND, { on: "lines", lives: [{ id: ID, at: NOW + 90 * SECOND }], isLoaded: true });
	expect(probed(loaded, NOW + 100 * SECOND)).toHaveLength(1);
});

test("where nobody can probe, a silent line takes its proxy off the list within 90 s", () => {
	const state = lined(1);
	const unprobed = { ...state, spec: { ...state.spec, canProbe: false } };
	const at = (now: number) => plan({ ...unprobed, listedAt: now }, now, random).state.proxies.get(ID)?.phase.at;
	expect(at(NOW + LINE_SILENT_MS - 1)).toBe("ready");
	expect(at(NOW + LINE_SILENT_MS)).toBe("unready");
	expect(LINE_SILENT_MS).toBeLessThanOrEqual(90 * SECOND);
});

test("a report of more connections than a rule allows has the target rise before the rules' turn, and not twice within an interval", () => {
	const state = lined(1);
	const ruled: State = {
		...state,
		spec: { ...state.spec, min: 1, max: 9, rules: ["active < 4"], rampLimit: 2 },
		decidedAt: NOW,
		target: 1,
	};
	const report = (active: number) =>
		({ on: "heartbeat", id: ID, active, metrics: {}, credentials: 0, sessions: [], number: 2 }) as const satisfies Event;
	const calm = plan(dispatch(ruled, NOW + SECOND, report(3)), NOW + SECOND, random).state;
	expect(calm.target).toBe(1);
	const risen = plan(dispatch(calm, NOW + 2 * SECOND, report(20)), NOW + 2 * SECOND, random).state;
	expect(risen.target).toBe(3);
	expect(plan(dispatch(risen, NOW + 4 * SECOND, report(40)), NOW + 4 * SECOND, random).state.target).toBe(3);
	expect(plan(dispatch(risen, NOW + 32 * SECOND, report(40)), NOW + 32 * SECOND, random).state.target).toBe(5);
});

test("a change is told to whom it concerns, and a report to nobody", () => {
	const state = lined(3);
	const report = { on: "heartbeat", id: ID, active: 1, metrics: {}, credentials: 0, sessions: ["192.0.2.1:1"], number: 2 } as const;
	expect(mayBeToldAnew(state, dispatch(state, NOW, report))).toEqual([]);
	expect(mayBeToldAnew(state, dispatch(state, NOW, { on: "agentUrl", url: "https://other.test" }))).toBeNull();
	const proxy = state.proxies.get(ID);
	if (proxy?.phase.at !== "ready") throw new Error("it is ready");
	const drained = { ...proxy, phase: { ...proxy.phase, at: "draining", hiddenAt: null, until: NOW, spare: false } } as const;
	expect(mayBeToldAnew(state, { ...state, proxies: state.proxies.with(ID, drained) })).toEqual([ID]);
});

test("agents are told each its part of what connections have left below the rules' bound: less of it at once, more of it seldom", () => {
	const state = lined(4);
	const ruled: State = { ...state, spec: { ...state.spec, min: 1, max: 9, rules: ["active <= 20"] }, decidedAt: NOW, target: 4 };
	const report = (active: number) =>
		({ on: "heartbeat", id: ID, active, metrics: {}, credentials: 0, sessions: [], number: 2 }) as const satisfies Event;
	const stepOf = ({ rise }: State) => rise.step;
	const calm = dispatch(ruled, NOW, report(0));
	// 80 are left, 20 for each.
	expect(stepOf(calm)).toBe(16);
	const busy = dispatch(calm, NOW + SECOND, report(70));
	expect(stepOf(busy)).toBe(2);
	expect(mayBeToldAnew(calm, busy)).toBeNull();
	const calmer = dispatch(busy, NOW + 60 * SECOND, report(0));
	expect(stepOf(calmer)).toBe(2);
	expect(stepOf(dispatch(calmer, NOW + 700 * SECOND, report(0)))).toBe(16);
	const full = { ...ruled, target: 9 };
	expect(stepOf(dispatch(full, NOW, report(0)))).toBe(0);
});

test("agents are told their part of what is left of each metric that the rules bound, and of none else", () => {
	const state = lined(4);
	const ruled: State = {
		...state,
		spec: { ...state.spec, min: 1, max: 9, rules: ["requests <= 100", "1 <= cpu <= 0.8", "2 <= errors", "jobs <= 3"] },
		decidedAt: NOW,
		target: 4,
	};
	const report = (requests: number, cpu: number) =>
		({ on: "heartbeat", id: ID, active: 50, metrics: { requests, cpu }, credentials: 0, sessions: [], number: 2 }) as const satisfies Event;
	const risesOf = (one: State) => lineDirectivesFor({ ...one, agentUrl: "https://muster.test" }, ID, NOW)?.rises;
	const calm = dispatch(ruled, NOW, report(0, 0));
	// 400 are left, 100 for each; 3.2 of all processors, 0.8 for each.
	expect(risesOf(calm)).toEqual({ requests: 64, cpu: 0.5 });
	expect(calm.rise.step).toBe(0);
	const busy = dispatch(calm, NOW + SECOND, report(300, 0));
	expect(risesOf(busy)).toEqual({ requests: 16, cpu: 0.5 });
	expect(mayBeToldAnew(calm, busy)).toBeNull();
	// What is left is told no finer than by a quarter of the bound; and what grows beside it stays as it was told.
	expect(risesOf(dispatch(busy, NOW + 2 * SECOND, report(399, 3)))).toEqual({ requests: 16, cpu: 0.125 });
	const moved = dispatch(busy, NOW + 3 * SECOND, report(0, 1.6));
	expect(risesOf(moved)).toEqual({ requests: 16, cpu: 0.25 });
	expect(risesOf(dispatch(moved, NOW + 700 * SECOND, report(0, 0)))).toEqual({ requests: 64, cpu: 0.5 });
	const elsewhere = { ...ruled, spec: { ...ruled.spec, metricsSource: "other" } };
	expect(risesOf(dispatch(elsewhere, NOW, report(0, 0)))).toEqual({});
});

test("what is posted, or measured elsewhere, has the target rise before the rules' turn as a report does", () => {
	const ruled = (rule: string, metricsSource: string | null): State => {
		const state = lined(1);
		return { ...state, spec: { ...state.spec, min: 1, max: 9, rules: [rule], metricsSource, rampLimit: 1 }, decidedAt: NOW, target: 1 };
	};
	const targetOf = (state: State, now: number) => plan(state, now, random).state.target;
	const now = NOW + SECOND;
	const post = (jobs: number, address: string | null = null) =>
		({ on: "command", command: { do: "metrics", address, metrics: { jobs: [1, jobs] } } }) as const satisfies Event;
	const own = ruled("jobs <= 10", null);
	expect(targetOf(dispatch(own, now, post(10)), now)).toBe(1);
	expect(targetOf(dispatch(own, now, post(11)), now)).toBe(2);
	expect(targetOf(dispatch(own, now, post(11, "203.0.113.0")), now)).toBe(2);
	const effect = { call: "measure", endpoint: "other" } as const;
	const measured = (active: number) =>
		({
			on: "done",
			effect,
			result: { averages: { active }, reporting: 4, missing: 0, isUnused: false },
			startedAt: now,
		}) as const satisfies Event;
	const other = { ...ruled("active <= 10", "other"), sourceAskedAt: now };
	expect(targetOf(dispatch(other, now, measured(2)), now)).toBe(1);
	expect(targetOf(dispatch(other, now, measured(3)), now)).toBe(2);
});

test("a drain is told once a list without the proxy is published, with the time for which older lists may name it", () => {
	const state = lined(1);
	const proxy = state.proxies.get(ID);
	if (proxy === undefined) throw new Error("it is there");
	const told = (hiddenAt: number | null, now: number) => {
		const phase = { at: "draining", vm: "vm-0", until: NOW + 600 * SECOND, hiddenAt, spare: false } as const;
		const drained = { ...state, proxies: state.proxies.with(ID, { ...proxy, phase, since: NOW }) };
		const { drain, grace } = lineDirectivesFor(drained, ID, now) ?? {};
		return { drain, grace };
	};
	expect(told(null, NOW + 29 * SECOND)).toEqual({ drain: false, grace: 0 });
	expect(told(NOW + 100, NOW + 100)).toEqual({ drain: true, grace: 0.6 });
	expect(told(NOW + 100, NOW + 500)).toEqual({ drain: true, grace: 0.2 });
	expect(told(NOW + 100, NOW + 5000)).toEqual({ drain: true, grace: 0 });
	// Nothing can be published.
	expect(told(null, NOW + 30 * SECOND)).toEqual({ drain: true, grace: 0 });
});

test("a proxy that began to drain in the very millisecond in which a list without it went out is hidden by that list, whatever else changes meanwhile", () => {
	const state = lined(2);
	const [first = "", second = ""] = [...state.proxies.keys()];
	const draining = (one: State, id: string, since: number): State => {
		const proxy = one.proxies.get(id);
		if (proxy === undefined) throw new Error("it is there");
		const phase = { at: "draining", vm: "vm-0", until: NOW + 600 * SECOND, hiddenAt: null, spare: false } as const;
		return { ...one, proxies: one.proxies.with(id, { ...proxy, phase, since }) };
	};
	const effect = { call: "publish", hash: "then", version: 1 } as const;
	const published = { logSeq: 0, ended: [], hidden: [{ id: first, since: NOW }] };
	// The second one begins while the list is under way, which shows it still.
	const later = draining(draining(state, first, NOW), second, NOW);
	const after = dispatch(later, NOW + 50, { on: "done", effect, result: published, startedAt: NOW });
	const hiddenAt = (id: string) => {
		const { phase } = after.proxies.get(id) ?? {};
		return phase?.at === "draining" ? phase.hiddenAt : undefined;
	};
	expect([hiddenAt(first), hiddenAt(second)]).toEqual([NOW + 50, null]);
});
