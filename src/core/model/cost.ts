/** What the pool's VMs cost: sums over all that may be billed, not over those that serve. */
import { CREATE_DEADLINE_MS } from "./limits.ts";
import { placeKey, placesIn } from "./places.ts";
import type { PoolSummary } from "./published.ts";
import type { Charge, Ms, Place, Price, Proxy, State } from "./state.ts";
import { measure } from "./table.ts";

/** Charges that end within the same minute are one. */
const CHARGE_STEP_MS = 60_000;

/** What a VM costs that is launched now, at the most: in the dearest of the places of which it is known; null: of none. */
export function priceNow(state: State): Price | null {
	let dearest: Price | null = null;
	for (const place of placesIn(state)) {
		const price = priceAt(state, place);
		if (price !== null && (dearest === null || price.hourly > dearest.hourly)) dearest = price;
	}
	return dearest;
}

/** What a VM costs that is launched now in this place; null: not known. */
export function priceAt(state: State, place: Place | null): Price | null {
	return known(state, state.account, placeKey(place));
}

/** Where a pool has but the one place, its price was stored without it by earlier versions. */
function known({ money, spec }: State, account: string, place: string): Price | null {
	let inAnyPlace: Price | null = null;
	for (const price of money.prices) {
		if (price.account !== account) continue;
		if (price.place === place) return price;
		if (price.place === "" && spec.places.length <= 1) inAnyPlace = price;
	}
	return inAnyPlace;
}

/** What a VM costs that was launched with these settings of the account in this place, else by the present ones; null: not known. */
function pricedAt(state: State, account: string, place: string): Price | null {
	// What was not sent yet will be launched with the present settings.
	const launchedWith = account === "" ? state.account : account;
	return known(state, launchedWith, place) ?? state.money.prices.find((price) => price.account === launchedWith) ?? priceNow(state);
}

/** What a proxy's VM costs; null: not known. */
export function priceOf(state: State, { account, place }: Proxy): Price | null {
	return pricedAt(state, account, placeKey(place));
}

interface Launched {
	readonly account: string;
	readonly place: string;
	readonly count: number;
}

const launchedIn = measure<Proxy, ReadonlyMap<string, Launched>>((_keys, values) => {
	const counts = new Map<string, Launched>();
	for (const proxy of values) {
		const place = placeKey(proxy.place);
		const key = `${proxy.account} ${place}`;
		counts.set(key, { account: proxy.account, place, count: (counts.get(key)?.count ?? 0) + 1 });
	}
	return counts;
});

/** How many proxies were launched with which settings of the account in which place. */
function launched({ proxies }: State): Iterable<Launched> {
	const counts = new Map<string, Launched>();
	for (const part of launchedIn(proxies)) {
		for (const [key, one] of part) counts.set(key, { ...one, count: (counts.get(key)?.count ?? 0) + one.count });
	}
	return counts.values();
}

/**
 * What everything that is billed costs an hour, from intents to VMs that are not known to be gone; null: a price is not known. Former
 * settings' prices are of the same cloud, and so of the same currency.
 */
export function costOf(state: State): Price | null {
	const now = priceNow(state) ?? state.money.prices.at(-1);
	if (now === undefined) return null;
	let hourly = state.orphans.size * now.hourly;
	for (const { account, place, count } of launched(state)) {
		const price = pricedAt(state, account, place);
		if (price === null) return null;
		hourly += count * price.hourly;
	}
	return { hourly: rounded(hourly), currency: now.currency, asOf: now.asOf };
}

/** Sums of decimal fractions, to the millionth. */
function rounded(amount: number): number {
	return Math.round(amount * 1e6) / 1e6;
}

/** What counts against a bound: as {@link costOf}, what has no price as nothing, and the units that were begun by VMs that are gone. */
export function spentHourly(state: State, now: Ms): number {
	const price = priceNow(state);
	let hourly = state.orphans.size * (price?.hourly ?? 0);
	for (const { account, place, count } of launched(state)) hourly += count * (pricedAt(state, account, place)?.hourly ?? 0);
	for (const { until, hourly: charged, currency } of state.money.charges) {
		// What was begun at another cloud counts against no bound in this one's currency.
		if (until > now && (currency === "" || price === null || currency === price.currency)) hourly += charged;
	}
	return hourly;
}

