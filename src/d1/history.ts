import { HOUR_SECONDS, type OutcomeCounts, type OutcomesOfHour } from "../core/model/bans.ts";
import type { Meters } from "../core/model/meters.ts";
import type { Sample } from "../core/model/samples.ts";
import { fromJson, onDatabase } from "./database.ts";

// How pools fared, as cron collects it: the newest of all pools in one row, what is older in blocks of samples at three distances.

/** How far samples are apart, how many a block holds, and how long they are kept; all in seconds. The finest first. */
export const LEVELS = [
	{ step: 60, block: 3_600, kept: 24 * 3_600 },
	{ step: 900, block: 24 * 3_600, kept: 14 * 24 * 3_600 },
	{ step: 24 * 3_600, block: 128 * 24 * 3_600, kept: 731 * 24 * 3_600 },
] as const;
export type Level = (typeof LEVELS)[number];

/** For how long it is kept how sites and proxies fared hour by hour; in seconds. */
export const OUTCOMES_KEPT = 7 * 24 * 3_600;
/** A row of D1 has 2 MB, and an hour's row two such texts. */
const LONGEST_TEXT = 700_000;

/** What a pool told cron last. */
export interface PoolRecord {
	/** `provider/name`. */
	readonly pool: string;
	/** When it was told, in milliseconds since the epoch. */
	readonly at: number;
	/** Of its costs; empty: not known. */
	readonly currency: string;
	readonly meters: Meters;
	/** The newest sample that is in the blocks (Unix seconds). */
	readonly settledAt: number;
	/** Samples after that. */
	readonly samples: readonly Sample[];
}

/** By the pool's object. */
export type Records = Readonly<Record<string, PoolRecord>>;

/** What pools told last. Reads one row. Throws DatabaseUnavailable. */
export async function readRecords(db: D1Database): Promise<Records> {
	const { results } = await onDatabase(() => db.prepare("SELECT json FROM records").all<{ json: string }>());
	return fromJson<Records>(results[0]?.json ?? null, {});
}

/** The number of the stretch of so many seconds that a sample ends: one at its very end belongs to it. */
export function stretchOf(at: number, seconds: number): number {
	return Math.ceil(at / seconds) - 1;
}

/** One row of a block: what of it is new. */
type Piece = readonly [
	step: number,
	start: number,
	object: string,
	pool: string,
	currency: string,
	samples: Readonly<Record<string, Sample>>,
];

/** The pieces that samples come to: at each distance the last of each stretch; a pool's very first one before all of them, since it is what they grew from. */
export function piecesOf(object: string, { pool, currency, samples, settledAt }: PoolRecord): readonly Piece[] {
	return LEVELS.flatMap(({ step, block }): Piece[] => {
		const blocks = new Map<number, Record<string, Sample>>();
		const put = (stretch: number, sample: Sample) => {
			const start = Math.floor((stretch * step) / block) * block;
			const held = blocks.get(start) ?? {};
			held[stretch - start / step] = sample;
			blocks.set(start, held);
		};
		const [first] = samples;
		if (first !== undefined && settledAt === 0) put(stretchOf(first[0] ?? 0, step) - 1, first);
		for (const sample of samples) put(stretchOf(sample[0] ?? 0, step), sample);
		return [...blocks].map(([start, held]) => [step, start, object, pool, currency, held]);
	});
}

// A sample that is written again is the same, or a later one of its stretch.
const SETTLE = `INSERT INTO history (step, start, object, pool, currency, samples)
	SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value -> 5 FROM json_each(?) WHERE true
	ON CONFLICT (step, start, object) DO UPDATE SET pool = excluded.pool, currency = excluded.currency,
		samples = json_patch(samples, excluded.samples)`;
const SAVE = "INSERT INTO records (one, json) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET json = excluded.json";
// What was written before of an hour holds what is counted no more: sites that were forgotten since, proxies that are gone. Where an hour grows beyond
// what a row may hold, the newest alone stay.
const SETTLE_HOURS = `INSERT INTO outcome_hours (start, object, pool, hosts, proxies)
	SELECT value ->> 0, value ->> 1, value ->> 2, value -> 3, value -> 4 FROM json_each(?) WHERE true
	ON CONFLICT (start, object) DO UPDATE SET pool = excluded.pool,
		hosts = iif(length(hosts) + length(excluded.hosts) > ${LONGEST_TEXT}, excluded.hosts, json_patch(hosts, excluded.hosts)),
		proxies = iif(length(proxies) + length(excluded.proxies) > ${LONGEST_TEXT}, excluded.proxies, json_patch(proxies, excluded.proxies))`;
const PRUNE_HOURS = "DELETE FROM outcome_hours WHERE start < ?";
const PRUNE = "DELETE FROM history WHERE step = ? AND start < ?";

/** What of a pool goes into the history. */
export interface Settled {
	readonly object: string;
	readonly record: PoolRecord;
	/** How requests fared by site and by proxy, in hours that had not ended when it was written last. */
	readonly hours: readonly OutcomesOfHour[];
}

/**
 * Keeps what pools told, and puts the samples and hours of those in `settled` into the history; what is too old goes with it. One transaction; may be
 * repeated. Writes one row, and where something is settled some five for each pool. Throws DatabaseUnavailable.
 */
