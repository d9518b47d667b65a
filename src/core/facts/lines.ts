/** What the agents' lines show, applied. */
import { withVitals } from "../model/edit.ts";
import { FALL_SPACING_MS } from "../model/limits.ts";
import type { LineLife } from "../model/lines.ts";
import type { Id, Ms, State } from "../model/state.ts";
import { applyHeartbeat, type Report } from "./agents.ts";

/** What a line shows: that it lives, and to a pool that has just been loaded what was reported on it last, which its memory may lack. */
export interface SeenLine extends LineLife {
	readonly reported?: Report & { readonly at: Ms };
}

/** It reaches us, and whoever has its key is alive. */
export function applyLineOpened(state: State, id: Id, now: Ms): State {
	return state.proxies.has(id) ? withVitals(state, id, { heardAt: now, doubtedAt: 0 }) : state;
}

/** Most likely its agent ended, or the network did; a probe tells. It deletes nothing. `aliveAt`: when the line last showed life. */
export function applyLineLost(state: State, id: Id, aliveAt: Ms, now: Ms): State {
	if (!state.proxies.has(id)) return state;
	const heardAt = Math.max(state.vitals.get(id)?.heardAt ?? 0, Math.min(aliveAt, now));
	return withVitals(state, id, { doubtedAt: now, heardAt });
}

/** A line without a newer sign of life than is known changes nothing. */
export function applyLines(before: State, seen: { readonly lives: readonly SeenLine[]; readonly isLoaded: boolean }, now: Ms): State {
	let state = before;
	for (const { id, at, reported } of seen.lives) {
		if (!state.proxies.has(id) || at > now) continue;
		if (reported !== undefined && reported.at > (state.vitals.get(id)?.metricsAt ?? 0)) {
			const { at: reportedAt, ...report } = reported;
			state = applyHeartbeat(state, report, reportedAt);
		}
		const heardAt = state.vitals.get(id)?.heardAt ?? 0;
		// What lies in the future was dated by a clock that was set back since.
		if (at > heardAt || heardAt > now) state = withVitals(state, id, { heardAt: at });
	}
	const hasFallen =
		seen.isLoaded && seen.lives.length === 0 && isPast(state.linesFellAt, now) && [...state.vitals.values()].some((one) => one.isLined);
	return hasFallen ? { ...state, linesFellAt: now } : state;
}

function isPast(fellAt: Ms, now: Ms): boolean {
	return fellAt > now || now - fellAt >= FALL_SPACING_MS;
}
