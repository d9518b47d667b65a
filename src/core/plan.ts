import { EFFECTS, type Effect } from "./effects/index.ts";
import type { Plan } from "./events.ts";
import { bounded } from "./model/bounds.ts";
import { standingOf } from "./model/health.ts";
import { countReady } from "./model/proxies.ts";
import { withSample } from "./model/samples.ts";
import type { Ms, State } from "./model/state.ts";
import { triesOf } from "./model/tries.ts";
import { releaseAll } from "./planning/adopt.ts";
import { Draft } from "./planning/draft.ts";
import { breachOf } from "./planning/invariants.ts";
import { settleLeases } from "./planning/leases.ts";
import { settle } from "./planning/lifecycle.ts";
import { scale } from "./planning/scaling.ts";
import { settleDrops } from "./planning/sessions.ts";
import { settleStatics } from "./planning/statics.ts";

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
	settleLeases(draft);
	const broken = draft.state.breach === null ? breachOf(state, draft.state, now) : null;
	if (broken !== null) {
		const breach = bounded(broken);
		// Nothing of a plan that breaks a promise is kept but the reason.
		const stopped = new Draft({ ...state, breach }, now, random);
		stopped.wake(now + state.spec.intervalSeconds * 1000);
		stopped.message("ERROR", `stopped by its own check: ${breach}`);
		return planOf(stopped, state);
	}
	noteStanding(draft);
	sayCounts(draft);
	draft.state = withSample(draft.state, now);
	return planOf(draft, state);
}

/** When a pool has something to do, as it is now. */
export function dueAt(state: State, now: Ms, random: () => number): Ms {
	const next = plan(state, now, random);
	return next.effects.length > 0 || next.state !== state ? now : next.wakeAt;
}

function planOf(draft: Draft, before: State): Plan {
	for (const room of EFFECTS) room.plan(draft);
	const { state, wakeAt } = draft;
	// Each room plans its own effects and no others.
	const effects = draft.effects as readonly Effect[];
	const isSame = before.proxies === state.proxies && before.target === state.target && before.money === state.money;
	return { state, effects, wakeAt, isFinal: effects.length === 0 && isSame && before.logSeq === state.logSeq };
}

function noteStanding(draft: Draft): void {
	const standing = standingOf(draft.state, draft.now);
	if (standing !== draft.state.standing) draft.state = { ...draft.state, standing };
}

/** Why the pool is the size it is, the log tells; and what size that is. */
function sayCounts(draft: Draft): void {
	const { counted: was, proxies } = draft.state;
	const [all, ready] = [proxies.size - triesOf(draft.state).length, countReady(draft.state)];
	if (was.all === all && was.ready === ready) return;
	draft.state = { ...draft.state, counted: { all, ready } };
	draft.message("INFO", `instances ${was.all} => ${all}, ready ${was.ready} => ${ready}`);
}
