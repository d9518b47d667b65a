import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import { coolingOf, coolUntil, isCooling, type OutcomeName, outcomesAfter } from "../../../src/core/model/bans.ts";
import { MOST_BANNED_PAIRS, MOST_HOSTS } from "../../../src/core/model/limits.ts";
import { COUNTERS, FIRST_METRIC, GAUGES, withSample } from "../../../src/core/model/samples.ts";
import type { State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { changeOfCooling, coolingFor } from "../../../src/read-model/cooling.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const FIRST = "proxy00000000000";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const pool = (count = 2) => poolOf(count, () => ({}));
const report = (state: State, outcome: OutcomeName, at = NOW, host = "example.com", id = FIRST) =>
	apply(state, { on: "command", command: { do: "report", reports: [{ id, host, outcome }] } }, at);
const proxyOf = (state: State, id = FIRST) => {
	const proxy = state.proxies.get(id);
	if (proxy === undefined) throw new Error(`there is no ${id}`);
	return proxy;
};
const lasts = (state: State, at: number, host = "example.com") => (coolUntil(proxyOf(state), host) - at) / MINUTE;

describe("what clients report, hour by hour", () => {
	const start = Math.floor(NOW / HOUR) * HOUR;
	const hour = start / 1000;

	test("is counted by site and by proxy, and told until its hour has ended and was collected", () => {
		let state = report(report(pool(), "ok", start), "banned", start + 59 * MINUTE);
		state = report(state, "timeout", start + 59 * MINUTE, "other.example", "proxy00000000001");
		state = report(state, "ok", start + 61 * MINUTE);
		const first = {
			start: hour,
			hosts: { "example.com": [2, 1], "other.example": [1, 0] },
			proxies: { [FIRST]: [2, 1], proxy00000000001: [1, 0] },
		};
		const second = { start: hour + 3600, hosts: { "example.com": [1, 1] }, proxies: { [FIRST]: [1, 1] } };
		expect(outcomesAfter(state, hour + 3599)).toEqual([first, second]);
		expect(outcomesAfter(state, hour + 3600)).toEqual([second]);
	});

	test("is remembered of the last two hours alone, and of none that a clock which was set back left in the future", () => {
		let state = pool();
		for (let turn = 0; turn < 5; turn++) state = report(state, "ok", start + turn * HOUR);
		expect(outcomesAfter(state, 0).map((one) => one.start)).toEqual([hour + 3 * 3600, hour + 4 * 3600]);
		expect(outcomesAfter(report(state, "ok", start), 0).map((one) => one.start)).toEqual([hour]);
	});

	test("of a proxy that is gone stays until it was collected, and goes then", () => {
		const state = report(pool(), "ok", start);
		const without = { ...state, proxies: state.proxies.without(FIRST) };
		const soon = report(without, "ok", start + 29 * MINUTE, "example.com", "proxy00000000001");
		expect(outcomesAfter(soon, 0)[0]?.proxies).toEqual({ [FIRST]: [1, 1], proxy00000000001: [1, 1] });
		expect([...report(soon, "ok", start + 30 * MINUTE, "example.com", "proxy00000000001").outcomes.keys()]).toEqual(["proxy00000000001"]);
	});
});

describe("a ban", () => {
	test("cools the proxy down for that site alone, for a quarter of an hour; a captcha does too, other failures do not", () => {
		const banned = report(pool(), "banned");
		expect(lasts(banned, NOW)).toBe(15);
		expect(isCooling(proxyOf(banned), "example.com", NOW + 15 * MINUTE - 1)).toBe(true);
		expect(isCooling(proxyOf(banned), "example.com", NOW + 15 * MINUTE)).toBe(false);
		expect(isCooling(proxyOf(banned), "example.org", NOW)).toBe(false);
		expect(isCooling(proxyOf(banned, "proxy00000000001"), "example.com", NOW)).toBe(false);
		expect(lasts(report(pool(), "captcha"), NOW)).toBe(15);
		for (const outcome of ["error", "timeout", "ok"] as const) expect(proxyOf(report(pool(), outcome)).bans, outcome).toEqual([]);
	});

	test("that is reported again while it lasts stays what it is; one after it lasts twice as long, up to a day", () => {
		let state = report(report(pool(), "banned"), "banned", NOW + MINUTE);
		expect(lasts(state, NOW)).toBe(15);
		let at = NOW;
		const lengths: number[] = [];
		for (let turn = 0; turn < 9; turn++) {
			at = coolUntil(proxyOf(state), "example.com") + 1;
			state = report(state, "banned", at);
			lengths.push(lasts(state, at));
		}
		expect(lengths).toEqual([30, 60, 120, 240, 480, 960, 1440, 1440, 1440]);
	});

	test("lasts as long at first as the pool's settings say", () => {
		const { spec } = pool();
		const first = report({ ...pool(), spec: { ...spec, banCoolDownSeconds: 120 } }, "banned");
		expect(lasts(first, NOW)).toBe(2);
		expect(lasts(report(first, "banned", NOW + 2 * MINUTE), NOW + 2 * MINUTE)).toBe(4);
	});

	test("is over with an ok after it, and forgotten: the next one lasts as long as the first", () => {
		const cleared = report(report(pool(), "banned"), "ok", NOW + MINUTE);
		expect(proxyOf(cleared).bans).toEqual([]);
		expect(lasts(report(cleared, "banned", NOW + 2 * MINUTE), NOW + 2 * MINUTE)).toBe(15);
		expect(report(report(pool(), "banned"), "ok", NOW, "example.org").proxies.get(FIRST)?.bans).toHaveLength(1);
	});

	test("a day after the last has ended is a new one", () => {
		const at = NOW + 15 * MINUTE + 24 * HOUR;
		expect(lasts(report(report(pool(), "banned"), "banned", at), at)).toBe(15);
	});

	test("of a clock that was set back since does not last for ever", () => {
		const ahead = report(pool(), "banned", NOW + 48 * HOUR);
		expect(isCooling(proxyOf(ahead), "example.com", NOW)).toBe(false);
		expect(lasts(report(ahead, "banned"), NOW)).toBe(15);
	});

	test("of a proxy that is not there changes nothing", () => {
		const state = pool();
		expect(report(state, "banned", NOW, "example.com", "nobody")).toBe(state);
	});

	test("by a site that is called like what every object has is one like any other", () => {
		const state = report(pool(), "banned", NOW, "__proto__");
		const change = changeOfCooling(null, coolingOf(state));
		expect([...coolingFor({ cooling: change?.json ?? "" }, "__proto__").keys()]).toEqual([FIRST]);
		expect(coolingFor({ cooling: change?.json ?? "" }, "constructor").size).toBe(0);
		expect(state.hosts.get("__proto__")?.banned).toBe(1);
	});
});

describe("what is kept", () => {
	test("counts outcomes by site and by proxy", () => {
		const state = (["ok", "ok", "banned", "error"] as const).reduce((before, outcome) => report(before, outcome), pool());
		expect(state.hosts.get("example.com")).toMatchObject({ ok: 2, banned: 1, error: 1, timeout: 0, at: NOW });
		expect(state.outcomes.get(FIRST)).toMatchObject({ ok: 2, banned: 1, error: 1 });
		const [timed] = [
			apply(pool(), { on: "command", command: { do: "report", reports: [{ id: FIRST, host: "a", outcome: "ok", ms: 40 }] } }, NOW),
		];
		expect(timed?.hosts.get("a")).toMatchObject({ okMs: 40, timed: 1 });
	});

	test("counts outcomes over time, of sites and proxies that are forgotten too", () => {
		const before = withSample(report(pool(), "ok"), NOW);
		const after = withSample(report(report(report(before, "ok"), "banned"), "timeout"), NOW + MINUTE);
		const of = ({ samples }: State) => COUNTERS.map((_, index) => samples.at(-1)?.[FIRST_METRIC + GAUGES.length + index]).slice(-2);
		expect([of(before), of(after)]).toEqual([
			[1, 1],
			[4, 2],
		]);
		expect(COUNTERS.slice(-2)).toEqual(["outcomes", "outcomesOk"]);
	});

	test("is 2,000 sites at the most: those that were reported the longest ago go first, and with them their bans", () => {
		let state = pool();
		for (let index = 0; index < MOST_HOSTS + 10; index++)
			state = report(state, index % 2 === 0 ? "banned" : "ok", NOW + index, `site${index}.example`);
		expect(state.hosts.size).toBe(MOST_HOSTS);
		for (let index = 0; index < 10; index++) expect(state.hosts.has(`site${index}.example`)).toBe(false);
		expect(proxyOf(state).bans.some(({ host }) => host === "site8.example")).toBe(false);
		expect(proxyOf(state).bans.some(({ host }) => host === "site10.example")).toBe(true);
	});

	test("stays within the bound when the counts were lost with an instance, and is so many bans at the most", () => {
		let state = pool(8);
		const ids = [...state.proxies.keys()];
		for (let index = 0; index < 1_600; index++) {
			const reports = ids.map((id) => ({ id, host: `site${index}.example`, outcome: "banned" as const }));
			state = apply(state, { on: "command", command: { do: "report", reports } }, NOW + index);
		}
		const pairs = () => [...state.proxies.values()].reduce((sum, { bans }) => sum + bans.length, 0);
		expect(pairs()).toBeLessThanOrEqual(MOST_BANNED_PAIRS);
		expect(coolingOf(state).has("site1599.example")).toBe(true);
		expect(coolingOf(state).has("site0.example")).toBe(false);
		const { hosts } = pool();
		state = { ...state, hosts };
		for (let batch = 0; batch < 3; batch++) {
			const reports = Array.from({ length: 500 }, (_, index) => ({
				id: FIRST,
				host: `other${batch}-${index}.example`,
				outcome: "banned" as const,
			}));
			state = apply(state, { on: "command", command: { do: "report", reports } }, NOW + 10_000 + batch);
		}
		expect(coolingOf(state).size).toBeLessThanOrEqual(MOST_HOSTS);
		expect(pairs()).toBeLessThanOrEqual(MOST_BANNED_PAIRS);
	});
});

describe("a proxy that too many sites have banned", () => {
	const HOSTS = ["a.example", "b.example", "c.example"];
	const strict = (spec: Partial<State["spec"]>, count = 4) => {
		const state = pool(count);
		return { ...state, spec: { ...state.spec, max: count + 4, ...spec } };
	};
	const bannedBy = (state: State, ids: readonly string[], hosts: readonly string[]) =>
		ids.reduce((all, id) => hosts.reduce((before, host) => report(before, "banned", NOW, host, id), all), state);
	let drawn = 0;
	const planned = (state: State, at = NOW) => plan(state, at, () => (drawn++ * 0.618) % 1).state;
	const inPhase = (state: State, at: string) => [...state.proxies.values()].filter(({ phase }) => phase.at === at);
	/** Every VM that was asked for is there and serves. */
	const grown = (state: State) => {
		const [model] = pool(1).proxies.values();
		if (model === undefined) throw new Error("no model");
		let { proxies } = state;
		for (const { id } of inPhase(state, "launching")) {
			proxies = proxies.with(id, { ...model, id, address: `198.51.100.${drawn++}`, phase: { at: "ready", vm: id } });
		}
		return { ...state, proxies };
	};

	test("is replaced, once its successor is ready; it is not while nobody asked for that, or fewer have", () => {
		for (const state of [strict({}), strict({ replaceBanned: 4 })])
			expect(inPhase(planned(bannedBy(state, [FIRST], HOSTS)), "launching")).toEqual([]);
		const waiting = planned(bannedBy(strict({ replaceBanned: 3 }), [FIRST], HOSTS));
		expect([inPhase(waiting, "launching").length, inPhase(waiting, "ready").length, inPhase(waiting, "draining")]).toEqual([1, 4, []]);
		const after = planned(grown(waiting));
		expect(inPhase(after, "draining").map(({ id, why }) => [id, why])).toEqual([[FIRST, "banned by too many sites"]]);
		expect(inPhase(after, "launching")).toEqual([]);
	});

	test("is replaced for the ban of one site that is named, and not once it has cooled down", () => {
		const state = bannedBy(strict({ replaceBannedBy: ["b.example"] }), [FIRST], ["b.example"]);
		expect(inPhase(planned(state), "launching")).toHaveLength(1);
		expect(inPhase(planned(state, NOW + 15 * MINUTE), "launching")).toEqual([]);
		expect(inPhase(planned(bannedBy(strict({ replaceBannedBy: ["b.example"] }), [FIRST], ["c.example"])), "launching")).toEqual([]);
	});

	test("waits for its turn: a batch at a time, and no more in an hour than may be replaced in one", () => {
		let state = strict({ replaceBanned: 1, maxReplacementsPerHour: 3 });
		const ids = [...state.proxies.keys()];
		state = bannedBy(state, ids, HOSTS);
		state = planned(state);
		expect(inPhase(state, "launching")).toHaveLength(2);
		let launched = 2;
		for (let turn = 0; turn < 10; turn++) {
			state = planned(grown(state), NOW + turn);
			for (const { id } of inPhase(state, "draining")) state = { ...state, proxies: state.proxies.without(id) };
			state = planned(state, NOW + turn);
			launched += inPhase(state, "launching").length;
			state = bannedBy(grown(state), [...state.proxies.keys()], HOSTS);
		}
		expect(launched).toBe(3);
		expect(state.proxies.size).toBe(4);
	});

	test("waits while a batch of them is still leaving", () => {
		const start = strict({ replaceBanned: 1, maxReplacementsPerHour: 100 }, 6);
		let state = planned(grown(planned(bannedBy(start, [...start.proxies.keys()], HOSTS))));
		expect([inPhase(state, "draining").length, inPhase(state, "launching").length]).toEqual([2, 0]);
		state = planned(state, NOW + 1);
		expect([inPhase(state, "draining").length, inPhase(state, "launching").length]).toEqual([2, 0]);
		for (const { id } of inPhase(state, "draining")) state = { ...state, proxies: state.proxies.without(id) };
		expect(inPhase(planned(state, NOW + 2), "launching")).toHaveLength(2);
	});

	test("stays where the budget has no room for its successor", () => {
		const state = planned(bannedBy(strict({ replaceBanned: 1, maxHourlyCost: 0 }), [FIRST], HOSTS));
		expect([inPhase(state, "launching"), inPhase(state, "ready").length]).toEqual([[], 4]);
	});

	test("that somebody has leased stays", () => {
		const state = bannedBy(strict({ replaceBanned: 1 }), [FIRST], HOSTS);
		const proxy = proxyOf(state);
		const lease = { id: "a", until: NOW + HOUR, wishes: { regions: null, exclude: [], host: null }, replaces: null };
		expect(inPhase(planned({ ...state, proxies: state.proxies.with(FIRST, { ...proxy, lease }) }), "launching")).toEqual([]);
	});
});

describe("what D1 is sent of it", () => {
	test("is what changed, and makes of what D1 holds what there is", () => {
		const first = report(pool(), "banned");
		const second = report(report(first, "banned", NOW, "example.org"), "ok");
		const whole = changeOfCooling(null, coolingOf(first));
		expect(whole).toEqual({ json: JSON.stringify({ "example.com": { [FIRST]: (NOW + 15 * MINUTE) / 1000 } }), isPatch: false });
		expect(changeOfCooling(coolingOf(first), coolingOf(second))).toEqual({
			json: JSON.stringify({ "example.org": { [FIRST]: (NOW + 15 * MINUTE) / 1000 }, "example.com": null }),
			isPatch: true,
		});
		expect(changeOfCooling(coolingOf(second), coolingOf(second))).toBeNull();
	});
});
