/** What a pool shows to readers: the shapes that its projection has in D1. */
import type { Charge, Id, Ms, Place, Price, Run, Standing, Unreported } from "./state.ts";

/** What is published of a pool as a whole (`pools.summary` in D1, as JSON). Holds no secret. */
export interface PoolSummary {
	readonly displayName: string;
	readonly run: Run;
	readonly min: number;
	readonly max: number;
	readonly target: number;
	/** It is empty while nobody uses it, and a client that finds no proxy has one started. */
	readonly wakes: boolean;
	/** Every non-secret setting of the provider, under its lower-case name (`region`, `size`, `image`, …). */
	readonly settings: Readonly<Record<string, string | number | boolean | null>>;
	/** ISO 3166-1 alpha-2, by the regions of its places, as far as they are known. (Missing in what an earlier version published.) */
	readonly countries?: Readonly<Record<string, string>>;
	/** The first whole inventory was read: before that the pool is starting. */
	readonly reconciled: boolean;
	/** VMs that may cost money, from their intents until they are known to be gone. */
	readonly billable: number;
	/** What these cost an hour; null: not known. (Missing in what an earlier version published.) */
	readonly cost?: Price | null;
	/** Why it is not known, as far as anybody said. */
	readonly unpriced?: string | null;
	/** VMs that are gone and billed until the end of a started unit. (Missing, as the following, in what an earlier version published.) */
	readonly charges?: readonly Charge[];
	/** How many destroyed proxies may be replaced in an hour. */
	readonly replacementsPerHour?: number;
	/** Sentences: a bad setting, an unknown agent URL, a VM that cannot be deleted, … These and `waiting` are all that is wrong. */
	readonly problems: readonly string[];
	/** What waits for a time or an operator, such as an open breaker: see waiting.ts. (An earlier version published it among the problems.) */
	readonly waiting?: readonly Waiting[];
	/** Something is wrong that is told of at once: `/health` is degraded. What is wrong only once it has lasted follows from the fields below: see health.ts. */
	readonly degraded: boolean;
	/** A bad setting, or a check of its own, keeps it from doing anything. (Missing, as the following, in what an earlier version published.) */
	readonly isSuspended?: boolean;
	readonly standing?: Standing;
	readonly usualBootMs?: Ms;
	/** How long half of its last boots took; missing: none was seen. */
	readonly bootMs?: Ms | null;
	readonly unreported?: readonly Unreported[];
	readonly intervalSeconds?: number;
	/** Proxies that somebody has for himself; missing: none. */
	readonly leased?: number;
	/** Tells the accounts of one cloud apart by a hash of their credentials. (Missing, as the following, in what an earlier version published.) */
	readonly accountKey?: string;
	/** The pool that stands in for its proxies, and for how many; missing: for none. */
	readonly fallback?: { readonly endpoint: string; readonly count: number };
	/** Where it may have VMs, in the order in which they are tried. (Missing in what an earlier version published.) */
	readonly places?: readonly Place[];
	readonly orphans?: number;
	/** `orphans`, in what an earlier version published. */
	readonly strays?: number;
	readonly foreign: { readonly pools: number; readonly deployments: number };
}

/**
 * A ready proxy: id, address, version of the credentials it accepts (0: none asked), its port where it is not 8899 (else null or missing), and
 * its place (`region:size`) where that is not the only one of its pool, whose settings say it (else null or missing), and how it is reached where
 * others run it and it is not as the deployment's own (`values/access.ts`).
 */
export type ReadyEntry = readonly [
	id: Id,
	address: string,
	credentials: number,
	port?: number | null,
	place?: string | null,
	access?: string,
];

/** What goes on by itself at an instant (0: within a minute), or once an operator starts the pool (null), which a running pool may be told as well. */
export interface Waiting {
	readonly what: string;
	readonly until: Ms | null;
}

export interface ProxyRow {
	readonly id: Id;
	readonly vm: string | null;
	readonly address: string | null;
	readonly phase: "launching" | "booting" | "ready" | "unready" | "draining" | "restarting" | "adopting" | "releasing" | "deleting";
	readonly credentials: number;
	readonly since: Ms;
	readonly createdAt: Ms;
	readonly why: string;
	/** `region:size`; null: what the settings of its pool say. */
	readonly place: string | null;
}
