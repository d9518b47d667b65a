import { describe, expect, test } from "vitest";
import { changesBetween, decode } from "../../../src/controller/codec.ts";
import { apply } from "../../../src/core/apply.ts";
import { refusalOf } from "../../../src/core/facts/orders.ts";
import type { Command } from "../../../src/core/model/command.ts";
import { withoutProxy } from "../../../src/core/model/edit.ts";
import { type LeaseWishes, leasesOf } from "../../../src/core/model/leases.ts";
import { readyEntryOf } from "../../../src/core/model/projection.ts";
import type { State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { breachOf } from "../../../src/core/planning/invariants.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const ANY = { regions: null, exclude: [], host: null };
const pool = (count = 3) => poolOf(count, () => ({}));
const order = (state: State, command: Command, at = NOW) => apply(state, { on: "command", command }, at);
const planned = (state: State, at = NOW) => plan(state, at, () => 0.5).state;
const leased = (state: State, ids: readonly string[], seconds = 600, at = NOW, wishes: LeaseWishes = ANY) =>
	planned(order(state, { do: "lease", ids, seconds, wishes }, at), at);
const named = (state: State) => Object.fromEntries(leasesOf(state).map(({ id, proxy }) => [id, proxy?.address ?? null]));
const listed = (state: State) => [...state.proxies.values()].flatMap((proxy) => readyEntryOf(proxy, () => true)?.[1] ?? []);

describe("a lease", () => {
	test("names a proxy, which leaves the ready list until it is released", () => {
		const state = leased(pool(), ["a"]);
		const address = named(state).a ?? "";
		expect(listed(pool())).toContain(address);
		expect(listed(state)).toHaveLength(2);
		expect(listed(state)).not.toContain(address);
		const released = order(state, { do: "endLeases", ids: ["a", "unknown"] });
		expect(listed(released)).toHaveLength(3);
		expect(leasesOf(released)).toEqual([]);
	});

	test("never names a proxy that another names, however many are asked for", () => {
		const state = leased(leased(pool(), ["a", "b"]), ["c", "d"]);
		const addresses = Object.values(named(state)).filter((address) => address !== null);
		expect(new Set(addresses).size).toBe(3);
		expect(named(state).d).toBeNull();
		expect(listed(state)).toEqual([]);
	});

	test("that is asked for twice is one", () => {
		const state = leased(leased(pool(), ["a"]), ["a"]);
		expect(leasesOf(state)).toHaveLength(1);
		expect(order(state, { do: "lease", ids: ["a"], seconds: 9, wishes: ANY })).toBe(state);
	});

	test("ends by itself, and the pool looks when it does", () => {
		const state = leased(pool(), ["a"]);
		expect(plan(state, NOW + 599_000, () => 0.5).wakeAt).toBeLessThanOrEqual(NOW + 600_000);
		expect(leasesOf(planned(state, NOW + 599_999))).toHaveLength(1);
		const after = planned(state, NOW + 600_000);
		expect(leasesOf(after)).toEqual([]);
		expect(listed(after)).toHaveLength(3);
	});

	test("lasts as long as it is renewed; one that has ended cannot be", () => {
		const state = order(leased(pool(), ["a"]), { do: "renewLease", id: "a", seconds: 600 }, NOW + 500_000);
		expect(leasesOf(planned(state, NOW + 1_000_000))).toHaveLength(1);
		expect(leasesOf(planned(state, NOW + 1_100_000))).toEqual([]);
		expect(refusalOf(pool(), { do: "renewLease", id: "a", seconds: 600 })).toMatchObject({ error: "notFound" });
	});

	test("whose proxy is not ready any more names a successor, and says whom that replaces", () => {
		const before = leased(pool(), ["a"]);
		const [lease] = leasesOf(before);
		const proxy = before.proxies.get(lease?.proxy?.id ?? "");
		if (proxy === undefined) throw new Error("nothing is leased");
		const lost = { ...before, proxies: before.proxies.with(proxy.id, { ...proxy, phase: { at: "unready", vm: "vm" } }) } as const;
		const after = leasesOf(planned(lost))[0];
		expect(after).toMatchObject({ id: "a", until: lease?.until, replaces: proxy.address });
		expect(after?.proxy?.address).not.toBe(proxy.address);
		const gone = leasesOf(planned(withoutProxy(before, proxy.id, NOW)))[0];
		expect(gone).toMatchObject({ id: "a", replaces: proxy.address, proxy: expect.objectContaining({ address: expect.any(String) }) });
	});

	test("waits where no other is free, and is given the next that is", () => {
		const before = leased(pool(1), ["a"]);
		const [proxy] = [...before.proxies.values()];
		if (proxy === undefined) throw new Error("there is none");
		const lost = planned({ ...before, proxies: before.proxies.with(proxy.id, { ...proxy, phase: { at: "unready", vm: "vm-0" } }) });
		expect(leasesOf(lost)).toMatchObject([{ id: "a", proxy: null, replaces: proxy.address }]);
		const back = planned({ ...lost, proxies: lost.proxies.with(proxy.id, { ...proxy, lease: null }) });
		expect(leasesOf(back)).toMatchObject([{ id: "a", proxy: { address: proxy.address } }]);
	});

	test("is given none that is excluded, or that cools down for its site", () => {
		const some = pool();
		const [first, second, third] = [...some.proxies.values()];
		const banned = order(some, { do: "report", reports: [{ id: first?.id ?? "", host: "example.com", outcome: "banned" }] });
		const state = leased(banned, ["a", "b"], 600, NOW, { ...ANY, exclude: [second?.address ?? ""], host: "example.com" });
		expect(named(state)).toEqual({ a: third?.address, b: null });
	});

	test("for a region is given a proxy that is there", () => {
		const places = ["fra1", "lon1", "NYC1"];
		const some = poolOf(3, (index) => ({ place: { region: places[index] ?? "", size: "small" } }));
		const state = leased(some, ["a", "b"], 600, NOW, { ...ANY, regions: ["nyc1"] });
		expect(leasesOf(state).map(({ proxy }) => proxy?.place ?? null)).toEqual(["NYC1:small", null]);
	});

	test("is not given by a pool that hands out nothing", () => {
		const command = { do: "lease", ids: ["a"], seconds: 60, wishes: ANY } as const;
		expect(refusalOf({ ...pool(), run: "stopped" }, command)).toMatchObject({ error: "conflict" });
		expect(refusalOf(pool(), command)).toBeNull();
		expect(refusalOf(pool(), { ...command, ids: Array.from({ length: 1_001 }, (_, index) => String(index)) })).toMatchObject({
			error: "conflict",
		});
	});

	test("and its proxy's bans are there again after they were stored and loaded", () => {
		const { proxies, waitingLeases } = order(leased(pool(1), ["a", "b"]), {
			do: "report",
			reports: [{ id: "proxy00000000000", host: "__proto__", outcome: "banned" }],
		});
		const state = { ...pool(1), proxies, waitingLeases };
		const rows = changesBetween(null, state, true);
		const stored = { facts: rows.facts?.() ?? "", proxies: rows.proxies.map(([, row]) => row?.() ?? ""), vitals: rows.vitals?.() ?? [] };
		const loaded = decode(stored);
		expect(leasesOf(loaded)).toEqual(leasesOf(state));
		expect(loaded.proxies.get("proxy00000000000")?.bans).toEqual(proxies.get("proxy00000000000")?.bans);
	});

	test("of two proxies would stop the pool", () => {
		const state = leased(pool(), ["a"]);
		const [other] = [...state.proxies.values()].filter(({ lease }) => lease === null);
		const lease = leasesOf(state)[0];
		if (other === undefined || lease === undefined) throw new Error("nothing is leased");
		const doubled = {
			...state,
			proxies: state.proxies.with(other.id, { ...other, lease: { id: "a", until: lease.until, wishes: ANY, replaces: null } }),
		};
		expect(breachOf(state, doubled, NOW)).toBe("a lease names two proxies");
	});

	test("keeps its proxy while the pool shrinks, if others can go", () => {
		const state = leased(pool(3), ["a"]);
		const address = named(state).a;
		const smaller = planned({ ...state, spec: { ...state.spec, min: 1, max: 1 } });
		const ready = [...smaller.proxies.values()].filter(({ phase }) => phase.at === "ready");
		expect(ready.map((proxy) => proxy.address)).toEqual([address]);
	});
});
