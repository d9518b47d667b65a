/**
 * The bounds on cost: whether another VM fits, and the part of the deployment's budget that the pool holds for its VMs. Pools know nothing of
 * each other, so that each has D1 hold what it needs before it launches (one conditional write), and gives back what it needs no more.
 */
import { priceAt, priceNow, spentHourly } from "../model/cost.ts";
import { unsentOf } from "../model/proxies.ts";
import type { Ms, Place, Price, State } from "../model/state.ts";
import type { Draft } from "./draft.ts";

/** Sums of decimal fractions are off by less. */
const EPSILON = 1e-9;

/** Whether an amount is within a bound; null: there is none. */
export const fits = (amount: number, bound: number | null): boolean => bound === null || amount <= bound + EPSILON;

/** How many VMs more of these prices an amount is good for, the first of them first. */
function howMany(amount: number, prices: readonly (Price | null)[]): number {
	let left = amount;
	for (const [count, price] of prices.entries()) {
		left -= price?.hourly ?? Number.POSITIVE_INFINITY;
		if (left < -EPSILON) return count;
	}
	return prices.length;
}

/** Null where one of them is not known. */
function dearestOf(prices: readonly (Price | null)[]): Price | null {
	let dearest: Price | null = null;
	for (const price of prices) {
		if (price === null) return null;
		if (dearest === null || price.hourly > dearest.hourly) dearest = price;
	}
	return dearest;
}

/** What the deployment may spend in the pool's currency; null: whatever it takes. */
export function totalBound({ money: { budget } }: State, { currency }: Price): number | null {
	return budget === null || typeof budget === "number" ? budget : (budget[currency] ?? 0);
}

/**
 * How many of the VMs that are wanted in these places, the first of them first, the bounds on cost have room for, and, in the draft, how many of them wait for a part of the budget and
 * what keeps them from being launched. With a bound and no price there is room for none.
 */
export function affordable(draft: Draft, places: readonly (Place | null)[]): number {
	const { state } = draft;
	const { money, spec } = state;
	const { allotment } = money;
	const wanted = places.length;
	if (wanted === 0 || (spec.maxHourlyCost === null && money.budget === null)) return wanted;
	const prices = places.map((place) => priceAt(state, place));
	const price = dearestOf(prices);
	if (price === null) {
		const why = money.pricing.why === "" ? "" : `: ${money.pricing.why}`;
		draft.held = `nothing is launched while its price is not known, since MAX_HOURLY_COST bounds it${why}`;
		return 0;
	}
	// What costs nothing fits whatever is spent, and needs no part of the budget.
	if (price.hourly === 0) return wanted;
	const spent = spentHourly(state, draft.now);
	for (const { until } of money.charges) draft.wake(until);
	const own = spec.maxHourlyCost === null ? wanted : howMany(spec.maxHourlyCost - spent, prices);
	if (own < wanted) draft.held = sentence("its own MAX_HOURLY_COST", spec.maxHourlyCost ?? 0, price);
	const total = totalBound(state, price);
	if (total === null || own === 0) return own;
	const allotted = allotment.isOver ? 0 : Math.min(own, howMany(allotment.hourly - spent, prices));
	draft.lacking = own - allotted;
	draft.lackingHourly = price.hourly;
	if (draft.lacking > 0 && allotment.isRefused) draft.held = sentence("the deployment's MAX_HOURLY_COST", total, price);
	else if (draft.lacking > 0 && allotment.tries > 0) draft.held = allotment.why;
	return allotted;
}

function sentence(which: string, bound: number, { hourly, currency }: Price): string {
	return `${which} of ${bound} ${currency} has no room for another VM at ${hourly}`;
}

/** Whether nothing bounds what VMs cost, or it is known what one costs in this place. */
export function isPriced(state: State, place: Place | null): boolean {
	return (state.spec.maxHourlyCost === null && state.money.budget === null) || priceAt(state, place) !== null;
}

/** Whether what the pool has stored as intents may be launched. An amount that VMs exceed already has no room for any. */
export function isWithinBounds(state: State, now: Ms): boolean {
	const { money, spec } = state;
	if (spec.maxHourlyCost === null && money.budget === null) return true;
	const price = priceNow(state);
	if (price === null) return false;
	if (price.hourly === 0) return true;
	const spent = spentHourly(state, now);
	const isAllotted = totalBound(state, price) === null || (!money.allotment.isOver && fits(spent, money.allotment.hourly));
	return isAllotted && fits(spent, spec.maxHourlyCost);
}

/** Intents that were not sent are taken back as long as they do not fit: a bound was lowered, or a price has risen. */
export function takeBackUnaffordable(draft: Draft): void {
	// Without a price they wait.
	if (priceNow(draft.state) === null) return;
	for (const proxy of unsentOf(draft.state.proxies)) {
		if (isWithinBounds(draft.state, draft.now)) return;
		draft.remove(proxy.id);
	}
}

/** What keeps VMs from being launched is said once. A refusal is old once nothing is wanted: the next want is a new question. */
export function noteHeld(draft: Draft): void {
	const { money } = draft.state;
	const { allotment } = money;
	if (draft.lacking === 0 && allotment.isRefused) {
		draft.state = { ...draft.state, money: { ...money, allotment: { ...allotment, isRefused: false, tries: 0, retryAt: 0 } } };
	}
	if (draft.held === money.held) return;
	draft.state = { ...draft.state, money: { ...draft.state.money, held: draft.held } };
	if (draft.held !== null) draft.message("WARNING", draft.held);
}

/** What a plan must never do: add a VM that the bounds have no room for. */
export function overspend(before: State, after: State, now: Ms): string | null {
	if (after.proxies.size <= before.proxies.size || isWithinBounds(after, now)) return null;
	return `VMs for ${spentHourly(after, now)} an hour would be billed, which is more than the bounds on cost allow`;
}
