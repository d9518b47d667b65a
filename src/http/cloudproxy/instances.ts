import { type Amount, billedNow } from "../../core/model/cost.ts";
import { type PoolState, stateOf } from "../../core/model/health.ts";
import type { PoolSummary } from "../../core/model/published.ts";
import type { ProviderName } from "../../core/model/state.ts";
import { sentencesOf } from "../../core/model/waiting.ts";
import type { Called } from "../../d1/directory.ts";
import type { WaitingScaling } from "../../d1/settings.ts";
import { isFor } from "../../fleet/fleet.ts";
import type { Shown } from "../../providers/base/account.ts";
import { PROVIDER_NAMES } from "../../providers/index.ts";
import { type PublishedPool, readyAddresses, type Snapshot } from "../../read-model/snapshot.ts";
import type { Config, PoolConfig } from "../../settings/environment.ts";
import { NotFound } from "../base/errors.ts";

/** A pool as CloudProxy's API shows it: an instance of its provider. Beside these fields it has every non-secret setting. */
export interface Instance {
	readonly enabled: boolean;
	/** Missing: it has not run yet. */
	readonly state?: PoolState;
	readonly ips: readonly string[];
	readonly scaling: { readonly min_scaling: number; readonly max_scaling: number };
	readonly display_name: string;
	/** What its VMs cost an hour; null: not known; missing: it has not run yet. */
	readonly cost?: ShownCost | null;
	/** Why that is not known, as far as anybody said. */
	readonly unpriced?: string;
	/** VMs that are billed, those that are gone and whose hour was begun included. */
	readonly billed?: number;
	/** What this hour costs, one amount for each currency. */
	readonly spent_this_hour?: readonly Amount[];
	readonly max_replacements_per_hour?: number;
	/** Sentences; missing where nothing is wrong. */
	readonly problems?: readonly string[];
	readonly [setting: string]: unknown;
}

/** What instances are made of. */
export interface Sources {
	readonly config: Config;
	readonly snapshot: Snapshot;
	/** Bounds PATCHed on pools that are disabled, by `<provider>:<name>`. */
	readonly waiting: ReadonlyMap<string, WaitingScaling>;
	/** Why pools of the environment are not made, by their endpoints' names. */
	readonly shadows: ReadonlyMap<string, string>;
	readonly called: Called;
}

export const DEFAULT_INSTANCE = "default";

/** A known provider's name. Throws NotFound. */
export function providerNamed(text: string): ProviderName {
	if (!Object.hasOwn(PROVIDER_NAMES, text)) throw unknownProvider(text);
	return text as ProviderName;
}

/** Every instance of a provider by name, its default one first: those of the environment, and those made otherwise. */
export function instancesOf(provider: ProviderName, sources: Sources): ReadonlyMap<string, Instance> {
	const { config, snapshot, waiting, shadows, called } = sources;
	const configured = config.pools.filter((pool) => pool.provider === provider);
	const published = snapshot.pools.filter((pool) => pool.provider === provider);
	const names = new Set([DEFAULT_INSTANCE, ...configured.map(({ name }) => name), ...published.map(({ name }) => name)]);
	const instances = new Map<string, Instance>();
	for (const name of names) {
		const pool = configured.find((candidate) => candidate.name === name) ?? null;
		const shown = published.find((candidate) => candidate.name === name) ?? null;
		const shadow = pool === null ? undefined : shadows.get(pool.endpoint);
		if (shown?.summary) instances.set(name, withProblem(instance(pool, shown.summary, readyAddresses(shown), called(shown)), shadow));
		else if (pool) instances.set(name, withProblem(configuredInstance(pool, waiting.get(`${provider}:${name}`) ?? null), shadow));
		else if (shown) instances.set(name, { ...UNKNOWN, display_name: name });
	}
	return instances;
}

/** One instance. Throws NotFound. */
export function instanceNamed(provider: ProviderName, name: string, sources: Sources): Instance {
	const instance = instancesOf(provider, sources).get(name);
	if (!instance) throw unknownInstance(provider, name);
	return instance;
}

export function unknownProvider(provider: string): NotFound {
	return new NotFound(`Provider '${provider}' not found`);
}

export function unknownInstance(provider: string, name: string): NotFound {
	return new NotFound(`Provider '${provider}' instance '${name}' not found`);
}

/** A pool that has said nothing of itself yet: what the environment asks for. */
export function configuredInstance(pool: PoolConfig, waiting: WaitingScaling | null): Instance {
	const bounds = waiting && isFor(waiting, pool) ? waiting : pool.settings.spec;
	return {
		...settingsOf(pool.shown),
		enabled: pool.enabled,
		ips: [],
		scaling: { min_scaling: bounds.min, max_scaling: bounds.max },
		display_name: pool.displayName,
		...problemsOf(pool.problem === null ? [] : [pool.problem]),
	};
}