/** The state once a proxy is gone for which a create was sent: the unit of time that its VM had begun is billed to its end. */
export function withCharge(state: State, proxy: Proxy, now: Ms): State {
	const isUnsent = proxy.phase.at === "launching" && proxy.phase.sentAt === null;
	const unitMs = state.spec.billedSeconds * 1000;
	if (isUnsent || unitMs === 0) return state;
	const units = Math.max(1, Math.ceil((now - proxy.createdAt) / unitMs));
	// It may have come into being some time after its create was sent.
	return withChargeUntil(state, proxy.createdAt + CREATE_DEADLINE_MS + units * unitMs, priceOf(state, proxy), now);
}

/** The state once a VM is gone of which nobody knows when it was made. */
export function withOrphanCharge(state: State, now: Ms): State {
	const unitMs = state.spec.billedSeconds * 1000;
	return unitMs === 0 ? state : withChargeUntil(state, now + unitMs, priceNow(state), now);
}

function withChargeUntil(state: State, end: Ms, price: Price | null, now: Ms): State {
	if (price === null || end <= now) return state;
	const { hourly, currency } = price;
	const until = Math.ceil(end / CHARGE_STEP_MS) * CHARGE_STEP_MS;
	const others = state.money.charges.filter((charge) => charge.until > now);
	const same = others.find((charge) => charge.until === until && charge.currency === currency);
	const sum = { until, hourly: (same?.hourly ?? 0) + hourly, count: (same?.count ?? 0) + 1, currency };
	const charges = [...others.filter((charge) => charge !== same), sum];
	return { ...state, money: { ...state.money, charges } };
}

/** An amount of money, and of what. */
export interface Amount {
	readonly amount: number;
	readonly currency: string;
}

/** Charges that have not ended: of how many VMs, and what they cost in this hour by currency. What an earlier version left has none, and takes `usual`. */
export function chargedNow(
	charges: readonly Charge[],
	now: Ms,
	usual = "",
): { readonly count: number; readonly sums: Map<string, number> } {
	const sums = new Map<string, number>();
	let count = 0;
	for (const charge of charges) {
		if (charge.until <= now) continue;
		const currency = charge.currency === "" ? usual : charge.currency;
		sums.set(currency, (sums.get(currency) ?? 0) + charge.hourly);
		count += charge.count;
	}
	return { count, sums };
}

/** Sums by currency as amounts. */
export function amountsOf(sums: ReadonlyMap<string, number>): readonly Amount[] {
	return [...sums].filter(([currency]) => currency !== "").map(([currency, amount]) => ({ amount: rounded(amount), currency }));
}

/** What of a pool's summary is billed now: VMs, those that are gone and whose unit of time was begun included, and what this hour costs by currency. */
export function billedNow(
	{ billable: there, cost = null, charges = [] }: PoolSummary,
	now: Ms,
): { readonly count: number; readonly spent: readonly Amount[] } {
	const { count, sums } = chargedNow(charges, now, cost?.currency);
	if (cost !== null) sums.set(cost.currency, (sums.get(cost.currency) ?? 0) + cost.hourly);
	return { count: there + count, spent: amountsOf(sums) };
}

/** What is left of charges. */
export interface ChargesLeft {
	/** All of them, an hour. */
	readonly hourly: number;
	/** When the last of them ends. */
	readonly until: Ms;
	readonly each: readonly Charge[];
}

/** What is left of charges; null: nothing. */
export function chargesLeft({ money }: State, now: Ms): ChargesLeft | null {
	const left = money.charges.filter((charge) => charge.until > now);
	if (left.length === 0) return null;
	return { hourly: left.reduce((sum, { hourly }) => sum + hourly, 0), until: Math.max(...left.map(({ until }) => until)), each: left };
}

/** Why no price is known, or null. */
export function whyUnpriced(state: State): string | null {
	const { why } = state.money.pricing;
	return priceNow(state) === null && why !== "" ? why : null;
}
