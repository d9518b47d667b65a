/** Pools that are deleted and whose VMs are not all gone yet: they are in no list of proxies, and are billed. */
import type { PoolSummary } from "../core/model/published.ts";
import { fromJson, onDatabase } from "../d1/database.ts";
import type { PublishedPool } from "./snapshot.ts";

/** What each published last, by provider and name; one that never published has no VM. Reads a row for each pool. Throws DatabaseUnavailable. */
export async function readRemoving(db: D1Database): Promise<readonly PublishedPool[]> {
	const sql = `SELECT object, provider, name, source, summary FROM pools
		WHERE removed_at IS NOT NULL AND summary IS NOT NULL ORDER BY provider, name, object`;
	type Row = Pick<PublishedPool, "object" | "provider" | "name" | "source"> & { readonly summary: string };
	const { results } = await onDatabase(() => db.prepare(sql).all<Row>());
	return results.map((row) => ({
		...row,
		summary: fromJson<PoolSummary | null>(row.summary, null),
		credentials: {},
		parts: [],
		readyCount: 0,
		cooling: "{}",
	}));
}
