import { READY_KEPT_MS } from "../core/model/limits.ts";
import type { PoolSummary, ReadyEntry } from "../core/model/published.ts";
import type { ProviderName } from "../core/model/state.ts";
import { Cached, DatabaseUnavailable, fromJson, isWithin, type Later, onDatabase } from "../d1/database.ts";
import { logWarning } from "../values/log.ts";
import {
	type CredentialsByVersion,
	knownPart,
	type PublishedPool,
	type ReadyPart,
	type ReadyProxy,
	readyPage,
	readyPart,
	type Snapshot,
	snapshotOf,
	without,
	withParts,
} from "./snapshot.ts";

// How the ready lists are read: whole, and kept for a moment, or, by an isolate that may never need them again, one proxy or page alone.

/** As READY_KEPT_MS, while proxies are on their way. */
const SHORT_STALENESS_MS = 250;
/** What an isolate that is seldom asked falls back on while D1 fails is read anew after so long. */
const FALLBACK_AGE_MS = 30_000;

export interface Reading {
	readonly snapshot: Snapshot;
	/** Null: as fresh as promised. Otherwise D1 fails and this is what the isolate read so long ago. */
	readonly ageMs: number | null;
}

const kept = new Cached<Snapshot>("ready list", stalenessOf);
/** When a request last found nothing to answer from. */
let missedAt = Number.NEGATIVE_INFINITY;

/**
 * What all pools published: at most {@link READY_KEPT_MS} old, or, while D1 fails, the last that this isolate read.
 * Reads one row a pool and one for each full thousand of ready proxies. `later` lets a busy isolate read ahead. Throws as onDatabase
 * where there is nothing.
 */
export async function readReady(db: D1Database, now: number, later?: Later): Promise<Reading> {
	const { value, ageMs } = await kept.read(now, () => readSnapshot(db), later);
	return { snapshot: value, ageMs };
}

/** One ready proxy, each equally likely, without the list that it is in; null: read that. Reads as many rows. */
export function readOne(db: D1Database, now: number, later: Later): Promise<ReadyProxy | null> {
	return readAlone(
		db,
		() => pickCold(db),
		({ pool }) => snapshotOf([pool]),
		now,
		later,
	);
}

/** As {@link readOne}: a page in the order of the whole list. */
export function readPage(db: D1Database, page: { offset: number; limit: number }, now: number, later: Later): Promise<ColdPage | null> {
	return readAlone(
		db,
		() => pageCold(db, page.offset, page.limit),
		({ heads }) => heads,
		now,
		later,
	);
}

/**
 * The few proxies that a request needs where this isolate does not hold the list and is seldom asked. `seen` is what of the list they
 * show. Null: read the list, which also tells what is wrong.
 */
async function readAlone<T>(
	db: D1Database,
	read: () => Promise<T | null>,
	seen: (answer: T) => Snapshot,
	now: number,
	later: Later,
): Promise<T | null> {
	const { isCold, isSnapshotDue } = coldRead(now);
	if (!isCold) return null;
	let answer: T | null;
	try {
		answer = await read();
	} catch (error) {
		// What was read before is served at once; where there is nothing, the next read fails too and says so. That of another statement may not.
		if (!(error instanceof DatabaseUnavailable)) logWarning("a few proxies (the whole list is read instead)", error);
		kept.failed(now);
		return null;
	}
	if (answer === null) return null;
	keepSome(seen(answer), now);
	if (isSnapshotDue) later(readReady(db, now).catch(() => undefined));
	return answer;
}

/**
 * Whether a request that needs a few proxies had better ask for just those: this isolate holds nothing fresh, and is not asked so often
 * that reading the whole list would soon pay. `isSnapshotDue`: it was asked before and holds nothing, or what is old by now,
 * that it could fall back on should D1 fail: read it once the answer is out.
 */
export function coldRead(now: number): { readonly isCold: boolean; readonly isSnapshotDue: boolean } {
	if (kept.isFresh(now) || kept.isFailing(now)) return { isCold: false, isSnapshotDue: false };
	const before = missedAt;
	missedAt = now;
	const isFirst = before === Number.NEGATIVE_INFINITY;
	return { isCold: !isWithin(READY_KEPT_MS, before, now), isSnapshotDue: !isFirst && !kept.isHeld(FALLBACK_AGE_MS, now) };
}

