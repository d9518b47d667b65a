import type { EndReason } from "../core/model/tally.ts";
import { onDatabase } from "./database.ts";

// VMs that are gone; pools write theirs as they publish.

/** How long they are kept. */
const KEPT_MS = 90 * 24 * 3_600_000;

export interface GoneVm {
	readonly endedAt: number;
	readonly object: string;
	/** The proxy's. */
	readonly id: string;
	/** `provider/name`. */
	readonly pool: string;
	/** The provider's id. */
	readonly vm: string;
	readonly address: string | null;
	readonly size: string | null;
	readonly region: string | null;
	readonly createdAt: number;
	readonly readyAt: number | null;
	readonly reason: EndReason;
	readonly why: string;
	readonly hourly: number | null;
	readonly currency: string | null;
	readonly cost: number | null;
}

export interface VmQuery {
	/** Milliseconds since the epoch: of when they went. */
	readonly from: number;
	readonly to: number;
	readonly pool: string | null;
	/** Those that went before this one; null: from the newest on. */
	readonly before: Pick<GoneVm, "endedAt" | "object" | "id"> | null;
	readonly most: number;
}

const COLUMNS = `ended_at AS endedAt, object, id, pool, vm, address, size, region, created_at AS createdAt, ready_at AS readyAt, reason, why, hourly, currency, cost`;

/** The newest first. Throws DatabaseUnavailable. */
export async function readVms(db: D1Database, { from, to, pool, before, most }: VmQuery): Promise<readonly GoneVm[]> {
	const { results } = await onDatabase(() =>
		db
			.prepare(
				`SELECT ${COLUMNS} FROM vms WHERE ended_at BETWEEN ?1 AND ?2 AND (?3 IS NULL OR pool = ?3)
				AND (?4 IS NULL OR (ended_at, object, id) < (?4, ?5, ?6)) ORDER BY ended_at DESC, object DESC, id DESC LIMIT ?7`,
			)
			.bind(from, before?.endedAt ?? to, pool, before?.endedAt ?? null, before?.object ?? null, before?.id ?? null, most)
			.all<GoneVm>(),
	);
	return results;
}

/** How many they were, and what they cost, by currency (null: not known). Reads as many rows as there are. Throws DatabaseUnavailable. */
export async function sumVms(
	db: D1Database,
	{ from, to, pool }: Pick<VmQuery, "from" | "to" | "pool">,
): Promise<readonly { readonly currency: string | null; readonly count: number; readonly cost: number | null }[]> {
	const { results } = await onDatabase(() =>
		db
			.prepare(
				"SELECT currency, count(*) AS count, sum(cost) AS cost FROM vms WHERE ended_at BETWEEN ?1 AND ?2 AND (?3 IS NULL OR pool = ?3) GROUP BY currency ORDER BY currency",
			)
			.bind(from, to, pool)
			.all<{ currency: string | null; count: number; cost: number | null }>(),
	);
	return results;
}

/** Deletes what is too old. Reads nothing where there is nothing. Throws DatabaseUnavailable. */
export async function pruneVms(db: D1Database, now: number): Promise<void> {
	await onDatabase(() =>
		db
			.prepare("DELETE FROM vms WHERE ended_at < ?")
			.bind(now - KEPT_MS)
			.run(),
	);
}
