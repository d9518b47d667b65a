/** What a pool with rules should do, worked out anew from the pages and not from the core's code: the watch's measure of demand. */
import type { Ms, Proxy, State } from "../../src/core/model/state.ts";
import type { Random } from "./random.ts";
import { SECOND } from "./scenario.ts";

/** A rule as data; {@link textOf} is what the pool is given. */
export interface RuleSetup {
	readonly metric: "active" | "requests" | "jobs" | "instances";
	readonly lower: number | null;
	readonly upper: number | null;
	readonly isStrict: boolean;
}

export interface DemandSetup {
	readonly rules: readonly RuleSetup[];
	readonly rampLimit: number;
	readonly scaleInWindowSeconds: number;
	/** Object of the pool whose metrics it goes by. */
	readonly metricsSource: string | null;
	/** Open connections once the faults are over. */
	readonly finalLoad: number;
}

/** What each connection makes a second. */
export const REQUESTS = 2;
/** What a sample counts for. */
const SAMPLE_INTERVALS = 3;

export function textOf({ metric, lower, upper, isStrict }: RuleSetup): string {
	const sign = isStrict ? "<" : "<=";
	return `${lower === null ? "" : `${lower} ${sign} `}${metric}${upper === null ? "" : ` ${sign} ${upper}`}`;
}

export function demandSetup(random: Random, metricsSource: string | null): DemandSetup {
	return {
		rules: rulesSetup(random),
		rampLimit: random.pick([1, 2, 5]),
		scaleInWindowSeconds: random.pick([0, 60, 300, 300, 900]),
		metricsSource,
		finalLoad: random.pick([0, 0, 1, 5, 12]),
	};
}

/** Always with a lower bound on the connections: without it nothing would ever ask for fewer proxies. */
export function rulesSetup(random: Random): readonly RuleSetup[] {
	const lower = random.pick([1, 2, 2.5]);
	const rules: RuleSetup[] = [{ metric: "active", lower, upper: random.chance(0.9) ? lower * 2 : null, isStrict: random.chance(0.5) }];
	// The same bound, by what is made on the connections.
	const [{ upper = null } = {}] = rules;
	if (lower === 2.5 && upper !== null) {
		rules[0] = { metric: "active", lower, upper: null, isStrict: false };
		rules.push({ metric: "requests", lower: null, upper: REQUESTS * upper, isStrict: false });
	}
	if (random.chance(0.25)) rules.push({ metric: "jobs", lower: null, upper: 3, isStrict: random.chance(0.5) });
	if (random.chance(0.15)) rules.push({ metric: "instances", lower: null, upper: random.between(3, 6), isStrict: false });
	return rules;
}

/** The rules that a pool has been given, read back. */
function ruleOf(text: string): RuleSetup {
	const parts = text.split(" ");
	const at = parts.findIndex((part) => part === "active" || part === "requests" || part === "jobs" || part === "instances");
	const number = (part: string | undefined) => (part === undefined ? null : Number(part));
	const metric = parts[at] as RuleSetup["metric"];
	return { metric, lower: at === 2 ? number(parts[0]) : null, upper: number(parts[at + 2]), isStrict: parts.includes("<") };
}

/** What a pool knew when it decided, and what it should have wished for. */
export interface Expectation {
	readonly isBlind: boolean;
	/** The size to have now, blind or not. */
	readonly wish: number;
	/** Draining proxies that may come back. */
	readonly spare: number;
}

/** Seconds within which a report is due: with a line, in each interval where rules go by it, else each five minutes. */
function paceOf({ heartbeatSeconds, lineSeconds, spec }: State, isLined: boolean): number {
	return isLined ? Math.max(lineSeconds, spec.rules.length > 0 ? spec.intervalSeconds : 300) : heartbeatSeconds;
}

