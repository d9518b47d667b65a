import { dropEndsAt } from "../model/sessions.ts";
import type { Draft } from "./draft.ts";

/** Forgets drops whose time is up: who they were meant for has heard of them, or is not there. */
export function settleDrops(draft: Draft): void {
	if (draft.state.drops.length === 0) return;
	const drops = draft.state.drops.filter((drop) => !draft.isDue(dropEndsAt(draft.state, drop)));
	if (drops.length < draft.state.drops.length) draft.state = { ...draft.state, drops };
}
