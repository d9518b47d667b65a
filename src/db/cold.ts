import type { ProviderName } from "../pool/core/state.ts";
import type { PoolSummary, ReadyEntry } from "../pool/rpc.ts";
import { fromJson, onDatabase } from "./database.ts";
import type { CredentialsByVersion, ReadyProxy } from "./ready.ts";

interface Row {
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly summary: string | null;
	readonly credentials: string;
	readonly entry: string;
}

/*
 * The largest of ln(u)/count over all parts names each part as often as it has proxies (Efraimidis and Spirakis, 2006,
 * https://doi.org/10.1016/j.ipl.2005.11.003), in one scan and without sorting. Columns beside max() are those of its row:
 * https://www.sqlite.org/lang_select.html#bare_columns_in_an_aggregate_query
 */
const PICK = `SELECT pools.object, provider, name, summary, credentials,
		json_extract(part.proxies, '$[' || abs(random() % part.count) || ']') AS entry
	FROM (SELECT object, count, proxies, max(ln(random() / 18446744073709551616.0 + 0.5) / count) FROM (
		SELECT object, ready_count AS count, ready AS proxies FROM pools WHERE removed_at IS NULL AND ready_count > 0
		UNION ALL SELECT object, count, proxies FROM ready_parts WHERE count > 0
	)) AS part JOIN pools ON pools.object = part.object WHERE removed_at IS NULL`;

/**
 * One ready proxy, each equally likely, picked where the lists are: for an isolate that holds none, and may never need one. Reads one
 * row a pool, one for each further part, and one more. Null where there is none, or the one picked is of a pool that was
 * removed meanwhile: the whole list tells. Throws DatabaseUnavailable.
 */
export async function pickCold(db: D1Database): Promise<ReadyProxy | null> {
	const { results } = await onDatabase(() => db.prepare(PICK).all<Row>());
	const row = results[0];
	if (row === undefined || row.entry === null) return null;
	const { object, provider, name } = row;
	const pool = {
		object,
		provider,
		name,
		summary: fromJson<PoolSummary | null>(row.summary, null),
		credentials: fromJson<CredentialsByVersion>(row.credentials, {}),
		parts: [],
		readyCount: 0,
	};
	return { pool, entry: JSON.parse(row.entry) as ReadyEntry };
}