/** `held`: the size in force. */
export function expectationOf(state: State, now: Ms, held: number): Expectation {
	const { spec } = state;
	const proxies = [...state.proxies.values()];
	const isRecent = (at: Ms, seconds: number) => at <= now && now - at < SAMPLE_INTERVALS * seconds * SECOND;
	const vitalsOf = (proxy: Proxy) => state.vitals.get(proxy.id);
	const isFresh = (at: Ms, proxy: Proxy) => isRecent(at, paceOf(state, vitalsOf(proxy)?.isLined === true));
	const isOurs = ({ phase }: Proxy) => phase.at !== "deleting" && phase.at !== "releasing";
	const isKept = (proxy: Proxy) => isOurs(proxy) && proxy.phase.at !== "draining";
	const counted = proxies.filter((proxy) => isOurs(proxy) && proxy.address !== null);

	const active = counted.filter((proxy) => isFresh(vitalsOf(proxy)?.reportedAt ?? 0, proxy)).map((proxy) => vitalsOf(proxy)?.active ?? 0);
	const requests = counted
		.filter((proxy) => isFresh(vitalsOf(proxy)?.metricsAt ?? 0, proxy))
		.flatMap((proxy) => vitalsOf(proxy)?.metrics.requests ?? []);
	const posted = counted.flatMap(({ posted }) => (posted.jobs === undefined ? [] : [posted.jobs]));
	const custom = state.custom.jobs === undefined ? [] : [state.custom.jobs];
	const jobs = [...posted, ...custom].map(([, value]) => value);
	const heard = counted.filter((proxy) => isFresh(vitalsOf(proxy)?.reportedAt ?? 0, proxy) || proxy.posted.jobs !== undefined);
	const reporting = Math.max(heard.length, custom.length);
	const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
	const totals = new Map<string, number>();
	let isBlind = false;
	if (spec.metricsSource === null) {
		// Where nothing is that anybody could use, nobody has a connection.
		if (proxies.every((proxy) => !proxy.wasReady || !isOurs(proxy))) for (const name of ["active", "requests"]) totals.set(name, 0);
		if (active.length > 0) totals.set("active", mean(active) * reporting);
		if (requests.length > 0) totals.set("requests", mean(requests) * reporting);
		if (jobs.length > 0) totals.set("jobs", mean(jobs) * reporting);
		// A VM that was taken in, and runs no agent, has what is posted for it.
		const reports = (proxy: Proxy, metricsAt: Ms) =>
			proxy.isAdopted && proxy.keyHash === null ? Object.keys(proxy.posted).length > 0 : isFresh(metricsAt, proxy);
		isBlind = proxies.some((proxy) => proxy.wasReady && isKept(proxy) && !reports(proxy, vitalsOf(proxy)?.metricsAt ?? 0));
	} else {
		const { source } = state;
		const isKnown = source !== null && source.endpoint === spec.metricsSource && isRecent(source.at, spec.intervalSeconds);
		if (isKnown && source.isUnused) for (const name of ["active", "requests"]) totals.set(name, 0);
		if (isKnown) for (const [name, average] of Object.entries(source.averages)) totals.set(name, average * source.reporting);
		isBlind = !isKnown || source.missing > 0;
	}

	let [least, most] = [0, Number.POSITIVE_INFINITY];
	for (const rule of spec.rules.map(ruleOf)) {
		const total = totals.get(rule.metric);
		let range: [number, number] = [0, Number.POSITIVE_INFINITY];
		if (rule.metric === "instances") range = [rule.lower ?? 0, rule.upper ?? Number.POSITIVE_INFINITY];
		else if (total === undefined) {
			isBlind = true;
			continue;
		} else range = sizesOf(rule, total);
		const within = (value: number) => Math.min(most, Math.max(least, value));
		[least, most] = [within(range[0]), within(range[1])];
	}
	const within = (value: number) => Math.min(spec.max, Math.max(spec.min, value));
	const [low, high] = [within(least), within(most)];
	const ideal = held >= low && held <= high ? held : Math.floor((low + high) / 2);
	const isHeld = spec.min > 0 || proxies.some((proxy) => proxy.wasReady && isKept(proxy));
	const wish = !isBlind ? ideal : isHeld ? Math.max(ideal, within(held)) : low;
	const spare = proxies.filter(({ phase, failedProbes }) => phase.at === "draining" && phase.spare && failedProbes === 0).length;
	return { isBlind: isBlind && isHeld, wish, spare };
}

