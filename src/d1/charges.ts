/** What is still billed for VMs of pools that are forgotten, and so stand in no summary any more. */
import type { Charge } from "../core/model/state.ts";
import { onDatabase } from "./database.ts";

/** For the batch that forgets a pool: these of its charges stay until they end, and what has ended goes. Writes a row for each of both. */
export function leaveCharges(db: D1Database, object: string, charges: readonly Charge[], now: number): D1PreparedStatement[] {
	const insert = `INSERT OR REPLACE INTO charges (object, until, currency, hourly, count)
		SELECT ?1, value ->> 'until', value ->> 'currency', value ->> 'hourly', value ->> 'count' FROM json_each(?2)`;
	return [
		db.prepare("DELETE FROM charges WHERE until <= ?").bind(now),
		...(charges.length === 0 ? [] : [db.prepare(insert).bind(object, JSON.stringify(charges))]),
	];
}

/** What is billed now of all of them. Reads a row for each. Throws DatabaseUnavailable. */
export async function readCharges(db: D1Database, now: number): Promise<readonly Charge[]> {
	const sql = "SELECT until, currency, hourly, count FROM charges WHERE until > ?";
	return (await onDatabase(() => db.prepare(sql).bind(now).all<Charge>())).results;
}