/** Keeps the few proxies that were asked for alone, where there is nothing else to fall back on should D1 fail. */
export function keepSome(snapshot: Snapshot, now: number): void {
	kept.keepPart(snapshot, now);
}

/**
 * Drops what this isolate has read, after a change that it made itself. `hidden` names a proxy that must not be handed out
 * again even if D1 fails now and the last snapshot is all there is.
 */
export function forgetReady(hidden?: { readonly object: string; readonly id: string }): void {
	kept.changed((snapshot) => (hidden ? without(snapshot, hidden) : snapshot));
}

/** Drops the last snapshot as well: a new isolate's state. For tests. */
export function forgetEverything(): void {
	kept.forget();
	lastRead = null;
	missedAt = Number.NEGATIVE_INFINITY;
}

/** Where a pool has fewer ready proxies than it shall have, others may be ready any moment: then it is looked at more often. */
function stalenessOf(snapshot: Snapshot): number {
	return snapshot.pools.some(isShort) ? SHORT_STALENESS_MS : READY_KEPT_MS;
}

function isShort({ summary, readyCount }: PublishedPool): boolean {
	return summary?.run === "running" && readyCount + (summary.leased ?? 0) < Math.max(summary.min, summary.target);
}

/** What each of these reads of a pool's row. */
const COLUMNS = "pools.object, provider, name, source, summary, credentials";
interface Row {
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly source: PublishedPool["source"];
	readonly summary: string | null;
	readonly credentials: string;
}
interface Whole extends Row {
	readonly count: number;
	readonly ready: string;
	readonly cooling: string;
}
interface Part {
	readonly object: string;
	readonly count: number;
	readonly proxies: string;
}
interface Picked extends Row {
	readonly entry: string | null;
}
interface Head extends Row {
	readonly count: number;
	/** Ready proxies in further parts. */
	readonly further: number;
	/** The first part's beginning, cut anywhere. */
	readonly head: string;
}

/** A pool that shows these parts. */
function poolOf({ object, provider, name, source, summary, credentials }: Row, parts: readonly ReadyPart[], cooling = "{}"): PublishedPool {
	return {
		object,
		provider,
		name,
		source,
		summary: fromJson<PoolSummary | null>(summary, null),
		credentials: fromJson<CredentialsByVersion>(credentials, {}),
		...withParts(parts),
		cooling,
	};
}

// Sorted in `snapshotOf` and not in SQL, since D1 counts each row that it sorts once more.
const READ_POOLS = `SELECT ${COLUMNS}, ready_count AS count, ready, cooling FROM pools WHERE removed_at IS NULL`;
const READ_PARTS = "SELECT object, count, proxies FROM ready_parts ORDER BY object, part";

async function readSnapshot(db: D1Database): Promise<Snapshot> {
	const [pools, parts] = await onDatabase(() => db.batch<unknown>([db.prepare(READ_POOLS), db.prepare(READ_PARTS)]));
	const rows = { pools: (pools?.results ?? []) as Whole[], parts: (parts?.results ?? []) as Part[] };
	if (lastRead === null || !isSame(rows, lastRead)) lastRead = { ...rows, snapshot: snapshotOfRows(rows, lastRead) };
	return lastRead.snapshot;
}

interface Rows {
	readonly pools: readonly Whole[];
	readonly parts: readonly Part[];
}

/**
 * What was read last. A fleet changes more seldom than it is read: what has been worked out of a list (its proxies, their ranks, a whole
 * answer) is good for as long as the list is the same object.
 */
let lastRead: (Rows & { readonly snapshot: Snapshot }) | null = null;

function isSame(rows: Rows, last: Rows): boolean {
	return isAlike(rows.pools, last.pools) && isAlike(rows.parts, last.parts);
}

function isAlike<Row extends object>(rows: readonly Row[], last: readonly Row[]): boolean {
	return (
		rows.length === last.length &&
		rows.every((row, index) => {
			const before = last[index];
			return before !== undefined && (Object.keys(row) as (keyof Row)[]).every((column) => row[column] === before[column]);
		})
	);
}