/** Whether a pool may be empty until a client asks. */
export function canBeWoken({ spec, run, suspended, breach }: State): boolean {
	return spec.min === 0 && spec.max >= 1 && spec.rules.length > 0 && run === "running" && suspended === null && breach === null;
}

/** Clients a proxy where no rule bounds its connections, by docs/reactor.md. */
const CLIENTS_A_PROXY = 10;

/** How many proxies a pool has started for the clients that it knows to have asked in vain. */
export function wokenSize({ spec, wokenFor }: State): number {
	const rules = spec.rules.map(ruleOf);
	const bounding = rules.filter(({ metric, upper }) => metric === "active" && upper !== null);
	let wanted = bounding.length > 0 ? 0 : Math.ceil(wokenFor / CLIENTS_A_PROXY);
	for (const rule of bounding) wanted = Math.max(wanted, sizesOf(rule, wokenFor)[0]);
	for (const { metric, upper } of rules) if (metric === "instances" && upper !== null) wanted = Math.min(wanted, upper);
	return Math.max(1, Math.min(wanted, spec.rampLimit, spec.max));
}

/** Whether a pool that may be empty has a client connected: then it may not. */
export function isHeldByClients(state: State, now: Ms): boolean {
	if (!canBeWoken(state)) return false;
	return [...state.proxies.values()].some(({ id, phase }) => {
		const { active = 0, reportedAt = 0, isLined = false } = state.vitals.get(id) ?? {};
		const isOld = reportedAt > now || now - reportedAt >= SAMPLE_INTERVALS * paceOf(state, isLined) * SECOND;
		return active > 0 && !isOld && phase.at !== "deleting" && phase.at !== "releasing";
	});
}

/** The fewest proxies that rules on connections allow for so many of them. */
export function leastFor(rules: readonly string[], connections: number): number {
	const asked = rules.map(ruleOf).map((rule) => sizesOf(rule, connections * (rule.metric === "requests" ? REQUESTS : 1))[0]);
	return Math.max(0, ...asked);
}

/** By counting up: the fewest proxies whose share is small enough, and the most that the dialect leaves them. */
function sizesOf({ lower, upper, isStrict }: RuleSetup, total: number): [number, number] {
	const slack = 1e-6;
	let least = 0;
	if (upper !== null && total > 0) while (least * upper < total - slack || (isStrict && Math.abs(least * upper - total) < slack)) least++;
	let most = Number.POSITIVE_INFINITY;
	if (lower !== null) {
		most = 0;
		if (total > 0) {
			while (most * lower < total - slack) most++;
			if (isStrict && Math.abs(most * lower - total) < slack) most--;
		}
	}
	return [least, Math.max(least, most)];
}

/** Until when a client that asked in vain has one proxy kept. */
export function awakeUntil({ spec, wokenAt }: State): Ms {
	return wokenAt + Math.max(spec.scaleInWindowSeconds, spec.unregisteredTimeoutSeconds) * SECOND;
}

/** What befalls the demand of a pool. */
export const DEMANDS = ["load", "burst", "newRules", "postersAway"] as const;
export type DemandAction = (typeof DEMANDS)[number];

/** Connections that a load action asks for, from its `choice`. */
export function loadOf(choice: number): number {
	const levels = [0, 0, 1, 3, 6, 10, 16, 24, 40];
	return levels[Math.floor(choice * levels.length)] ?? 0;
}
