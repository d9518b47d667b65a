import { withStrayCharge } from "../model/cost.ts";
import { BACK_OFF, pauseMs } from "../model/gates.ts";
import { LOST_RESULT_MS, STRAY_MS } from "../model/limits.ts";
import { mayAct } from "../model/proxies.ts";
import type { State, Stray } from "../model/state.ts";
import type { AnyEffect } from "../planning/draft.ts";
import { answered, isOpen, isReachable, type Room } from "./room.ts";

/** Deletes a VM tagged for the pool that no intent explains. */
export interface DeleteStray extends AnyEffect {
	readonly call: "deleteStray";
	readonly vm: string;
}

/** `gone`: the provider says that it does not exist. */
export const deleteStray: Room<DeleteStray, "accepted" | "gone"> = {
	call: "deleteStray",
	slot: "call",
	isMutating: true,
	subject: ({ vm }) => `vm ${vm}`,

	plan(draft) {
		if (draft.state.strays.size === 0 || !mayAct(draft.state) || !isReachable(draft)) return;
		for (const [vm, stray] of draft.state.strays) {
			// Shown by two lists so far apart, or by none for so long: then the answer to its delete is what tells that it is gone.
			const isDue = stray.seenAt - stray.firstSeenAt >= STRAY_MS || draft.isDue(stray.seenAt + STRAY_MS);
			if (isDue && draft.isDue(stray.retryAt)) draft.call<DeleteStray>({ call: "deleteStray", vm });
		}
	},

	isStillDue(state, { vm }, now) {
		return isOpen(state, now) && mayAct(state) && state.strays.has(vm);
	},

	sent(state, { vm }, now) {
		return withStray(state, vm, (stray) => ({ ...stray, retryAt: now + LOST_RESULT_MS }));
	},

	/** One that was accepted stays until a further delete finds it gone. */
	done(state, { vm }, result, now) {
		if (result === "accepted") return answered(state, now);
		if (!state.strays.has(vm)) return state;
		return { ...withStrayCharge(answered(state, now), now), strays: state.strays.without(vm) };
	},

	failed(state, { vm }, _failure, now) {
		return withStray(state, vm, (stray) => {
			const tries = stray.tries + 1;
			return { ...stray, tries, retryAt: now + pauseMs(BACK_OFF.proxy, tries, vm) };
		});
	},
};

function withStray(state: State, vm: string, change: (stray: Stray) => Stray): State {
	const stray = state.strays.get(vm);
	return stray === undefined ? state : { ...state, strays: state.strays.with(vm, change(stray)) };
}
