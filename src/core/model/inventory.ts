/** The pool's proxies, and what its cloud showed beside them. */
import type { Ms } from "./basics.ts";
import { PROXY, type Proxy } from "./proxy.ts";
import { list, nullable, record, table, value } from "./shape.ts";
import { fact, rows, type Slice, shown, vital } from "./slice.ts";
import type { Table } from "./table.ts";

/** Whose a VM is, read from its tags; null where the tag is missing. */
export interface VmTags {
	readonly deployment: string | null;
	readonly pool: string | null;
	readonly intent: string | null;
}

/** One VM as its provider shows it. */
export interface Vm {
	/** The provider's id. */
	readonly vm: string;
	readonly name: string;
	readonly state: "starting" | "running" | "off" | "going";
	/** Public IPv4, null until it has one. */
	readonly address: string | null;
	readonly tags: VmTags;
}

/** When lists first and last showed it, and when the next call about it may go out. */
export interface Orphan {
	readonly firstSeenAt: Ms;
	readonly seenAt: Ms;
	readonly tries: number;
	readonly retryAt: Ms;
}

/** A provider's statement of its rate limit, from its answer's headers. */
export interface Rate {
	readonly limit: number;
	readonly remaining: number;
	readonly resetAt: Ms;
}

export interface InventoryFields {
	readonly proxies: Table<Proxy>;
	/** VMs tagged for this pool without an intent of theirs. */
	readonly orphans: Table<Orphan>;
	/** VMs that were let go, the newest last: however late a list shows their tags, they are no orphans. */
	readonly released: readonly string[];
	/** Addresses that an operator has confirmed before a VM was known to have them. */
	readonly confirmations: readonly { readonly address: string; readonly at: Ms }[];
	/** Since when the pool has had no proxy; null while it has one. */
	readonly emptySince: Ms | null;
	/** Whole lists in a row that held nothing of a removed pool, read after its last VM can have shown up. */
	readonly looks: number;
	/** When the first whole inventory was read; null: the pool is still starting. */
	readonly reconciledAt: Ms | null;
	readonly listedAt: Ms;
	/** Ids that the deployment has, or had before its database was lost: their VMs are no others'. Its own id counts in any case. */
	readonly deployments: readonly string[];
	/** VMs tagged `muster` that are other pools' or other deployments': counted, never touched. */
	readonly foreign: { readonly pools: number; readonly deployments: number };
	/** The account's rate limit as the provider stated it last. */
	readonly rate: Rate | null;
}

export const inventorySlice: Slice<InventoryFields> = {
	proxies: shown(rows(table(PROXY))),
	orphans: shown(fact(table(record<Orphan>({ firstSeenAt: value(0), seenAt: value(0), tries: value(0), retryAt: value(0) })))),
	released: fact(list(value(""))),
	confirmations: fact(list(record<{ readonly address: string; readonly at: Ms }>({ address: value(""), at: value(0) }))),
	emptySince: fact(value<Ms | null>(null)),
	looks: fact(value(0)),
	reconciledAt: shown(fact(value<Ms | null>(null))),
	listedAt: shown(vital(value(0))),
	deployments: fact(list(value(""))),
	foreign: shown(vital(record<InventoryFields["foreign"]>({ pools: value(0), deployments: value(0) }))),
	rate: vital(nullable(record<Rate>({ limit: value(0), remaining: value(0), resetAt: value(0) }))),
};
