import type { Severity } from "../core/model/state.ts";
import type { EventKind } from "../core/model/told.ts";
import { onDatabase } from "./database.ts";

// The one stream of what happened in all pools. Pools write theirs as they publish; what operators order is written by the request.

/** How long events are kept. */
const EVENT_AGE_MS = 30 * 24 * 3_600_000;
/** More than this is pruned whatever its age. */
const EVENTS_MOST = 50_000;
/** Rows that one run deletes at most. */
const EVENTS_PRUNED_A_RUN = 500;
/** Rows that one question looks through at most. */
const SCANNED = 5_000;

export interface StoredEvent {
	/** Grows in the order in which events became known. */
	readonly id: number;
	/** Milliseconds since the epoch. */
	readonly at: number;
	/** `provider/name`; empty: no pool's. */
	readonly pool: string;
	readonly severity: Severity;
	readonly kind: EventKind;
	/** A proxy's id or address, or its VM; empty: the pool. */
	readonly proxy: string;
	readonly text: string;
	/** Whose key ordered it, by its name; null: nobody's. */
	readonly actor: string | null;
}

export interface EventQuery {
	/** Those after this id, the oldest first; null: the newest. One beyond the newest, which a D1 that was lost has left, is the newest's. */
	readonly after: number | null;
	/** Those before this id. */
	readonly before: number | null;
	/** Not older than this (milliseconds since the epoch). */
	readonly since: number | null;
	readonly pool: string | null;
	readonly severities: readonly Severity[];
	/** Null: of each kind. */
	readonly kinds: readonly EventKind[] | null;
	readonly most: number;
}

export interface EventPage {
	/** The oldest first. */
	readonly events: readonly StoredEvent[];
	/** From where to go on, later or at once. */
	readonly next: number;
	/** There is more after it already. */
	readonly hasMore: boolean;
	/** Where older ones begin; null: there are none. */
	readonly previous: number | null;
}

const COLUMNS = "id, at, pool, severity, kind, proxy, text, actor";
const SPAN = "SELECT (SELECT id FROM events ORDER BY id LIMIT 1) AS oldest, (SELECT id FROM events ORDER BY id DESC LIMIT 1) AS newest";

/** A page of the stream. Looks through {@link SCANNED} rows at most, so that a page may be short and still have more behind it. Throws DatabaseUnavailable. */
export async function readEvents(db: D1Database, query: EventQuery): Promise<EventPage> {
	const { before, since, pool, severities, kinds, most } = query;
	const { results: spans } = await onDatabase(() => db.prepare(SPAN).all<{ oldest: number | null; newest: number | null }>());
	const { oldest = null, newest = null } = spans[0] ?? {};
	if (oldest === null || newest === null) return { events: [], next: 0, hasMore: false, previous: null };
	const after = query.after === null ? null : Math.min(query.after, newest);
	const isForward = after !== null;
	const end = Math.min(newest, before === null ? newest : before - 1);
	const [low, high] = isForward ? [after + 1, Math.min(end, after + SCANNED)] : [Math.max(oldest, end - SCANNED + 1), end];
	const { results } = await onDatabase(() =>
		db
			.prepare(
				`SELECT ${COLUMNS} FROM events WHERE id BETWEEN ?1 AND ?2 AND (?3 IS NULL OR pool = ?3) AND (?4 IS NULL OR at >= ?4)
				AND severity IN (SELECT value FROM json_each(?5))
				AND (?7 IS NULL OR kind IN (SELECT value FROM json_each(?7))) ORDER BY id ${isForward ? "" : "DESC"} LIMIT ?6`,
			)
			.bind(low, high, pool, since, JSON.stringify(severities), most, kinds === null ? null : JSON.stringify(kinds))
			.all<StoredEvent>(),
	);
	const events = isForward ? results : results.reverse();
	const isFull = events.length === most;
	const next = isForward ? (isFull ? (events.at(-1)?.id ?? high) : Math.max(after, high)) : (events.at(-1)?.id ?? end);
	const first = isForward || isFull ? (events[0]?.id ?? low) : low;
	return {
		events,
		next: isForward ? next : Math.max(next, before === null ? newest : next),
		hasMore: isForward && next < end,
		previous: first > oldest ? first : null,
	};
}

/** Writes down what somebody ordered. Two rows. Throws DatabaseUnavailable. */
export async function addEvent(db: D1Database, event: Omit<StoredEvent, "id">): Promise<void> {
	const { at, pool, severity, kind, proxy, text, actor } = event;
	await onDatabase(() =>
		db
			.prepare("INSERT INTO events (object, at, pool, severity, kind, proxy, text, actor) VALUES ('', ?, ?, ?, ?, ?, ?, ?)")
			.bind(at, pool, severity, kind, proxy, text, actor)
			.run(),
	);
}

const OLDEST = "SELECT id, at, (SELECT id FROM events ORDER BY id DESC LIMIT 1) AS newest FROM events ORDER BY id LIMIT 1";
// The newest stays: from it the ids go on.
const PRUNE = `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id < ?1 ORDER BY id LIMIT ${EVENTS_PRUNED_A_RUN}) AND (at < ?2 OR id < ?3)`;

/** Deletes what is too old, or one too many. Reads two rows where there is nothing to do. Throws DatabaseUnavailable. */
export async function pruneEvents(db: D1Database, now: number): Promise<void> {
	const { results } = await onDatabase(() => db.prepare(OLDEST).all<{ id: number; at: number; newest: number }>());
	const [oldest] = results;
	if (oldest === undefined) return;
	const tooOld = now - EVENT_AGE_MS;
	const first = oldest.newest - EVENTS_MOST;
	if (oldest.at >= tooOld && oldest.id >= first) return;
	await onDatabase(() => db.prepare(PRUNE).bind(oldest.newest, tooOld, first).run());
}
