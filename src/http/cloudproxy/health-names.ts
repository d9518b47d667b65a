/** By which names pools stand in `/health`: each has one, and no two the same. */
import { type Called, endpointNameOf } from "../../d1/directory.ts";
import type { PublishedPool } from "../../read-model/snapshot.ts";
import type { PoolConfig } from "../../settings/environment.ts";

/** The name of a pool that the environment names: it may have been renamed since it was made. */
export function environmentsName({ provider, name, endpoint }: PoolConfig, pools: readonly PublishedPool[], called: Called): string {
	const made = pools.find((pool) => pool.source === "environment" && pool.provider === provider && pool.name === name);
	return made === undefined ? endpoint : called(made);
}

/** Pools that are being removed have the names that their endpoints had; one that is another pool's by now is told apart. */
export function removedNames(removed: readonly PublishedPool[], isTaken: (name: string) => boolean): ReadonlyMap<string, PublishedPool> {
	const named = new Map<string, PublishedPool>();
	for (const pool of removed) {
		const name = endpointNameOf(pool);
		let own = name;
		for (let copy = 1; isTaken(own) || named.has(own); copy++) own = `${name} (removed${copy === 1 ? "" : `, ${copy}`})`;
		named.set(own, pool);
	}
	return named;
}
