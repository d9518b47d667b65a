import { describe, expect, test } from "vitest";
import { newState } from "../../src/pool/core/birth.ts";
import { withProxy } from "../../src/pool/core/edit.ts";
import type { Effect, Event, Proxy, State } from "../../src/pool/core/state.ts";
import { CALLS_A_PASS, type Ports, pass } from "../../src/pool/runner.ts";

const NOW = 1_000_000_000;

/** Ports on a state in memory. `answer` makes a call's result; calls end in the order in which they began, a turn later. */
function fakePorts(start: State, answer: (effect: Effect, state: State) => Event) {
	const seen = { most: 0, running: 0, probes: 0, mostProbes: 0, calls: [] as Effect[], before: 0, armedAt: Number.POSITIVE_INFINITY };
	let state = start;
	const ports: Ports = {
		load: () => state,
		commit: (_before, after, wakeAt) => {
			state = after;
			if (wakeAt !== null) seen.armedAt = Math.min(seen.armedAt, wakeAt);
		},
		call: async (effect, now) => {
			const isProbe = effect.call === "probe" ? 1 : 0;
			seen.calls.push(effect);
			seen.most = Math.max(seen.most, ++seen.running);
			seen.probes += isProbe;
			seen.mostProbes = Math.max(seen.mostProbes, seen.probes);
			await new Promise((resolve) => setImmediate(resolve));
			seen.running--;
			seen.probes -= isProbe;
			return answer(effect, now);
		},
		mintToken: (id) => `hash of ${id}`,
		callsMade: () => seen.calls.length - seen.before,
		now: () => NOW,
		random: () => 0.5,
	};
	return { ports, seen, state: () => state };
}

function poolOf(count: number, change: (index: number) => Partial<Proxy>): State {
	const pool = { object: "0".repeat(64), provider: "digitalocean", name: "default", deployment: "d", incarnation: 1, tag: "t" } as const;
	const born = newState(pool, NOW - 1000);
	let state: State = {
		...born,
		agentUrl: "https://muster.test",
		reconciledAt: NOW - 500,
		listedAt: NOW - 500,
		target: count,
		spec: { ...born.spec, min: count, max: count },
	};
	for (let index = 0; index < count; index++) {
		const id = `proxy${String(index).padStart(11, "0")}`;
		const proxy: Proxy = {
			id,
			phase: { at: "ready", vm: `vm-${index}` },
			since: NOW - 1000,
			createdAt: NOW - 1000,
			why: "",
			address: `203.0.113.${index}`,
			registered: true,
			wasReady: true,
			tokenHash: "t",
			keyHash: "k",
			claim: null,
			credentials: 0,
			offSince: null,
			suspectAt: null,
			absentAt: null,
			tries: 0,
			retryAt: 0,
			failedProbes: 0,
			...change(index),
		};
		state = withProxy(state, proxy);
	}
	return state;
}

const vmOf = (id: string, state: State) => ({
	vm: `made-${id}`,
	name: id,
	state: "starting" as const,
	address: null,
	tags: { deployment: "d", pool: state.pool.tag, intent: id },
});

function succeed(effect: Effect, state: State): Event {
	switch (effect.call) {
		case "create":
			return { on: "created", id: effect.id, vm: vmOf(effect.id, state) };
		case "publish":
			return { on: "published", hash: effect.hash, version: effect.version, startedAt: NOW, logSeq: state.logSeq };
		case "list":
			return { on: "listed", startedAt: NOW, vms: [] };
		case "probe":
			return { on: "probed", id: effect.id, verdict: { is: "ok", active: 0 }, startedAt: NOW };
		case "find":
			return { on: "found", id: effect.id, vm: null, startedAt: NOW };
		default:
			return { on: "accepted", effect };
	}
}

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
