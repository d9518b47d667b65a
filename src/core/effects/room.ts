/**
 * An effect is a room: one file says all that the core knows of it. `index.ts` lists the rooms in the order of a pass; what carries
 * an effect out in the world stands beside the others of its kind in `src/calls`.
 */

import { BACK_OFF, type BreakerName, opened } from "../model/breakers.ts";
import { withBreaker, withBreakerOpened } from "../model/edit.ts";
import type { Failure } from "../model/failure.ts";
import { RATE_RESERVE } from "../model/limits.ts";
import type { Id, Ms, State } from "../model/state.ts";
import type { AnyEffect, Draft } from "../planning/draft.ts";

/**
 * What a call occupies while it is under way. Calls that are slow, or wait for silence, must not hold up the others:
 * - `create`: makes or changes VMs, and may hang for as long as a create's deadline.
 * - `call`: any other call to the provider.
 * - `probe`: one connection to a proxy, answered within its deadline.
 * - `database`: D1, or another pool; takes none of the six outbound connections.
 */
export type Slot = "create" | "call" | "probe" | "database";

export interface Room<Effect extends AnyEffect, Result> {
	readonly call: Effect["call"];
	readonly slot: Slot;
	/** It changes the world outside: that it goes out is stored before, which also fences an instance that a deploy has superseded. */
	readonly isMutating: boolean;
	/** A boot token is minted for it, whose hash is stored with `sent`. */
	readonly mintsToken?: true;
	/** What it is about; of one thing one call at a time is under way. */
	subject(effect: Effect): string;
	/** Plans what is due now, and sees to it that the pool looks again when the next falls due. */
	plan(draft: Draft): void;
	/** Whether it is still wanted when its turn comes: what went out before it may have changed that. */
	isStillDue(state: State, effect: Effect, now: Ms): boolean;
	/** It goes out now. Only of what is mutating. */
	sent?(state: State, effect: Effect, now: Ms, tokenHash: string | null): State;
	/** It was done; `startedAt` is when it went out. */
	done(state: State, effect: Effect, result: Result, now: Ms, startedAt: Ms): State;
	failed(state: State, effect: Effect, failure: Failure, now: Ms): State;
}

/** What concerns one proxy. */
export interface OfProxy extends AnyEffect {
	readonly id: Id;
}

export const itsProxy = ({ id }: OfProxy): string => id;

/** Whether calls may go to the provider: neither a rate limit nor refused credentials keep them back. */
export function isReachable(draft: Draft): boolean {
	const { breakers } = draft.state;
	return draft.isDue(breakers.rate.until) && draft.isDue(breakers.auth.until);
}

/** As {@link isReachable}, when a call's turn comes. */
export function isOpen({ breakers }: State, now: Ms): boolean {
	return breakers.rate.until <= now && breakers.auth.until <= now;
}

/** The account's quota is shared by pools: its last quarter is kept for deletes and finds. */
export function hasQuota(draft: Draft): boolean {
	const { rate } = draft.state;
	return rate === null || rate.remaining >= rate.limit * RATE_RESERVE || draft.isDue(rate.resetAt);
}

/** Whether calls may go out that can wait. */
export function isRich(draft: Draft): boolean {
	return isReachable(draft) && hasQuota(draft);
}

/** The provider answered a call: its breakers start anew. */
export function answered(state: State, now: Ms, also?: BreakerName): State {
	const after = withBreakerOpened(withBreakerOpened(state, "rate", now), "auth", now);
	return also === undefined ? after : withBreakerOpened(after, also, now);
}

/** What a failure says of the account, whatever the call was. A key that may make VMs and not read catalogues is a good one. */
export function refusedByAccount(state: State, { call }: AnyEffect, failure: Failure, now: Ms, begunAt: Ms): State {
	const seed = state.pool.object;
	if (failure.kind === "auth" && call !== "price" && call !== "retired") {
		const why = `the provider refuses our credentials: ${failure.message}`;
		return withBreaker(state, "auth", opened(state.breakers.auth, { why, backOff: BACK_OFF.auth, begunAt, seed }, now), now, "ERROR");
	}
	if (failure.kind !== "rate") return state;
	const why = `the provider limits our rate: ${failure.message}`;
	const breaker = opened(state.breakers.rate, { why, backOff: BACK_OFF.rate, begunAt, notBefore: failure.retryAt, seed }, now);
	// Several calls of one burst may name different times: the latest counts.
	return withBreaker(state, "rate", { ...breaker, until: Math.max(breaker.until, state.breakers.rate.until) }, now, "WARNING");
}
