/** What simulated runs found in the core, a story each; the planted bugs of test/simulation/bugs keep the same from coming back unseen. */
import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import { type Effect, roomOf } from "../../../src/core/effects/index.ts";
import type { Event } from "../../../src/core/events.ts";
import { withVitals } from "../../../src/core/model/edit.ts";
import { CREATE_DEADLINE_MS, ORPHAN_MS, PROBES_TO_FAIL, STUCK_DELETE_MS } from "../../../src/core/model/limits.ts";
import { VITALS } from "../../../src/core/model/liveness.ts";
import { samplesOf } from "../../../src/core/model/metrics.ts";
import { billable } from "../../../src/core/model/proxies.ts";
import type { Proxy, State, Vitals, Vm } from "../../../src/core/model/state.ts";
import { Table } from "../../../src/core/model/table.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const random = () => 0.5;
const WINDOW_MS = 120_000;
const SECOND = 1000;

const dispatch = (state: State, now: number, ...events: readonly Event[]) => events.reduce((held, event) => apply(held, event, now), state);
const calls = (effects: readonly Effect[], call: Effect["call"]) => effects.filter((effect) => effect.call === call);
const only = (state: State): Proxy => {
	const [proxy] = state.proxies.values();
	if (proxy === undefined || state.proxies.size > 1) throw new Error("one proxy was expected");
	return proxy;
};
const vmOf = (state: State, proxy: Proxy, change: Partial<Vm> = {}): Vm => ({
	vm: proxy.phase.at === "launching" ? `vm of ${proxy.id}` : (proxy.phase.vm ?? ""),
	name: proxy.id,
	state: "running",
	address: proxy.address,
	tags: { deployment: state.pool.deployment, pool: state.pool.tag, intent: proxy.id },
	...change,
});
const listed = (vms: readonly Vm[], startedAt: number): Event => ({ on: "done", effect: { call: "list" }, result: vms, startedAt });
const run = (how: State["run"]): Event => ({ on: "command", command: { do: "run", run: how } });
/** A proxy whose create was sent `ago` milliseconds ago and not answered. */
const SENT = (ago: number): Partial<Proxy> => ({
	phase: { at: "launching", sentAt: NOW - ago },
	createdAt: NOW - ago,
	address: null,
	registered: false,
	wasReady: false,
	keyHash: null,
});
const BOOTING: Partial<Proxy> = { phase: { at: "booting", vm: "vm-0" }, address: null, registered: false, wasReady: false, keyHash: null };

describe("what is deleted", () => {
	test("a VM that a list saw off on its way through a restart is not deleted once it is back", () => {
		const start = poolOf(1, () => ({}));
		const off = dispatch(start, NOW, listed([vmOf(start, only(start), { state: "off" })], NOW));
		const back = dispatch(off, NOW + 20 * SECOND, {
			on: "heartbeat",
			id: only(off).id,
			active: 0,
			metrics: {},
			sessions: [],
			credentials: 0,
		});
		expect(only(plan(back, NOW + WINDOW_MS + SECOND, random).state).phase.at).toBe("ready");
		const stillOff = dispatch(off, NOW + WINDOW_MS, listed([vmOf(off, only(off), { state: "off" })], NOW + WINDOW_MS));
		expect(only(plan(stillOff, NOW + WINDOW_MS, random).state).phase.at).toBe("deleting");
	});

	test("one that is being deleted keeps its successor waiting, but takes no other proxy with it", () => {
		const deleting = { phase: { at: "deleting", vm: "vm-0", acceptedAt: null } } as const;
		const state = { ...poolOf(2, (index) => (index === 0 ? deleting : {})), target: 1 };
		const after = plan({ ...state, spec: { ...state.spec, min: 1 } }, NOW, random).state;
		expect([...after.proxies.values()].map(({ phase }) => phase.at).sort()).toEqual(["deleting", "ready"]);
	});

	test("removing a pool whose setting is bad deletes its VMs all the same", () => {
		const suspended: State = { ...poolOf(2, () => ({})), suspended: "the size is not a size" };
		const removed = plan(dispatch(suspended, NOW, run("removing")), NOW, random).state;
		expect([...removed.proxies.values()].map(({ phase }) => phase.at)).toEqual(["draining", "draining"]);
	});
});

