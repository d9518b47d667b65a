import { LOOKS_TO_FORGET } from "../model/limits.ts";
import { hasCloud } from "../model/proxies.ts";
import type { AnyEffect } from "../planning/draft.ts";
import { databaseFailed } from "./publish.ts";
import type { Room } from "./room.ts";

/** Takes an emptied pool out of the directory. */
export interface Forget extends AnyEffect {
	readonly call: "forget";
}

/** The directory knows the pool no more; its storage may go. */
export const forget: Room<Forget, null> = {
	call: "forget",
	slot: "database",
	isMutating: true,
	subject: () => "forget",

	/** An emptied pool is forgotten once whole lists, read after its last VM can have shown up, have held nothing of it. */
	plan(draft) {
		const { state } = draft;
		if (state.run !== "removing" || state.emptySince === null || state.orphans.size > 0 || state.forgotten) return;
		if (hasCloud(state) && state.looks < LOOKS_TO_FORGET) return;
		if (draft.isDue(state.breakers.publish.until)) draft.call<Forget>({ call: "forget" });
	},

	isStillDue(state) {
		return state.run === "removing" && state.proxies.size === 0;
	},

	sent(state) {
		return { ...state, leaving: true };
	},

	done(state) {
		return { ...state, forgotten: true };
	},

	failed(state, _effect, failure, now) {
		return databaseFailed(state, failure.message, now);
	},
};
