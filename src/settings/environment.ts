import type { CloudName, ProviderName } from "../core/model/state.ts";
import { CLOUD_NAMES, PROVIDERS, type Registry } from "../providers/index.ts";
import type { Env } from "../values/settings-text.ts";
import { DEFAULT, readAccounts } from "./accounts.ts";
import { type Global, readGlobal } from "./deployment.ts";
import { COMMON_SETTINGS, type PoolConfig, readPool } from "./pools.ts";

export type { Global, PoolConfig };

/** The environment, read and checked. Holds secrets: never logged, never answered. */
export interface Config {
	readonly global: Global;
	/** `default` of every provider, enabled or not, and the further accounts that are enabled (or say so unreadably). */
	readonly pools: readonly PoolConfig[];
	/** Further accounts that have settings and are not enabled: not listed, but a pool that is being emptied needs their credentials. */
	readonly dormant: readonly PoolConfig[];
	/** Everything that is wrong, in sentences that name the variable and what is allowed, and never a value. */
	readonly problems: readonly string[];
	/** Those of them for which no pool can run. */
	readonly suspending: readonly string[];
	/** Addresses of the clouds' APIs that the deployment names (`<PROVIDER>_API_URL`), as given. */
	readonly apiUrls: Readonly<Partial<Record<ProviderName, string>>>;
}

/**
 * Reads the settings out of the Worker's environment (variables and secrets; bindings and foreign variables are passed over).
 * Never throws: what cannot be read becomes a sentence in `problems`, and suspends the pools that rest on it. An
 * empty variable counts as unset.
 */
export function readConfig(env: Env, registry: Registry = PROVIDERS): Config {
	const { global, suspending, problems } = readGlobal(env);
	const all = [...suspending, ...problems];
	const pools: PoolConfig[] = [];
	const dormant: PoolConfig[] = [];
	const apiUrls: Partial<Record<ProviderName, string>> = {};
	const drivable = Object.values(registry)
		.map((definition) => definition.displayName)
		.join(", ");
	for (const [provider, title] of Object.entries(CLOUD_NAMES) as [CloudName, string][]) {
		const definition = registry[provider];
		const upper = (name: string) => name.toUpperCase();
		const settings = [...COMMON_SETTINGS, ...Object.keys(definition?.schema.shape ?? {}).map(upper)];
		const aliases = Object.fromEntries(Object.entries(definition?.aliases ?? {}).map(([from, to]) => [upper(from), upper(to)]));
		const accounts = readAccounts(env, provider, settings, aliases, all);
		const defaults = accounts.get(DEFAULT);
		if (defaults === undefined) continue; // there always is one
		const apiUrl = defaults.values.get("API_URL")?.text;
		if (apiUrl !== undefined) apiUrls[provider] = apiUrl;
		for (const account of accounts.values()) {
			const source = {
				provider,
				providerTitle: definition?.displayName ?? title,
				definition,
				drivable,
				account,
				defaults,
				global,
				suspending,
			};
			const { pool, own } = readPool(source);
			const isListed = account.name === DEFAULT || pool.enabled || pool.problem !== null;
			(isListed ? pools : dormant).push(pool);
			all.push(...own);
		}
	}
	return { global, pools, dormant, problems: all, suspending, apiUrls };
}

/** The account behind a pool, listed or not; null where the environment has no trace of it. */
export function findPool(config: Config, provider: ProviderName, name: string): PoolConfig | null {
	return [...config.pools, ...config.dormant].find((pool) => pool.provider === provider && pool.name === name) ?? null;
}
