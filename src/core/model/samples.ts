/**
 * How a pool fares over time: a sample a minute. Each number of a sample is cumulative since the pool was made, gauges too, which are summed up
 * by the second: what happened between two samples is their difference, however many between them were lost.
 */
import type { Ms } from "./basics.ts";
import { billable, countReady } from "./proxies.ts";
import { list, value } from "./shape.ts";
import { type Slice, vital } from "./slice.ts";
import type { State } from "./state.ts";
import { countUp } from "./statics.ts";
import { spentSoFar, trafficOf } from "./tally.ts";

/** What a sample holds behind its instant (Unix seconds, a whole minute) and the seconds that gauges were summed up for, in this order. */
export const GAUGES = ["ready", "wanted", "billed", "connections"] as const;
/** Stored by their place: further ones come behind. `outcomes`: what clients reported, `outcomesOk` those of them that were good. */
export const COUNTERS = ["requests", "errors", "bytesIn", "bytesOut", "cost", "outcomes", "outcomesOk"] as const;
export const METRICS = [...GAUGES, ...COUNTERS] as const;
export type Metric = (typeof METRICS)[number];

export type Sample = readonly number[];

/** Where a metric stands in a sample. */
export const FIRST_METRIC = 2;

export interface SampleFields {
	/** The newest last. */
	readonly samples: readonly Sample[];
}

export const sampleSlice: Slice<SampleFields> = { samples: vital(list(value<Sample>([]))) };

export const SAMPLE_SECONDS = 60;
/** Samples that are kept for whoever collects them: an hour. */
const KEPT_SAMPLES = 60;
/** After a longer silence, or as many intervals, nobody knows how the pool fared meanwhile. */
const GAP_SECONDS = 150;
const GAP_INTERVALS = 2.5;

/** The state with a sample of now, where another minute has begun; the same state otherwise. */
export function withSample(state: State, now: Ms): State {
	const nowSeconds = Math.floor(now / 1000);
	const at = nowSeconds - (nowSeconds % SAMPLE_SECONDS);
	const newest = state.samples.at(-1);
	if (newest !== undefined && newest[0] === at) return state;
	// A clock that was set back: what lies in the future goes, and what it adds up to stays.
	const isBack = newest !== undefined && (newest[0] ?? 0) > at;
	const before = isBack ? state.samples.filter((sample) => (sample[0] ?? 0) < at) : state.samples;
	const samples = before.slice(Math.max(0, before.length + 1 - KEPT_SAMPLES));
	samples.push(sampleOf(state, newest, at, now));
	return { ...state, samples };
}

function sampleOf(state: State, last: Sample | undefined, at: number, now: Ms): Sample {
	const elapsed = last === undefined ? 0 : at - (last[0] ?? at);
	const longest = Math.max(GAP_SECONDS, GAP_INTERVALS * state.spec.intervalSeconds);
	const seconds = elapsed > 0 && elapsed <= longest ? elapsed : 0;
	const gauges = gaugesOf(state);
	const traffic = trafficOf(state);
	const counters: Readonly<Record<(typeof COUNTERS)[number], number>> = {
		...traffic,
		...state.reported,
		cost: spentSoFar(state, now)[currencyOf(state)] ?? 0,
	};
	const sample = [at, (last?.[1] ?? 0) + seconds];
	for (const gauge of GAUGES) sample.push((last?.[sample.length] ?? 0) + gauges[gauge] * seconds);
	for (const counter of COUNTERS) sample.push(counters[counter]);
	return sample;
}

/** How many of what there are now. */
export function gaugesOf(state: State): Readonly<Record<(typeof GAUGES)[number], number>> {
	let connections = 0;
	state.vitals.forEach(({ active }, id) => {
		if (state.proxies.has(id)) connections += active;
	});
	return { ready: countReady(state) + countUp(state), wanted: state.standing.wanted, billed: billable(state), connections };
}

/** In which a pool's costs are; empty: no price is known. */
export function currencyOf({ money }: State): string {
	return money.prices.at(-1)?.currency ?? "";
}

/** Samples go into the history once they reach into another stretch of so many seconds: a row for each of some 15 samples. */
const SETTLE_SECONDS = 900;

/** Whether the history lacks so much that it is time to write it, where all up to an instant is in it; both in Unix seconds. */
export function isToSettle(settledAt: number, newest: number): boolean {
	return Math.floor(newest / SETTLE_SECONDS) > Math.floor(settledAt / SETTLE_SECONDS);
}

/** The samples after an instant (Unix seconds). */
export function samplesAfter({ samples }: State, since: number): readonly Sample[] {
	return samples.filter(([at = 0]) => at > since);
}