export async function writeRecords(db: D1Database, records: Records, settled: readonly Settled[], now: number): Promise<void> {
	const statements = [db.prepare(SAVE).bind(JSON.stringify(records))];
	if (settled.length > 0) {
		statements.push(db.prepare(SETTLE).bind(JSON.stringify(settled.flatMap(({ object, record }) => piecesOf(object, record)))));
		for (const rows of hoursIn(settled)) statements.push(db.prepare(SETTLE_HOURS).bind(rows));
		const seconds = Math.floor(now / 1000);
		// A block goes once the last that it holds is too old.
		for (const { step, block, kept } of LEVELS) statements.push(db.prepare(PRUNE).bind(step, seconds - kept - block));
		statements.push(db.prepare(PRUNE_HOURS).bind(seconds - OUTCOMES_KEPT - HOUR_SECONDS));
	}
	await onDatabase(() => db.batch(statements));
}

/** Rows of hours as JSON texts, each no longer than D1 takes of a parameter. */
function hoursIn(settled: readonly Settled[]): readonly string[] {
	const texts: string[] = [];
	for (const { object, record, hours } of settled)
		for (const { start, hosts, proxies } of hours) {
			const row = JSON.stringify([start, object, record.pool, hosts, proxies]);
			const last = texts.at(-1);
			if (last === undefined || last.length + row.length > LONGEST_TEXT) texts.push(row);
			else texts[texts.length - 1] = `${last},${row}`;
		}
	return texts.map((rows) => `[${rows}]`);
}

export interface HistoryRow {
	readonly object: string;
	readonly pool: string;
	readonly currency: string;
	readonly samples: readonly Sample[];
}

/** Samples at one distance of a span of time (Unix seconds), block by block in order of time; `pool` null: of all pools. Throws DatabaseUnavailable. */
export async function readHistory(
	db: D1Database,
	{ step, block }: Level,
	from: number,
	to: number,
	pool: string | null,
): Promise<readonly HistoryRow[]> {
	const { results } = await onDatabase(() =>
		db
			.prepare(
				`SELECT object, pool, currency, samples FROM history WHERE step = ?1 AND start > ?2 AND start <= ?3 AND (?4 IS NULL OR pool = ?4)
				ORDER BY start, object`,
			)
			.bind(step, from - block, to, pool)
			.all<{ object: string; pool: string; currency: string; samples: string }>(),
	);
	return results.map(({ samples, ...row }) => ({
		...row,
		samples: Object.values(fromJson<Record<string, Sample>>(samples, {})).sort(([a = 0], [b = 0]) => a - b),
	}));
}

/** What was reported in an hour. */
export interface OutcomePoint {
	/** When it began (Unix seconds). */
	readonly start: number;
	readonly outcomes: number;
	readonly ok: number;
}

export interface OutcomeSpan {
	/** Unix seconds. */
	readonly from: number;
	readonly to: number;
	/** `provider/name`; null: all together. */
	readonly pool: string | null;
}

/**
 * How one site or one proxy (by its id) fared, hour by hour. Reads a row for each hour and pool: taken apart by `json_each`, each of its entries would count
 * as one. Throws DatabaseUnavailable.
 */
export async function readOutcomesOf(
	db: D1Database,
	of: "hosts" | "proxies",
	key: string,
	{ from, to, pool }: OutcomeSpan,
): Promise<readonly OutcomePoint[]> {
	const { results } = await onDatabase(() =>
		db
			.prepare(
				`SELECT start, sum(counts ->> 0) AS outcomes, sum(counts ->> 1) AS ok
				FROM (SELECT start, json_extract(${of}, ?4) AS counts FROM outcome_hours WHERE start >= ?1 AND start < ?2 AND (?3 IS NULL OR pool = ?3))
				WHERE counts IS NOT NULL GROUP BY start ORDER BY start`,
			)
			.bind(from, to, pool, `$.${JSON.stringify(key)}`)
			.all<OutcomePoint>(),
	);
	return results;
}

/** What all sites and proxies of a pool come to in an hour. */
export interface OutcomeRow {
	readonly start: number;
	readonly object: string;
	readonly pool: string;
	readonly hosts: OutcomeCounts;
	readonly proxies: OutcomeCounts;
}

/** What one answer takes apart: a week of a fleet that reports of a hundred sites. */
const MOST_READ = 4_000_000;

/** The hours as far back as they come to no more than can be read at once, whole ones. Reads two rows for each hour and pool. Throws DatabaseUnavailable. */
export async function readOutcomes(
	db: D1Database,
	{ from, to, pool }: OutcomeSpan,
): Promise<{ readonly rows: readonly OutcomeRow[]; readonly from: number }> {
	const where = "FROM outcome_hours WHERE start >= ?1 AND start < ?2 AND (?3 IS NULL OR pool = ?3)";
	const { results: lengths } = await onDatabase(() =>
		db
			.prepare(`SELECT start, sum(length(hosts) + length(proxies)) AS length ${where} GROUP BY start ORDER BY start DESC`)
			.bind(from, to, pool)
			.all<{ start: number; length: number }>(),
	);
	let left = MOST_READ;
	const tooMany = lengths.find(({ length }) => {
		left -= length;
		return left < 0;
	});
	const first = tooMany === undefined ? from : tooMany.start + HOUR_SECONDS;
	const { results } = await onDatabase(() =>
		db
			.prepare(`SELECT start, object, pool, hosts, proxies ${where} ORDER BY start`)
			.bind(first, to, pool)
			.all<{ start: number; object: string; pool: string; hosts: string; proxies: string }>(),
	);
	const rows = results.map((row) => ({
		...row,
		hosts: fromJson<OutcomeCounts>(row.hosts, {}),
		proxies: fromJson<OutcomeCounts>(row.proxies, {}),
	}));
	return { rows, from: first };
}
