import { onDatabase } from "../d1/database.ts";
import { chunks } from "./publish.ts";
import type { SessionRow } from "./session-parts.ts";

// A pool that is being forgotten, or was, leaves no rows behind.
const UPSERT = `INSERT INTO sessions (object, part, json)
	SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE EXISTS (SELECT 1 FROM pools WHERE object = ?1)
	ON CONFLICT (object, part) DO UPDATE SET json = excluded.json WHERE json <> excluded.json`;
const DELETE = "DELETE FROM sessions WHERE object = ?1 AND part >= ?2";

/**
 * Writes a pool's session rows, in one transaction: those that are given, and none from `partCount` on. What is the same costs no row
 * written. May be repeated. Throws DatabaseUnavailable (it may have been written nevertheless).
 */
export async function writeSessions(
	db: D1Database,
	object: string,
	rows: readonly { readonly part: number; readonly json: string }[],
	partCount: number,
): Promise<void> {
	const statements = chunks(rows.map(({ part, json }) => [part, json])).map((texts) => db.prepare(UPSERT).bind(object, texts));
	await onDatabase(() => db.batch([...statements, db.prepare(DELETE).bind(object, partCount)]));
}

/**
 * A pool's open sessions as it showed them last, at most a heartbeat interval after their agents told: the client's `address:port` and
 * the proxy's. Reads one row a thousand sessions, or a few more. Throws DatabaseUnavailable.
 */
export async function readSessions(db: D1Database, object: string): Promise<Record<string, string>> {
	const read = () => db.prepare("SELECT json FROM sessions WHERE object = ?").bind(object).all<{ json: string }>();
	const all: Record<string, string> = {};
	for (const { json } of (await onDatabase(read)).results) {
		for (const [backend, clients] of Object.entries(JSON.parse(json) as SessionRow)) for (const client of clients) all[client] = backend;
	}
	return all;
}
