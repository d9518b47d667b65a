/** What pools of one deployment do for each other: one stands in for what another cannot place, and one rate limit is all its account's. */

import type { Ms } from "./basics.ts";
import { ASSIST_MS } from "./limits.ts";
import { countKept, countReady, unsentOf } from "./proxies.ts";
import { record, table, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";
import type { State } from "./state.ts";
import type { Table } from "./table.ts";

/** What another pool asked for last, and when. */
export interface Assist {
	readonly count: number;
	readonly at: Ms;
}

export interface NeighbourFields {
	/** By the object of the pool that asked. One that is not renewed ends after {@link ASSIST_MS}. */
	readonly assists: Table<Assist>;
	/** Since when proxies are missing for which nothing was made; null: none are, or no other pool would stand in for them. */
	readonly unplacedSince: Ms | null;
	/** What the fallback was told last. */
	readonly asked: { readonly endpoint: string; readonly count: number; readonly at: Ms; readonly tries: number; readonly retryAt: Ms };
	/** Tells the accounts of one cloud apart by their credentials; empty: not known. */
	readonly accountKey: string;
	/** Until when calls rest, and for which window of the account's quota few are left, as the other pools of the account were told, or told. */
	readonly limitTold: { readonly until: Ms; readonly resetAt: Ms };
}

export const neighbourSlice: Slice<NeighbourFields> = {
	assists: shown(fact(table(record<Assist>({ count: value(0), at: value(0) })))),
	unplacedSince: fact(value<Ms | null>(null)),
	asked: shown(
		fact(record<NeighbourFields["asked"]>({ endpoint: value(""), count: value(0), at: value(0), tries: value(0), retryAt: value(0) })),
	),
	accountKey: shown(fact(value(""))),
	limitTold: fact(record<NeighbourFields["limitTold"]>({ until: value(0), resetAt: value(0) })),
};

/** How many proxies others want of this pool beside its own, and when that changes by itself. */
export function assisting({ assists }: State, now: Ms): { readonly count: number; readonly until: Ms } {
	let [count, until] = [0, Number.POSITIVE_INFINITY];
	for (const assist of assists.values()) {
		// One in the future was dated by a clock that was set back since.
		if (assist.at > now || assist.at + ASSIST_MS <= now) continue;
		count += assist.count;
		until = Math.min(until, assist.at + ASSIST_MS);
	}
	return { count, until };
}

/** Proxies of its own target for which nothing was made. */
export function unplaced(state: State): number {
	if (state.run !== "running" || state.spec.fallback === null) return 0;
	return Math.max(0, state.target - countKept(state) + unsentOf(state.proxies).length);
}

/**
 * How many proxies the fallback is to add. Once it has added some, they stay until so many of this pool's own are ready: what is on its way up
 * serves nobody yet. What it adds for others is never asked for again elsewhere, so that no chain of fallbacks has an end in itself.
 */
export function wantedOfFallback(state: State, now: Ms): number {
	if (state.run !== "running" || state.spec.fallback === null) return 0;
	const isDue = state.unplacedSince !== null && state.unplacedSince + state.spec.fallbackAfterSeconds * 1000 <= now;
	const lacking = isDue ? unplaced(state) : 0;
	const held = Math.min(askedOf(state), Math.max(0, state.target - countReady(state)));
	return Math.max(lacking, held);
}

/** How many the present fallback was asked for last. */
export function askedOf({ asked, spec }: State): number {
	return asked.endpoint === spec.fallback ? asked.count : 0;
}
