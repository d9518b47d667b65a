import { backedOff, nameOf, withLog, withoutProxy, withProxy } from "../model/edit.ts";
import { LOST_RESULT_MS } from "../model/limits.ts";
import { absenceCountsFrom, mayAct, releasingOf } from "../model/proxies.ts";
import { answered, isOpen, isReachable, itsProxy, type OfProxy, type Room } from "./room.ts";

/** Takes our tags off a VM that is to run on without us. */
export interface Release extends OfProxy {
	readonly call: "release";
	readonly vm: string;
}

export const release: Room<Release, null> = {
	call: "release",
	slot: "call",
	isMutating: true,
	subject: itsProxy,

	plan(draft) {
		const leaving = releasingOf(draft.state.proxies);
		if (leaving.length === 0 || !mayAct(draft.state) || !isReachable(draft)) return;
		for (const { id, phase, retryAt } of leaving) {
			if (phase.at === "releasing" && draft.isDue(retryAt)) draft.call<Release>({ call: "release", id, vm: phase.vm });
		}
	},

	isStillDue(state, { id }, now) {
		return isOpen(state, now) && mayAct(state) && state.proxies.get(id)?.phase.at === "releasing";
	},

	sent(state, { id }, now) {
		const proxy = state.proxies.get(id);
		return proxy === undefined ? state : withProxy(state, { ...proxy, retryAt: now + LOST_RESULT_MS });
	},

	/** Its tags are off: it is nobody's business here any more. */
	done(state, { id }, _result, now) {
		const heard = answered(state, now);
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "releasing") return heard;
		const text = `disassociated ${nameOf(proxy)}: ${proxy.phase.vm} is left running`;
		return withLog(withoutProxy(heard, id, now), now, "INFO", text);
	},

	failed(state, { id }, failure, now) {
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "releasing") return state;
		// A VM that was made just now may not show yet.
		if (failure.kind === "notFound")
			return withProxy(state, { ...proxy, absentAt: now, retryAt: Math.max(now, absenceCountsFrom(state, proxy)) });
		const after = backedOff(state, proxy, now);
		return proxy.tries > 0 ? after : withLog(after, now, "WARNING", `disassociating ${nameOf(proxy)} failed: ${failure.message}`);
	},
};
