/** What the proxies report and what was posted for them: samples, how fresh they are, and their weighted means. */
import { SAMPLE_INTERVALS } from "./limits.ts";
import { freshSeconds } from "./lines.ts";
import { isKept, isPlain } from "./proxies.ts";
import { AGENT_METRICS, isMetricName } from "./rules.ts";
import type { Measurements, Metrics, Ms, Proxy, State, Vitals } from "./state.ts";

/** The number of open client connections, which every agent reports. */
export const ACTIVE = "active";
/** Names kept of one address, and of the endpoint as a whole. */
export const MOST_METRICS = 64;

/** Measurements, and the fresh samples that they come from. */
export interface Samples extends Measurements {
	readonly byAddress: Readonly<Record<string, Metrics>>;
}

/** All fresh samples of a pool. Draining proxies count: the connections that they still have are load, and will be made anew elsewhere. */
export function samplesOf(state: State, now: Ms): Samples {
	const sums = new Map<string, { weights: number; weighted: number }>();
	const add = (sample: Metrics) => {
		for (const [name, [weight, value]] of Object.entries(sample)) {
			const sum = sums.get(name) ?? { weights: 0, weighted: 0 };
			sums.set(name, { weights: sum.weights + weight, weighted: sum.weighted + weight * value });
		}
	};
	const byAddress = new Map<string, Metrics>();
	// Not the addresses: one that a VM gave up may be another's already.
	let heard = 0;
	let missing = 0;
	let isUnused = true;
	for (const proxy of state.proxies.values()) {
		if (proxy.wasReady && isOurs(proxy)) isUnused = false;
		if (isKept(proxy) && proxy.wasReady && !hasReported(state, proxy, now)) missing++;
		const sample = sampleOf(state, proxy, now);
		if (sample === null || proxy.address === null) continue;
		byAddress.set(proxy.address, sample);
		heard++;
		add(sample);
	}
	add(state.custom);
	const means = [...sums]
		.map(([name, { weights, weighted }]) => [name, weighted / weights] as const)
		.filter(([, mean]) => Number.isFinite(mean));
	const reporting = Math.max(heard, Object.keys(state.custom).length > 0 ? 1 : 0);
	return { averages: Object.fromEntries(means), reporting, missing, isUnused, byAddress: Object.fromEntries(byAddress) };
}

/** A metric of all proxies together; null where nobody reports it. */
export function totalOf(metric: string, { averages, reporting, isUnused }: Measurements): number | null {
	const mean = Object.hasOwn(averages, metric) ? averages[metric] : undefined;
	if (mean !== undefined) return mean * reporting;
	return isUnused && AGENT_METRICS.includes(metric) ? 0 : null;
}

/** What a rule may go by: the other endpoint's measurements where one is named, null while they are not known or too old. */
export function measurementsOf(state: State, now: Ms): Measurements | null {
	const { metricsSource, intervalSeconds } = state.spec;
	if (metricsSource === null) return samplesOf(state, now);
	const { source } = state;
	const isCurrent = source?.endpoint === metricsSource && isWithin(source.at, SAMPLE_INTERVALS * intervalSeconds, now);
	return isCurrent ? source : null;
}

/** Whether a proxy's open connections are known to be none. */
export function isIdle(state: State, proxy: Proxy, now: Ms): boolean {
	const vitals = state.vitals.get(proxy.id);
	return vitals !== undefined && vitals.active === 0 && isFresh(vitals.reportedAt, state, vitals, now);
}

/** Whether any proxy is known to have an open connection. */
export function isInUse(state: State, now: Ms): boolean {
	for (const proxy of state.proxies.values()) {
		const vitals = state.vitals.get(proxy.id);
		if (vitals !== undefined && vitals.active > 0 && isOurs(proxy) && isFresh(vitals.reportedAt, state, vitals, now)) return true;
	}
	return false;
}

/** Whether its agent has reported all that it reports; of a VM without one that was taken in, whether somebody posts in its stead. */
function hasReported(state: State, proxy: Proxy, now: Ms): boolean {
	if (isPlain(proxy)) return Object.keys(proxy.posted).length > 0;
	const vitals = state.vitals.get(proxy.id);
	return vitals !== undefined && isFresh(vitals.metricsAt, state, vitals, now);
}

/** Whether clients may be using it here: not one that is being deleted, or let go. */
function isOurs({ phase }: Proxy): boolean {
	return phase.at !== "deleting" && phase.at !== "releasing";
}

/** The agent's report, and what was posted in its place or beside it; null where nothing of it is fresh. */
function sampleOf(state: State, proxy: Proxy, now: Ms): Metrics | null {
	if (!isOurs(proxy)) return null;
	const vitals = state.vitals.get(proxy.id);
	const reported: [string, readonly [number, number]][] = [];
	if (vitals !== undefined && isFresh(vitals.metricsAt, state, vitals, now)) {
		for (const [name, value] of Object.entries(vitals.metrics)) reported.push([name, [1, value]]);
	}
	if (vitals !== undefined && isFresh(vitals.reportedAt, state, vitals, now)) reported.push([ACTIVE, [1, vitals.active]]);
	const sample = { ...Object.fromEntries(reported), ...proxy.posted };
	return Object.keys(sample).length === 0 ? null : sample;
}

function isFresh(at: Ms, state: State, vitals: Vitals, now: Ms): boolean {
	return isWithin(at, freshSeconds(state, vitals), now);
}

/** What lies in the future was dated by a clock that was set back since: nobody knows how old it is. */
function isWithin(at: Ms, seconds: number, now: Ms): boolean {
	return at <= now && now < at + seconds * 1000;
}

/** What an agent reports, as far as it can be used. */
export function reportedMetrics(metrics: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
	const entries = Object.entries(metrics);
	const isUsable = ([name, value]: [string, number]) => isMetricName(name) && Number.isFinite(value);
	if (entries.length <= MOST_METRICS && entries.every(isUsable)) return metrics;
	return Object.fromEntries(entries.filter(isUsable).slice(0, MOST_METRICS));
}

/**
 * What is kept after `metrics` were posted: each name's newest, at most {@link MOST_METRICS} of them, the newest first to stay. The same
 * object where nothing changes that is worth a row.
 */
export function withPosted(kept: Metrics, metrics: Metrics): Metrics {
	const usable = Object.entries(metrics).filter(
		([name, [weight, value]]) => isMetricName(name) && Number.isFinite(value) && Number.isFinite(weight) && weight >= 0,
	);
	const isNew = ([name, [weight, value]]: (typeof usable)[number]) => {
		const had = Object.hasOwn(kept, name) ? kept[name] : undefined;
		return had?.[0] !== weight || had[1] !== value;
	};
	if (!usable.some(isNew)) return kept;
	const others = Object.entries(kept).filter(([name]) => !Object.hasOwn(metrics, name));
	// Names begin with a letter: their order is that in which they were put in.
	return Object.fromEntries([...usable, ...others].slice(0, MOST_METRICS));
}
