import { applyCommand } from "../facts/commands.ts";
import { withEntered } from "../facts/listing.ts";
import { BACK_OFF, CLOSED, opened } from "../model/breakers.ts";
import { withBreaker } from "../model/edit.ts";
import type { Ms } from "../model/state.ts";
import type { AnyEffect } from "../planning/draft.ts";
import { databaseFailed } from "./publish.ts";
import type { Room } from "./room.ts";

/** Puts the pool into the directory again, which has lost it. */
export interface Enter extends AnyEffect {
	readonly call: "enter";
	/** Its endpoint names; empty: its own one. One that is being removed has none. */
	readonly names: readonly string[];
	readonly isRemoved: boolean;
}

/** `by` null: it is there. Otherwise that object has its place, and has shown itself last at `publishedAt`. */
export interface Entered {
	readonly by: string | null;
	readonly publishedAt: Ms | null;
}

const TAKEN = "another pool has its place in the directory (D1)";

export const enter: Room<Enter, Entered> = {
	call: "enter",
	slot: "database",
	isMutating: true,
	subject: () => "enter",

	plan(draft) {
		const { listing, leaving, forgotten, breakers, run } = draft.state;
		if (listing.unlistedAt === null || leaving || forgotten) return;
		if (draft.isDue(breakers.publish.until)) draft.call<Enter>({ call: "enter", names: listing.names, isRemoved: run === "removing" });
	},

	isStillDue({ listing, leaving }) {
		return listing.unlistedAt !== null && !leaving;
	},

	done(state, { isRemoved }, { by, publishedAt }, now) {
		const { listing } = state;
		if (listing.unlistedAt === null) return state;
		// An order that came meanwhile wants another row.
		if (by === null && isRemoved !== (state.run === "removing")) return state;
		if (by === null) return withEntered({ ...state, breakers: { ...state.breakers, publish: CLOSED } }, now);
		const befell = { why: TAKEN, backOff: BACK_OFF.publish, begunAt: now, seed: state.pool.object };
		const waiting = withBreaker(
			{ ...state, listing: { ...listing, taken: TAKEN } },
			"publish",
			opened(state.breakers.publish, befell, now),
			now,
			"ERROR",
		);
		// A row alone may be what an older copy of D1 holds of a pool that is long gone.
		if (publishedAt === null || publishedAt <= listing.unlistedAt) return waiting;
		const superseded = { ...waiting, listing: { ...waiting.listing, isSuperseded: true } };
		return applyCommand(superseded, { do: "run", run: "removing" }, now);
	},

	failed(state, _effect, failure, now) {
		return databaseFailed(state, failure.message, now);
	},
};
