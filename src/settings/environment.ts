import type { CloudName, ProviderName } from "../core/model/state.ts";
import type { AccountTable } from "../providers/base/account.ts";
import { CLOUD_NAMES, PROVIDERS, type Registry } from "../providers/index.ts";
import { encodingWarnings } from "../values/encoding.ts";
import type { Env } from "../values/environment.ts";
import { type Account, DEFAULT, readAccounts } from "./accounts.ts";
import { type Global, readGlobal } from "./deployment.ts";
import type { Addresses } from "./destinations.ts";
import { type PoolConfig, readPool } from "./pools.ts";
import { ACCOUNT, type PoolSetting, TUNING } from "./table.ts";

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
	/** What works and had better be otherwise; without a value, as `problems`. Nothing is less healthy for it. */
	readonly warnings: readonly string[];
	/** Addresses of the clouds' APIs that the deployment names, as given. */
	readonly addresses: Addresses;
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
	const addresses: Partial<Record<ProviderName, Readonly<Record<string, string>>>> = {};
	const drivable = Object.values(registry)
		.map((definition) => definition.displayName)
		.join(", ");
	for (const [provider, title] of Object.entries(CLOUD_NAMES) as [CloudName, string][]) {
		const definition = registry[provider];
		const { names, aliases } = variablesOf(definition?.settings ?? {});
		const accounts = readAccounts(env, provider, names, aliases, all);
		const defaults = accounts.get(DEFAULT);
		if (defaults === undefined) continue; // there always is one
		addresses[provider] = addressesIn(defaults, definition?.settings ?? {});
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
	return { global, pools, dormant, problems: all, suspending, warnings: encodingWarnings(env), addresses };
}

/** What the account says of the addresses among its settings, by field. */
function addressesIn(account: Account, table: AccountTable): Readonly<Record<string, string>> {
	const given = Object.keys(table).flatMap((field) => {
		const text = table[field]?.isAddress ? account.values.get(field.toUpperCase())?.text : undefined;
		return text === undefined ? [] : [[field, text] as const];
	});
	return Object.fromEntries(given);
}

/** Variables that every account has besides those of its cloud, behind the provider's name. */
const COMMON = [ACCOUNT, TUNING].flatMap((table) => Object.values<PoolSetting>(table).flatMap(({ variable }) => variable ?? []));

/** The variables of one cloud's accounts, behind the provider's name; `aliases` maps further spellings to them. */
function variablesOf(table: AccountTable): { readonly names: readonly string[]; readonly aliases: Readonly<Record<string, string>> } {
	const upper = (name: string) => name.toUpperCase();
	const spellings = Object.entries(table).flatMap(([field, { alsoSpelt = [] }]) => alsoSpelt.map((other) => [upper(other), upper(field)]));
	return { names: [...COMMON, ...Object.keys(table).map(upper)], aliases: Object.fromEntries(spellings) };
}

/** The account behind a pool, listed or not; null where the environment has no trace of it. */
export function findPool(config: Config, provider: ProviderName, name: string): PoolConfig | null {
	return [...config.pools, ...config.dormant].find((pool) => pool.provider === provider && pool.name === name) ?? null;
}
