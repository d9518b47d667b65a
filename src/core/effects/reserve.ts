import { unlistedUntil } from "../facts/listing.ts";
import { BACK_OFF, pauseMs } from "../model/breakers.ts";
import { priceNow, spentHourly } from "../model/cost.ts";
import { ALLOTMENT_RETURN_MS, LOST_RESULT_MS } from "../model/limits.ts";
import { hasCloud } from "../model/proxies.ts";
import type { Allotment, Price, State } from "../model/state.ts";
import { fits, totalBound } from "../planning/budget.ts";
import type { AnyEffect } from "../planning/draft.ts";
import type { Room } from "./room.ts";

/** Has D1 hold `hold` of the deployment's budget for this pool, and up to `count` times `price` more as far as `bound` allows. */
export interface Reserve extends AnyEffect {
	readonly call: "reserve";
	readonly version: number;
	readonly currency: string;
	readonly hold: number;
	readonly price: number;
	readonly count: number;
	readonly bound: number;
}

/** D1 holds this much for the pool; `isRefused`: less than was asked for. `isOver`: see {@link Allotment}. */
export interface Reserved {
	readonly hourly: number;
	readonly isRefused: boolean;
	readonly isOver: boolean;
}

export const reserve: Room<Reserve, Reserved> = {
	call: "reserve",
	slot: "database",
	isMutating: true,
	subject: () => "reserve",

	plan(draft) {
		const { state } = draft;
		const { allotment } = state.money;
		const price = priceNow(state);
		const bound = price === null ? null : totalBound(state, price);
		if (price === null || bound === null || !hasCloud(state) || state.listing.unlistedAt !== null) return;
		const hold = spentHourly(state, draft.now);
		const count = draft.lacking > 0 && draft.isDue(unlistedUntil(state)) && mayAsk(state, hold, price, bound) ? draft.lacking : 0;
		if (count === 0 && allotment.isSettled && fits(hold, allotment.hourly)) {
			// What is not needed any more goes back, but not in the very moment in which a replacement may need it again.
			if (fits(allotment.hourly, hold) || !draft.isDue(allotment.at + ALLOTMENT_RETURN_MS)) return;
		}
		// What has become free since the refusal may be had at once.
		const isFreed = allotment.isRefused && count > 0 && !fits(allotment.refusedAtHourly, hold);
		if (!isFreed && !draft.isDue(allotment.retryAt)) return;
		const { currency, hourly } = price;
		const each = draft.lacking > 0 ? draft.lackingHourly : hourly;
		draft.call<Reserve>({ call: "reserve", version: allotment.version + 1, currency, hold, price: each, count, bound });
	},

	isStillDue(state, { version }) {
		return version === state.money.allotment.version + 1;
	},

	/** Until D1 answers the pool may count on no more than what it has; D1 never holds less, whether this request arrives or not. */
	sent(state, { version, hold }, now) {
		const { allotment } = state.money;
		return withAllotment(state, {
			...allotment,
			version,
			hourly: usableUntilAnswered(allotment, hold),
			isSettled: false,
			retryAt: now + LOST_RESULT_MS,
		});
	},

	done(state, { version, hold }, { hourly, isOver, isRefused }, now) {
		const { allotment } = state.money;
		if (version !== allotment.version) return state;
		const tries = isRefused ? allotment.tries + 1 : 0;
		const retryAt = isRefused ? now + pauseMs(BACK_OFF.allotment, tries, state.pool.object) : 0;
		return withAllotment(state, {
			...allotment,
			hourly,
			isOver,
			isRefused,
			refusedAtHourly: hold,
			isSettled: true,
			at: now,
			tries,
			retryAt,
			why: "",
		});
	},

	failed(state, _effect, failure, now) {
		const { allotment } = state.money;
		const tries = allotment.tries + 1;
		const why = `no part of the deployment's MAX_HOURLY_COST can be reserved: ${failure.message}`;
		return withAllotment(state, { ...allotment, tries, retryAt: now + pauseMs(BACK_OFF.allotment, tries, state.pool.object), why });
	},
};

/** What of a part may be used while a request to hold `hold` is under way. */
export function usableUntilAnswered(allotment: Allotment, hold: number): number {
	return Math.min(allotment.hourly, hold);
}

/** After a refusal D1 is asked again once the others' parts, as far as is known, leave room: a question costs a row written. */
function mayAsk({ money: { allotment }, allotted }: State, hold: number, { hourly, currency }: Price, bound: number): boolean {
	if (!allotment.isRefused || allotted === null) return true;
	const others = Math.max(0, (allotted[currency] ?? 0) - allotment.hourly);
	return fits(others + hold + hourly, bound);
}

function withAllotment(state: State, allotment: Allotment): State {
	return { ...state, money: { ...state.money, allotment } };
}
