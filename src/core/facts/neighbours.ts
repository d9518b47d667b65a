/** What other pools of the deployment tell, applied. */
import { withLog, withRepeated } from "../model/edit.ts";
import type { Id, Ms, Rate, State } from "../model/state.ts";

/** Pools that may ask for others at one time. */
const KEPT_ASSISTS = 100;

/** Another pool wants so many proxies of this one beside its own; 0: none any more. */
export function withAssist(state: State, from: Id, count: number, now: Ms): State {
	const before = state.assists.get(from);
	if (count === 0) {
		if (before === undefined) return state;
		return withLog({ ...state, assists: state.assists.without(from) }, now, "INFO", "no longer stands in for another pool");
	}
	if (before === undefined && state.assists.size >= KEPT_ASSISTS) return state;
	const after = { ...state, assists: state.assists.with(from, { count, at: now }) };
	return before?.count === count ? after : withLog(after, now, "INFO", `stands in for ${count} proxies of another pool`);
}

/** Another pool of the account was told to wait, or that little is left of its quota. */
export function withSharedLimit(state: State, until: Ms, rate: Rate | null, now: Ms): State {
	const { limitTold } = state;
	const told = { until: Math.max(limitTold.until, until), resetAt: Math.max(limitTold.resetAt, rate?.resetAt ?? 0) };
	const isNewer = rate !== null && (state.rate === null || state.rate.resetAt < rate.resetAt || state.rate.remaining > rate.remaining);
	const after = { ...state, limitTold: told, rate: isNewer ? rate : state.rate };
	const breaker = state.breakers.rate;
	if (until <= now || until <= breaker.until) return after;
	const why = "the provider limits the rate of its account, another pool was told";
	const opened = { until, failures: Math.max(1, breaker.failures), why, steppedAt: now };
	return withRepeated({ ...after, breakers: { ...after.breakers, rate: opened } }, now, "WARNING", why);
}
