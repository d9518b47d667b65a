/** What a pool would do now, and why: its plan as it is made, told instead of carried out. */

import { mayLaunch } from "./effects/create.ts";
import { roomOf } from "./effects/index.ts";
import { bounded } from "./model/bounds.ts";
import { spentHourly } from "./model/cost.ts";
import { BOOTS_TO_OPEN } from "./model/limits.ts";
import { nextDecisionAt } from "./model/load.ts";
import { measurementsOf } from "./model/metrics.ts";
import { placeBreaker, placeKey, placesIn } from "./model/places.ts";
import { billable, countReady, surgeOf } from "./model/proxies.ts";
import { waitingReplacements } from "./model/replacements.ts";
import { countRolling } from "./model/rolling.ts";
import type { BreakerName, Ms, Severity, State } from "./model/state.ts";
import { newEntries } from "./model/told.ts";
import { highestWish } from "./model/window.ts";
import { plan } from "./plan.ts";
import { totalBound } from "./planning/budget.ts";
import { askedFor } from "./planning/demand.ts";
import { Draft } from "./planning/draft.ts";

/** What a pool would do now. */
export interface Foreseen {
	/** Calls that would go out, in their order. */
	readonly effects: readonly { readonly call: string; readonly slot: string; readonly proxy: string | null; readonly why: string | null }[];
	/** What would be written into the log. */
	readonly says: readonly { readonly severity: Severity; readonly text: string }[];
	/** When it looks again by itself. */
	readonly wakeAt: Ms;
	readonly target: { readonly now: number; readonly next: number };
	readonly why: Reasons;
}

/** Why the target is what it is, and what keeps the pool from it. */
export interface Reasons {
	readonly run: State["run"];
	/** A bad setting, or a promise that was broken; null: neither. */
	readonly halted: string | null;
	readonly bounds: { readonly min: number; readonly max: number; readonly surge: number };
	readonly count: { readonly ready: number; readonly billed: number };
	/** Empty: the pool keeps its minimum. */
	readonly rules: readonly {
		readonly rule: string;
		readonly metric: string;
		readonly total: number | null;
		readonly least: number | null;
		/** Null: as many as there may be. */
		readonly most: number | null;
	}[];
	/** The next time that rules decide; null: there are none. */
	readonly decidesAt: Ms | null;
	/** The most that was asked for lately, which holds as long as the window is; null: there are no rules. */
	readonly window: { readonly seconds: number; readonly highest: number } | null;
	readonly ramp: { readonly limit: number; readonly changedAt: Ms | null } | null;
	/** When a client asked in vain last; null: it does not matter. */
	readonly wokenAt: Ms | null;
	readonly budget: {
		readonly spentHourly: number;
		readonly currency: string | null;
		/** The pool's own bound, and the deployment's; null: none. */
		readonly own: number | null;
		readonly deployment: number | null;
		/** What of the deployment's the pool holds. */
		readonly leased: number;
		/** Why it keeps VMs from being launched; null: it does not. */
		readonly held: string | null;
	};
	/** Those that are open now, or try one call at a time. */
	readonly breakers: readonly { readonly breaker: BreakerName; readonly failures: number; readonly until: Ms; readonly why: string }[];
	/** Places whose own breaker is open, or tries one create at a time; `place`: see placeKey. */
	readonly places: readonly { readonly place: string; readonly failures: number; readonly until: Ms; readonly why: string }[];
	/** How many proxies that an operator wants replaced have not begun to go. */
	readonly rolling: number;
	/** Successors of destroyed proxies that have to wait. */
	readonly replacements: { readonly waiting: number; readonly until: Ms | null };
	readonly launches: boolean;
}

/** Changes nothing. `random` as for `plan`: intents that are named here are not those that will be stored. */
export function foresee(state: State, now: Ms, random: () => number): Foreseen {
	const planned = plan(state, now, random);
	const after = planned.state;
	return {
		effects: planned.effects.map((effect) => {
			const id = "id" in effect ? effect.id : null;
			const why = id === null ? undefined : after.proxies.get(id)?.why;
			return { call: effect.call, slot: roomOf(effect).slot, proxy: id, why: why === undefined || why === "" ? null : why };
		}),
		says: newEntries(state, after).map(({ severity, text }) => ({ severity, text })),
		wakeAt: planned.wakeAt,
		target: { now: state.target, next: after.target },
		why: reasonsOf(after, now, random),
	};
}

function reasonsOf(state: State, now: Ms, random: () => number): Reasons {
	const { spec, breakers, money, run } = state;
	const hasRules = spec.rules.length > 0;
	const asked = hasRules ? askedFor(new Draft(state, now, random), measurementsOf(state, now)) : null;
	const price = money.prices.find(({ account }) => account === state.account) ?? null;
	const { count, until } = waitingReplacements(state, now);
	const isOpen = (name: BreakerName) => breakers[name].failures > 0 && (name !== "boots" || breakers.boots.failures >= BOOTS_TO_OPEN);
	return {
		run,
		halted: state.unreadable ?? state.breach ?? state.suspended,
		bounds: { min: spec.min, max: spec.max, surge: surgeOf(spec) },
		count: { ready: countReady(state), billed: billable(state) },
		rules: (asked?.askings ?? []).map(({ rule, metric, total, range }) => ({
			rule,
			metric,
			total,
			least: range?.least ?? null,
			most: range === null || range.most === Number.POSITIVE_INFINITY ? null : range.most,
		})),
		decidesAt: hasRules ? nextDecisionAt(state, now) : null,
		window: hasRules ? { seconds: spec.scaleInWindowSeconds, highest: highestWish(state.scaleInWindow, state.target) } : null,
		ramp: hasRules ? { limit: spec.rampLimit, changedAt: state.ramped.at === 0 ? null : state.ramped.at } : null,
		wokenAt: state.wokenAt === 0 ? null : state.wokenAt,
		budget: {
			spentHourly: Math.round(spentHourly(state, now) * 1e6) / 1e6,
			currency: price?.currency ?? null,
			own: spec.maxHourlyCost,
			deployment: price === null ? (typeof money.budget === "number" ? money.budget : null) : totalBound(state, price),
			leased: money.allotment.hourly,
			held: money.held,
		},
		breakers: (Object.keys(breakers) as BreakerName[]).filter(isOpen).map((breaker) => ({
			breaker,
			failures: breakers[breaker].failures,
			until: breakers[breaker].until,
			why: bounded(breakers[breaker].why),
		})),
		places: placesIn(state).flatMap((place) => {
			const { failures, until, why } = placeBreaker(state, place);
			return failures === 0 ? [] : [{ place: placeKey(place), failures, until, why: bounded(why) }];
		}),
		rolling: countRolling(state),
		replacements: { waiting: count, until: count === 0 ? null : until },
		launches: mayLaunch(new Draft(state, now, random)),
	};
}