describe("what is believed to be gone", () => {
	test("a create that reached its cloud after 26 s and shows a window later is not given up before", () => {
		const start = poolOf(1, () => SENT(0));
		const believedAt = NOW + CREATE_DEADLINE_MS + WINDOW_MS;
		const failedBy = (at: number) => plan(absentSince(start, at), at, random).state.failed.length;
		expect(failedBy(believedAt - 1)).toBe(0);
		expect(failedBy(believedAt)).toBe(1);
	});

	test("an orphan that lists lack is forgotten only once its delete says that there is none", () => {
		const start = poolOf(0, () => ({}));
		const orphan: Vm = {
			vm: "vm-x",
			name: "x",
			state: "running",
			address: null,
			tags: { deployment: "d", pool: "t", intent: "unheardof" },
		};
		const seen = dispatch(start, NOW, listed([orphan], NOW));
		const lacked = dispatch(seen, NOW + ORPHAN_MS, listed([], NOW + ORPHAN_MS));
		expect([...lacked.orphans.keys()]).toEqual(["vm-x"]);
		expect(calls(plan(lacked, NOW + ORPHAN_MS, random).effects, "deleteOrphan")).toHaveLength(1);
		expect(
			dispatch(lacked, NOW + ORPHAN_MS, { on: "done", effect: { call: "deleteOrphan", vm: "vm-x" }, result: "gone", startedAt: NOW })
				.orphans.size,
		).toBe(0);
	});

	test("a pool that has long been empty is looked through twice more before it is forgotten, and anew when a VM shows up", () => {
		const empty: State = { ...poolOf(0, () => ({})), emptySince: NOW - 3_600_000, listedAt: NOW - 60 * SECOND };
		const orphan: Vm = { vm: "vm-x", name: "x", state: "running", address: null, tags: { deployment: "d", pool: "t", intent: null } };
		let state = dispatch(empty, NOW, run("removing"));
		const look = (at: number, vms: readonly Vm[]) => {
			state = dispatch(state, at, listed(vms, at));
			return calls(plan(state, at, random).effects, "forget").length;
		};
		expect(look(NOW + SECOND, [])).toBe(0);
		expect(look(NOW + WINDOW_MS, [])).toBe(0);
		expect(look(NOW + WINDOW_MS + 30 * SECOND, [orphan])).toBe(0);
		state = dispatch(state, NOW + WINDOW_MS + 40 * SECOND, {
			on: "done",
			effect: { call: "deleteOrphan", vm: "vm-x" },
			result: "gone",
			startedAt: NOW,
		});
		expect(look(NOW + WINDOW_MS + 60 * SECOND, [])).toBe(0);
		expect(look(NOW + WINDOW_MS + 90 * SECOND, [])).toBe(1);
	});

	test("a pool that the directory was asked to forget does not come back, whatever came of the asking", () => {
		const leaving = dispatch(
			poolOf(0, () => ({})),
			NOW,
			run("removing"),
			{ on: "sent", effect: { call: "forget" } },
		);
		expect(dispatch(leaving, NOW, run("running")).run).toBe("removing");
	});
});

