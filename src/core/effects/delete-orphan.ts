import { BACK_OFF, pauseMs } from "../model/breakers.ts";
import { withOrphanCharge } from "../model/cost.ts";
import { LOST_RESULT_MS, ORPHAN_MS } from "../model/limits.ts";
import { mayAct } from "../model/proxies.ts";
import type { Orphan, State } from "../model/state.ts";
import type { AnyEffect } from "../planning/draft.ts";
import { answered, isOpen, isReachable, type Room } from "./room.ts";

/** Deletes a VM tagged for the pool that no intent explains. */
export interface DeleteOrphan extends AnyEffect {
	readonly call: "deleteOrphan";
	readonly vm: string;
}

/** `gone`: the provider says that it does not exist. */
export const deleteOrphan: Room<DeleteOrphan, "accepted" | "gone"> = {
	call: "deleteOrphan",
	slot: "call",
	isMutating: true,
	subject: ({ vm }) => `vm ${vm}`,

	plan(draft) {
		if (draft.state.orphans.size === 0 || !mayAct(draft.state) || !isReachable(draft)) return;
		for (const [vm, orphan] of draft.state.orphans) {
			// Shown by two lists so far apart, or by none for so long: then the answer to its delete is what tells that it is gone.
			const isDue = orphan.seenAt - orphan.firstSeenAt >= ORPHAN_MS || draft.isDue(orphan.seenAt + ORPHAN_MS);
			if (isDue && draft.isDue(orphan.retryAt)) draft.call<DeleteOrphan>({ call: "deleteOrphan", vm });
		}
	},

	isStillDue(state, { vm }, now) {
		return isOpen(state, now) && mayAct(state) && state.orphans.has(vm);
	},

	sent(state, { vm }, now) {
		return withOrphan(state, vm, (orphan) => ({ ...orphan, retryAt: now + LOST_RESULT_MS }));
	},

	/** One that was accepted stays until a further delete finds it gone. */
	done(state, { vm }, result, now) {
		if (result === "accepted") return answered(state, now);
		if (!state.orphans.has(vm)) return state;
		return { ...withOrphanCharge(answered(state, now), now), orphans: state.orphans.without(vm) };
	},

	failed(state, { vm }, _failure, now) {
		return withOrphan(state, vm, (orphan) => {
			const tries = orphan.tries + 1;
			return { ...orphan, tries, retryAt: now + pauseMs(BACK_OFF.proxy, tries, vm) };
		});
	},
};

function withOrphan(state: State, vm: string, change: (orphan: Orphan) => Orphan): State {
	const orphan = state.orphans.get(vm);
	return orphan === undefined ? state : { ...state, orphans: state.orphans.with(vm, change(orphan)) };
}
