/** What of a pool operators are alerted to, as long as it is so. */
import type { Ms } from "./basics.ts";
import { bounded } from "./bounds.ts";
import { conditionOf } from "./health.ts";
import { BOOTS_TO_OPEN } from "./limits.ts";
import { areAllClosed, sayClosed } from "./places.ts";
import { summaryOf } from "./projection.ts";
import { countReady, hasCloud } from "./proxies.ts";
import type { State } from "./state.ts";
import { countUp } from "./statics.ts";

export const CAUSES = ["degraded", "budget", "breaker", "credentials"] as const;
export type CauseName = (typeof CAUSES)[number];

/** By cause: a sentence that says what is wrong. */
export type Causes = Readonly<Partial<Record<CauseName, string>>>;

/** Sentences of a pool's condition that an alert repeats. */
const MOST_PROBLEMS = 3;

export function causesOf(state: State, now: Ms): Causes {
	const { breakers, money } = state;
	const summary = { ...summaryOf(state), displayName: "", settings: {} };
	const { isDegraded, problems } = conditionOf(summary, countReady(state) + countUp(state), now);
	// While one place is open, VMs are launched there.
	const closed = hasCloud(state) && areAllClosed(state) ? sayClosed(state) : null;
	const launch =
		breakers.launch.failures > 0 ? breakers.launch.why : breakers.boots.failures >= BOOTS_TO_OPEN ? breakers.boots.why : closed;
	const isOverBudget = money.held?.includes("has no room for another VM") ?? false;
	return {
		...(isDegraded ? { degraded: bounded(problems.slice(0, MOST_PROBLEMS).join("; ") || "degraded") } : {}),
		...(isOverBudget ? { budget: bounded(money.held ?? "") } : {}),
		...(launch === null ? {} : { breaker: bounded(launch) }),
		...(breakers.auth.failures > 0 ? { credentials: bounded(breakers.auth.why) } : {}),
	};
}