describe("what is launched", () => {
	test("a create that is accepted and fails later is not repeated without end", () => {
		let state = poolOf(0, () => ({}));
		for (let boot = 0; boot < 3; boot++) state = plan(absentSince(withBooting(state), NOW), NOW, random).state;
		expect(state.breakers.boots.failures).toBe(3);
		expect(state.breakers.boots.until).toBeGreaterThan(NOW);
	});

	test("a create that is cut between its steps, and leaves a VM switched off, is not repeated without end either", () => {
		let state = poolOf(0, () => ({}));
		for (let boot = 0; boot < 3; boot++) {
			const booting = withBooting(state);
			const proxies = Table.of([...booting.proxies].map(([id, proxy]) => [id, { ...proxy, offSince: NOW - 2 * WINDOW_MS }]));
			state = plan({ ...booting, proxies, vitals: Table.of([...proxies.keys()].map((id) => [id, SEEN_NOW])) }, NOW, random).state;
		}
		expect(state.breakers.boots.until).toBeGreaterThan(NOW);
	});

	test("intents that were not sent are taken back when the maximum is lowered below them", () => {
		const waiting = { ...SENT(0), phase: { at: "launching", sentAt: null } } as const;
		const deleting = { phase: { at: "deleting", vm: "vm-0", acceptedAt: NOW } } as const;
		const state = poolOf(6, (index) => (index < 3 ? { phase: { ...deleting.phase, vm: `vm-${index}` } } : waiting));
		const lowered = dispatch(state, NOW, { on: "command", command: { do: "scale", min: 3, max: 3 } });
		const [intent] = [...lowered.proxies.values()].filter(({ phase }) => phase.at === "launching");
		const create = { call: "create", id: intent?.id ?? "" } as const;
		expect(roomOf(create).isStillDue(lowered, create, NOW)).toBe(false);
		expect(billable(plan(lowered, NOW, random).state)).toBe(5);
	});
});

describe("who is believed", () => {
	test("a replayed registration does not take the place of the first", () => {
		const start = poolOf(1, () => BOOTING);
		const { id } = only(start);
		const first = dispatch(start, NOW, { on: "registered", id, keyHash: "k", address: "203.0.113.7" });
		const replayed = dispatch(first, NOW + SECOND, { on: "registered", id, keyHash: "k", address: "192.0.2.1" });
		expect(only(replayed).claim?.address).toBe("203.0.113.7");
		const shown = dispatch(replayed, NOW + 2 * SECOND, listed([vmOf(start, only(start), { address: "203.0.113.7" })], NOW + 2 * SECOND));
		expect(only(shown)).toMatchObject({ registered: true, keyHash: "k" });
	});

	test("while there can be no list, a find tells where a new agent is", () => {
		const claim = { address: "203.0.113.7", keyHash: "k", at: NOW };
		const poor: State = { ...poolOf(1, () => ({ ...BOOTING, claim })), rate: { limit: 1000, remaining: 10, resetAt: NOW + 3_600_000 } };
		const { effects } = plan(poor, NOW, random);
		expect(calls(effects, "list")).toEqual([]);
		expect(calls(effects, "find")).toHaveLength(1);
		const asked = dispatch(poor, NOW, {
			on: "done",
			effect: { call: "find", id: only(poor).id, vm: null },
			result: vmOf(poor, only(poor)),
			startedAt: NOW,
		});
		expect(calls(plan(asked, NOW, random).effects, "find"), "its address is not known yet: not again at once").toEqual([]);
	});

	test("so it does where an earlier find, soon after the create, saw nothing", () => {
		const claim = { address: "203.0.113.7", keyHash: "k", at: NOW };
		const unseen = { ...BOOTING, claim, createdAt: NOW - 60 * SECOND, absentAt: NOW - 30 * SECOND, retryAt: NOW };
		const poor: State = { ...poolOf(1, () => unseen), rate: { limit: 240, remaining: 58, resetAt: NOW + 3_600_000 } };
		expect(calls(plan(poor, NOW, random).effects, "find")).toHaveLength(1);
		const paused: State = { ...poor, proxies: poor.proxies.with(only(poor).id, { ...only(poor), retryAt: NOW + SECOND }) };
		expect(calls(plan(paused, NOW, random).effects, "find")).toEqual([]);
		expect(plan(paused, NOW, random).wakeAt).toBe(NOW + SECOND);
	});
});

