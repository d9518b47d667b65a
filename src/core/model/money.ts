/** What VMs cost and what may be spent. */
import type { Ms } from "./basics.ts";
import { list, record, value } from "./shape.ts";
import { fact, type Slice, shown, vital } from "./slice.ts";

/** What one VM costs. */
export interface Price {
	/** In units of the currency, before tax, the public IPv4 address included. */
	readonly hourly: number;
	/** ISO 4217: USD, EUR. */
	readonly currency: string;
	/** When the cloud said so; the date of the price list where Muster brings its own. */
	readonly asOf: Ms;
}

/** A price that was asked for with these settings of the account. */
export interface KnownPrice extends Price {
	readonly account: string;
	/** Of which place; empty: where the account says. */
	readonly place: string;
	readonly askedAt: Ms;
}

/** What the deployment may spend an hour: one amount for each currency apart, or amounts by currency (one that is not named: nothing). */
export type Budget = number | Readonly<Record<string, number>>;

/** The part of the deployment's budget that D1 has granted to this pool. */
export interface Allotment {
	/** Of the newest request; a request that arrives after a newer one changes nothing. */
	readonly version: number;
	/** What the pool's VMs may cost an hour: D1 holds this much for it, or more. */
	readonly hourly: number;
	/** D1 is known to hold just this much. */
	readonly isSettled: boolean;
	/** All parts together were more than the budget then, so that what becomes free of this one is not to be used again. */
	readonly isOver: boolean;
	/** The last request got less than it asked for. */
	readonly isRefused: boolean;
	/** What the pool's VMs cost an hour when it was refused: once they cost less, another question may be answered otherwise. */
	readonly refusedAtHourly: number;
	/** When D1 last answered. */
	readonly at: Ms;
	readonly tries: number;
	readonly retryAt: Ms;
	readonly why: string;
}

/** A VM that is gone and billed until the end of a started unit: how long, and what an hour. */
export interface Charge {
	readonly until: Ms;
	readonly hourly: number;
	/** How many VMs. */
	readonly count: number;
	/** Empty: that of the pool's cloud, as earlier versions had it. */
	readonly currency: string;
}

export interface Money {
	/** Of the present settings, and of former ones as long as a VM that was launched with them is there. */
	readonly prices: readonly KnownPrice[];
	/** How asking for the price went: failures in a row, when to ask again, and what was wrong. */
	readonly pricing: {
		readonly tries: number;
		readonly retryAt: Ms;
		readonly why: string;
		/** When our credentials were first refused for it; null: they were not. */
		readonly refusedAt: Ms | null;
	};
	readonly charges: readonly Charge[];
	/** What the deployment may spend; null: whatever it takes. */
	readonly budget: Budget | null;
	readonly allotment: Allotment;
	/** Why a bound on cost keeps VMs from being launched that are wanted; null: none does. */
	readonly held: string | null;
}

export interface MoneyFields {
	readonly money: Money;
	/** What all pools of the deployment have reserved of its budget, by currency; null: nobody said. Only a hint: D1 decides. */
	readonly allotted: Readonly<Record<string, number>> | null;
}

const PRICING = record<Money["pricing"]>({ tries: value(0), retryAt: value(0), why: value(""), refusedAt: value<Ms | null>(null) });

/** A price that was never asked for. */
export const NEVER_ASKED: Money["pricing"] = PRICING.initial;

export const moneySlice: Slice<MoneyFields> = {
	money: shown(
		fact(
			record<Money>({
				prices: list(
					record<KnownPrice>({
						hourly: value(0),
						currency: value(""),
						asOf: value(0),
						account: value(""),
						place: value(""),
						askedAt: value(0),
					}),
				),
				pricing: PRICING,
				charges: list(record<Charge>({ until: value(0), hourly: value(0), count: value(1), currency: value("") })),
				budget: value<Budget | null>(null),
				allotment: record<Allotment>({
					version: value(0),
					hourly: value(0),
					isSettled: value<boolean>(true),
					isOver: value<boolean>(false),
					isRefused: value<boolean>(false),
					refusedAtHourly: value(0),
					at: value(0),
					tries: value(0),
					retryAt: value(0),
					why: value(""),
				}),
				held: value<string | null>(null),
			}),
		),
	),
	allotted: vital(value<MoneyFields["allotted"]>(null)),
};
