/** What the deployment may spend, as its settings say. */
import { spentHourly } from "../model/cost.ts";
import { withLog } from "../model/edit.ts";
import { type Budget, isAlike, type Ms, type State } from "../model/state.ts";

export function budgeted(state: State, budget: Budget | null, now: Ms): State {
	if (isAlike(budget, state.money.budget)) return state;
	// What was granted under another bound and is not used yet is asked for anew. Nor may what is used be used again until D1 has answered: all
	// together may hold more than the new bound.
	const hourly = Math.min(state.money.allotment.hourly, spentHourly(state, now));
	const isOver = budget !== null;
	const allotment = { ...state.money.allotment, hourly, isSettled: false, isOver, isRefused: false, tries: 0, retryAt: 0 };
	const after = { ...state, money: { ...state.money, budget, allotment } };
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
