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
const PRUNE = "DELETE FROM history WHERE step = ? AND start < ?";

/**
 * Keeps what pools told, and puts the samples of those named in `settled` into their blocks; what is too old goes with it. One transaction; may be
 * repeated. Writes one row, and where something is settled some four for each pool. Throws DatabaseUnavailable.
 */
export async function writeRecords(
	db: D1Database,
	records: Records,
	settled: readonly (readonly [object: string, record: PoolRecord])[],
	now: number,
): Promise<void> {
	const statements = [db.prepare(SAVE).bind(JSON.stringify(records))];
	if (settled.length > 0) {
		statements.push(db.prepare(SETTLE).bind(JSON.stringify(settled.flatMap(([object, record]) => piecesOf(object, record)))));
		const seconds = Math.floor(now / 1000);
		// A block goes once the last that it holds is too old.
		for (const { step, block, kept } of LEVELS) statements.push(db.prepare(PRUNE).bind(step, seconds - kept - block));
	}
	await onDatabase(() => db.batch(statements));
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
