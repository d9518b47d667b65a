/** Pools of the environment whose place or name an endpoint holds, so that they are not made. */
import type { ProviderName } from "../core/model/state.ts";
import { calledBy, endpointNameOf, listNames } from "../d1/directory.ts";
import type { Config, PoolConfig } from "../settings/environment.ts";

/** What is known of a pool that is there. */
interface Held {
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly source: "environment" | "api";
}

/**
 * By its endpoint's name: why a pool that the environment enables is not made, a sentence each. `pools` are those of the directory that are not
 * removed. Aliases are looked up in D1 only where a pool is missing. Throws DatabaseUnavailable.
 */
export async function readShadows(db: D1Database, config: Config, pools: readonly Held[]): Promise<ReadonlyMap<string, string>> {
	const missing = config.pools.filter(
		(pool) => pool.enabled && !pools.some((held) => held.source === "environment" && isPlaceOf(held, pool)),
	);
	if (missing.length === 0) return new Map();
	const names = await listNames(db);
	return new Map(
		missing.flatMap((pool) => {
			const message = shadowOf(pool, pools, names);
			return message === null ? [] : [[pool.endpoint, message] as const];
		}),
	);
}

function shadowOf(
	pool: PoolConfig,
	pools: readonly Held[],
	names: readonly { readonly name: string; readonly object: string }[],
): string | null {
	const { provider, name, endpoint, enabledVariable } = pool;
	const called = calledBy(names);
	const way = `delete that endpoint, or unset ${enabledVariable}`;
	const holder = pools.find((held) => isPlaceOf(held, pool));
	if (holder !== undefined)
		return `not made: the endpoint "${called(holder)}" is ${provider}/${name} already, which ${enabledVariable} asks for; ${way}`;
	const object = names.find((one) => one.name === endpoint)?.object;
	const owner = pools.find((held) => (object === undefined ? endpointNameOf(held) === endpoint : held.object === object));
	if (owner === undefined) return null;
	return `not made: "${endpoint}", which is to be its endpoint's name, is one of the endpoint "${called(owner)}"; ${way}`;
}

function isPlaceOf(held: Held, { provider, name }: PoolConfig): boolean {
	return held.provider === provider && held.name === name;
}
