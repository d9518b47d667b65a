/** What is known of the pool's row in the directory, applied. */

import { CLOSED } from "../model/breakers.ts";
import { spentHourly } from "../model/cost.ts";
import { withLog } from "../model/edit.ts";
import { isAlike, type Ms, type State } from "../model/state.ts";

/** What cron saw of the pool in the directory: its row's version, or that there is none, and then the endpoint names that it had. */
export type Seen = { readonly is: "there"; readonly version: number } | { readonly is: "missing"; readonly names: readonly string[] };

/** With a budget that is shared, nothing is launched for so long after a pool was entered again: by then cron has told every other one, and each holds its part. */
export const SETTLING_MS = 90_000;

/** What cron saw. */
export function withSeen(state: State, seen: Seen, now: Ms): State {
	return seen.is === "missing" ? withUnlisted(state, seen.names, now) : withVersion(state, seen.version, now);
}

/** The directory has no row of this pool. */
export function withUnlisted(state: State, names: readonly string[], now: Ms): State {
	const { listing } = state;
	// It takes its own row away.
	if (state.leaving || state.forgotten) return state;
	if (listing.unlistedAt !== null) {
		return names.length === 0 || isAlike(names, listing.names) ? state : { ...state, listing: { ...listing, names } };
	}
	const after = { ...state, listing: { ...listing, unlistedAt: now, names, taken: "", behind: -1 } };
	return withLog(after, now, "ERROR", "the directory (D1) has lost this pool: nothing is launched until it is entered again");
}

/**
 * The version that the directory showed. One that is behind twice, and has not moved on, is an older copy: what it shows is published anew. (Seen once,
 * it may only have been read before the last publication.)
 */
function withVersion(state: State, version: number, now: Ms): State {
	const { listing, published } = state;
	if (version > published.version) return withLater(state, version, now);
	const behind = version < published.version ? version : -1;
	if (behind < 0 || behind !== listing.behind) return behind === listing.behind ? state : { ...state, listing: { ...listing, behind } };
	const after = withDirectoryDoubted({ ...state, listing: { ...listing, behind: -1 } }, now);
	return withLog(after, now, "WARNING", "the directory (D1) shows an older state of this pool: it is published anew");
}

/**
 * The directory shows a later version than this pool has ever published: a state of it that could not be read did so, or its own storage is an
 * older copy. What it publishes and logs from now on is later than that.
 */
function withLater(state: State, version: number, now: Ms): State {
	const breakers = { ...state.breakers, publish: CLOSED };
	const after = withDirectoryDoubted(
		{ ...state, breakers, published: { ...state.published, version }, logSeq: Math.max(state.logSeq, now) },
		now,
	);
	return withLog(after, now, "WARNING", "the directory (D1) shows a later state of this pool than is stored: it is published anew");
}

/** It is in the directory again; nothing else of it is. */
export function withEntered(state: State, now: Ms): State {
	const { listing } = state;
	const entered = { ...listing, unlistedAt: null, names: [], taken: "", enteredAt: now, behind: -1 };
	return withLog(withDirectoryDoubted({ ...state, listing: entered }, now), now, "WARNING", "entered into the directory (D1) again");
}

/** Whatever D1 was known to hold is to be written anew: what is shown, and the pool's part of the budget. */
function withDirectoryDoubted(state: State, now: Ms): State {
	const { money, published } = state;
	const hourly = Math.min(money.allotment.hourly, spentHourly(state, now));
	const allotment = { ...money.allotment, hourly, isSettled: false, isRefused: false, tries: 0, retryAt: 0 };
	return { ...state, published: { ...published, hash: "" }, money: { ...money, allotment } };
}

/** Until when nothing is launched for want of a place in the directory. */
export function unlistedUntil({ listing, money }: State): Ms {
	if (listing.unlistedAt !== null) return Number.POSITIVE_INFINITY;
	return money.budget === null || listing.enteredAt === 0 ? 0 : listing.enteredAt + SETTLING_MS;
}
