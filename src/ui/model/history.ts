/** How pools fared over time, for charts. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, done, type Schemas, sentenceOf } from "./api.ts";
import { isPoor, pay } from "./store.ts";

export type History = Schemas["History"];
export type Metric = Schemas["HistoryMetric"];

/** By the name that stands in the address; seconds. */
export const RANGES: readonly (readonly [name: string, seconds: number])[] = [
	["1h", 3_600],
	["24h", 86_400],
	["7d", 604_800],
	["30d", 2_592_000],
];
export const USUAL_RANGE = "24h";

const METRICS = "ready,wanted,connections,requests,errors,bytesIn,bytesOut,cost,outcomes,outcomesOk";
const EVERY_MS = 60_000;
const POOR_EVERY_MS = 900_000;

interface Kept {
	readonly history: History | null;
	readonly problem: string | null;
	readonly at: number;
}

const kept = signal<ReadonlyMap<string, Kept>>(new Map());

async function ask(key: string, pool: string | null, seconds: number): Promise<void> {
	const to = Math.floor(Date.now() / 1_000);
	const query = { metric: METRICS, from: String(to - seconds), to: String(to), ...(pool === null ? {} : { pool }) };
	let next: Kept;
	try {
		pay(1);
		next = { history: await done(api.GET("/history", { params: { query } })), problem: null, at: Date.now() };
	} catch (error) {
		next = { history: kept.peek().get(key)?.history ?? null, problem: sentenceOf(error), at: Date.now() };
	}
	kept.value = new Map([...kept.peek(), [key, next]]);
}

/** Asked anew once a minute, or as seldom as the tab's requests allow. Null: it is being asked. */
export function useHistory(pool: string | null, range: string): Kept | null {
	const seconds = RANGES.find(([name]) => name === range)?.[1] ?? 86_400;
	const key = `${pool ?? ""} ${range}`;
	useEffect(() => {
		const look = () => {
			if (document.visibilityState === "hidden") return;
			const age = Date.now() - (kept.peek().get(key)?.at ?? 0);
			// Of a month a point is hours: it does not change in a minute.
			const every = Math.max(isPoor() ? POOR_EVERY_MS : EVERY_MS, (seconds * 1_000) / 400);
			if (age >= every) void ask(key, pool, seconds);
		};
		look();
		const timer = setInterval(look, 10_000);
		return () => clearInterval(timer);
	}, [key]);
	return kept.value.get(key) ?? null;
}

/** One metric's values; counters as so much a second. */
export function series(history: History, metric: Metric): readonly (number | null)[] {
	const index = history.metrics.indexOf(metric);
	const isCounter = metric in history.totals;
	return history.points.map(({ values, seconds }) => {
		const value = values[index] ?? null;
		return value === null || !isCounter ? value : value / seconds;
	});
}

/** What share one counter's growth is of another's; null where neither grew. */
export function share(history: History, part: Metric, whole: Metric): readonly (number | null)[] {
	const [some, all] = [history.metrics.indexOf(part), history.metrics.indexOf(whole)];
	return history.points.map(({ values }) => (values[all] ? (values[some] ?? 0) / values[all] : null));
}
