/** Asks the cloud what a VM costs, once a day. A price that is known stays in force while a newer one cannot be had. */

import { priceNow } from "./cost.ts";
import { hasCloud } from "./count.ts";
import type { Draft } from "./draft.ts";
import { withLog } from "./edit.ts";
import type { Event, Failure } from "./events.ts";
import { BACK_OFF, pauseMs } from "./gates.ts";
import { PRICE_MS } from "./limits.ts";
import type { Ms, State } from "./state.ts";

export function askPrice(draft: Draft): void {
	const { state } = draft;
	if (!isPriceWanted(state)) return;
	const known = state.money.prices.find((price) => price.account === state.account);
	// One that was asked for in the future was asked for before the clock was set back.
	const dueAt = known === undefined || known.askedAt > draft.now ? 0 : known.askedAt + PRICE_MS;
	if (draft.isDue(Math.max(dueAt, state.money.pricing.retryAt))) draft.call({ call: "price", account: state.account });
}

export function isPriceWanted(state: State): boolean {
	return hasCloud(state) && state.account !== "" && state.suspended === null && state.run !== "removing";
}

export function priced(state: State, { account, price }: Event & { on: "priced" }, now: Ms): State {
	const inUse = new Set([state.account, ...[...state.proxies.values()].map((proxy) => proxy.account)]);
	const others = state.money.prices.filter((known) => known.account !== account && inUse.has(known.account));
	const before = state.money.prices.find((known) => known.account === account);
	const known = { ...price, account, askedAt: now };
	const after = { ...state, money: { ...state.money, prices: [...others, known], pricing: { tries: 0, retryAt: 0, why: "" } } };
	const isSame = before?.hourly === price.hourly && before.currency === price.currency;
	return isSame ? after : withLog(after, now, "INFO", `a VM costs ${price.hourly} ${price.currency} an hour`);
}

export function pricingFailed(state: State, failure: Failure, now: Ms): State {
	const tries = state.money.pricing.tries + 1;
	const why = `its price cannot be had: ${failure.say}`;
	const retryAt = Math.max(now + pauseMs(BACK_OFF.price, tries, state.pool.object), failure.retryAt ?? 0);
	const after = { ...state, money: { ...state.money, pricing: { tries, retryAt, why } } };
	return tries === 1 ? withLog(after, now, "WARNING", `what a VM costs: ${why}`) : after;
}

/** Why no price is known, or null. */
export function whyUnpriced(state: State): string | null {
	const { why } = state.money.pricing;
	return priceNow(state) === null && why !== "" ? why : null;
}
