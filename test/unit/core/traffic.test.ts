import { describe, expect, test } from "vitest";
import { changesBetween, decode } from "../../../src/controller/codec.ts";
import { apply } from "../../../src/core/apply.ts";
import { withoutProxy } from "../../../src/core/model/edit.ts";
import { samplesAfter, withSample } from "../../../src/core/model/samples.ts";
import type { State } from "../../../src/core/model/state.ts";
import { spentSoFar, trafficOf } from "../../../src/core/model/tally.ts";
import type { Traffic } from "../../../src/core/model/traffic.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const [FIRST, SECOND] = ["00000000000000aa", "00000000000000bb"];
const traffic = (count: number): Traffic => ({ bytesIn: count, bytesOut: 10 * count, requests: count, errors: 0, opened: count });

/** A report of the pool's only proxy. */
function reported(state: State, boot: string, count: number, at = NOW): State {
	const [id = ""] = [...state.proxies.keys()];
	const counts = { boot, counters: traffic(count) };
	return apply(state, { on: "heartbeat", id, active: 0, metrics: {}, credentials: 1, sessions: [], counts }, at);
}

/** The state as it is once its instance has crashed: what was stored of vitals is `stored`'s, all else is the newest. */
function crashed(stored: State, newest: State): State {
	const old = changesBetween(null, stored, true);
	const rows = changesBetween(null, newest, true);
	const proxies = rows.proxies.flatMap(([, row]) => (row === null ? [] : [row()]));
	return decode({ facts: rows.facts?.() ?? "", proxies, vitals: old.vitals?.() ?? [] });
}

describe("traffic that agents count", () => {
	test("adds up over restarts of the agent, whatever order its reports come in", () => {
		let state = reported(
			poolOf(1, () => ({})),
			FIRST,
			100,
		);
		state = reported(state, FIRST, 250);
		state = reported(state, FIRST, 200); // overtaken by the one before
		state = reported(state, SECOND, 5);
		state = reported(state, FIRST, 250); // of the start before
		state = reported(state, SECOND, 7);
		expect(trafficOf(state)).toEqual(traffic(257));
	});

	test("is not lost with the object's memory: the next report has all that was not stored", () => {
		const stored = reported(
			poolOf(1, () => ({})),
			FIRST,
			100,
		);
		const newest = reported(stored, FIRST, 900);
		const again = crashed(stored, newest);
		expect(trafficOf(again).requests).toBe(100);
		expect(trafficOf(reported(again, FIRST, 950))).toEqual(traffic(950));
	});

	test("is not lost with the proxy, nor counted twice after a crash: it goes over in the commit that forgets the proxy", () => {
		const stored = reported(
			poolOf(1, () => ({})),
			FIRST,
			100,
		);
		const newest = reported(stored, FIRST, 900);
		const [id = ""] = [...newest.proxies.keys()];
		const gone = withoutProxy(newest, id, NOW);
		expect(trafficOf(gone)).toEqual(traffic(900));
		expect(trafficOf(crashed(stored, gone)).requests).toBe(900);
	});
});

describe("samples", () => {
	test("are one a minute, cumulative, and the same state in between", () => {
		let state = reported(
			poolOf(2, () => ({})),
			FIRST,
			10,
		);
		const minute = Math.ceil(NOW / 60_000) * 60_000;
		state = withSample(state, minute + 10_000);
		expect(withSample(state, minute + 59_000)).toBe(state);
		state = withSample(reported(state, FIRST, 40), minute + 61_000);
		const [first, second] = state.samples;
		expect([first?.[0], second?.[0]]).toEqual([minute / 1_000, minute / 1_000 + 60]);
		// 60 seconds, in which two were ready.
		expect([(second?.[1] ?? 0) - (first?.[1] ?? 0), (second?.[2] ?? 0) - (first?.[2] ?? 0)]).toEqual([60, 120]);
		expect((second?.[6] ?? 0) - (first?.[6] ?? 0)).toBe(30);
		expect(samplesAfter(state, minute / 1_000)).toEqual([second]);
	});

	test("say nothing of a time when nobody looked, and outlast a clock that is set back", () => {
		let state = withSample(
			poolOf(2, () => ({})),
			NOW,
		);
		state = withSample(state, NOW + 3_600_000);
		expect(state.samples.at(-1)?.[1]).toBe(0);
		state = withSample(state, NOW + 60_000);
		expect(state.samples).toHaveLength(2);
		state = withSample(state, NOW + 120_000);
		expect(state.samples.at(-1)?.[1]).toBe(60);
	});
});

describe("what VMs have cost", () => {
	test("goes on to count once they are gone, by started hours where the cloud bills so", () => {
		const price = { account: "", place: "", hourly: 0.006, currency: "USD", asOf: NOW, askedAt: NOW };
		const pool = poolOf(1, () => ({ createdAt: NOW - 90 * 60_000 }));
		const priced = { ...pool, account: "", money: { ...pool.money, prices: [price] } };
		const hourly = { ...priced, spec: { ...priced.spec, billedSeconds: 3_600 } };
		expect(spentSoFar(priced, NOW)).toEqual({ USD: 9_000 });
		expect(spentSoFar(hourly, NOW)).toEqual({ USD: 12_000 });
		const [id = ""] = [...hourly.proxies.keys()];
		const gone = withoutProxy(hourly, id, NOW);
		expect(spentSoFar(gone, NOW + 3_600_000)).toEqual({ USD: 12_000 });
		expect(gone.ended).toEqual([expect.objectContaining({ id, hourly: 0.006, cost: 0.012, currency: "USD", endedAt: NOW })]);
	});
});
