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

const COUNTS = "(until IS NULL OR until > ?8)";
const RESERVE = `INSERT INTO leases (object, version, currency, hourly)
	SELECT ?1, ?2, ?3, ?4 + ?5 * max(0, min(?6, CAST((?7 - ?4 - others) / ?5 + ${EPSILON} AS INTEGER)))
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

/**
 * Has this pool hold `hold`, and as many times `price` more, up to `count`, as the others leave of `bound`. Null
 * where a newer request was there before, or the directory knows no such pool. Writes one row. Throws DatabaseUnavailable (it may have
 * been done nevertheless).
 */
export async function reserve(db: D1Database, wanted: Reservation): Promise<Held | null> {
	const { object, version, currency, hold, price, count, bound, now } = wanted;
	const [granted, all] = await onDatabase(() =>
		db.batch<{ hourly: number }>([
			db.prepare(RESERVE).bind(object, version, currency, hold, price, count, bound, now),
			db.prepare(SUM).bind(currency, now),
		]),
	);
	const hourly = granted?.results[0]?.hourly;
	if (hourly === undefined) return null;
	return heldOf(wanted, hourly, all?.results[0]?.hourly ?? hourly);
}

/** What a reservation came to, where the pool holds `hourly` now and all together hold `all`. */
export function heldOf({ hold, price, count, bound }: Reservation, hourly: number, all: number): Held {
	return { hourly, isRefused: hourly < hold + price * count - EPSILON, isOver: all > bound + EPSILON };
}

/** What all pools hold, by currency. Throws DatabaseUnavailable. */
export async function readLeased(db: D1Database, now: number): Promise<Readonly<Record<string, number>>> {
	const { results } = await onDatabase(() =>
		db
			.prepare("SELECT currency, sum(hourly) AS hourly FROM leases WHERE until IS NULL OR until > ? GROUP BY currency ORDER BY currency")
			.bind(now)
			.all<{ currency: string; hourly: number }>(),
	);
	return Object.fromEntries(results.map(({ currency, hourly }) => [currency, hourly]));
}

/** For the batch that forgets a pool: nobody holds its part any more but what is still billed, and what has been long enough. */
export function leaveLease(db: D1Database, object: string, charges: Charges | null, now: number): D1PreparedStatement[] {
	return [
		charges === null
			? db.prepare("DELETE FROM leases WHERE object = ?").bind(object)
			: db.prepare("UPDATE leases SET hourly = ?, until = ? WHERE object = ?").bind(charges.hourly, charges.until, object),
		db.prepare("DELETE FROM leases WHERE until <= ?").bind(now),
	];
}
