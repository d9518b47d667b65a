import { withLog } from "../model/edit.ts";
import { BACK_OFF, pauseMs } from "../model/gates.ts";
import { PRICE_MS } from "../model/limits.ts";
import { NEVER_ASKED } from "../model/money.ts";
import { hasCloud } from "../model/proxies.ts";
import type { Price, State } from "../model/state.ts";
import type { AnyEffect } from "../planning/draft.ts";
import { isOpen, isRich, type Room } from "./room.ts";

/** Asks the cloud what one VM costs with these settings of the account, once a day. */
export interface AskPrice extends AnyEffect {
	readonly call: "price";
	readonly account: string;
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
		const known = state.money.prices.find((one) => one.account === state.account);
		// One that was asked for in the future was asked for before the clock was set back.
		const dueAt = known === undefined || known.askedAt > draft.now ? 0 : known.askedAt + PRICE_MS;
		if (draft.isDue(Math.max(dueAt, state.money.pricing.retryAt))) draft.call<AskPrice>({ call: "price", account: state.account });
	},

	isStillDue(state, { account }, now) {
		return isOpen(state, now) && account === state.account && isPriceWanted(state);
	},

	done(state, { account }, answer, now) {
		const inUse = new Set([state.account]);
		for (const proxy of state.proxies.values()) inUse.add(proxy.account);
		const others = state.money.prices.filter((known) => known.account !== account && inUse.has(known.account)).slice(1 - KEPT_PRICES);
		const before = state.money.prices.find((known) => known.account === account);
		const known = { ...answer, currency: answer.currency.slice(0, MOST_CURRENCY_CHARS), account, askedAt: now };
		const after = { ...state, money: { ...state.money, prices: [...others, known], pricing: NEVER_ASKED } };
		const isSame = before?.hourly === answer.hourly && before.currency === answer.currency;
		return isSame ? after : withLog(after, now, "INFO", `a VM costs ${answer.hourly} ${answer.currency} an hour`);
	},

	failed(state, _effect, failure, now) {
		const tries = state.money.pricing.tries + 1;
		const why = `its price cannot be had: ${failure.say}`;
		// Whether the account itself is refused, other calls tell.
		const refusedAt = failure.kind === "auth" ? (state.money.pricing.refusedAt ?? now) : null;
		const retryAt = Math.max(now + pauseMs(BACK_OFF.price, tries, state.pool.object), failure.retryAt ?? 0);
		const after = { ...state, money: { ...state.money, pricing: { tries, retryAt, why, refusedAt } } };
		return tries === 1 ? withLog(after, now, "WARNING", `what a VM costs: ${why}`) : after;
	},
};

function isPriceWanted(state: State): boolean {
	return hasCloud(state) && state.account !== "" && state.suspended === null && state.run !== "removing";
}
