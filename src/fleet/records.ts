import { isToSettle } from "../core/model/samples.ts";
import { type PoolRecord, type Records, type Settled, writeRecords } from "../d1/history.ts";
import type { Told } from "../rpc/pool.ts";

/**
 * Takes in how pools fare, once a minute: the newest of all of them is one row, and each quarter of an hour what came together goes into the
 * history. `listed`: those of the directory; what others told is dropped. Throws DatabaseUnavailable; then the next run has it all again.
 */
export async function collect(
	db: D1Database,
	before: Records,
	told: ReadonlyMap<string, Told>,
	listed: readonly { readonly object: string }[],
	now: number,
): Promise<void> {
	const records: Record<string, PoolRecord> = {};
	const settled: Settled[] = [];
	for (const { object } of listed) {
		const known = before[object];
		const news = told.get(object);
		if (news === undefined) {
			if (known !== undefined) records[object] = known;
			continue;
		}
		const { causes: _, hours = [], ...fares } = news;
		const record: PoolRecord = { ...fares, meters: grown(known?.meters, news.meters), at: now, settledAt: known?.settledAt ?? 0 };
		const newest = record.samples.at(-1)?.[0] ?? 0;
		const isDue = isToSettle(record.settledAt, newest);
		if (isDue) settled.push({ object, record, hours });
		records[object] = isDue ? { ...record, settledAt: newest, samples: [] } : record;
	}
	await writeRecords(db, records, settled, now);
}

/** Counters never fall: a pool whose memory was lost counts on from a minute before. */
function grown(before: PoolRecord["meters"] | undefined, meters: PoolRecord["meters"]): PoolRecord["meters"] {
	return before === undefined ? meters : { ...meters, counters: highest(before.counters, meters.counters) };
}

function highest<Value>(a: Value, b: Value): Value {
	if (typeof a === "number" && typeof b === "number") return Math.max(a, b) as Value;
	if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return b;
	if (Array.isArray(a) && Array.isArray(b))
		return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => Math.max(a[i] ?? 0, b[i] ?? 0)) as Value;
	const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
	return Object.fromEntries(
		[...new Set([...Object.keys(left), ...Object.keys(right)])].map((key) => [
			key,
			key in left && key in right ? highest(left[key], right[key]) : (right[key] ?? left[key]),
		]),
	) as Value;
}
