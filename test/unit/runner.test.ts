import { describe, expect, test } from "vitest";
import type { Proxy } from "../../src/pool/core/state.ts";
import { CALLS_A_PASS, pass } from "../../src/pool/runner.ts";
import { fakePorts, NOW, poolOf, succeed } from "./fake-ports.ts";

describe("a pass", () => {
	test("makes at most 40 calls, six at a time, and the next one goes on where it stopped, at once", async () => {
		const start = poolOf(100, () => ({ phase: { at: "launching", sentAt: null }, address: null, registered: false, wasReady: false }));
		const { ports, seen, state } = fakePorts(start, succeed);
		await pass(ports);
		expect(seen.calls).toHaveLength(CALLS_A_PASS);
		expect(seen.most).toBe(6);
		expect(seen.armedAt).toBe(NOW);
		for (let passes = 2; passes <= 3; passes++) {
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
				? { on: "failed", effect, failure: { kind: "rate", say: "slow down", retryAt: NOW + 60_000 } }
				: succeed(effect, state),
		);
		await pass(ports);
		expect(seen.calls.filter((effect) => effect.call === "create").length).toBeLessThanOrEqual(6);
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
});
