/** What clients report of their requests, and for how long a proxy that a site has banned cools down for that site. */
import { MOST_BANNED_PAIRS, MOST_HOSTS } from "./limits.ts";
import { list, record, type Shape, table, value } from "./shape.ts";
import { type Slice, vital } from "./slice.ts";
import type { Id, Ms, Proxy, State } from "./state.ts";
import { filtered, type Table } from "./table.ts";

/** What came of a request. A captcha is a ban that asks nicely. */
export const OUTCOMES = ["ok", "banned", "captcha", "error", "timeout"] as const;
export type OutcomeName = (typeof OUTCOMES)[number];

/** One request that a client made through a proxy. */
export interface Reported {
	readonly id: Id;
	/** Normalised. */
	readonly host: string;
	readonly outcome: OutcomeName;
	/** How long it took. */
	readonly ms?: number;
}

/** A site's ban of a proxy; kept for a while after the proxy has cooled down, since another one then lasts longer. */
export interface Ban {
	readonly host: string;
	/** When it has cooled down. */
	readonly until: Ms;
	/** How long it cools down. */
	readonly seconds: number;
}

export const BANS: Shape<readonly Ban[]> = list(record<Ban>({ host: value(""), until: value(0), seconds: value(0) }));

/** How often each outcome was reported. `okMs`: what good ones took together. */
export interface Counts {
	readonly ok: number;
	readonly banned: number;
	readonly captcha: number;
	readonly error: number;
	readonly timeout: number;
	readonly okMs: number;
	/** Of how many of these it was said. */
	readonly timed: number;
	/** When one was reported last. */
	readonly at: Ms;
	/** Of the last two hours in which any was reported, the newest last. */
	readonly hours: readonly OutcomeHour[];
}

export type OutcomeTotals = Omit<Counts, "hours">;

/** What was reported in one hour: when it began (Unix seconds), how many outcomes, and how many of them were good. */
export type OutcomeHour = readonly [start: number, outcomes: number, ok: number];

export const HOUR_SECONDS = 3_600;
/** The one that runs, and the one before it until it has been collected. */
const KEPT_HOURS = 2;
/** What is counted of a proxy outlives it for so long after the last report: until it has been collected. */
const GONE_KEPT_MS = 1_800_000;

const COUNTS = record<Counts>({
	...{ ok: value(0), banned: value(0), captcha: value(0), error: value(0), timeout: value(0) },
	...{ okMs: value(0), timed: value(0), at: value(0) },
	hours: list(value<OutcomeHour>([0, 0, 0])),
});

export interface BanFields {
	/** By host; at most {@link MOST_HOSTS}, the least recently reported go first. */
	readonly hosts: Table<Counts>;
	/** By proxy. */
	readonly outcomes: Table<Counts>;
	/** Of all hosts and proxies since the pool was made, those that are forgotten among them. */
	readonly reported: { readonly outcomes: number; readonly outcomesOk: number };
}

export const banSlice: Slice<BanFields> = {
	hosts: vital(table(COUNTS)),
	outcomes: vital(table(COUNTS)),
	reported: vital(record<BanFields["reported"]>({ outcomes: value(0), outcomesOk: value(0) })),
};

const LONGEST_SECONDS = 86_400;
/** A ban that comes so long after the last has ended is a new one. */
const REMEMBERED_MS = LONGEST_SECONDS * 1000;
const LONGEST_MS = 86_400_000;

export const bannedOf = filtered<Proxy>(({ bans }) => bans.length > 0);

/** When a proxy has cooled down for a host; 0: nobody says that it was banned there. */
export function coolUntil({ bans }: Proxy, host: string): Ms {
	return bans.find((ban) => ban.host === host)?.until ?? 0;
}

export function isCooling(proxy: Proxy, host: string, now: Ms): boolean {
	return isUntil(coolUntil(proxy, host), now);
}

/** For how many hosts a proxy cools down now. */
export function countCooling({ bans }: Proxy, now: Ms): number {
	return bans.filter(({ until }) => isUntil(until, now)).length;
}

/** What lies further ahead than any cool-down was dated by a clock that was set back since. */
function isUntil(until: Ms, now: Ms): boolean {
	return now < until && until <= now + LONGEST_MS;
}

export function totalsOf({ hours: _, ...totals }: Counts): OutcomeTotals {
	return totals;
}

/** The state after clients have reported; what they say of proxies that are not there is passed over. */
export function withReports(state: State, reports: readonly Reported[], now: Ms): State {
	let { proxies, hosts, outcomes, reported } = state;
	for (const report of reports) {
		const proxy = proxies.get(report.id);
		if (proxy === undefined) continue;
		reported = { outcomes: reported.outcomes + 1, outcomesOk: reported.outcomesOk + (report.outcome === "ok" ? 1 : 0) };
		hosts = hosts.with(report.host, counted(hosts.get(report.host), report, now));
		outcomes = outcomes.with(report.id, counted(outcomes.get(report.id), report, now));
		const bans = bansAfter(proxy.bans, report, state.spec.banCoolDownSeconds, now);
		if (bans !== proxy.bans) proxies = proxies.with(proxy.id, { ...proxy, bans });
	}
	if (hosts === state.hosts) return state;
	for (const [id, { at }] of outcomes) if (!proxies.has(id) && at <= now - GONE_KEPT_MS) outcomes = outcomes.without(id);
	const after = { ...state, proxies, hosts, outcomes, reported };
	return hosts.size > state.hosts.size || proxies !== state.proxies ? withinBounds(after) : after;
}