describe("what lets a pool rest", () => {
	test("a delete that has been stuck for long does not wake its pool at once, again and again", () => {
		const stuck = {
			phase: { at: "deleting", vm: "vm-0", acceptedAt: null },
			since: NOW - STUCK_DELETE_MS - SECOND,
			retryAt: NOW + 90 * SECOND,
		} as const;
		expect(plan({ ...poolOf(1, () => stuck), run: "paused" }, NOW, random).wakeAt).toBeGreaterThan(NOW);
		expect(
			plan(
				poolOf(1, () => stuck),
				NOW,
				random,
			).wakeAt,
		).toBeGreaterThan(NOW);
	});

	test("who waits for a probe the longest has it first, however often others register again", () => {
		const waiting = { ...BOOTING, address: "203.0.113.7", registered: true, keyHash: "k", failedProbes: PROBES_TO_FAIL } as const;
		const start = poolOf(3, () => waiting);
		const ids = [...start.proxies.keys()];
		const probedAt = new Map(ids.map((id, index) => [id, NOW - (600 + index) * SECOND]));
		const probed = ids.reduce((state, id) => withVitals(state, id, { probedAt: probedAt.get(id) ?? 0 }), start);
		const [first = ""] = ids;
		const again = dispatch(probed, NOW, { on: "registered", id: first, keyHash: "k", address: "203.0.113.7" });
		const { effects } = plan(again, NOW, random);
		expect(effects.flatMap((effect) => (effect.call === "probe" ? [effect.id] : []))).toEqual([...ids].reverse());
	});

	test("a proxy that is known not to answer is probed each interval, not every few seconds", () => {
		const unready = { phase: { at: "unready", vm: "vm-0" }, failedProbes: PROBES_TO_FAIL } as const;
		const start = poolOf(1, () => unready);
		const probed = dispatch(start, NOW, {
			on: "done",
			effect: { call: "probe", id: only(start).id, address: "203.0.113.0", keyHash: "k" },
			result: { is: "silent" },
			startedAt: NOW,
		});
		expect(only(probed), "nothing is written for it either").toBe(only(start));
		expect(calls(plan(probed, NOW + 10 * SECOND, random).effects, "probe")).toEqual([]);
		expect(calls(plan(probed, NOW + 30 * SECOND, random).effects, "probe")).toHaveLength(1);
	});

	test("a draining proxy that does not answer is not probed every few seconds while its pool may delete nothing", () => {
		const phase = { at: "draining", vm: "vm-0", until: NOW - SECOND, hiddenAt: NOW - 60 * SECOND, spare: false } as const;
		const start: State = { ...poolOf(1, () => ({ phase, failedProbes: PROBES_TO_FAIL })), suspended: "the size is not a size" };
		const probed = dispatch(start, NOW, {
			on: "done",
			effect: { call: "probe", id: only(start).id, address: "203.0.113.0", keyHash: "k" },
			result: { is: "silent" },
			startedAt: NOW,
		});
		expect(calls(plan(probed, NOW + 10 * SECOND, random).effects, "probe")).toEqual([]);
	});

	test("an agent that registers time and again is not probed each time", () => {
		const unready = { phase: { at: "unready", vm: "vm-0" }, failedProbes: PROBES_TO_FAIL } as const;
		const start = poolOf(1, () => unready);
		const { id } = only(start);
		const probed = dispatch(start, NOW, {
			on: "done",
			effect: { call: "probe", id, address: "203.0.113.0", keyHash: "k" },
			result: { is: "egress" },
			startedAt: NOW,
		});
		const again = dispatch(probed, NOW + SECOND, { on: "registered", id, keyHash: "k", address: "203.0.113.0" });
		expect(calls(plan(again, NOW + SECOND, random).effects, "probe")).toEqual([]);
	});

	test("a spare proxy is not taken back and let go by turns while the batch of a rolling replacement is full", () => {
		const aged = { createdAt: NOW - 7200 * SECOND };
		const until = NOW + 600 * SECOND;
		const leaving = (index: number) => ({ at: "draining", vm: `vm-${index}`, until, hiddenAt: null, spare: index === 2 }) as const;
		const start = poolOf(3, (index) => (index === 0 ? aged : { ...aged, phase: leaving(index) }));
		const spec = { ...start.spec, min: 1, max: 2, ageLimitSeconds: 3600, rolling: { enabled: true, minAvailable: 1, batchSize: 1 } };
		const phases = (state: State) => [...state.proxies.values()].map(({ phase }) => phase.at);
		const once = plan({ ...start, spec, target: 1 }, NOW, random).state;
		const twice = plan(once, NOW, random).state;
		expect(phases(twice)).toEqual(phases(once));
		expect(plan(twice, NOW, random).state).toBe(twice);
	});

	test("a VM that is to be let go is not forgotten because one look-up, moments after it was made, does not find it", () => {
		const start = poolOf(1, () => ({ phase: { at: "releasing", vm: "vm-0" }, createdAt: NOW - SECOND, absentAt: NOW }));
		const unseen = { ...start, vitals: Table.empty<Vitals>() };
		const isKept = (state: State, at: number) => plan(state, at, random).state.proxies.has(only(start).id);
		expect(isKept(unseen, NOW)).toBe(true);
		expect(isKept(absentSince(unseen, NOW + WINDOW_MS), NOW + WINDOW_MS)).toBe(false);
	});

	test("another pool's VMs that are gone, and shown for an hour more, are not counted", () => {
		const start = poolOf(1, () => ({}));
		const other = vmOf(start, only(start), { vm: "vm-other", tags: { deployment: start.pool.deployment, pool: "another", intent: "x" } });
		const { foreign } = dispatch(start, NOW, listed([other, { ...other, vm: "vm-gone", state: "going" }], NOW));
		expect(foreign).toEqual({ pools: 1, deployments: 0 });
	});

	test("a clock that is set back puts off neither lists nor probes", () => {
		const unready = { phase: { at: "unready", vm: "vm-0" }, failedProbes: 1 } as const;
		const start = poolOf(1, () => unready);
		const ahead = { ...SEEN_NOW, probedAt: NOW + 3_600_000 };
		const { effects } = plan({ ...start, listedAt: NOW + 3_600_000, vitals: Table.of([[only(start).id, ahead]]) }, NOW, random);
		expect(calls(effects, "list")).toHaveLength(1);
		expect(calls(effects, "probe")).toHaveLength(1);
	});

	test("two proxies of which one has the address that the other gave up count as two that report", () => {
		const start = poolOf(2, () => ({ address: "203.0.113.7" }));
		const reported = [...start.proxies.keys()].reduce(
			(state, id) => dispatch(state, NOW, { on: "heartbeat", id, active: 3, metrics: {}, sessions: [], credentials: 0 }),
			start,
		);
		expect(samplesOf(reported, NOW)).toMatchObject({ averages: { active: 3 }, reporting: 2 });
	});
});

