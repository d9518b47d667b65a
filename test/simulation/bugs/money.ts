/** Slips of what VMs cost and what may be spent. */
import * as ReserveRoom from "../../../src/core/effects/reserve.ts";
import * as BudgetFacts from "../../../src/core/facts/budget.ts";
import * as Cost from "../../../src/core/model/cost.ts";
import type { Allotment, State } from "../../../src/core/model/state.ts";
import * as Budget from "../../../src/core/planning/budget.ts";
import { type Bug, plant } from "../planting.ts";
import { asIf } from "./as-if.ts";

function withAllotment(state: State, change: Partial<Allotment>): State {
	return { ...state, money: { ...state.money, allotment: { ...state.money.allotment, ...change } } };
}

const BOUNDED: readonly Omit<Bug, "isBounded">[] = [
	{
		name: "use again what was granted under a higher bound",
		plants: [
			plant(BudgetFacts, "budgeted", (budgeted) => (state, budget, now) => {
				const after = budgeted(state, budget, now);
				return after === state ? state : withAllotment(after, { isOver: state.money.allotment.isOver });
			}),
		],
		focus: ["databaseOut", "newBounds", "scale"],
	},
	{
		name: "ignore the pool's own bound on cost",
		plants: [
			plant(Budget, "affordable", (affordable) => (draft, wanted) => {
				return asIf(draft, { spec: { ...draft.state.spec, maxHourlyCost: null } }, () => affordable(draft, wanted));
			}),
		],
	},
	{
		name: "count only ready proxies against a bound on cost",
		plants: [
			plant(Cost, "spentHourly", (spentHourly, { priceOf }) => (state, now) => {
				let hourly = spentHourly(state, now);
				for (const proxy of state.proxies.values()) if (proxy.phase.at !== "ready") hourly -= priceOf(state, proxy)?.hourly ?? 0;
				return hourly;
			}),
		],
	},
	{
		name: "launch without a part of the deployment's budget",
		plants: [
			plant(Budget, "affordable", (affordable) => (draft, wanted) => {
				return asIf(draft, { money: { ...draft.state.money, budget: null } }, () => affordable(draft, wanted));
			}),
		],
	},
	{
		name: "launch what was reserved while all together hold too much",
		plants: [
			plant(Budget, "affordable", (affordable) => (draft, wanted) => {
				return asIf(draft, withAllotment(draft.state, { isOver: false }), () => affordable(draft, wanted));
			}),
		],
	},
	{
		name: "count on what was given back before D1 has answered",
		plants: [
			plant(ReserveRoom, "reserve", (reserve) => ({
				...reserve,
				sent: (state, effect, now, tokenHash) =>
					withAllotment(reserve.sent?.(state, effect, now, tokenHash) ?? state, { hourly: state.money.allotment.hourly }),
			})),
		],
		focus: ["databaseAmbiguous", "scale", "newBounds"],
	},
	{
		name: "forget that a started hour is billed to its end",
		plants: [plant(Cost, "withCharge", () => (state) => state)],
		focus: ["vmDeleted", "agentDies"],
	},
	{
		name: "launch though the price is not known",
		plants: [
			plant(Budget, "affordable", (affordable) => (draft, wanted) => {
				return Cost.priceNow(draft.state) === null ? wanted.length : affordable(draft, wanted);
			}),
		],
		focus: ["pricesFail"],
	},
	{
		name: "go by the price of the settings that were",
		plants: [
			plant(Cost, "priceNow", (priceNow) => (state) => priceNow(state) ?? state.money.prices.at(-1) ?? null),
			plant(Cost, "priceAt", (priceAt) => (state, place) => priceAt(state, place) ?? state.money.prices.at(-1) ?? null),
		],
		focus: ["priceChanges", "slowCalls"],
	},
];

export const MONEY: readonly Bug[] = BOUNDED.map((bug) => ({ ...bug, isBounded: true }));
