import { BACK_OFF, pauseMs } from "../model/breakers.ts";
import { withLog } from "../model/edit.ts";
import { PRICE_MS } from "../model/limits.ts";
import { NEVER_ASKED } from "../model/money.ts";
import { factsOf, placeKey, placesIn, withPlaceFacts } from "../model/places.ts";
import { hasCloud } from "../model/proxies.ts";
import type { KnownPrice, Place, Price, State } from "../model/state.ts";
import type { AnyEffect } from "../planning/draft.ts";
import { isOpen, isRich, type Room } from "./room.ts";

/** Asks the cloud what one VM costs with these settings of the account in one place, once a day. */
export interface AskPrice extends AnyEffect {
	readonly call: "price";
	readonly account: string;
	/** Where; null: where the account says. */
	readonly place: Place | null;
}

/** VMs of settings that are so many changes old count at the present price. */
const KEPT_PRICES = 100;
/** ISO 4217 has three. */
const MOST_CURRENCY_CHARS = 8;

/** A price that is known stays in force while a newer one cannot be had. */
export const price: Room<AskPrice, Price> = {
	call: "price",
	slot: "call",
	isMutating: false,
	subject: () => "price",

	plan(draft) {
		const { state } = draft;
		if (!isPriceWanted(state) || !isRich(draft)) return;
		for (const place of placesIn(state)) {
			const key = placeKey(place);
			const known = state.money.prices.find((one) => one.account === state.account && one.place === key);
			// One that was asked for in the future was asked for before the clock was set back.
			const dueAt = known === undefined || known.askedAt > draft.now ? 0 : known.askedAt + PRICE_MS;
			if (!draft.isDue(Math.max(dueAt, factsOf(state, key).priceRetryAt))) continue;
			// One at a time.
			draft.call<AskPrice>({ call: "price", account: state.account, place });
			return;
		}
	},

	isStillDue(state, { account }, now) {
		return isOpen(state, now) && account === state.account && isPriceWanted(state);
	},

	done(state, { account, place }, answer, now) {
		const key = placeKey(place);
		const inUse = new Set([state.account]);
		for (const proxy of state.proxies.values()) inUse.add(proxy.account);
		const isThis = (known: KnownPrice) =>
			known.account === account && (known.place === key || (known.place === "" && state.spec.places.length <= 1));
		const others = state.money.prices.filter((known) => !isThis(known) && inUse.has(known.account)).slice(1 - KEPT_PRICES);
		const before = state.money.prices.find(isThis);
		const known = { ...answer, currency: answer.currency.slice(0, MOST_CURRENCY_CHARS), account, place: key, askedAt: now };
		const asked = withPlaceFacts(state, key, { priceTries: 0, priceRetryAt: 0 });
		const after = { ...asked, money: { ...state.money, prices: [...others, known], pricing: NEVER_ASKED } };
		const isSame = before?.hourly === answer.hourly && before.currency === answer.currency;
		const where = state.spec.places.length > 1 ? ` in ${key}` : "";
		return isSame ? after : withLog(after, now, "INFO", `a VM costs ${answer.hourly} ${answer.currency} an hour${where}`);
	},

	failed(state, { place }, failure, now) {
		const key = placeKey(place);
		const tries = factsOf(state, key).priceTries + 1;
		const why = `its price cannot be had: ${failure.message}`;
		// Whether the account itself is refused, other calls tell.
		const refusedAt = failure.kind === "auth" ? (state.money.pricing.refusedAt ?? now) : null;
		const retryAt = Math.max(now + pauseMs(BACK_OFF.price, tries, state.pool.object), failure.retryAt ?? 0);
		const asked = withPlaceFacts(state, key, { priceTries: tries, priceRetryAt: retryAt });
		const after = { ...asked, money: { ...state.money, pricing: { tries, retryAt, why, refusedAt } } };
		return tries === 1 ? withLog(after, now, "WARNING", `what a VM costs: ${why}`) : after;
	},
};

function isPriceWanted(state: State): boolean {
	return hasCloud(state) && state.account !== "" && state.suspended === null && state.run !== "removing";
}