describe("what waits for its replacement", () => {
	test("does not wait for ever where unhealthy proxies take up all the room: of those above the target one goes, and no more", () => {
		const sick: Partial<Proxy> = { since: NOW - 3_600_000, failedProbes: 3 };
		const start = poolOf(4, (index) => ({ ...sick, phase: { at: "unready", vm: `vm-${index}` } }));
		const full: State = { ...start, target: 2, spec: { ...start.spec, min: 2, max: 2 } };
		const phases = (state: State) => [...state.proxies.values()].map(({ phase }) => phase.at).sort();
		const once = plan(full, NOW, random).state;
		expect(phases(once)).toEqual(["draining", "unready", "unready", "unready"]);
		expect(phases(plan(once, NOW, random).state)).toEqual(phases(once));
		const later = plan(once, NOW + 31 * SECOND, random).state;
		expect(phases(later)).toEqual(["deleting", "unready", "unready", "unready"]);
		expect(phases(plan(later, NOW + 32 * SECOND, random).state)).toEqual(phases(later));
		// Where the target is all that there is, nothing goes.
		expect(phases(plan({ ...full, target: 4, spec: { ...full.spec, min: 4, max: 4 } }, NOW, random).state)).not.toContain("draining");
	});
});

describe("what is let go", () => {
	test("a drained proxy whose time is up runs on where its pool is removed and leaves its VMs running", () => {
		const draining = { at: "draining", vm: "vm-0", until: NOW - SECOND, hiddenAt: NOW - 600 * SECOND, spare: true } as const;
		const start = poolOf(1, () => ({ phase: draining }));
		expect(only(plan(start, NOW, random).state).phase.at).toBe("deleting");
		const removed = dispatch(start, NOW, { on: "command", command: { do: "run", run: "removing", keep: true } });
		expect(only(plan(removed, NOW, random).state).phase.at).toBe("releasing");
	});

	test("a registration that waited for the inventory is not believed once the VM is being let go", () => {
		const claim = { address: "203.0.113.7", keyHash: "k", at: NOW };
		const start = poolOf(1, () => ({ ...BOOTING, claim }));
		const left = dispatch(start, NOW, { on: "command", command: { do: "release", id: only(start).id } });
		const shown = dispatch(left, NOW + SECOND, listed([vmOf(start, only(start), { address: "203.0.113.7" })], NOW + SECOND));
		expect(only(shown)).toMatchObject({ phase: { at: "releasing" }, registered: false, keyHash: null });
	});

	test("a VM whose tags are being changed is no orphan, whatever tags a list shows", () => {
		for (const phase of [{ at: "adopting", vm: "vm-x", sentAt: NOW } as const, { at: "releasing", vm: "vm-x" } as const]) {
			const start = poolOf(1, () => ({ phase, isAdopted: true }));
			const asItWas = vmOf(start, only(start), { tags: { deployment: "d", pool: "t", intent: "unheardof" } });
			expect(dispatch(start, NOW, listed([asItWas], NOW)).orphans.size).toBe(0);
		}
	});
});

