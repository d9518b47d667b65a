import { withRelease } from "../facts/adopt.ts";
import { sighted } from "../facts/inventory.ts";
import { backedOff, withFailed, withLog, withoutProxy, withProxy } from "../model/edit.ts";
import { isFinal } from "../model/failure.ts";
import { LOST_RESULT_MS } from "../model/limits.ts";
import { adoptingOf, mayAct } from "../model/proxies.ts";
import type { Vm } from "../model/state.ts";
import { answered, isOpen, isReachable, itsProxy, type OfProxy, type Room } from "./room.ts";

/** Puts our tags on a VM that others made. */
export interface Adopt extends OfProxy {
	readonly call: "adopt";
	readonly vm: string;
}

export const adopt: Room<Adopt, Vm> = {
	call: "adopt",
	slot: "call",
	isMutating: true,
	subject: itsProxy,

	plan(draft) {
		const waiting = adoptingOf(draft.state.proxies);
		if (waiting.length === 0 || !mayAct(draft.state) || !isReachable(draft)) return;
		for (const { id, phase, retryAt } of waiting) {
			if (phase.at === "adopting" && draft.isDue(retryAt)) draft.call<Adopt>({ call: "adopt", id, vm: phase.vm });
		}
	},

	isStillDue(state, { id }, now) {
		return isOpen(state, now) && mayAct(state) && state.proxies.get(id)?.phase.at === "adopting";
	},

	sent(state, { id }, now) {
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "adopting") return state;
		return withProxy(state, { ...proxy, phase: { ...proxy.phase, sentAt: proxy.phase.sentAt ?? now }, retryAt: now + LOST_RESULT_MS });
	},

	/** The VM has our tags. */
	done(state, { id }, vm, now) {
		const proxy = state.proxies.get(id);
		return proxy?.phase.at === "adopting" ? sighted(answered(state, now), proxy, vm, now) : state;
	},

	/** A failure that a further attempt does not mend ends an association; everything else is tried again until its time is up. */
	failed(state, { id }, failure, now) {
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "adopting") return state;
		if (!isFinal(failure)) return backedOff(state, proxy, now);
		const { vm } = proxy.phase;
		const why = `associating ${vm} failed: ${failure.message}`;
		const told = withLog(state, now, "WARNING", why);
		// What never was there leaves nothing behind.
		if (failure.kind === "notFound" && proxy.tries === 0) return withoutProxy(told, id, now);
		const noted = withFailed(told, { id, vm, address: proxy.address, at: now, why });
		// The first attempt found nothing that could be tagged; after it, or where the cloud refuses midway, there may be tags.
		const isUntouched = failure.kind === "notFound" || (failure.kind === "conflict" && proxy.tries === 0);
		return isUntouched ? withoutProxy(noted, id, now) : withRelease(noted, proxy, why, now);
	},
};
