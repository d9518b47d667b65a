import { describe, expect, test, vi } from "vitest";
import { CALLS_A_PASS, type Ports, pass } from "../../src/controller/pass.ts";
import type { Effect } from "../../src/core/effects/index.ts";
import { VITALS } from "../../src/core/model/liveness.ts";
import { projectionHash } from "../../src/core/model/projection.ts";
import type { Proxy, State, Vitals } from "../../src/core/model/state.ts";
import { Table } from "../../src/core/model/table.ts";
import { plan } from "../../src/core/plan.ts";
import { fakePorts, NOW, poolOf, succeed } from "./fake-ports.ts";

const UNHEARD: Vitals = VITALS.initial;

describe("a pass", () => {
	test("makes at most 40 calls, of creates three at a time, and the next one goes on where it stopped, at once", async () => {
		const start = poolOf(100, () => ({ phase: { at: "launching", sentAt: null }, address: null, registered: false, wasReady: false }));
		const { ports, seen, state } = fakePorts(start, succeed);
		await pass(ports);
		const outbound = () => seen.calls.filter(({ call }) => call !== "publish").length;
		expect(outbound()).toBeLessThanOrEqual(CALLS_A_PASS);
		expect(outbound()).toBeGreaterThan(CALLS_A_PASS - 5);
		expect(seen.mostCreates).toBe(3);
		expect(seen.armedAt).toBe(NOW);
		for (let passes = 2; passes <= 4; passes++) {
			seen.before = seen.calls.length;
			await pass(ports);
		}
		const created = seen.calls.flatMap((effect) => (effect.call === "create" ? effect.id : []));
		expect(new Set(created).size).toBe(100);
		expect(created).toHaveLength(100);
		expect([...state().proxies.values()].every((proxy) => proxy.phase.at === "booting")).toBe(true);
	});

	test("keeps three of its six slots free of probes", async () => {
		const start = poolOf(30, () => ({ phase: { at: "unready", vm: crypto.randomUUID() } }));
		const { ports, seen } = fakePorts(start, succeed);
		await pass(ports);
		expect(seen.mostProbes).toBe(3);
	});

	test("lets deletes go first, and creates before probes", async () => {
		const phases: readonly Partial<Proxy>[] = [
			{ phase: { at: "unready", vm: "vm-a" } },
			{ phase: { at: "launching", sentAt: null }, address: null, registered: false, wasReady: false },
			{ phase: { at: "deleting", vm: "vm-b", acceptedAt: null } },
		];
		const { ports, seen } = fakePorts(
			poolOf(3, (index) => phases[index] ?? {}),
			succeed,
		);
		await pass(ports);
		const order = seen.calls.map((effect) => effect.call);
		expect(order[0]).toBe("delete");
		expect(order.indexOf("create")).toBeLessThan(order.indexOf("probe"));
	});

	test("drops what its own results made pointless: after a rate limit no further call of the burst begins", async () => {
		const start = poolOf(30, () => ({ phase: { at: "launching", sentAt: null }, address: null, registered: false, wasReady: false }));
		const { ports, seen } = fakePorts(start, (effect, state) =>
			effect.call === "create"
				? { on: "failed", effect, failure: { kind: "rate", message: "slow down", retryAt: NOW + 60_000 }, startedAt: NOW }
				: succeed(effect, state),
		);
		await pass(ports);
		expect(seen.calls.filter((effect) => effect.call === "create").length).toBeLessThanOrEqual(6);
	});

	describe("of a pool with nothing to call", () => {
		/** D1 knows everything, the agents were just heard, and no sample is drawn. */
		const rested = (change: Partial<State> = {}): State => {
			const pool = poolOf(3, () => ({}));
			const heard = { ...UNHEARD, heardAt: NOW, seenAt: NOW, probedAt: NOW, reportedAt: NOW };
			const vitals = Table.of([...pool.proxies.keys()].map((id) => [id, heard] as const));
			// What a plan notes of how it stands is noted.
			const quiet = plan({ ...pool, vitals, listedAt: NOW, sampledAt: NOW, ...change }, NOW, () => 0.5).state;
			return { ...quiet, published: { hash: projectionHash(quiet), version: 1 } };
		};
		/** How often a pass plans: each plan asks the clock once, and so does arming. */
		const looksOf = async (start: State) => {
			const { ports, seen, state } = fakePorts(start, succeed);
			let looks = 0;
			const now = () => {
				looks++;
				return NOW;
			};
			await pass({ ...ports, now });
			return { looks, seen, after: state() };
		};

		test("plans once where that settled it, and wakes when the plan says", async () => {
			const { looks, seen } = await looksOf(rested());
			expect(seen.calls).toEqual([]);
			expect(looks).toBe(1);
			expect(seen.armedAt).toBe(NOW + 30_000);
		});

		test("plans once more where the plan changed its proxies: what follows from that may be due earlier", async () => {
			const closed = { until: NOW + 60_000, failures: 1, why: "D1 does not answer", steppedAt: NOW };
			const quiet = rested();
			const start = { ...quiet, spec: { ...quiet.spec, min: 2 } };
			const { looks, seen, after } = await looksOf({ ...start, breakers: { ...start.breakers, publish: closed } });
			expect([...after.proxies.values()].some(({ phase }) => phase.at === "draining")).toBe(true);
			expect(seen.calls).toEqual([]);
			expect(looks).toBeGreaterThan(1);
			expect(seen.armedAt).toBe(NOW + 30_000);
		});
	});

	test("stores that a call is being sent before it goes out", async () => {
		const start = poolOf(1, () => ({ phase: { at: "launching", sentAt: null }, address: null, registered: false, wasReady: false }));
		const seenPhases: unknown[] = [];
		const { ports } = fakePorts(start, (effect, state) => {
			if (effect.call === "create") seenPhases.push(state.proxies.get(effect.id)?.phase, state.proxies.get(effect.id)?.tokenHash);
			return succeed(effect, state);
		});
		await pass(ports);
		expect(seenPhases).toEqual([{ at: "launching", sentAt: NOW }, "hash of proxy00000000000"]);
	});

	describe("while creates hang", () => {
		const launching = { phase: { at: "launching", sentAt: null }, address: null, registered: false, wasReady: false } as const;
		/** Ports whose creates are answered only when `release` is called. */
		const hanging = (start: State) => {
			const { ports, seen, state } = fakePorts(start, succeed);
			let release = () => {};
			const released = new Promise<void>((resolve) => {
				release = resolve;
			});
			const call: Ports["call"] = async (effect, now) => {
				if (effect.call === "create") await released;
				return ports.call(effect, now);
			};
			return { ports: { ...ports, call }, seen, state, release };
		};
		const made = (seen: { readonly calls: readonly Effect[] }, call: Effect["call"]) =>
			seen.calls.filter((effect) => effect.call === call).length;
		const settled = () => new Promise((resolve) => setTimeout(resolve, 50));

		test("VMs are deleted, proxies probed, and what changes is published", async () => {
			const phases: readonly Partial<Proxy>[] = [
				...Array.from({ length: 10 }, () => launching),
				{ phase: { at: "deleting", vm: "vm-a", acceptedAt: null } },
				{ phase: { at: "unready", vm: "vm-b" } },
			];
			const { ports, seen, state, release } = hanging(poolOf(phases.length, (index) => phases[index] ?? {}));
			const over = pass(ports);
			await vi.waitFor(() => {
				expect([made(seen, "create"), made(seen, "delete")]).toEqual([0, 1]);
				expect(made(seen, "probe")).toBeGreaterThan(0);
				expect(made(seen, "publish")).toBeGreaterThan(0);
				expect([...state().proxies.values()].some(({ phase }) => phase.at === "ready")).toBe(true);
			}, 5_000);
			release();
			await over;
		});

		test("a fact that comes from outside is acted upon at once", async () => {
			const { ports, seen, state, release } = hanging(poolOf(4, (index) => (index < 3 ? launching : {})));
			const over = pass(ports);
			const ready = await vi.waitUntil(() => [...state().proxies.values()].find(({ phase }) => phase.at === "ready"), 5_000);
			ports.dispatch({ on: "command", command: { do: "destroy", id: ready.id } });
			ports.bell.ring();
			await vi.waitFor(() => expect(made(seen, "delete")).toBe(1), 5_000);
			release();
			await over;
		});

		test("no second call is made about what is under way", async () => {
			const { ports, seen, release } = hanging(poolOf(2, () => launching));
			const over = pass(ports);
			await settled();
			expect(made(seen, "find"), "a create that was sent is looked up once it has failed, not while it is under way").toBe(0);
			release();
			await over;
			expect(made(seen, "create")).toBe(2);
		});
	});
});