/** A running pool, which is reached by this name of an endpoint. `pool` is null where the environment does not name it: then it is enabled by being there. */
export function instance(pool: PoolConfig | null, summary: PoolSummary, addresses: readonly string[], endpoint: string): Instance {
	const now = Date.now();
	const own = pool && pool.problem !== null && !summary.problems.includes(pool.problem) ? [pool.problem] : [];
	return {
		...settingsOf(summary.settings),
		enabled: pool ? pool.enabled : summary.run !== "removing",
		state: stateOf(summary),
		ips: addresses,
		scaling: { min_scaling: summary.min, max_scaling: summary.max },
		display_name: summary.displayName,
		...costOf(summary),
		...spendOf(summary, now),
		...problemsOf([...own, ...sentencesOf(summary, endpoint, now)]),
	};
}

/** A pool that is deleted and has VMs, or may: what it costs and what keeps it. */
export interface RemovingPool extends Pick<Instance, "cost" | "unpriced" | "billed" | "spent_this_hour"> {
	readonly provider: ProviderName;
	readonly instance: string;
	/** VMs that exist, or may. */
	readonly vms: number;
	/** Sentences; empty: nothing is wrong. */
	readonly problems: readonly string[];
}

/** Null: it has published nothing, and so has no VM. */
export function removingPool({ provider, name, summary }: PublishedPool): RemovingPool | null {
	if (summary === null) return null;
	const now = Date.now();
	const { billed = 0, spent_this_hour = [] } = spendOf(summary, now);
	const problems = sentencesOf(summary, null, now);
	return { provider, instance: name, vms: summary.billable, billed, ...costOf(summary), spent_this_hour, problems };
}

/** A pool that is in the directory and has not published anything yet. */
const UNKNOWN = { enabled: true, ips: [], scaling: { min_scaling: 0, max_scaling: 0 }, size: null, region: null } as const;

function settingsOf(shown: Readonly<Record<string, Shown>>): Record<string, Shown> {
	return { size: null, region: null, ...shown };
}

/** An amount of money an hour, and when the price of a VM was last confirmed (RFC 3339). */
export interface ShownCost {
	readonly hourly: number;
	readonly currency: string;
	readonly asOf: string;
}

function costOf({ cost, unpriced = null }: PoolSummary): Pick<Instance, "cost" | "unpriced"> {
	if (cost === undefined) return {};
	if (cost !== null) return { cost: { ...cost, asOf: new Date(cost.asOf).toISOString() } };
	return unpriced === null ? { cost } : { cost, unpriced };
}

function spendOf(summary: PoolSummary, now: number): Pick<Instance, "billed" | "spent_this_hour" | "max_replacements_per_hour"> {
	const { count, spent } = billedNow(summary, now);
	const { replacementsPerHour } = summary;
	return {
		billed: count,
		spent_this_hour: spent,
		...(replacementsPerHour === undefined ? {} : { max_replacements_per_hour: replacementsPerHour }),
	};
}

/** Sums of what instances spend in this hour, one for each currency, by its name. */
export function totalSpent(instances: readonly Pick<Instance, "spent_this_hour">[]): readonly Amount[] {
	const totals = new Map<string, number>();
	for (const { spent_this_hour = [] } of instances)
		for (const { amount, currency } of spent_this_hour) totals.set(currency, (totals.get(currency) ?? 0) + amount);
	return [...totals].sort().map(([currency, amount]) => ({ amount: Math.round(amount * 1e6) / 1e6, currency }));
}

/** Sums of what instances cost, one for each currency, by its name; each as old as the oldest price in it. */
export function totalCost(instances: readonly Pick<Instance, "cost">[]): readonly ShownCost[] {
	const totals = new Map<string, ShownCost>();
	for (const { cost } of instances) {
		if (!cost) continue;
		const sum = totals.get(cost.currency) ?? { ...cost, hourly: 0 };
		const hourly = Math.round((sum.hourly + cost.hourly) * 1e6) / 1e6;
		// biome-ignore lint/complexity/useMathMinMax: times as text, of which Math.min makes NaN.
		totals.set(cost.currency, { hourly, currency: cost.currency, asOf: sum.asOf < cost.asOf ? sum.asOf : cost.asOf });
	}
	return [...totals.values()].sort((a, b) => (a.currency < b.currency ? -1 : 1));
}

function withProblem(instance: Instance, problem: string | undefined): Instance {
	return problem === undefined ? instance : { ...instance, problems: [problem, ...(instance.problems ?? [])] };
}

function problemsOf(problems: readonly string[]): { problems?: readonly string[] } {
	return problems.length === 0 ? {} : { problems };
}
