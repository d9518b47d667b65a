import { logWarning } from "../values/log.ts";

// How D1 is asked: each question bounded in time, its failures told apart, and what an isolate keeps of the answers.

/** How long a query may take before it counts as failed: readers then fall back on what they have, or say so. */
const DATABASE_DEADLINE_MS = 3_000;

/** D1 does not answer now, or takes nothing now. The cause is in the log, not in the answer. */
export class DatabaseUnavailable extends Error {
	constructor(cause: unknown) {
		super("The database does not answer.", { cause });
		this.name = "DatabaseUnavailable";
	}
}

/** D1 answers and refuses what it was asked: a constraint, a table that is missing, a value of a type that it does not take. Our own fault. */
export class StatementRefused extends Error {
	constructor(cause: Error) {
		super(`The database refuses a statement: ${cause.message}`, { cause });
		this.name = "StatementRefused";
	}
}

/**
 * What SQLite and D1 say of a statement or a value that is wrong (https://www.sqlite.org/rescode.html,
 * https://developers.cloudflare.com/d1/observability/debug-d1/). All else may pass: overload, a lost connection, a reset, a full disk.
 */
const REFUSED = /SQLITE_(?:ERROR|CONSTRAINT|MISMATCH|RANGE|TOOBIG|MISUSE|AUTH)|^D1_(?:TYPE_ERROR|COLUMN_NOTFOUND|EXEC_ERROR)/;

/**
 * Runs one piece of work on D1, bounded in time. Throws {@link DatabaseUnavailable} when D1 fails or takes longer than
 * `deadlineMs` (a write may then have happened nevertheless: every write here may be repeated), {@link StatementRefused} when what it
 * was asked is wrong, and what is no failure of D1 at all as it is.
 */
export async function onDatabase<T>(work: () => Promise<T>, deadlineMs = DATABASE_DEADLINE_MS): Promise<T> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
	});
	try {
		return await Promise.race([work(), late]);
	} catch (error) {
		if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) throw error;
		throw error instanceof Error && REFUSED.test(error.message) ? new StatementRefused(error) : new DatabaseUnavailable(error);
	} finally {
		clearTimeout(timer);
	}
}

/** Parses a JSON column that only Muster writes; `fallback` where there is none. */
export function fromJson<T>(text: string | null, fallback: T): T {
	return text === null ? fallback : (JSON.parse(text) as T);
}

/** Takes work that the answer need not wait for (`ExecutionContext.waitUntil`). */
export type Later = (work: Promise<unknown>) => void;

/** From this share of its time on, what an isolate holds is read anew by one request that does not wait for it, before it is too old for all. */
const AHEAD_SHARE = 0.7;
/** A read that failed is not tried again for so long where there is something to fall back on: a D1 that hangs is not asked by each request. */
const RETRY_MS = 1_000;

export interface Reading<T> {
	readonly value: T;
	/** Null: as fresh as promised. Otherwise D1 fails and this is what the isolate read so long ago. */
	readonly ageMs: number | null;
}

interface Kept<T> {
	readonly value: T;
	readonly readAt: number;
	/** Something has changed since, or it never was the whole: good only where nothing better can be had. */
	readonly isStale: boolean;
	readonly isPart: boolean;
}

/**
 * One thing that an isolate keeps of what it reads in D1, stale-while-revalidate. Requests cannot share one read (a promise belongs to
 * the request that made it), so a busy isolate has one of them read ahead, and the others neither wait nor read. One for each thing and
 * isolate: an isolate serves one deployment and one database.
 */
export class Cached<T> {
	readonly #name: string;
	readonly #stalenessMs: (value: T) => number;
	#kept: Kept<T> | null = null;
	#failedAt = Number.NEGATIVE_INFINITY;
	/** When a read ahead began last: one at a time, and the next may begin when this one must have ended or failed. */
	#aheadAt = Number.NEGATIVE_INFINITY;
	/** Grows with every change, so that a read which began before it is not kept. */
	#changes = 0;

