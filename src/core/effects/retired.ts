import { bounded } from "../model/bounds.ts";
import { withLog } from "../model/edit.ts";
import { PRICE_MS, RETIRED_RETRY_MS } from "../model/limits.ts";
import { factsOf, placeKey, placesIn, withPlaceFacts } from "../model/places.ts";
import { hasCloud } from "../model/proxies.ts";
import type { Place, State } from "../model/state.ts";
import type { AnyEffect } from "../planning/draft.ts";
import { isOpen, isRich, type Room } from "./room.ts";

/** Asks the cloud once a day whether it still has what the settings name in one place: before a create finds out. */
export interface AskRetired extends AnyEffect {
	readonly call: "retired";
	readonly account: string;
	readonly place: Place | null;
}

/** Sentences on what is gone; none where all is there, or the cloud's driver cannot tell. */
export const retired: Room<AskRetired, readonly string[]> = {
	call: "retired",
	slot: "call",
	isMutating: false,
	subject: () => "retired",

	plan(draft) {
		const { state } = draft;
		if (!isAsked(state) || !isRich(draft)) return;
		for (const place of placesIn(state)) {
			const { checkedAt } = factsOf(state, placeKey(place));
			// One that was asked for in the future was asked for before the clock was set back.
			if (checkedAt <= draft.now && !draft.isDue(checkedAt === 0 ? 0 : checkedAt + PRICE_MS)) continue;
			draft.call<AskRetired>({ call: "retired", account: state.account, place });
			return;
		}
	},

	isStillDue(state, { account }, now) {
		return isOpen(state, now) && account === state.account && isAsked(state);
	},

	done(state, { account, place }, found, now) {
		if (account !== state.account) return state;
		const key = placeKey(place);
		const gone = bounded(found.join("; "));
		const after = withPlaceFacts(state, key, { checkedAt: now, gone });
		return gone === "" || gone === factsOf(state, key).gone ? after : withLog(after, now, "WARNING", gone);
	},

	/** What is known stays; it is asked again in an hour. A role may leave catalogues out, which is said once: whether the account itself is refused, other calls tell. */
	failed(state, { place }, failure, now) {
		const key = placeKey(place);
		const after = withPlaceFacts(state, key, { checkedAt: now - PRICE_MS + RETIRED_RETRY_MS });
		const why = `whether the cloud still has what the settings name cannot be asked: ${failure.message}`;
		return factsOf(state, key).checkedAt === 0 ? withLog(after, now, "WARNING", why) : after;
	},
};

function isAsked(state: State): boolean {
	return hasCloud(state) && state.account !== "" && state.suspended === null && state.run === "running" && state.reconciledAt !== null;
}
