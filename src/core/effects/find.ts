import { applyFound } from "../facts/inventory.ts";
import { backedOff } from "../model/edit.ts";
import { absenceCountsFrom, isPending, unsettledOf } from "../model/proxies.ts";
import type { Ms, Proxy, State, Vm } from "../model/state.ts";
import { isDeleteTurn } from "./delete.ts";
import { answered, hasQuota, isOpen, isReachable, itsProxy, type OfProxy, type Room } from "./room.ts";

/** Looks one VM up, by its provider's id where that is known, else by its name. */
export interface Find extends OfProxy {
	readonly call: "find";
	readonly vm: string | null;
}

/** Null: its provider says that there is none. */
export const find: Room<Find, Vm | null> = {
	call: "find",
	slot: "call",
	isMutating: false,
	subject: itsProxy,

	plan(draft) {
		if (!isReachable(draft)) return;
		const mayList = hasQuota(draft) && draft.state.breakers.list.until <= draft.now;
		for (const proxy of unsettledOf(draft.state.proxies)) {
			// An agent that is up waits for the inventory to say where: while there can be no list, a find says it, whatever an earlier one said.
			const dueAt = mayList || !isPending(proxy) ? findDueAt(draft.state, proxy) : 0;
			if (dueAt === null || !draft.isDue(Math.max(dueAt, proxy.retryAt))) continue;
			draft.call<Find>({ call: "find", id: proxy.id, vm: proxy.phase.at === "launching" ? null : proxy.phase.vm });
		}
	},

	isStillDue(state, { id }, now) {
		return isOpen(state, now) && state.proxies.has(id);
	},

	done(state, { id }, vm, now, startedAt) {
		return applyFound(answered(state, now), id, vm, startedAt, now);
	},

	failed(state, { id }, _failure, now) {
		const proxy = state.proxies.get(id);
		return proxy === undefined ? state : backedOff(state, proxy, now);
	},
};

/** When a proxy's VM is to be looked up next; null: not at all. */
export function findDueAt(state: State, proxy: Proxy): Ms | null {
	const { phase } = proxy;
	switch (phase.at) {
		case "launching":
			// Sent, and no answer: it is looked up until it shows, or its absence counts.
			return phase.sentAt === null ? null : 0;
		case "deleting":
			if (phase.vm === null) return 0;
			return isDeleteTurn(proxy) ? null : 0;
		case "adopting":
		case "releasing":
			return null;
		case "booting":
		case "ready":
		case "unready":
		case "restarting":
		case "draining":
			if (proxy.absentAt !== null) return absenceCountsFrom(state, proxy);
			return proxy.suspectAt;
		default:
			return phase satisfies never;
	}
}