	/** `name` for the log; `stalenessMs`: how old a value may be while D1 answers. */
	constructor(name: string, stalenessMs: (value: T) => number) {
		this.#name = name;
		this.#stalenessMs = stalenessMs;
	}

	/** What is kept if that is fresh, else what `load` reads; where that fails the last that was read. Throws as `load` where there is none. */
	async read(now: number, load: () => Promise<T>, later?: Later): Promise<Reading<T>> {
		const kept = this.#kept;
		if (kept !== null && this.isFresh(now)) {
			// What fails here is tried again by the request that needs it, and told to that one.
			if (later && this.#isDueSoon(kept, now)) later(this.#readAhead(now, load).catch(() => undefined));
			return { value: kept.value, ageMs: null };
		}
		if (kept !== null && this.isFailing(now)) return { value: kept.value, ageMs: Math.max(0, now - kept.readAt) };
		try {
			return { value: await this.#load(now, load), ageMs: null };
		} catch (error) {
			this.failed(now);
			if (kept === null) throw error;
			logWarning(`${this.#name} (the last one is served)`, error);
			return { value: kept.value, ageMs: Math.max(0, now - kept.readAt) };
		}
	}

	isFresh(now: number): boolean {
		return this.#kept !== null && !this.#kept.isStale && isWithin(this.#stalenessMs(this.#kept.value), this.#kept.readAt, now);
	}

	/** A read failed just now. */
	isFailing(now: number): boolean {
		return isWithin(RETRY_MS, this.#failedAt, now);
	}

	/** Notes that D1 was asked for the same in another way and did not answer. */
	failed(now: number): void {
		this.#failedAt = now;
	}

	/** Whether what could be fallen back on is the whole, and was read within this time. */
	isHeld(withinMs: number, now: number): boolean {
		return this.#kept !== null && !this.#kept.isPart && isWithin(withinMs, this.#kept.readAt, now);
	}

	/** Keeps a part of the value to fall back on, where nothing better is. */
	keepPart(value: T, now: number): void {
		if (this.#kept === null || this.#kept.isPart) this.#kept = { value, readAt: now, isStale: true, isPart: true };
	}

	/** After a change that this isolate made itself: what is kept is good only where D1 fails, and then as `edit` makes it. */
	changed(edit: (value: T) => T = (value) => value): void {
		this.#changes++;
		if (this.#kept !== null) this.#kept = { ...this.#kept, value: edit(this.#kept.value), isStale: true };
	}

	/** Forgets everything: a new isolate's state. */
	forget(): void {
		this.#changes++;
		this.#kept = null;
		this.#failedAt = Number.NEGATIVE_INFINITY;
		this.#aheadAt = Number.NEGATIVE_INFINITY;
	}

	async #load(now: number, load: () => Promise<T>): Promise<T> {
		const before = this.#changes;
		const value = await load();
		// An older read that took longer must not take a newer one's place.
		if (this.#changes === before && (this.#kept === null || this.#kept.isStale || this.#kept.readAt <= now))
			this.#kept = { value, readAt: now, isStale: false, isPart: false };
		return value;
	}

	#readAhead(now: number, load: () => Promise<T>): Promise<T> {
		this.#aheadAt = now;
		return this.#load(now, load);
	}

	/** Too old soon, and nobody reads it anew. */
	#isDueSoon({ value, readAt }: Kept<T>, now: number): boolean {
		const stalenessMs = this.#stalenessMs(value);
		return !isWithin(stalenessMs * AHEAD_SHARE, readAt, now) && !isWithin(stalenessMs, this.#aheadAt, now);
	}
}

/** Whether `now` is less than `spanMs` after `since` (milliseconds): what was read then is fresh. A clock that went back makes it old, not eternal. */
export function isWithin(spanMs: number, since: number, now: number): boolean {
	return now >= since && now - since < spanMs;
}
