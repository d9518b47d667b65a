/**
 * The bounds on cost: whether another VM fits, and the part of the deployment's budget that the pool holds for its VMs. Pools know nothing of
 * each other, so that each has D1 hold what it needs before it launches (one conditional write), and gives back what it needs no more.
 */
import { priceNow, spentHourly } from "./cost.ts";
import { hasCloud } from "./count.ts";
import type { Draft } from "./draft.ts";
import { withLog } from "./edit.ts";
import type { Effect, Event, Failure } from "./events.ts";
import { BACK_OFF, pauseMs } from "./gates.ts";
import { LEASE_RETURN_MS, LOST_RESULT_MS } from "./limits.ts";
import type { Budget, Lease, Ms, Price, State } from "./state.ts";

/** Sums of decimal fractions are off by less. */
const EPSILON = 1e-9;

const fits = (amount: number, bound: number | null): boolean => bound === null || amount <= bound + EPSILON;

/** How many VMs more an amount is good for. */
function howMany(amount: number, { hourly }: Price): number {
	return hourly === 0 ? Number.POSITIVE_INFINITY : Math.floor(amount / hourly + EPSILON);
}

/** What the deployment may spend in the pool's currency; null: whatever it takes. */
function totalBound({ money: { budget } }: State, { currency }: Price): number | null {
	return budget === null || typeof budget === "number" ? budget : (budget[currency] ?? 0);
}

/**
 * How many of so many wanted VMs the bounds on cost have room for, and, in the draft, how many of them wait for a part of the budget and
 * what keeps them from being launched. With a bound and no price there is room for none.
 */
export function affordable(draft: Draft, wanted: number): number {
	const { state } = draft;
	const { money, spec } = state;
	const { lease } = money;
	if (wanted <= 0 || (spec.maxHourlyCost === null && money.budget === null)) return wanted;
	const price = priceNow(state);
	if (price === null) {
		const why = money.pricing.why === "" ? "" : `: ${money.pricing.why}`;
		draft.held = `nothing is launched while its price is not known, since MAX_HOURLY_COST bounds it${why}`;
		return 0;
	}
	const spent = spentHourly(state, draft.now);
	for (const { until } of money.charges) draft.wake(until);
	const own = spec.maxHourlyCost === null ? wanted : Math.max(0, Math.min(wanted, howMany(spec.maxHourlyCost - spent, price)));
	if (own < wanted) draft.held = sentence("its own MAX_HOURLY_COST", spec.maxHourlyCost ?? 0, price);
	const total = totalBound(state, price);
	if (total === null || own === 0) return own;
	const leased = lease.isOver ? 0 : Math.max(0, Math.min(own, howMany(lease.hourly - spent, price)));
	draft.lacking = own - leased;
	if (draft.lacking > 0 && lease.isRefused) draft.held = sentence("the deployment's MAX_HOURLY_COST", total, price);
	else if (draft.lacking > 0 && lease.tries > 0) draft.held = lease.why;
	return leased;
}

function sentence(which: string, bound: number, { hourly, currency }: Price): string {
	return `${which} of ${bound} ${currency} has no room for another VM at ${hourly}`;
}

/** Whether what the pool has stored as intents may be launched. An amount that VMs exceed already has no room for any. */
export function isWithinBounds(state: State, now: Ms): boolean {
	const { money, spec } = state;
	if (spec.maxHourlyCost === null && money.budget === null) return true;
	const price = priceNow(state);
	if (price === null) return false;
	const spent = spentHourly(state, now);
	const isLeased = totalBound(state, price) === null || (!money.lease.isOver && fits(spent, money.lease.hourly));
	return isLeased && fits(spent, spec.maxHourlyCost);
}

/** Intents that were not sent are taken back as long as they do not fit: a bound was lowered, or a price has risen. */
export function takeBackUnaffordable(draft: Draft): void {
	// Without a price they wait.
	if (priceNow(draft.state) === null) return;
	for (const proxy of [...draft.proxies]) {
		if (proxy.phase.at !== "launching" || proxy.phase.sentAt !== null) continue;
		if (isWithinBounds(draft.state, draft.now)) return;
		draft.remove(proxy.id);
	}
}

