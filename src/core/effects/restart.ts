import { backedOff, inPhase, nameOf, withLog, withProxy } from "../model/edit.ts";
import { LOST_RESULT_MS } from "../model/limits.ts";
import { mayAct, restartingOf } from "../model/proxies.ts";
import { withoutSessions } from "../model/sessions.ts";
import { answered, isOpen, isRich, itsProxy, type OfProxy, type Room } from "./room.ts";

/** Power-cycles the VM of a proxy, in one step or two. */
export interface Restart extends OfProxy {
	readonly call: "restart";
	readonly vm: string;
	readonly step: "off" | "on";
}

export const restart: Room<Restart, null> = {
	call: "restart",
	slot: "call",
	isMutating: true,
	subject: itsProxy,

	plan(draft) {
		const waiting = restartingOf(draft.state.proxies);
		if (waiting.length === 0 || !mayAct(draft.state) || !isRich(draft)) return;
		for (const { id, phase, retryAt } of waiting) {
			if (phase.at !== "restarting" || !draft.isDue(retryAt)) continue;
			draft.call<Restart>({ call: "restart", id, vm: phase.vm, step: phase.step });
		}
	},

	isStillDue(state, { id, step }, now) {
		const phase = state.proxies.get(id)?.phase;
		return isOpen(state, now) && mayAct(state) && phase?.at === "restarting" && phase.step === step;
	},

	/** A registration that comes from here on is the restarted agent's. */
	sent(state, { id }, now) {
		const proxy = state.proxies.get(id);
		if (proxy === undefined) return state;
		return withProxy(withoutSessions(state, id), { ...proxy, registered: false, retryAt: now + LOST_RESULT_MS });
	},

	done(state, { id, step }, _result, now) {
		const heard = answered(state, now);
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "restarting" || proxy.phase.step !== step) return heard;
		if (state.spec.twoStepRestart && step === "off") {
			return withProxy(heard, { ...proxy, phase: { ...proxy.phase, step: "on" }, tries: 0, retryAt: 0 });
		}
		const { vm } = proxy.phase;
		return withProxy(heard, { ...inPhase(proxy, { at: "unready", vm }, "restarted; not back yet", now), failedProbes: 0, offSince: null });
	},

	failed(state, { id }, failure, now) {
		const proxy = state.proxies.get(id);
		if (proxy === undefined) return state;
		const after = backedOff(state, proxy, now);
		return proxy.tries > 0 ? after : withLog(after, now, "WARNING", `restart of ${nameOf(proxy)} failed: ${failure.message}`);
	},
};
