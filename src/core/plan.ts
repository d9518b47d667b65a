import { releaseAll } from "./adopt.ts";
import { countReady } from "./count.ts";
import { settle } from "./deadlines.ts";
import { Draft } from "./draft.ts";
import { callWhatIsDue } from "./effects.ts";
import type { Plan } from "./events.ts";
import { breachOf } from "./invariants.ts";
import { scale } from "./scaling.ts";
import { settleDrops } from "./sessions.ts";
import type { Ms, State } from "./state.ts";
import { settleStatics } from "./statics.ts";

/**
 * Derives from stored facts alone what to do now and when to look again. An effect that was lost (an eviction, a deploy, a full
 * budget) is simply planned again. `random` gives numbers in [0, 1); everything else about a plan is determined by the state and `now`.
 */
export function plan(state: State, now: Ms, random: () => number): Plan {
	const draft = new Draft(state, now, random);
	draft.wake(now + state.spec.intervalSeconds * 1000);
	// Before anything whose time is up would be deleted.
	const isLeftRunning = state.run === "removing" && state.keep;
	if (isLeftRunning) releaseAll(draft);
	settle(draft);
	settleDrops(draft);
	settleStatics(draft);
	if (!isLeftRunning) scale(draft);
	const breach = draft.state.breach === null ? breachOf(state, draft.state, now) : null;
	if (breach !== null) {
		// Nothing of a plan that breaks a promise is kept but the reason.
		const stopped = new Draft({ ...state, breach }, now, random);
		stopped.wake(now + state.spec.intervalSeconds * 1000);
		stopped.say("ERROR", `stopped by its own check: ${breach}`);
		return planOf(stopped, state);
	}
	sayCounts(draft);
	return planOf(draft, state);
}

function planOf(draft: Draft, before: State): Plan {
	callWhatIsDue(draft);
	const { state, effects, wakeAt } = draft;
	const isSame = before.proxies === state.proxies && before.target === state.target && before.money === state.money;
	return { state, effects, wakeAt, isFinal: effects.length === 0 && isSame && before.logSeq === state.logSeq };
}

/** Why the pool is the size it is, the log tells; and what size that is. */
function sayCounts(draft: Draft): void {
	const { counted: was, proxies } = draft.state;
	const [all, ready] = [proxies.size, countReady(draft.state)];
	if (was.all === all && was.ready === ready) return;
	draft.state = { ...draft.state, counted: { all, ready } };
	draft.say("INFO", `instances ${was.all} => ${all}, ready ${was.ready} => ${ready}`);
}
