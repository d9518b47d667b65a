import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import { refusalOf } from "../../../src/core/facts/orders.ts";
import { foresee } from "../../../src/core/foresee.ts";
import { countRolling } from "../../../src/core/model/rolling.ts";
import type { Proxy, Rolling, State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const HOUR_SECONDS = 3600;
const OLD = { createdAt: NOW - 2 * HOUR_SECONDS * 1000 };

/** A pool of proxies that all are over the age limit of an hour. */
function agedPool(count: number, rolling: Rolling): State {
	const pool = poolOf(count, () => OLD);
	return { ...pool, spec: { ...pool.spec, ageLimitSeconds: HOUR_SECONDS, rolling } };
}

const inPhase = (state: State, ...phases: readonly Proxy["phase"]["at"][]) =>
	[...state.proxies.values()].filter((proxy) => phases.includes(proxy.phase.at));

/** What the world would do until the next plan: drained VMs go, new ones become ready. */
function obey(state: State): State {
	let { proxies } = state;
	for (const proxy of state.proxies.values()) {
		if (proxy.phase.at === "draining") proxies = proxies.without(proxy.id);
		if (proxy.phase.at === "launching") {
			const phase = { at: "ready", vm: `vm-${proxy.id}` } as const;
			proxies = proxies.with(proxy.id, {
				...proxy,
				phase,
				address: proxy.id,
				keyHash: "k",
				registered: true,
				wasReady: true,
				createdAt: NOW,
			});
		}
	}
	return { ...state, proxies };
}

/** The waves in which a pool replaces its aged proxies: how many go at once, and the fewest that are ready meanwhile. */
function waves(start: State): { sizes: number[]; fewestReady: number } {
	const sizes: number[] = [];
	let fewestReady = Number.POSITIVE_INFINITY;
	let random = 0;
	let state = start;
	for (let round = 0; round < 50; round++) {
		state = plan(state, NOW, () => (random = (random + 0.137) % 1)).state;
		fewestReady = Math.min(fewestReady, inPhase(state, "ready").length);
		const size = inPhase(state, "draining").length;
		if (size > 0) sizes.push(size);
		state = obey(state);
		if ([...state.proxies.values()].every((proxy) => proxy.createdAt === NOW)) return { sizes, fewestReady };
	}
	throw new Error("it never ends");
}

describe("an order to replace all", () => {
	const rolled = (state: State) => apply(state, { on: "command", command: { do: "roll", isOn: true } }, NOW);
	const young = (count: number, rolling: Rolling): State => {
		const pool = poolOf(count, () => ({}));
		return { ...pool, spec: { ...pool.spec, rolling } };
	};

	test("replaces them wave by wave, whatever their age, and those that came after it stay", () => {
		const state = rolled(young(5, { enabled: true, minAvailable: 3, batchSize: 2 }));
		expect(countRolling(state)).toBe(5);
		expect(waves(state)).toEqual({ sizes: [2, 2, 1], fewestReady: 3 });
	});

	test("waits for the successors where rolling deployments are off", () => {
		const { fewestReady } = waves(rolled(young(4, { enabled: false, minAvailable: 0, batchSize: 2 })));
		expect(fewestReady).toBe(4);
	});

	test("leaves an intent alone of which nothing was sent", () => {
		const pool = young(2, { enabled: true, minAvailable: 1, batchSize: 1 });
		const grown = plan({ ...pool, spec: { ...pool.spec, min: 3, max: 3 } }, NOW, () => 0.5).state;
		expect(inPhase(rolled(grown), "launching").map(({ isRolled }) => isRolled)).toEqual([false]);
	});

	test("can be ended: what goes already goes, the others stay", () => {
		const begun = plan(rolled(young(5, { enabled: true, minAvailable: 3, batchSize: 2 })), NOW, () => 0.5).state;
		const ended = apply(begun, { on: "command", command: { do: "roll", isOn: false } }, NOW);
		expect([inPhase(ended, "draining").length, countRolling(ended)]).toEqual([2, 0]);
		expect(foresee(ended, NOW, () => 0.5).why.rolling).toBe(0);
	});

	test("is refused while the pool is paused, and changes nothing then", () => {
		const paused: State = { ...young(2, { enabled: true, minAvailable: 1, batchSize: 1 }), run: "paused" };
		expect(refusalOf(paused, { do: "roll", isOn: true })?.error).toBe("conflict");
		expect(rolled(paused)).toBe(paused);
	});
});

describe("proxies over the age limit", () => {
	test("are replaced wave by wave: 5 aged, 3 available at least, 2 at a time", () => {
		expect(waves(agedPool(5, { enabled: true, minAvailable: 3, batchSize: 2 }))).toEqual({ sizes: [2, 2, 1], fewestReady: 3 });
	});

	test("are replaced first where rolling is off as well, as many at a time as the surge has room for", () => {
		expect(waves(agedPool(5, { enabled: false, minAvailable: 3, batchSize: 2 }))).toEqual({ sizes: [2, 2, 1], fewestReady: 5 });
		expect(waves(agedPool(1, { enabled: false, minAvailable: 3, batchSize: 2 }))).toEqual({ sizes: [1], fewestReady: 1 });
	});

	test("stay where no successor becomes ready, and wait for no drain that lasts", () => {
		const start = agedPool(4, { enabled: false, minAvailable: 3, batchSize: 2 });
		let random = 0;
		const once = plan(start, NOW, () => (random = (random + 0.137) % 1)).state;
		expect([inPhase(once, "ready").length, inPhase(once, "launching").length]).toEqual([4, 2]);
		// Two of them drain for as long as their clients like: the other two go on serving, and their successors are made as soon as there is room.
		const replaced = plan(obey(once), NOW, () => (random = (random + 0.137) % 1)).state;
		expect([inPhase(replaced, "ready").length, inPhase(replaced, "draining").length]).toEqual([4, 2]);
		const later = plan(replaced, NOW + 300_000, () => (random = (random + 0.137) % 1)).state;
		expect(inPhase(later, "ready")).toHaveLength(4);
	});

	test("go one by one where the minimum is not below the target", () => {
		expect(waves(agedPool(3, { enabled: true, minAvailable: 9, batchSize: 3 }))).toEqual({ sizes: [1, 1, 1], fewestReady: 2 });
	});

	test("go after their replacement is ready where the target is one", () => {
		expect(waves(agedPool(1, { enabled: true, minAvailable: 3, batchSize: 2 }))).toEqual({ sizes: [1], fewestReady: 1 });
	});

	test("stay in the list until their turn comes", () => {
		const { state } = plan(agedPool(5, { enabled: true, minAvailable: 3, batchSize: 2 }), NOW, () => 0.5);
		expect(inPhase(state, "ready")).toHaveLength(3);
		expect(inPhase(state, "draining")).toHaveLength(2);
	});

	test("wait while others are missing: a batch counts what is not ready for any reason", () => {
		const start = agedPool(5, { enabled: true, minAvailable: 1, batchSize: 2 });
		const [sick] = start.proxies.values();
		if (sick === undefined) throw new Error("no proxy");
		const unready: Proxy = { ...sick, phase: { at: "unready", vm: "vm-0" }, since: NOW, createdAt: NOW };
		const { state } = plan({ ...start, proxies: start.proxies.with(unready.id, unready) }, NOW, () => 0.5);
		expect(inPhase(state, "draining")).toHaveLength(1);
	});

	test("are known to the alarm: it fires when the first reaches the limit", () => {
		const pool = poolOf(2, () => ({ createdAt: NOW - 3590_000 }));
		const young = { ...pool, spec: { ...pool.spec, ageLimitSeconds: HOUR_SECONDS } };
		expect(plan(young, NOW, () => 0.5).wakeAt).toBe(NOW + 10_000);
	});
});
