import type { PoolSummary, ReadyEntry } from "../core/model/published.ts";
import type { Place, ProviderName } from "../core/model/state.ts";

// What the pools show, as one read of D1 saw it, and how proxies are picked out of it.

/** Username and password by version, as in the pools row. */
export type CredentialsByVersion = Readonly<Record<string, readonly [username: string, password: string]>>;

/** What one pool published. */
export interface PublishedPool {
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly source: "environment" | "api";
	/** Null: it has published nothing yet. */
	readonly summary: PoolSummary | null;
	readonly credentials: CredentialsByVersion;
	readonly parts: readonly ReadyPart[];
	readonly readyCount: number;
	/** Which of them cool down for a site, as D1 holds it: see `coolingFor`. Of what was read of one proxy alone it is not known. */
	readonly cooling: string;
}

/** One part of a ready list, parsed when it is first needed: a request needs one of them, not all ten thousand proxies. */
export interface ReadyPart {
	readonly count: number;
	/** As it was read; missing: it is made of some that were. */
	readonly text?: string;
	readonly entries: () => readonly ReadyEntry[];
}

/** What all pools published, as one read of D1 saw it. Pools by provider, then name; removed ones are left out. */
export interface Snapshot {
	readonly pools: readonly PublishedPool[];
	readonly readyCount: number;
}

/** A ready proxy and its pool. */
export interface ReadyProxy {
	readonly pool: PublishedPool;
	readonly entry: ReadyEntry;
}

/** One ready proxy, each equally likely; null when there is none. `random` gives numbers in [0, 1). */
export function pickReady(snapshot: Snapshot, random: () => number): ReadyProxy | null {
	return readyPage(snapshot, Math.floor(random() * snapshot.readyCount), 1)[0] ?? null;
}

/** At most `limit` ready proxies from `offset` on, in an order that stays while nothing changes. */
export function readyPage(snapshot: Snapshot, offset: number, limit: number): readonly ReadyProxy[] {
	const page: ReadyProxy[] = [];
	let skip = offset;
	for (const pool of snapshot.pools) {
		for (const part of pool.parts) {
			if (page.length === limit) return page;
			if (skip >= part.count) {
				skip -= part.count;
				continue;
			}
			for (const entry of part.entries().slice(skip, skip + limit - page.length)) page.push({ pool, entry });
			skip = 0;
		}
	}
	return page;
}

/** The addresses of a pool's ready proxies. */
export function readyAddresses(pool: PublishedPool): readonly string[] {
	return pool.parts.flatMap((part) => part.entries().map(([, address]) => address));
}

/** The place that a text (`region:size`) names; null: none. */
export function placeOfKey(key: string | null): Place | null {
	const at = key?.indexOf(":") ?? -1;
	return key === null || at < 0 ? null : { region: key.slice(0, at), size: key.slice(at + 1) };
}

/** Where a ready proxy's VM is: its own place, else what its pool's settings say; null: nothing does. */
export function whereIs({ pool, entry }: ReadyProxy): { readonly region: string | null; readonly size: string | null } {
	const own = placeOfKey(entry[4] ?? null);
	return own ?? homeOf(pool.summary);
}

/** Where a pool's VMs are of which nothing else is said. Of several places the settings show the list, which is no place of a VM. */
export function homeOf(summary: PoolSummary | null): { readonly region: string | null; readonly size: string | null } {
	const { region = null, size = null } = summary?.settings ?? {};
	const first = summary?.places?.[0];
	return first ?? { region: region === null ? null : String(region), size: size === null ? null : String(size) };
}

/** A snapshot of these pools alone, in the order in which they are listed. */
export function snapshotOf(unsorted: readonly PublishedPool[]): Snapshot {
	const pools = [...unsorted].sort((a, b) => compare(a.provider, b.provider) || compare(a.name, b.name));
	return { pools, readyCount: pools.reduce((sum, pool) => sum + pool.readyCount, 0) };
}

/** A pool of which only some ready proxies are left. */
export function withEntries(pool: PublishedPool, isKept: (entry: ReadyEntry) => boolean): PublishedPool {
	return { ...pool, ...withParts(pool.parts.map((part) => knownPart(part.entries().filter(isKept)))) };
}

/** Of a pool that has these parts. */
export function withParts(parts: readonly ReadyPart[]): Pick<PublishedPool, "parts" | "readyCount"> {
	return { parts, readyCount: parts.reduce((sum, part) => sum + part.count, 0) };
}

/** A snapshot that lacks one proxy. */
export function without(snapshot: Snapshot, hidden: { readonly object: string; readonly id: string }): Snapshot {
	return snapshotOf(
		snapshot.pools.map((pool) => {
			return pool.object === hidden.object ? withEntries(pool, ([id]) => id !== hidden.id) : pool;
		}),
	);
}

export function knownPart(entries: readonly ReadyEntry[]): ReadyPart {
	return { count: entries.length, entries: () => entries };
}

/** A part whose JSON is parsed when it is first needed. */
export function readyPart(count: number, text: string): ReadyPart {
	let parsed: readonly ReadyEntry[] | null = null;
	return {
		count,
		text,
		entries: () => {
			parsed ??= JSON.parse(text) as readonly ReadyEntry[];
			return parsed;
		},
	};
}

function compare(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