describe("what is spent", () => {
	test("a place that becomes free is not used again under another bound before D1 has answered for it", () => {
		const money = {
			...poolOf(0, () => ({})).money,
			budget: 1,
			prices: [{ account: "", hourly: 0.1, currency: "USD", asOf: NOW, askedAt: NOW, place: "" }],
		};
		const granted = { ...money, allotment: { ...money.allotment, hourly: 0.1 } };
		const start = { ...poolOf(0, () => ({})), target: 1, spec: { ...poolOf(0, () => ({})).spec, min: 1, max: 1 }, money: granted };
		expect(plan(start, NOW, random).state.proxies.size).toBe(1);
		const lowered = dispatch({ ...start, proxies: poolOf(1, () => ({})).proxies }, NOW, { on: "budget", budget: 0.5 });
		const freed = { ...lowered, proxies: Table.empty<Proxy>() };
		expect(plan(freed, NOW, random).state.proxies.size).toBe(0);
		const answered: Event = {
			on: "done",
			effect: { call: "reserve", version: 0, currency: "USD", hold: 0, price: 0.1, count: 1, bound: 0.5 },
			result: { hourly: 0.1, isRefused: false, isOver: false },
			startedAt: NOW,
		};
		expect(plan(dispatch(freed, NOW, answered), NOW, random).state.proxies.size).toBe(1);
	});
});

const SEEN_NOW = { ...VITALS.initial, seenAt: NOW };

/** The pool with one VM on its way up, launched an hour ago. */
function withBooting(state: State): State {
	const booting = only(poolOf(1, () => ({ ...BOOTING, createdAt: NOW - 500 * SECOND })));
	return {
		...state,
		spec: { ...state.spec, min: 1, max: 1 },
		proxies: Table.of([[booting.id, booting]]),
		vitals: Table.empty<Vitals>(),
		emptySince: null,
	};
}

/** The pool after a look-up said at `at` that there is no such VM. */
function absentSince(state: State, at: number): State {
	return { ...state, proxies: Table.of([...state.proxies].map(([id, proxy]) => [id, { ...proxy, absentAt: at }])) };
}
