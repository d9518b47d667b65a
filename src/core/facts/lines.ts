/** What the agents' lines show, applied. */
import { withVitals } from "../model/edit.ts";
import { FALL_SPACING_MS } from "../model/limits.ts";
import type { LineLife } from "../model/lines.ts";
import type { Id, Ms, State } from "../model/state.ts";

/** It reaches us, and whoever has its key is alive. */
export function applyLineOpened(state: State, id: Id, now: Ms): State {
	return state.proxies.has(id) ? withVitals(state, id, { heardAt: now, doubtedAt: 0 }) : state;
}

/** Most likely its agent ended, or the network did; a probe tells. It deletes nothing. */
export function applyLineLost(state: State, id: Id, now: Ms): State {
	return state.proxies.has(id) ? withVitals(state, id, { doubtedAt: now }) : state;
}

/** A line without a newer sign of life than is known changes nothing. */
export function applyLines(state: State, seen: { readonly lives: readonly LineLife[]; readonly isLoaded: boolean }, now: Ms): State {
	let { vitals } = state;
	for (const { id, at } of seen.lives) {
		const known = vitals.get(id);
		if (known === undefined || at > now) continue;
		// What lies in the future was dated by a clock that was set back since.
		if (at > known.heardAt || known.heardAt > now) vitals = vitals.with(id, { ...known, heardAt: at });
	}
	const hasFallen =
		seen.isLoaded && seen.lives.length === 0 && isPast(state.linesFellAt, now) && [...vitals.values()].some((one) => one.isLined);
	if (vitals === state.vitals && !hasFallen) return state;
	return { ...state, vitals, linesFellAt: hasFallen ? now : state.linesFellAt };
}

function isPast(fellAt: Ms, now: Ms): boolean {
	return fellAt > now || now - fellAt >= FALL_SPACING_MS;
}
