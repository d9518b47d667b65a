import type { LogEntry } from "../core/model/state.ts";
import { onDatabase } from "./database.ts";

/** How long a pool's log is kept. */
export const LOG_AGE_MS = 7 * 24 * 3_600_000;
/** As many of the newest entries of each pool are kept whatever their age. */
export const LOG_KEPT = 200;
/** More than this is pruned whatever its age: a pool in trouble for a week must not fill the database. */
export const LOG_MOST = 5_000;
/** Rows that one run deletes at most, over all pools: each counts against the day's writes. */
export const LOG_PRUNED_A_RUN = 500;

/** Pruned in batches of an hour, or this many entries: looking for each one as it expires would read hundreds of rows a minute. */
const SLACK_MS = 3_600_000;
const SLACK_ENTRIES = 100;

/**
 * The entries of a pool's newest `most` that are younger than an instant (milliseconds since the epoch), the oldest first.
 * Throws DatabaseUnavailable.
 */
export async function readLog(db: D1Database, object: string, since: number, most: number): Promise<readonly Omit<LogEntry, "seq">[]> {
	const { results } = await onDatabase(() =>
		db
			.prepare("SELECT at, severity, text FROM logs WHERE object = ? ORDER BY seq DESC LIMIT ?")
			.bind(object, most)
			.all<Omit<LogEntry, "seq">>(),
	);
	return results
		.filter(({ at }) => at > since)
		.reverse()
		.sort((a, b) => a.at - b.at);
}

// Steps from one object to the next through the key: it reads a few rows for each, not each entry.
const OBJECTS = `WITH RECURSIVE objects (object) AS (
		SELECT min(object) FROM logs
		UNION ALL
		SELECT (SELECT min(logs.object) FROM logs WHERE logs.object > objects.object) FROM objects WHERE objects.object IS NOT NULL
	)
	SELECT objects.object, pools.object IS NOT NULL AS isKnown,
		(SELECT seq FROM logs WHERE logs.object = objects.object ORDER BY seq DESC LIMIT 1) AS newest,
		(SELECT seq FROM logs WHERE logs.object = objects.object ORDER BY seq LIMIT 1) AS oldest,
		(SELECT at FROM logs WHERE logs.object = objects.object ORDER BY seq LIMIT 1) AS oldestAt
	FROM objects LEFT JOIN pools ON pools.object = objects.object WHERE objects.object IS NOT NULL`;

interface LogSpan {
	readonly object: string;
	readonly isKnown: number;
	readonly newest: number;
	readonly oldest: number;
	readonly oldestAt: number;
}

// Within a pool `at` grows with `seq`, so what is to go is a stretch at the beginning of its key.
const PRUNE = `DELETE FROM logs WHERE object = ?1 AND seq IN (
		SELECT seq FROM logs WHERE object = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?4
	) AND (at < ?3 OR seq <= ?5)`;

/**
 * Deletes what is older than {@link LOG_AGE_MS} but for each pool's newest {@link LOG_KEPT}, what is beyond its newest
 * {@link LOG_MOST}, and the old entries of pools that are forgotten; at most {@link LOG_PRUNED_A_RUN} rows, the next run goes on.
 * Returns how many. Throws DatabaseUnavailable.
 */
export async function pruneLogs(db: D1Database, now: number): Promise<number> {
	const { results } = await onDatabase(() => db.prepare(OBJECTS).all<LogSpan>());
	let left = LOG_PRUNED_A_RUN;
	for (const { object, isKnown, newest, oldest, oldestAt } of results) {
		if (left === 0) break;
		const prunable = isKnown ? newest - LOG_KEPT : newest;
		if (oldest > prunable) continue;
		if (oldestAt >= now - LOG_AGE_MS - SLACK_MS && oldest > newest - LOG_MOST - SLACK_ENTRIES) continue;
		const { meta } = await onDatabase(() =>
			db
				.prepare(PRUNE)
				.bind(object, prunable, now - LOG_AGE_MS, left, newest - LOG_MOST)
				.run(),
		);
		left -= Math.min(left, meta.changes);
	}
	return LOG_PRUNED_A_RUN - left;
}
