/** How a pool fares: since when it is short of proxies, how long its boots usually take, and what is judged of that later, by whoever reads it. */
import type { Ms } from "./basics.ts";
import { countReady } from "./proxies.ts";
import type { PoolSummary } from "./published.ts";
import { isRecycling } from "./rolling.ts";
import { list, record, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";
import type { Proxy, State } from "./state.ts";
import { countUp, handsOut } from "./statics.ts";
import { withBoot } from "./tally.ts";
import { sentencesOf } from "./waiting.ts";

/** How many proxies are wanted and whether so many are ready, and since when that is so. */
export interface Standing {
	readonly wanted: number;
	readonly isShort: boolean;
	readonly since: Ms;
	/** How many were wanted when it became short: once so many are ready, what is still missing was asked for later. */
	readonly wantedThen: number;
}

/** A metric that a rule goes by and that nobody reports. */
export interface Unreported {
	readonly metric: string;
	readonly since: Ms;
}

export interface HealthFields {
	readonly standing: Standing;
	/** How long the last boots took, from the create to the first "ready"; the newest last. */
	readonly bootTimes: readonly Ms[];
	readonly unreported: readonly Unreported[];
}

export const healthSlice: Slice<HealthFields> = {
	standing: shown(fact(record<Standing>({ wanted: value(0), isShort: value<boolean>(false), since: value(0), wantedThen: value(0) }))),
	bootTimes: shown(fact(list(value(0)))),
	unreported: shown(fact(list(record<Unreported>({ metric: value(""), since: value(0) })))),
};

/** Boots that are remembered. */
const KEPT_BOOT_TIMES = 50;
/** A pool that is short for less than this is not told of, however fast its boots are. */
const SHORTEST_PATIENCE_MS = 120_000;
/** Of so many boots in a hundred, none took longer than the usual time. */
const USUAL_SHARE = 0.95;
/** A rule's metric may be missing for so many intervals: the first reports of new proxies take one. */
const UNREPORTED_INTERVALS = 2;

/** The state once a proxy is ready for the first time. */
export function withBootTime(state: State, { createdAt, isAdopted, wasReady }: Proxy, now: Ms): State {
	if (isAdopted || wasReady || now < createdAt) return state;
	return withBoot({ ...state, bootTimes: [...state.bootTimes, now - createdAt].slice(-KEPT_BOOT_TIMES) }, now - createdAt);
}

/** For the log: the first time with how long that took. */
export function sayReady({ address, id, createdAt, isAdopted, wasReady }: Proxy, now: Ms): string {
	const name = address ?? id;
	return isAdopted || wasReady || now < createdAt ? `ready ${name}` : `ready ${name}: after ${Math.round((now - createdAt) / 1000)} s`;
}

/** How long a pool may be short before that is told of: what nineteen in twenty of its own boots took, and two minutes at the least. */
export function usualBootMs({ bootTimes }: Pick<State, "bootTimes">): Ms {
	const sorted = inOrder(bootTimes);
	return Math.max(SHORTEST_PATIENCE_MS, sorted[Math.ceil(USUAL_SHARE * sorted.length) - 1] ?? 0);
}

/** How long half of the last boots took; null: none was seen. */
export function medianBootMs({ bootTimes }: Pick<State, "bootTimes">): Ms | null {
	return inOrder(bootTimes)[Math.floor(bootTimes.length / 2)] ?? null;
}

/** Of lists that were asked for before: each summary does, and boots are few. */
const ordered = new WeakMap<readonly Ms[], readonly Ms[]>();

function inOrder(times: readonly Ms[]): readonly Ms[] {
	let sorted = ordered.get(times);
	if (sorted === undefined) {
		sorted = [...times].sort((a, b) => a - b);
		ordered.set(times, sorted);
	}
	return sorted;
}

/** How the pool stands now; the same object where nothing has changed. */
export function standingOf(state: State, now: Ms): Standing {
	const { standing, run, target, spec } = state;
	const wanted =
		(run === "stopped" || run === "removing" ? 0 : target) + (handsOut(state) ? spec.statics.length + spec.unresolved.length : 0);
	const ready = countReady(state) + countUp(state);
	// A rolling deployment has a batch out of service on purpose.
	const isShort = run === "running" && ready < wanted && !(ready >= wanted - spec.rolling.batchSize && isRecycling(state, now));
	if (isShort !== standing.isShort) return { wanted, isShort, since: now, wantedThen: wanted };
	const isCaughtUp = isShort && ready >= standing.wantedThen;
	const wantedThen = isCaughtUp || !isShort ? wanted : Math.min(standing.wantedThen, wanted);
	const since = isCaughtUp || standing.since === 0 ? now : standing.since;
	const isSame = standing.wanted === wanted && standing.wantedThen === wantedThen && standing.since === since;
	return isSame ? standing : { wanted, isShort, since, wantedThen };
}

/** What a metric that nobody reports is remembered as; the same list where nothing has changed. */
export function withUnreported(known: readonly Unreported[], metrics: readonly string[], now: Ms): readonly Unreported[] {
	const isSame = known.length === metrics.length && known.every(({ metric }) => metrics.includes(metric));
	if (isSame) return known;
	return metrics.map((metric) => known.find((one) => one.metric === metric) ?? { metric, since: now });
}

export type PoolState = "running" | "starting" | "suspended" | "paused" | "stopped" | "removing";

/** What is to be told of a pool. */
export interface Condition {
	readonly state: PoolState;
	readonly isDegraded: boolean;
	/** Null: it has not been told. */
	readonly since: Ms | null;
	readonly wanted: number;
	/** A sentence each. */
	readonly problems: readonly string[];
}

export function stateOf({ run, reconciled, isSuspended = false }: PoolSummary): PoolState {
	if (run !== "running") return run;
	return isSuspended ? "suspended" : reconciled ? "running" : "starting";
}

/**
 * What a pool's summary says now. The summary holds instants only, since it is not published anew because time passes. `endpoint`: by which name
 * the pool is reached; null: not known.
 */
export function conditionOf(summary: PoolSummary, ready: number, now: Ms, endpoint: string | null = null): Condition {
	const { run, standing } = summary;
	const late = lateness(summary, ready, now);
	const since = standing === undefined || standing.since === 0 ? null : standing.since;
	const wanted = standing?.wanted ?? (run === "stopped" || run === "removing" ? 0 : summary.target);
	return {
		state: stateOf(summary),
		isDegraded: summary.degraded || late.length > 0,
		since,
		wanted,
		problems: [...late, ...sentencesOf(summary, endpoint, now)],
	};
}

function lateness(
	{ standing, usualBootMs = SHORTEST_PATIENCE_MS, unreported = [], intervalSeconds = 30 }: PoolSummary,
	ready: number,
	now: Ms,
) {
	const sentences: string[] = [];
	if (standing?.isShort === true && now > standing.since + usualBootMs) {
		const since = new Date(standing.since).toISOString();
		sentences.push(
			`only ${ready} of ${standing.wanted} proxies are ready, short since ${since}: longer than its boots usually take (${Math.round(usualBootMs / 1000)} s)`,
		);
	}
	for (const { metric, since } of unreported) {
		if (now <= since + UNREPORTED_INTERVALS * intervalSeconds * 1000) continue;
		sentences.push(`a rule goes by the metric "${metric}", which nobody has reported since ${new Date(since).toISOString()}`);
	}
	return sentences;
}
