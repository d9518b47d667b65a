import type { PoolSummary, ReadyEntry } from "../core/model/published.ts";
import type { ProviderName } from "../core/model/state.ts";
import { fromJson, onDatabase } from "../d1/database.ts";
import { type CredentialsByVersion, type PublishedPool, type ReadyProxy, readyPage, type Snapshot, snapshotOf } from "./ready.ts";

// What is asked for where the lists are, by an isolate that holds none and may never need one.

interface Row {
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly source: PublishedPool["source"];
	readonly summary: string | null;
	readonly credentials: string;
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

/*
 * The largest of ln(u)/count over all parts names each part as often as it has proxies (Efraimidis and Spirakis, 2006,
 * https://doi.org/10.1016/j.ipl.2005.11.003), in one scan and without sorting. Columns beside max() are those of its row:
 * https://www.sqlite.org/lang_select.html#bare_columns_in_an_aggregate_query
 */
const PICK = `SELECT pools.object, provider, name, source, summary, credentials,
		json_extract(part.proxies, '$[' || abs(random() % part.count) || ']') AS entry
	FROM (SELECT object, count, proxies, max(ln(random() / 18446744073709551616.0 + 0.5) / count) FROM (
		SELECT object, ready_count AS count, ready AS proxies FROM pools WHERE removed_at IS NULL AND ready_count > 0
		UNION ALL SELECT object, count, proxies FROM ready_parts WHERE count > 0
	)) AS part JOIN pools ON pools.object = part.object WHERE removed_at IS NULL`;

/** A page that ends later than this is too far from the beginnings of the lists. */
const LAST_IN_HEAD = 100;
/** More than any entry has; were one longer, the whole list would be read. */
const ENTRY_CHARS = 90;
// The beginnings are cut as text: D1 counts each element that SQL takes out of a JSON array as a row read.
const HEADS = `SELECT object, provider, name, source, summary, credentials, ready_count AS count,
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
	return { pool: poolOf(row, [entry]), entry };
}

export interface ColdPage {
	readonly proxies: readonly ReadyProxy[];
	readonly total: number;
	/** All that was read. */
	readonly heads: Snapshot;
}

/**
 * One page, in the order of the whole list. Reads one row a pool and one for each further part. Null where the page reaches beyond
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
	const heads = snapshotOf(results.map((row) => poolOf(row, entriesIn(row.head))));
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

/** A pool of which only these ready proxies are known. */
function poolOf({ object, provider, name, source, summary, credentials }: Row, entries: readonly ReadyEntry[]): PublishedPool {
	return {
		object,
		provider,
		name,
		source,
		summary: fromJson<PoolSummary | null>(summary, null),
		credentials: fromJson<CredentialsByVersion>(credentials, {}),
		parts: [{ count: entries.length, entries: () => entries }],
		readyCount: entries.length,
	};
}