/** What keeps VMs from being launched is said once. A refusal is old once nothing is wanted: the next want is a new question. */
export function noteHeld(draft: Draft): void {
	const { money } = draft.state;
	const { lease } = money;
	if (draft.lacking === 0 && lease.isRefused) {
		draft.state = { ...draft.state, money: { ...money, lease: { ...lease, isRefused: false, tries: 0, retryAt: 0 } } };
	}
	if (draft.held === money.held) return;
	draft.state = { ...draft.state, money: { ...draft.state.money, held: draft.held } };
	if (draft.held !== null) draft.say("WARNING", draft.held);
}

/** Has D1 hold more of the budget, or less. */
export function reserve(draft: Draft): void {
	const { state } = draft;
	const { lease } = state.money;
	const price = priceNow(state);
	const bound = price === null ? null : totalBound(state, price);
	if (price === null || bound === null || !hasCloud(state)) return;
	const hold = spentHourly(state, draft.now);
	const count = draft.lacking > 0 && mayAsk(state, hold, price, bound) ? draft.lacking : 0;
	if (count === 0 && lease.isSettled && fits(hold, lease.hourly)) {
		// What is not needed any more goes back, but not in the very moment in which a replacement may need it again.
		if (fits(lease.hourly, hold) || !draft.isDue(lease.at + LEASE_RETURN_MS)) return;
	}
	if (!draft.isDue(lease.retryAt)) return;
	draft.call({ call: "reserve", version: lease.version + 1, currency: price.currency, hold, price: price.hourly, count, bound });
}

/** After a refusal D1 is asked again once the others' parts, as far as is known, leave room: a question costs a row written. */
function mayAsk({ money: { lease }, leased }: State, hold: number, { hourly, currency }: Price, bound: number): boolean {
	if (!lease.isRefused || leased === null) return true;
	const others = Math.max(0, (leased[currency] ?? 0) - lease.hourly);
	return fits(others + hold + hourly, bound);
}

/** Until D1 answers the pool may count on no more than what it has; D1 never holds less, whether this request arrives or not. */
export function reserveSent(state: State, effect: Effect & { call: "reserve" }, now: Ms): State {
	const { lease } = state.money;
	const hourly = Math.min(lease.hourly, effect.hold);
	return withLease(state, { ...lease, version: effect.version, hourly, isSettled: false, retryAt: now + LOST_RESULT_MS });
}

export function reserved(state: State, event: Event & { on: "reserved" }, now: Ms): State {
	const { lease } = state.money;
	if (event.version !== lease.version) return state;
	const { hourly, isOver, isRefused } = event;
	const tries = isRefused ? lease.tries + 1 : 0;
	const retryAt = isRefused ? now + pauseMs(BACK_OFF.lease, tries, state.pool.object) : 0;
	return withLease(state, { ...lease, hourly, isOver, isRefused, isSettled: true, at: now, tries, retryAt, why: "" });
}

export function reserveFailed(state: State, failure: Failure, now: Ms): State {
	const { lease } = state.money;
	const tries = lease.tries + 1;
	const why = `no part of the deployment's MAX_HOURLY_COST can be reserved: ${failure.say}`;
	return withLease(state, { ...lease, tries, retryAt: now + pauseMs(BACK_OFF.lease, tries, state.pool.object), why });
}

function withLease(state: State, lease: Lease): State {
	return { ...state, money: { ...state.money, lease } };
}

export function budgeted(state: State, budget: Budget | null, now: Ms): State {
	if (budget === state.money.budget || JSON.stringify(budget) === JSON.stringify(state.money.budget)) return state;
	// What was granted under another bound and is not used yet is asked for anew. Nor may what is used be used again until D1 has answered: all
	// together may hold more than the new bound.
	const hourly = Math.min(state.money.lease.hourly, spentHourly(state, now));
	const isOver = budget !== null;
	const lease = { ...state.money.lease, hourly, isSettled: false, isOver, isRefused: false, tries: 0, retryAt: 0 };
	const after = { ...state, money: { ...state.money, budget, lease } };
	return withLog(
		after,
		now,
		"INFO",
		budget === null ? "the deployment's cost is not bounded" : `the deployment may cost ${inWords(budget)} an hour`,
	);
}

function inWords(budget: Budget): string {
	if (typeof budget === "number") return `${budget} in each currency`;
	return Object.entries(budget)
		.map(([currency, amount]) => `${amount} ${currency}`)
		.join(", ");
}

/** What a plan must never do: add a VM that the bounds have no room for. */
export function overspend(before: State, after: State, now: Ms): string | null {
	if (after.proxies.size <= before.proxies.size || isWithinBounds(after, now)) return null;
	return `VMs for ${spentHourly(after, now)} an hour would be billed, which is more than the bounds on cost allow`;
}
