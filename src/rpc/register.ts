import type { Ms, ProviderName } from "../core/model/state.ts";

/** A pool as the register remembers it. */
export interface KnownPool {
	/** The Durable Object's id, in hex. */
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly incarnation: Ms;
	readonly source: "environment" | "api";
	/** Null: it is not removed. */
	readonly removedAt: Ms | null;
	/** Endpoint names and aliases. */
	readonly names: readonly string[];
}

/** What must outlive D1: the deployment's id, those that it had before, and where its pools are. */
export interface Register {
	readonly deployment: string | null;
	/** Ids that VMs of this deployment may carry besides. */
	readonly former: readonly string[];
	readonly pools: readonly KnownPool[];
}

export const NOTHING_KNOWN: Register = { deployment: null, former: [], pools: [] };

/** What was just read of D1, and heard from pools. */
export interface Look {
	/** Null: D1 holds none. */
	readonly deployment: string | null;
	readonly pools: readonly KnownPool[];
	/** Objects that hold no pool any more. */
	readonly gone?: readonly string[];
	/** Ids of the deployment by which pools were made. */
	readonly heard?: readonly string[];
}

/** What a look comes to: the register as it is then, and the pools that D1 has lost. */
export interface Compared {
	readonly register: Register;
	readonly lacking: readonly KnownPool[];
}

/** The register after a look. What it knew first holds: an id that D1 holds instead was minted when D1 was lost, or comes from an older copy. */
export function compared(known: Register, { deployment, pools, gone = [], heard = [] }: Look): Compared {
	const id = known.deployment ?? deployment;
	const ids = new Set([...known.former, ...(deployment === null ? [] : [deployment]), ...heard]);
	if (id !== null) ids.delete(id);
	const listed = new Set(pools.map(({ object }) => object));
	const lacking = known.pools.filter(({ object }) => !listed.has(object) && !gone.includes(object));
	return { register: { deployment: id, former: [...ids].sort(), pools: [...pools, ...lacking] }, lacking };
}

/** Whether a pool of that provider and name, or with that endpoint name, is to come back. */
export function isLacking(
	lacking: readonly KnownPool[],
	pool: { readonly provider: string; readonly name: string; readonly endpoint: string },
): boolean {
	return lacking.some(
		({ removedAt, provider, name, names }) =>
			removedAt === null && ((provider === pool.provider && name === pool.name) || names.includes(pool.endpoint)),
	);
}

/** Its object's name in the pools' namespace: no pool has one. */
export const REGISTER = "register";

/** What the one object that holds the register is asked. */
export interface RegisterRpc {
	/** Remembers what was seen in D1, and tells what D1 has lost. Writes only where that is news. */
	compare(look: Look): Promise<Compared>;
}