/** Parts that read as they did are the ones that there were. */
function snapshotOfRows({ pools, parts }: Rows, last: (Rows & { readonly snapshot: Snapshot }) | null): Snapshot {
	const before = new Map(last?.snapshot.pools.flatMap((pool) => pool.parts.map((part) => [part.text, part] as const)));
	const partOf = (count: number, text: string) => before.get(text) ?? readyPart(count, text);
	const further = Map.groupBy(parts, ({ object }) => object);
	return snapshotOf(
		pools.map((row) => {
			const others = (further.get(row.object) ?? []).map(({ count, proxies }) => partOf(count, proxies));
			return poolOf(row, [partOf(row.count, row.ready), ...others], row.cooling);
		}),
	);
}

/*
 * The largest of ln(u)/count over all parts names each part as often as it has proxies (Efraimidis and Spirakis, 2006,
 * https://doi.org/10.1016/j.ipl.2005.11.003), in one scan and without sorting. Columns beside max() are those of its row:
 * https://www.sqlite.org/lang_select.html#bare_columns_in_an_aggregate_query
 */
const PICK = `SELECT ${COLUMNS},
		json_extract(part.proxies, '$[' || abs(random() % part.count) || ']') AS entry
	FROM (SELECT object, count, proxies, max(ln(random() / 18446744073709551616.0 + 0.5) / count) FROM (
		SELECT object, ready_count AS count, ready AS proxies FROM pools WHERE removed_at IS NULL AND ready_count > 0
		UNION ALL SELECT object, count, proxies FROM ready_parts WHERE count > 0
	)) AS part JOIN pools ON pools.object = part.object WHERE removed_at IS NULL`;

/** A page that ends later than this is too far from the beginnings of the lists. */
const LAST_IN_HEAD = 100;
/** More than any entry has; were one longer, the whole list would be read. */
const ENTRY_CHARS = 130;
// The beginnings are cut as text: D1 counts each element that SQL takes out of a JSON array as a row read.
const HEADS = `SELECT ${COLUMNS}, ready_count AS count,
		(SELECT coalesce(sum(count), 0) FROM ready_parts WHERE ready_parts.object = pools.object) AS further,
		substr(ready, 1, ?1) AS head
	FROM pools WHERE removed_at IS NULL`;

/**
 * One ready proxy, each equally likely. Reads one row a pool, one for each further part, and one more. Null where there is none,
 * or the one picked is of a pool that was removed meanwhile: the whole list tells. Throws DatabaseUnavailable.
 */
export async function pickCold(db: D1Database): Promise<ReadyProxy | null> {
	const { results } = await onDatabase(() => db.prepare(PICK).all<Picked>());
	const row = results[0];
	if (row === undefined || row.entry === null) return null;
	const entry = JSON.parse(row.entry) as ReadyEntry;
	return { pool: poolOf(row, [knownPart([entry])]), entry };
}

interface ColdPage {
	readonly proxies: readonly ReadyProxy[];
	readonly total: number;
	readonly heads: Snapshot;
}

/**
 * One page, in the order of the whole list, and all that was read. Reads one row a pool and one for each further part. Null where the page reaches beyond
 * what this reads. Throws DatabaseUnavailable.
 */
export async function pageCold(db: D1Database, offset: number, limit: number): Promise<ColdPage | null> {
	const wanted = offset + limit;
	if (wanted > LAST_IN_HEAD) return null;
	const { results } = await onDatabase(() =>
		db
			.prepare(HEADS)
			.bind(wanted * ENTRY_CHARS)
			.all<Head>(),
	);
	const heads = snapshotOf(results.map((row) => poolOf(row, [knownPart(entriesIn(row.head))])));
	// A first part that is nearly empty is followed by others, which were not read.
	const isEnough = results.every(({ count, further, head }) => entriesIn(head).length >= Math.min(count + further, wanted));
	const total = results.reduce((sum, { count, further }) => sum + count + further, 0);
	return isEnough ? { proxies: readyPage(heads, offset, limit), total, heads } : null;
}

/** The whole entries at the beginning of a list that may be cut: no id and no address holds a bracket. */
function entriesIn(head: string): readonly ReadyEntry[] {
	if (head.endsWith("]]") || head === "[]") return JSON.parse(head) as ReadyEntry[];
	const end = head.lastIndexOf("],");
	return end < 0 ? [] : (JSON.parse(`${head.slice(0, end)}]]`) as ReadyEntry[]);
}