function counted(before: Counts = COUNTS.initial, { outcome, ms }: Reported, now: Ms): Counts {
	const after = { ...before, [outcome]: before[outcome] + 1, at: now, hours: hoursWith(before.hours, outcome === "ok", now) };
	return outcome === "ok" && ms !== undefined ? { ...after, okMs: before.okMs + ms, timed: before.timed + 1 } : after;
}

function hoursWith(hours: readonly OutcomeHour[], isOk: boolean, now: Ms): readonly OutcomeHour[] {
	const start = hourOf(now / 1000);
	const [, outcomes, ok] = hours.find(([one]) => one === start) ?? [start, 0, 0];
	// A clock that was set back: what lies in the future goes.
	const before = hours.filter(([one]) => one < start);
	return [...before, [start, outcomes + 1, ok + (isOk ? 1 : 0)] as const].slice(-KEPT_HOURS);
}

/** When the hour of an instant began; both in Unix seconds. */
export function hourOf(seconds: number): number {
	return Math.floor(seconds / HOUR_SECONDS) * HOUR_SECONDS;
}

/** How requests fared in one hour, by site and by proxy: of each how many outcomes were reported, and how many of them were good. */
export interface OutcomesOfHour {
	/** Unix seconds. */
	readonly start: number;
	readonly hosts: OutcomeCounts;
	readonly proxies: OutcomeCounts;
}
export type OutcomeCounts = Readonly<Record<string, readonly [outcomes: number, ok: number]>>;

/** The hours that had not ended at an instant (Unix seconds), as far as they are remembered, the oldest first. */
export function outcomesAfter({ hosts, outcomes }: State, since: number): readonly OutcomesOfHour[] {
	const first = hourOf(since);
	const starts = new Set([...hosts, ...outcomes].flatMap(([, { hours }]) => hours.map(([start]) => start)));
	const within = (table: Table<Counts>, start: number): OutcomeCounts =>
		Object.fromEntries(
			[...table].flatMap(([key, { hours }]) => {
				const hour = hours.find(([one]) => one === start);
				return hour === undefined ? [] : [[key, [hour[1], hour[2]] as const]];
			}),
		);
	return [...starts]
		.filter((start) => start >= first)
		.sort((a, b) => a - b)
		.map((start) => ({ start, hosts: within(hosts, start), proxies: within(outcomes, start) }));
}

function bansAfter(bans: readonly Ban[], { host, outcome }: Reported, coolDownSeconds: number, now: Ms): readonly Ban[] {
	const known = bans.find((ban) => ban.host === host);
	if (outcome === "ok") return known === undefined ? bans : bans.filter((ban) => ban !== known);
	if (outcome !== "banned" && outcome !== "captcha") return bans;
	// What was under way when it was banned says the same once more.
	if (known !== undefined && isUntil(known.until, now)) return bans;
	const isAgain = known !== undefined && known.until <= now && now < known.until + REMEMBERED_MS;
	const seconds = Math.min(LONGEST_SECONDS, isAgain ? 2 * known.seconds : coolDownSeconds);
	const others = bans.filter((ban) => ban !== known && now < ban.until + REMEMBERED_MS);
	return [...others, { host, until: now + seconds * 1000, seconds }];
}

/** Without the hosts that were reported the longest ago, where there are too many, or too many bans. */
function withinBounds(state: State): State {
	const banned = bannedOf(state.proxies);
	let pairs = banned.reduce((sum, { bans }) => sum + bans.length, 0);
	if (state.hosts.size + pairs <= MOST_HOSTS) return state;
	// Counts may have been lost with an instance, which bans are not.
	const lastAt = new Map([...state.hosts].map(([host, { at }]) => [host, at]));
	const pairsOf = new Map<string, number>();
	for (const { bans } of banned) {
		for (const { host, until, seconds } of bans) {
			pairsOf.set(host, (pairsOf.get(host) ?? 0) + 1);
			if (!lastAt.has(host)) lastAt.set(host, until - seconds * 1000);
		}
	}
	let left = lastAt.size;
	const gone = new Set<string>();
	for (const [host] of [...lastAt].sort((a, b) => a[1] - b[1])) {
		if (left <= MOST_HOSTS && pairs <= MOST_BANNED_PAIRS) break;
		gone.add(host);
		left--;
		pairs -= pairsOf.get(host) ?? 0;
	}
	let { proxies, hosts } = state;
	for (const host of gone) hosts = hosts.without(host);
	for (const proxy of banned) {
		const bans = proxy.bans.filter(({ host }) => !gone.has(host));
		if (bans.length < proxy.bans.length) proxies = proxies.with(proxy.id, { ...proxy, bans });
	}
	return { ...state, proxies, hosts };
}

/** By host and proxy, until when each cools down (seconds since the epoch, rounded up): what readers go by. Past ones are among them. */
export type Cooling = ReadonlyMap<string, ReadonlyMap<Id, number>>;

export function coolingOf({ proxies }: State): Cooling {
	const cooling = new Map<string, Map<Id, number>>();
	for (const { id, bans } of bannedOf(proxies)) {
		for (const { host, until } of bans) {
			const ofHost = cooling.get(host) ?? new Map<Id, number>();
			cooling.set(host, ofHost.set(id, Math.ceil(until / 1000)));
		}
	}
	return cooling;
}
