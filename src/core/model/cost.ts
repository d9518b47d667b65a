/** What the pool's VMs cost: sums over all that may be billed, not over those that serve. */
import { CREATE_DEADLINE_MS } from "./limits.ts";
import type { Ms, Price, Proxy, State } from "./state.ts";

/** Charges that end within the same minute are one. */
const CHARGE_STEP_MS = 60_000;

/** What a VM costs that is launched now; null: not known. */
export function priceNow({ account, money }: State): Price | null {
	return money.prices.find((price) => price.account === account) ?? null;
}

/** What a proxy's VM costs: by the settings that it was launched with, else by the present ones; null: not known. */
export function priceOf(state: State, proxy: Proxy): Price | null {
	return state.money.prices.find((price) => price.account === proxy.account) ?? priceNow(state);
}

/**
 * What everything that is billed costs an hour, from intents to VMs that are not known to be gone; null: a price is not known. Former
 * settings' prices are of the same cloud, and so of the same currency.
 */
export function costOf(state: State): Price | null {
	const now = priceNow(state) ?? state.money.prices.at(-1);
	if (now === undefined) return null;
	let hourly = state.strays.size * now.hourly;
	for (const proxy of state.proxies.values()) {
		const price = priceOf(state, proxy);
		if (price === null) return null;
		hourly += price.hourly;
	}
	return { hourly: rounded(hourly), currency: now.currency, asOf: now.asOf };
}

/** Sums of decimal fractions, to the millionth. */
function rounded(amount: number): number {
	return Math.round(amount * 1e6) / 1e6;
}

/** What counts against a bound: as {@link costOf}, what has no price as nothing, and the units that were begun by VMs that are gone. */
export function spentHourly(state: State, now: Ms): number {
	let hourly = state.strays.size * (priceNow(state)?.hourly ?? 0);
	for (const proxy of state.proxies.values()) hourly += priceOf(state, proxy)?.hourly ?? 0;
	for (const charge of state.money.charges) if (charge.until > now) hourly += charge.hourly;
	return hourly;
}

/** The state once a proxy is gone for which a create was sent: the unit of time that its VM had begun is billed to its end. */
export function withCharge(state: State, proxy: Proxy, now: Ms): State {
	const isUnsent = proxy.phase.at === "launching" && proxy.phase.sentAt === null;
	const unitMs = state.spec.billedSeconds * 1000;
	if (isUnsent || unitMs === 0) return state;
	const units = Math.max(1, Math.ceil((now - proxy.createdAt) / unitMs));
	// It may have come into being some time after its create was sent.
	return withChargeUntil(state, proxy.createdAt + CREATE_DEADLINE_MS + units * unitMs, priceOf(state, proxy)?.hourly ?? 0, now);
}

/** The state once a VM is gone of which nobody knows when it was made. */
export function withStrayCharge(state: State, now: Ms): State {
	const unitMs = state.spec.billedSeconds * 1000;
	return unitMs === 0 ? state : withChargeUntil(state, now + unitMs, priceNow(state)?.hourly ?? 0, now);
}

function withChargeUntil(state: State, end: Ms, hourly: number, now: Ms): State {
	if (hourly === 0 || end <= now) return state;
	const until = Math.ceil(end / CHARGE_STEP_MS) * CHARGE_STEP_MS;
	const others = state.money.charges.filter((charge) => charge.until > now);
	const same = others.find((charge) => charge.until === until);
	const charges = [...others.filter((charge) => charge !== same), { until, hourly: (same?.hourly ?? 0) + hourly }];
	return { ...state, money: { ...state.money, charges } };
}

/** What is left of charges: when the last of them ends, and what they are an hour; null: nothing. */
export function chargesLeft({ money }: State, now: Ms): { readonly hourly: number; readonly until: Ms } | null {
	const left = money.charges.filter((charge) => charge.until > now);
	if (left.length === 0) return null;
	return { hourly: left.reduce((sum, { hourly }) => sum + hourly, 0), until: Math.max(...left.map(({ until }) => until)) };
}

/** Why no price is known, or null. */
export function whyUnpriced(state: State): string | null {
	const { why } = state.money.pricing;
	return priceNow(state) === null && why !== "" ? why : null;
}
