/** The stream of what happened in all pools. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, done, type Schemas, sentenceOf } from "./api.ts";
import { type Pages, withNewest, withOlder } from "./pages.ts";
import { isPoor, pay, state } from "./store.ts";

export type Event = Schemas["Event"];
export type Severity = Event["severity"];

interface Page extends Pages<Event> {
	readonly problem: string | null;
	readonly at: number;
}

const EVERY_MS = 30_000;
const POOR_EVERY_MS = 900_000;
const MOST = 50;
const kept = signal<ReadonlyMap<string, Page>>(new Map());

interface Wanted {
	readonly pool: string;
	readonly severity: string;
}

function keyOf({ pool, severity }: Wanted): string {
	return `${pool} ${severity}`;
}

async function ask(wanted: Wanted, before: string | null = null): Promise<void> {
	const key = keyOf(wanted);
	const query = {
		limit: MOST,
		...(wanted.pool === "" ? {} : { pool: wanted.pool }),
		...(wanted.severity === "" ? {} : { severity: wanted.severity as Severity }),
		...(before === null ? {} : { before }),
	};
	const known = () => kept.peek().get(key) ?? { entries: [], previous: null };
	const keep = (pages: Pages<Event>, problem: string | null) => {
		const { entries, previous } = pages;
		kept.value = new Map([...kept.peek(), [key, { entries, previous, problem, at: Date.now() }]]);
	};
	try {
		pay(1);
		const { events, previous } = await done(api.GET("/events", { params: { query } }));
		const page = { entries: [...events].reverse(), previous };
		keep(before === null ? withNewest(known(), page) : withOlder(known(), page, before), null);
	} catch (error) {
		keep(known(), sentenceOf(error));
	}
}

/** What happened, and how to have older ones. Null: it is being asked. */
export function useEvents(wanted: Wanted): { readonly page: Page | null; readonly older: () => void } {
	const key = keyOf(wanted);
	useEffect(() => {
		const look = () => {
			if (document.visibilityState === "hidden") return;
			const age = Date.now() - (kept.peek().get(key)?.at ?? 0);
			if (age >= (isPoor() ? POOR_EVERY_MS : EVERY_MS)) void ask(wanted);
		};
		look();
		const timer = setInterval(look, 10_000);
		return () => clearInterval(timer);
	}, [key]);
	// Whatever changes a pool is an event as well.
	const fleet = state.value?.pools.map(({ endpoint, ready, wanted, state }) => `${endpoint} ${ready} ${wanted} ${state}`).join() ?? "";
	useEffect(() => {
		if ((kept.peek().get(key)?.at ?? 0) > 0 && !isPoor()) void ask(wanted);
	}, [fleet]);
	const page = kept.value.get(key) ?? null;
	return { page, older: () => void ask(wanted, page?.previous ?? null) };
}

/** What charts are marked with. */
const MARKED: readonly Event["kind"][] = ["scaled", "configured", "run", "breaker_opened", "breaker_closed", "budget_reached", "deployed"];
const MOST_MARKS = 200;

export interface Mark {
	/** Milliseconds since the epoch. */
	readonly at: number;
	readonly says: string;
}

interface Marked {
	readonly events: readonly Event[];
	readonly at: number;
}
const marked = signal<ReadonlyMap<number, Marked>>(new Map());

async function askMarks(seconds: number): Promise<void> {
	const since = String(Math.floor(Date.now() / 1_000) - seconds);
	pay(1);
	const events = await done(api.GET("/events", { params: { query: { since, kind: MARKED.join(), limit: MOST_MARKS } } })).then(
		(answer) => answer.events,
		// Charts are charts without their marks.
		() => marked.peek().get(seconds)?.events ?? [],
	);
	marked.value = new Map([...marked.peek(), [seconds, { events, at: Date.now() }]]);
}

/** Where a pool (null: any), or all of Muster, was changed or held back within that time. */
export function useMarks(pool: string | null, seconds: number): readonly Mark[] {
	useEffect(() => {
		const age = Date.now() - (marked.peek().get(seconds)?.at ?? 0);
		if (age >= (isPoor() ? POOR_EVERY_MS : EVERY_MS)) void askMarks(seconds);
	}, [seconds, pool, state.value?.pools.map(({ wanted, state: run }) => `${wanted} ${run}`).join()]);
	const events = marked.value.get(seconds)?.events ?? [];
	return events
		.filter((event) => event.pool === null || pool === null || event.pool === pool)
		.map(({ at, text, pool: of }) => ({ at: Date.parse(at), says: pool === null && of !== null ? `${of}: ${text}` : text }));
}
