import { onDatabase } from "./database.ts";

/**
 * The parts of the deployment's budget that its pools hold, one row each. Here, and nowhere else, is decided whether another VM fits into the
 * budget that all pools share: one statement reads what the others hold and writes what this one gets.
 */

/** Sums of decimal fractions are off by less; as in `budget.ts`. */
const EPSILON = 1e-9;

export interface Reservation {
	/** The pool's object. */
	readonly object: string;
	/** Grows with each request of the pool: one that arrives after a newer one changes nothing. */
	readonly version: number;
	readonly currency: string;
	/** What its VMs cost an hour now, which it holds in any case. */
	readonly hold: number;
	/** What another VM costs an hour, and how many are wanted. */
	readonly price: number;
	readonly count: number;
	/** What all pools together may hold in this currency. */
	readonly bound: number;
	/** Milliseconds since the epoch. */
	readonly now: number;
}

/** What is still billed for a forgotten pool's VMs: an hour, and until when. */
export interface Charges {
	readonly hourly: number;
	readonly until: number;
}

/** One statement, and what is bound to it in order. The simulator has SQLite carry out these very ones. */
export interface Statement {
	readonly sql: string;
	readonly values: readonly (string | number | null)[];
}

const COUNTS = "(until IS NULL OR until > ?8)";
// A division by 0 gives NULL: what costs nothing always fits.
const RESERVE = `INSERT INTO leases (object, version, currency, hourly)
	SELECT ?1, ?2, ?3, ?4 + CASE WHEN ?5 > 0 THEN ?5 * max(0, min(?6, CAST((?7 - ?4 - others) / ?5 + ${EPSILON} AS INTEGER))) ELSE 0 END
	FROM (SELECT coalesce(sum(hourly), 0) AS others FROM leases WHERE currency = ?3 AND object <> ?1 AND ${COUNTS})
	WHERE EXISTS (SELECT 1 FROM pools WHERE object = ?1)
	ON CONFLICT (object) DO UPDATE SET version = excluded.version, currency = excluded.currency, hourly = excluded.hourly
		WHERE excluded.version > version
	RETURNING hourly`;

/** What all pools hold of a currency that they share. */
const SUM = "SELECT coalesce(sum(hourly), 0) AS hourly FROM leases WHERE currency = ? AND (until IS NULL OR until > ?)";

export interface Held {
	/** What the pool holds now. */
	readonly hourly: number;
	/** It is less than it wanted. */
	readonly isRefused: boolean;
	/** All pools together hold more than they may: it is lower than what they hold anyway. */
	readonly isOver: boolean;
}

/** Writes what the pool holds (a row with `hourly`, or none), then sums up what all pools hold (a row with `hourly`): one transaction. */
export function reserveStatements(wanted: Reservation): readonly [Statement, Statement] {
	const { object, version, currency, hold, price, count, bound, now } = wanted;
	return [
		{ sql: RESERVE, values: [object, version, currency, hold, price, count, bound, now] },
		{ sql: SUM, values: [currency, now] },
	];
}

/** What {@link reserveStatements} came to: what the pool holds now (undefined where nothing was written), and all together. */
export function heldOf({ hold, price, count, bound }: Reservation, hourly: number | undefined, all: number | undefined): Held | null {
	if (hourly === undefined) return null;
	return { hourly, isRefused: hourly < hold + price * count - EPSILON, isOver: (all ?? hourly) > bound + EPSILON };
}

/**
 * Has this pool hold `hold`, and as many times `price` more, up to `count`, as the others leave of `bound`. Null
 * where a newer request was there before, or the directory knows no such pool. Writes one row. Throws DatabaseUnavailable (it may have
 * been done nevertheless).
 */
export async function reserve(db: D1Database, wanted: Reservation): Promise<Held | null> {
	const [granted, all] = await onDatabase(() => db.batch<{ hourly: number }>(reserveStatements(wanted).map((each) => prepared(db, each))));
	return heldOf(wanted, granted?.results[0]?.hourly, all?.results[0]?.hourly);
}

/** Reads what all pools hold: `hourly` by `currency`. */
export function allottedStatement(now: number): Statement {
	return {
		sql: "SELECT currency, sum(hourly) AS hourly FROM leases WHERE until IS NULL OR until > ? GROUP BY currency ORDER BY currency",
		values: [now],
	};
}

/** What all pools hold, by currency. Throws DatabaseUnavailable. */
export async function readAllotted(db: D1Database, now: number): Promise<Readonly<Record<string, number>>> {
	const { results } = await onDatabase(() => prepared(db, allottedStatement(now)).all<{ currency: string; hourly: number }>());
	return Object.fromEntries(results.map(({ currency, hourly }) => [currency, hourly]));
}

/** For the batch that forgets a pool: nobody holds its part any more but what is still billed, and what has been long enough. */
export function leaveStatements(object: string, charges: Charges | null, now: number): readonly Statement[] {
	return [
		charges === null
			? { sql: "DELETE FROM leases WHERE object = ?", values: [object] }
			: { sql: "UPDATE leases SET hourly = ?, until = ? WHERE object = ?", values: [charges.hourly, charges.until, object] },
		{ sql: "DELETE FROM leases WHERE until <= ?", values: [now] },
	];
}

/** As {@link leaveStatements}, for D1. */
export function leaveAllotment(db: D1Database, object: string, charges: Charges | null, now: number): D1PreparedStatement[] {
	return leaveStatements(object, charges, now).map((each) => prepared(db, each));
}

function prepared(db: D1Database, { sql, values }: Statement): D1PreparedStatement {
	return db.prepare(sql).bind(...values);
}
