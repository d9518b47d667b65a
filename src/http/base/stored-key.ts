import { isWithin } from "../../d1/fresh.ts";
import { readSettings } from "../../d1/settings.ts";

/** How long an isolate may go on with the key that it read: one that is set or removed holds everywhere after it. */
const STALENESS_MS = 1_000;
/** From this age on one request reads anew without waiting, before it is too old for all of them at once. */
const AHEAD_MS = 700;

let kept: { readonly sha256: string | null; readonly readAt: number } | null = null;
/** When a read ahead began last: the next one begins when this one must have ended or failed. */
let aheadAt = Number.NEGATIVE_INFINITY;
/** Grows when a key was set or removed here, so that a read which began before is not kept. */
let changes = 0;

/**
 * SHA-256 (hex) of the admin key that was set through the API, null where none was. Throws DatabaseUnavailable where D1 would have to be
 * asked, does not answer, and never did: else the key that was valid last stays valid. `later` takes work that the answer need not wait
 * for (`ExecutionContext.waitUntil`).
 */
export async function readStoredKey(db: D1Database, now: number, later: (work: Promise<unknown>) => void): Promise<string | null> {
	const last = kept;
	if (last !== null && isWithin(STALENESS_MS, last.readAt, now)) {
		if (!isWithin(AHEAD_MS, last.readAt, now) && !isWithin(STALENESS_MS, aheadAt, now)) {
			aheadAt = now;
			// What fails here is tried again by the request that needs it.
			later(readAndKeep(db, now).catch(() => undefined));
		}
		return last.sha256;
	}
	try {
		return await readAndKeep(db, now);
	} catch (error) {
		if (last === null) throw error;
		return last.sha256;
	}
}

/** Forgets the key, after one was set or removed. */
export function forgetStoredKey(): void {
	changes++;
	kept = null;
	aheadAt = Number.NEGATIVE_INFINITY;
}

async function readAndKeep(db: D1Database, now: number): Promise<string | null> {
	const before = changes;
	const sha256 = (await readSettings(db, ["auth_key_sha256"])).get("auth_key_sha256") ?? null;
	if (changes === before && (kept === null || kept.readAt <= now)) kept = { sha256, readAt: now };
	return sha256;
}
