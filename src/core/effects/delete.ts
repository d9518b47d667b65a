import { backedOff, nameOf, withLog, withProxy } from "../model/edit.ts";
import { LOOK_AFTER_DELETE_MS, LOST_RESULT_MS } from "../model/limits.ts";
import { absenceCountsFrom, deletingOf, mayAct } from "../model/proxies.ts";
import { withoutSessions } from "../model/sessions.ts";
import type { Proxy } from "../model/state.ts";
import { answered, isOpen, isReachable, itsProxy, type OfProxy, type Room } from "./room.ts";

/** Deletes the VM of a proxy. */
export interface Delete extends OfProxy {
	readonly call: "delete";
	readonly vm: string;
}

/** An accepted delete is looked after with finds; every fourth time it is sent again, lest the provider forgot it. */
export function isDeleteTurn({ phase, tries }: Proxy): boolean {
	return phase.at === "deleting" && (phase.acceptedAt === null || tries % 4 === 3);
}

/** `gone`: the provider says that it does not exist. */
export const deleteVm: Room<Delete, "accepted" | "gone"> = {
	call: "delete",
	slot: "call",
	isMutating: true,
	subject: itsProxy,

	plan(draft) {
		if (!mayAct(draft.state) || !isReachable(draft)) return;
		for (const proxy of deletingOf(draft.state.proxies)) {
			const { id, phase, retryAt } = proxy;
			if (phase.at !== "deleting" || phase.vm === null || !isDeleteTurn(proxy)) continue;
			if (draft.isDue(retryAt)) draft.call<Delete>({ call: "delete", id, vm: phase.vm });
		}
	},

	isStillDue(state, { id, vm }, now) {
		const phase = state.proxies.get(id)?.phase;
		return isOpen(state, now) && mayAct(state) && phase?.at === "deleting" && phase.vm === vm;
	},

	sent(state, { id }, now) {
		const proxy = state.proxies.get(id);
		return proxy === undefined ? state : withProxy(withoutSessions(state, id), { ...proxy, retryAt: now + LOST_RESULT_MS });
	},

	done(state, { id, vm }, result, now) {
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "deleting") return result === "gone" ? state : answered(state, now);
		const heard = answered(state, now);
		if (result === "gone") return withProxy(heard, { ...proxy, absentAt: now, retryAt: Math.max(now, absenceCountsFrom(state, proxy)) });
		if (proxy.phase.vm !== vm) return heard;
		if (proxy.phase.acceptedAt !== null) return backedOff(heard, proxy, now);
		const phase = { ...proxy.phase, acceptedAt: now };
		return withProxy(heard, { ...proxy, phase, tries: 0, retryAt: now + LOOK_AFTER_DELETE_MS });
	},

	failed(state, { id }, failure, now) {
		const proxy = state.proxies.get(id);
		if (proxy === undefined) return state;
		const after = backedOff(state, proxy, now);
		return proxy.tries > 0 ? after : withLog(after, now, "WARNING", `delete of ${nameOf(proxy)} failed: ${failure.message}`);
	},
};
