import { BACK_OFF, pauseMs } from "../model/breakers.ts";
import { withLog } from "../model/edit.ts";
import { ASSIST_RENEWAL_MS, ASSIST_SPACING_MS } from "../model/limits.ts";
import { told } from "../model/load.ts";
import { askedOf, wantedOfFallback } from "../model/neighbours.ts";
import type { AnyEffect } from "../planning/draft.ts";
import type { Room } from "./room.ts";

/** Tells another pool how many proxies it is to have beside its own. */
export interface AskAssist extends AnyEffect {
	readonly call: "assist";
	/** As the setting names it: an endpoint, or `provider/name`. */
	readonly endpoint: string;
	readonly count: number;
}

/** Null: it knows. A sentence where there is no such pool, or it can stand in for nobody. */
export const assist: Room<AskAssist, string | null> = {
	call: "assist",
	slot: "database",
	isMutating: false,
	subject: () => "assist",

	/** When what is wanted changes, and as long as something is, again before it would end by itself. */
	plan(draft) {
		const { state } = draft;
		const { fallback, fallbackAfterSeconds } = state.spec;
		if (fallback === null) return;
		if (state.unplacedSince !== null) draft.wake(state.unplacedSince + fallbackAfterSeconds * 1000);
		const count = wantedOfFallback(state, draft.now);
		const isSame = count === askedOf(state);
		if (isSame && count === 0) return;
		const { at, retryAt } = state.asked;
		// A last request in the future was dated by a clock that was set back since.
		const dueAt = at > draft.now ? 0 : at + (isSame ? ASSIST_RENEWAL_MS : ASSIST_SPACING_MS);
		if (draft.isDue(Math.max(dueAt, Math.min(retryAt, draft.now + ASSIST_RENEWAL_MS))))
			draft.call<AskAssist>({ call: "assist", endpoint: fallback, count });
	},

	isStillDue(state, { endpoint }) {
		return state.spec.fallback === endpoint;
	},

	done(state, { endpoint, count }, refusal, now) {
		if (refusal !== null) {
			const asked = { endpoint, count: 0, at: now, tries: 0, retryAt: now + BACK_OFF.invalid.firstMs };
			const after = { ...state, asked };
			return told(after, refusal) === after ? after : withLog(told(after, refusal), now, "WARNING", refusal);
		}
		const before = askedOf(state);
		const after = { ...state, asked: { endpoint, count, at: now, tries: 0, retryAt: 0 } };
		if (count === before) return after;
		return withLog(after, now, "WARNING", `${endpoint} stands in for ${count} of its proxies`);
	},

	failed(state, { endpoint }, _failure, now) {
		const tries = state.asked.tries + 1;
		const retryAt = now + pauseMs(BACK_OFF.proxy, tries, state.pool.object);
		return { ...state, asked: { ...state.asked, endpoint, count: askedOf(state), tries, retryAt } };
	},
};
