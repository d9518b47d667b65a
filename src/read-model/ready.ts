import { READY_STALENESS_MS } from "../core/model/limits.ts";
import type { PoolSummary, ReadyEntry } from "../core/model/published.ts";
import type { ProviderName } from "../core/model/state.ts";
import { fromJson, onDatabase } from "../d1/database.ts";
import { isWithin } from "../d1/fresh.ts";

/** As READY_STALENESS_MS, while proxies are on their way. */
const SHORT_STALENESS_MS = 250;
/** From this share of its time on, what an isolate holds is read anew by one request that does not wait for it, before it is too old for all. */
const AHEAD_SHARE = 0.7;
/** What an isolate that is seldom asked falls back on while D1 fails is read anew after so long. */
const FALLBACK_AGE_MS = 30_000;

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
}

/** One part of a ready list, parsed when it is first needed: a request needs one of them, not all ten thousand proxies. */
export interface ReadyPart {
	readonly count: number;
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

export interface Reading {
	readonly snapshot: Snapshot;
	/** Null: as fresh as promised. Otherwise D1 fails and this is what the isolate read so long ago. */
	readonly ageMs: number | null;
}

// Sorted here and not in SQL, since D1 counts each row that it sorts once more.
const READ_POOLS = `SELECT object, provider, name, source, ready_count AS readyCount, summary, credentials, ready
	FROM pools WHERE removed_at IS NULL`;
const READ_PARTS = "SELECT object, count, proxies FROM ready_parts ORDER BY object, part";

interface PoolRow {
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly source: PublishedPool["source"];
	readonly readyCount: number;
	readonly summary: string | null;
	readonly credentials: string;
	readonly ready: string;
}
interface PartRow {
	readonly object: string;
	readonly count: number;
	readonly proxies: string;
}

/** What this isolate read last; `isStale` once something has changed since, `isWhole` unless it is a few proxies that were asked for alone. */
let kept: Kept | null = null;
interface Kept {
	readonly snapshot: Snapshot;
	readonly readAt: number;
	readonly isStale: boolean;
	readonly isWhole: boolean;
}
/** When a read failed last: the next one waits as long as a good one would be kept, so that a D1 that hangs is not asked by each request. */
let failedAt = Number.NEGATIVE_INFINITY;
/** When a request last found nothing to answer from. */
let missedAt = Number.NEGATIVE_INFINITY;
/** When a read ahead began last: one at a time, and the next may begin when this one must have ended or failed. */
let aheadAt = Number.NEGATIVE_INFINITY;
/** Grows with every change, so that a read which began before it is not kept. */
let changes = 0;

/**
 * What all pools published: at most {@link READY_STALENESS_MS} old, or, while D1 fails, the last that this isolate read.
 * Reads one row a pool and one for each full thousand of ready proxies. Throws DatabaseUnavailable when there is nothing.
 *
 * `later` takes work that the answer need not wait for (`ExecutionContext.waitUntil`): with it a busy isolate reads ahead, so that
 * its requests do not all wait, and read, each time a second is over. (Requests of an isolate cannot share one read: a promise
 * belongs to the request that made it.)
 */
export async function readReady(db: D1Database, now: number, later?: (work: Promise<unknown>) => void): Promise<Reading> {
	if (kept && isFresh(kept, now)) {
		if (later && isDueSoon(kept, now)) {
			aheadAt = now;
			// What fails here is tried again by the request that needs it, and told to that one.
			later(readAndKeep(db, now).catch(() => undefined));
		}
		return { snapshot: kept.snapshot, ageMs: null };
	}
	if (kept && isWithin(READY_STALENESS_MS, failedAt, now)) return { snapshot: kept.snapshot, ageMs: now - kept.readAt };
	try {
		return { snapshot: await readAndKeep(db, now), ageMs: null };
	} catch (error) {
		failedAt = now;
		if (!kept) throw error;
		console.warn(`ready list: ${error instanceof Error ? error.message : "failed"} The last one is served.`);
		return { snapshot: kept.snapshot, ageMs: Math.max(0, now - kept.readAt) };
	}
}

async function readAndKeep(db: D1Database, now: number): Promise<Snapshot> {
	const before = changes;
	const snapshot = await readSnapshot(db);
	// An older read that took longer must not take a newer one's place.
	if (changes === before && (kept === null || kept.isStale || !kept.isWhole || kept.readAt <= now))
		kept = { snapshot, readAt: now, isStale: false, isWhole: true };
	return snapshot;
}

/**
 * Whether a request that needs a few proxies had better ask for just those: this isolate holds nothing fresh, and is not asked so often
 * that reading the whole list would soon pay. `isSnapshotDue`: it was asked before and holds nothing, or what is old by now,
 * that it could fall back on should D1 fail: read it once the answer is out.
 */
export function coldRead(now: number): { readonly isCold: boolean; readonly isSnapshotDue: boolean } {
	if ((kept && isFresh(kept, now)) || isWithin(READY_STALENESS_MS, failedAt, now)) return { isCold: false, isSnapshotDue: false };
	const before = missedAt;
	missedAt = now;
	const isFirst = before === Number.NEGATIVE_INFINITY;
	const isOld = kept === null || !kept.isWhole || !isWithin(FALLBACK_AGE_MS, kept.readAt, now);
	return { isCold: !isWithin(READY_STALENESS_MS, before, now), isSnapshotDue: !isFirst && isOld };
}

/** D1 did not answer just now: for a second nobody asks it in vain who has something to fall back on. */
export function readFailed(now: number): void {
	failedAt = now;
}

/** Keeps the few proxies that were asked for alone, where there is nothing else to fall back on should D1 fail. */
export function keepSome(snapshot: Snapshot, now: number): void {
	if (!kept?.isWhole) kept = { snapshot, readAt: now, isStale: true, isWhole: false };
}

/**
 * Drops what this isolate has read, after a change that it made itself. `hidden` names a proxy that must not be handed out
 * again even if D1 fails now and the last snapshot is all there is.
 */
export function forgetReady(hidden?: { readonly object: string; readonly id: string }): void {
	changes++;
	if (!kept) return;
	const snapshot = hidden ? without(kept.snapshot, hidden) : kept.snapshot;
	kept = { ...kept, snapshot, isStale: true };
}

/** Drops the last snapshot as well: a new isolate's state. For tests. */
export function forgetEverything(): void {
	changes++;
	kept = null;
	failedAt = Number.NEGATIVE_INFINITY;
	missedAt = Number.NEGATIVE_INFINITY;
	aheadAt = Number.NEGATIVE_INFINITY;
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

async function readSnapshot(db: D1Database): Promise<Snapshot> {
	const [pools, parts] = await onDatabase(() => db.batch([db.prepare(READ_POOLS), db.prepare(READ_PARTS)]));
	const further = Map.groupBy((parts?.results ?? []) as unknown as PartRow[], (row) => row.object);
	const published = ((pools?.results ?? []) as unknown as PoolRow[]).map((row): PublishedPool => {
		const first = readyPart(row.readyCount, row.ready);
		const others = (further.get(row.object) ?? []).map((part) => readyPart(part.count, part.proxies));
		return {
			object: row.object,
			provider: row.provider,
			name: row.name,
			source: row.source,
			summary: fromJson<PoolSummary | null>(row.summary, null),
			credentials: fromJson<CredentialsByVersion>(row.credentials, {}),
			...withParts([first, ...others]),
		};
	});
	return snapshotOf(published);
}

function readyPart(count: number, text: string): ReadyPart {
	let parsed: readonly ReadyEntry[] | null = null;
	return {
		count,
		entries: () => {
			parsed ??= JSON.parse(text) as readonly ReadyEntry[];
			return parsed;
		},
	};
}

function without(snapshot: Snapshot, hidden: { readonly object: string; readonly id: string }): Snapshot {
	return snapshotOf(
		snapshot.pools.map((pool) => {
			return pool.object === hidden.object ? withEntries(pool, ([id]) => id !== hidden.id) : pool;
		}),
	);
}

/** A pool of which only some ready proxies are left. */
export function withEntries(pool: PublishedPool, isKept: (entry: ReadyEntry) => boolean): PublishedPool {
	const parts = pool.parts.map((part): ReadyPart => {
		const entries = part.entries().filter(isKept);
		return { count: entries.length, entries: () => entries };
	});
	return { ...pool, ...withParts(parts) };
}

function withParts(parts: readonly ReadyPart[]): Pick<PublishedPool, "parts" | "readyCount"> {
	return { parts, readyCount: parts.reduce((sum, part) => sum + part.count, 0) };
}

/** A snapshot of these pools alone, in the order in which they are listed. */
export function snapshotOf(unsorted: readonly PublishedPool[]): Snapshot {
	const pools = [...unsorted].sort((a, b) => compare(a.provider, b.provider) || compare(a.name, b.name));
	return { pools, readyCount: pools.reduce((sum, pool) => sum + pool.readyCount, 0) };
}

function isFresh({ snapshot, readAt, isStale }: Kept, now: number): boolean {
	return !isStale && isWithin(stalenessOf(snapshot), readAt, now);
}

/** Too old soon, and nobody reads it anew. */
function isDueSoon({ snapshot, readAt }: Kept, now: number): boolean {
	const stalenessMs = stalenessOf(snapshot);
	return !isWithin(stalenessMs * AHEAD_SHARE, readAt, now) && !isWithin(stalenessMs, aheadAt, now);
}

/** Where a pool has fewer ready proxies than it shall have, others may be ready any moment: then it is looked at more often. */
function stalenessOf(snapshot: Snapshot): number {
	return snapshot.pools.some(isShort) ? SHORT_STALENESS_MS : READY_STALENESS_MS;
}

function isShort({ summary, readyCount }: PublishedPool): boolean {
	return summary?.run === "running" && readyCount < Math.max(summary.min, summary.target);
}

function compare(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
