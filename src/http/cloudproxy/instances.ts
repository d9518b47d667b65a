import type { PoolSummary } from "../../core/model/published.ts";
import type { ProviderName } from "../../core/model/state.ts";
import type { WaitingScaling } from "../../d1/settings.ts";
import { isFor } from "../../fleet/fleet.ts";
import type { Shown } from "../../providers/base/provider.ts";
import { PROVIDER_NAMES } from "../../providers/index.ts";
import { readyAddresses, type Snapshot } from "../../read-model/snapshot.ts";
import type { Config, PoolConfig } from "../../settings/environment.ts";
import { NotFound } from "../base/errors.ts";

/** A pool as CloudProxy's API shows it: an instance of its provider. Beside these fields it has every non-secret setting. */
export interface Instance {
	readonly enabled: boolean;
	readonly ips: readonly string[];
	readonly scaling: { readonly min_scaling: number; readonly max_scaling: number };
	readonly display_name: string;
	/** What its VMs cost an hour; null: not known; missing: it has not run yet. */
	readonly cost?: ShownCost | null;
	/** Why that is not known, as far as anybody said. */
	readonly unpriced?: string;
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
}

export const DEFAULT_INSTANCE = "default";

/** A known provider's name. Throws NotFound. */
export function providerNamed(text: string): ProviderName {
	if (!Object.hasOwn(PROVIDER_NAMES, text)) throw unknownProvider(text);
	return text as ProviderName;
}

/** Every instance of a provider by name, its default one first: those of the environment, and those made otherwise. */
export function instancesOf(provider: ProviderName, sources: Sources): ReadonlyMap<string, Instance> {
	const { config, snapshot, waiting } = sources;
	const configured = config.pools.filter((pool) => pool.provider === provider);
	const published = snapshot.pools.filter((pool) => pool.provider === provider);
	const names = new Set([DEFAULT_INSTANCE, ...configured.map(({ name }) => name), ...published.map(({ name }) => name)]);
	const instances = new Map<string, Instance>();
	for (const name of names) {
		const pool = configured.find((candidate) => candidate.name === name) ?? null;
		const shown = published.find((candidate) => candidate.name === name) ?? null;
		if (shown?.summary) instances.set(name, instance(pool, shown.summary, readyAddresses(shown)));
		else if (pool) instances.set(name, configuredInstance(pool, waiting.get(`${provider}:${name}`) ?? null));
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

/** A running pool. `pool` is null where the environment does not name it: then it is enabled by being there. */
export function instance(pool: PoolConfig | null, summary: PoolSummary, ips: readonly string[]): Instance {
	const own = pool && pool.problem !== null && !summary.problems.includes(pool.problem) ? [pool.problem] : [];
	return {
		...settingsOf(summary.settings),
		enabled: pool ? pool.enabled : summary.run !== "removing",
		ips,
		scaling: { min_scaling: summary.min, max_scaling: summary.max },
		display_name: summary.displayName,
		...costOf(summary),
		...problemsOf([...own, ...summary.problems]),
	};
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

/** Sums of what instances cost, one for each currency, by its name; each as old as the oldest price in it. */
export function totalCost(instances: readonly Instance[]): readonly ShownCost[] {
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

function problemsOf(problems: readonly string[]): { problems?: readonly string[] } {
	return problems.length === 0 ? {} : { problems };
}
