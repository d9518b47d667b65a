import { FIRST_METRIC, GAUGES, METRICS, type Metric, type Sample } from "../core/model/samples.ts";
import { type HistoryRow, LEVELS, readHistory, readRecords, stretchOf } from "../d1/history.ts";

/** What of the history is asked for: Unix seconds; `step` seconds between points. */
export interface HistoryQuery {
	readonly from: number;
	readonly to: number;
	readonly step: number;
	readonly metrics: readonly Metric[];
	/** `provider/name`; null: all pools together. */
	readonly pool: string | null;
	/** Of the costs that are summed up; null: the one that most samples have. */
	readonly currency: string | null;
}

export interface Point {
	/** Unix seconds: the beginning of its stretch. */
	readonly at: number;
	/** How long the stretch is. */
	readonly seconds: number;
	/** Of each metric that was asked for: the mean of a gauge, what a counter grew by; null: not known. */
	readonly values: readonly (number | null)[];
}

export interface History {
	readonly points: readonly Point[];
	/** What each counter grew by over all points, those of gauges null. */
	readonly totals: readonly (number | null)[];
	readonly currency: string | null;
	readonly currencies: readonly string[];
}

/** A cost in a sample is in millionths. */
const MICRO = 1_000_000;

/** One pool's samples in order of time, none twice. */
interface Series {
	readonly currency: string;
	readonly samples: Sample[];
}

/**
 * The history of pools, from the coarsest blocks that have what is asked for: some 16 rows a pool for 30 days. The newest minutes are from
 * what pools told last. Throws DatabaseUnavailable.
 */
export async function historyOf(db: D1Database, query: HistoryQuery, now: number): Promise<History> {
	const spans = spansOf(query, Math.floor(now / 1000));
	const [records, ...parts] = await Promise.all([
		readRecords(db),
		// From one stretch before on: what it ended with is what the first difference is to.
		...spans.map(({ level, from, to, step }) => readHistory(db, level, from - step, to, query.pool)),
	]);
	const rows: HistoryRow[] = parts.flat();
	for (const [object, { pool, currency, samples }] of Object.entries(records))
		if (query.pool === null || pool === query.pool) rows.push({ object, pool, currency, samples });
	const series = seriesOf(rows, query.to);
	const currencies = [...new Set([...series.values()].map(({ currency }) => currency))].filter((name) => name !== "").sort();
	const currency = query.currency ?? commonest(series);
	const cells = spans.flatMap(({ from, to, step }) => cellsOf(from, to, step));
	const sums = cells.map(() => query.metrics.map((): number | null => null));
	for (const one of series.values()) addUp(one, cells, query.metrics, currency, sums);
	const points = cells.map(({ at, seconds }, index) => ({ at, seconds, values: (sums[index] ?? []).map(rounded) }));
	const totals = query.metrics.map((metric, index) =>
		isGauge(metric) ? null : rounded(sums.reduce((sum, row) => sum + (row[index] ?? 0), 0)),
	);
	return { points, totals, currency, currencies };
}

/** Which part of the time is read at which distance, the oldest first: each as coarse as the points are, where finer samples are gone already coarser. */
export function spansOf({ from, to, step }: Pick<HistoryQuery, "from" | "to" | "step">, now: number) {
	const fitting = LEVELS.findLastIndex((level) => level.step <= step);
	const spans: { level: (typeof LEVELS)[number]; from: number; to: number; step: number }[] = [];
	let end = to;
	for (const level of LEVELS.slice(Math.max(0, fitting))) {
		const most = Math.max(step, level.step);
		const isLast = level === LEVELS.at(-1);
		// Whole stretches on either side of where one distance ends and the next begins.
		const coarser = LEVELS[LEVELS.indexOf(level) + 1]?.step ?? most;
		const oldest = isLast ? from : Math.max(from, Math.ceil((now - level.kept) / Math.max(most, coarser)) * Math.max(most, coarser));
		if (oldest < end) spans.unshift({ level, from: oldest, to: end, step: most });
		end = Math.min(end, oldest);
		if (end <= from) break;
	}
	return spans;
}

interface Cell {
	readonly at: number;
	readonly seconds: number;
}

function cellsOf(from: number, to: number, step: number): readonly Cell[] {
	const first = Math.floor(from / step);
	const count = Math.max(0, Math.ceil(to / step) - first);
	return Array.from({ length: count }, (_, index) => ({ at: (first + index) * step, seconds: step }));
}

function seriesOf(rows: readonly HistoryRow[], to: number): ReadonlyMap<string, Series> {
	const series = new Map<string, { currency: string; byTime: Map<number, Sample> }>();
	for (const { object, currency, samples } of rows) {
		const one = series.get(object) ?? { currency: "", byTime: new Map<number, Sample>() };
		if (currency !== "") one.currency = currency;
		for (const sample of samples) if ((sample[0] ?? 0) <= to) one.byTime.set(sample[0] ?? 0, sample);
		series.set(object, one);
	}
	return new Map(
		[...series].map(([object, { currency, byTime }]) => [
			object,
			{ currency, samples: [...byTime.values()].sort(([a = 0], [b = 0]) => a - b) },
		]),
	);
}

function commonest(series: ReadonlyMap<string, Series>): string | null {
	const counts = new Map<string, number>();
	for (const { currency, samples } of series.values())
		if (currency !== "") counts.set(currency, (counts.get(currency) ?? 0) + samples.length);
	return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0] ?? null;
}

/** Adds one pool's differences to the sums of all. */
function addUp(
	{ currency, samples }: Series,
	cells: readonly Cell[],
	metrics: readonly Metric[],
	wanted: string | null,
	sums: (number | null)[][],
): void {
	const indexes = metrics.map((metric) => FIRST_METRIC + METRICS.indexOf(metric));
	let next = 0;
	let before: Sample | null = null;
	// A pool whose memory was lost tells of less than it did before: until it has caught up, nothing is added twice.
	let highest: Sample | null = null;
	for (const [index, { at, seconds }] of cells.entries()) {
		let last: Sample | null = null;
		for (let sample = samples[next]; sample !== undefined; sample = samples[next]) {
			const stretch = stretchOf(sample[0] ?? 0, seconds) * seconds;
			if (stretch > at) break;
			before ??= sample;
			highest = sample.map((number, place) => Math.max(number, highest?.[place] ?? 0));
			next++;
			if (stretch < at) before = highest;
			else last = highest;
		}
		if (last === null || before === null) continue;
		const from: Sample = before;
		before = last;
		const observed = (last[1] ?? 0) - (from[1] ?? 0);
		const row = sums[index];
		if (row === undefined || last[0] === from[0]) continue;
		for (const [column, metric] of metrics.entries()) {
			if (metric === "cost" && (wanted === null || currency !== wanted)) continue;
			const place = indexes[column] ?? 0;
			const growth = (last[place] ?? 0) - (from[place] ?? 0);
			const value = !isGauge(metric) ? (metric === "cost" ? growth / MICRO : growth) : observed > 0 ? growth / observed : null;
			if (value !== null) row[column] = (row[column] ?? 0) + value;
		}
	}
}

/** Whether a metric is a mean of what there was, and not what was added. */
export function isGauge(metric: Metric): boolean {
	return (GAUGES as readonly string[]).includes(metric);
}

function rounded(value: number | null): number | null {
	return value === null ? null : Math.round(value * 1e6) / 1e6;
}
