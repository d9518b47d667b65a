/**
 * Proxies that operators destroy: each leaves at once, and so many of their successors are launched in an hour. Those that are replaced for their bans
 * count with them.
 */
import type { Ms } from "./basics.ts";
import { list, record, value } from "./shape.ts";
import { fact, type Slice } from "./slice.ts";
import type { State } from "./state.ts";

/** How many were destroyed in the minute that begins then. */
export interface Destroys {
	readonly at: Ms;
	readonly count: number;
}

export interface ReplacementFields {
	/** Of the last hour, the newest last. */
	readonly destroys: readonly Destroys[];
}

export const replacementSlice: Slice<ReplacementFields> = {
	destroys: fact(list(record<Destroys>({ at: value(0), count: value(0) }))),
};

const MINUTE: Ms = 60_000;
const WINDOW_MS: Ms = 60 * MINUTE;
/** Replacing a small pool once, whole, is no mistake. */
const LEAST_REPLACEMENTS = 6;

/** The state once an operator has destroyed a proxy that may cost money, or one is replaced for its bans. */
export function withDestroy(state: State, now: Ms): State {
	const minute = Math.floor(now / MINUTE) * MINUTE;
	const others = recent(state, now).filter(({ at }) => at !== minute);
	const count = 1 + (state.destroys.find(({ at }) => at === minute)?.count ?? 0);
	return { ...state, destroys: [...others, { at: minute, count }] };
}

/** How many destroyed proxies may be replaced in an hour: what the settings say, else six, or twice the target. */
export function replacementLimit({ spec, target }: Pick<State, "spec" | "target">): number {
	return spec.maxReplacementsPerHour ?? Math.max(LEAST_REPLACEMENTS, 2 * target);
}

/** How many of the destroyed have to wait for their successors, and when that may change. */
export function waitingReplacements(state: State, now: Ms): { readonly count: number; readonly until: Ms } {
	const counted = recent(state, now);
	const destroyed = counted.reduce((sum, { count }) => sum + count, 0);
	return { count: Math.max(0, destroyed - replacementLimit(state)), until: leavesAt(counted[0]?.at ?? now) };
}

/** How many more may be replaced now, by an operator's order or of the pool's own accord. */
export function replacementsLeft(state: State, now: Ms): number {
	return Math.max(0, replacementLimit(state) - recent(state, now).reduce((sum, { count }) => sum + count, 0));
}

/** Why successors wait. Without numbers that change with each destroy: it is logged once. */
export function sayWaiting(state: State): string {
	const limit = replacementLimit(state);
	return `more proxies were destroyed within an hour than may be replaced in one (MAX_REPLACEMENTS_PER_HOUR: ${limit}): successors wait until those destroys are an hour old, or the pool is started again`;
}

function recent({ destroys }: State, now: Ms): readonly Destroys[] {
	// What lies in the future was dated by a clock that was set back since.
	return destroys.filter(({ at }) => at <= now && now < leavesAt(at));
}

const leavesAt = (minute: Ms): Ms => minute + MINUTE + WINDOW_MS;
