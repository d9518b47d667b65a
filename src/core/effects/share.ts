import { RATE_RESERVE } from "../model/limits.ts";
import type { Ms, Rate, State } from "../model/state.ts";
import type { AnyEffect } from "../planning/draft.ts";
import type { Room } from "./room.ts";

/** Tells the other pools of the account what a cloud said of its rate limit: one that goes on calling would keep it closed for all. */
export interface ShareLimit extends AnyEffect {
	readonly call: "share";
	readonly account: string;
	/** Until when calls rest; one that has come: they do not. */
	readonly until: Ms;
	/** What is left of the quota, where that is so little that it is kept for deletes. */
	readonly rate: Rate | null;
}

/** A hint: a pool that is not reached learns it from the cloud itself, by one call that is refused. */
export const share: Room<ShareLimit, null> = {
	call: "share",
	slot: "database",
	isMutating: false,
	subject: () => "share",

	plan(draft) {
		const { state, now } = draft;
		const { until } = state.breakers.rate;
		const isOpen = until > now && until > state.limitTold.until;
		const rate = scarce(state, now);
		const isScarce = rate !== null && rate.resetAt > state.limitTold.resetAt;
		if (state.accountKey === "" || !(isOpen || isScarce)) return;
		draft.call<ShareLimit>({ call: "share", account: state.accountKey, until, rate });
	},

	isStillDue(state, { until, rate }) {
		return until > state.limitTold.until || (rate?.resetAt ?? 0) > state.limitTold.resetAt;
	},

	done: withTold,
	failed: withTold,
};

function scarce({ rate }: State, now: Ms): Rate | null {
	return rate !== null && rate.resetAt > now && rate.remaining < rate.limit * RATE_RESERVE ? rate : null;
}

function withTold(state: State, { until, rate }: ShareLimit): State {
	const { limitTold } = state;
	return { ...state, limitTold: { until: Math.max(limitTold.until, until), resetAt: Math.max(limitTold.resetAt, rate?.resetAt ?? 0) } };
}
