import { applyListed } from "../facts/inventory.ts";
import { BACK_OFF, opened } from "../model/breakers.ts";
import { withBreaker } from "../model/edit.ts";
import { IDLE_LIST_MS, LIST_SPACING_MS, ORPHAN_MS } from "../model/limits.ts";
import { hasCloud, isPending, unsettledOf } from "../model/proxies.ts";
import type { Ms, Vm } from "../model/state.ts";
import { passed } from "../model/time.ts";
import type { AnyEffect } from "../planning/draft.ts";
import { answered, isOpen, isRich, type Room } from "./room.ts";

/** Reads the inventory. */
export interface List extends AnyEffect {
	readonly call: "list";
}

/** Whole lists only. A VM missing from it becomes a `find`, not a death. */
export const list: Room<List, readonly Vm[]> = {
	call: "list",
	slot: "call",
	isMutating: false,
	subject: () => "list",

	/** When something waits for it, each interval while anything is in motion, else every five minutes. */
	plan(draft) {
		const { state } = draft;
		if (!hasCloud(state) || !isRich(draft) || !draft.isDue(state.breakers.list.until)) return;
		const intervalMs = state.spec.intervalSeconds * 1000;
		const listedAt = passed(state.listedAt, draft.now);
		let dueAt = listedAt + Math.max(IDLE_LIST_MS, intervalMs);
		const by = (at: Ms) => {
			dueAt = Math.min(dueAt, at);
		};
		if (state.reconciledAt === null) by(0);
		if (state.run === "removing") by(listedAt + intervalMs);
		for (const proxy of unsettledOf(state.proxies)) {
			const { phase } = proxy;
			if (phase.at === "ready" && proxy.failedProbes === 0 && proxy.offSince === null) continue;
			by(listedAt + intervalMs);
			// An agent is up, and the inventory has not said yet where.
			if (proxy.claim !== null && isPending(proxy)) by(Math.max(listedAt + LIST_SPACING_MS, proxy.claim.at));
			// A proxy that falls silent may have lost its VM.
			if (phase.at === "unready" && proxy.since > listedAt) by(listedAt + LIST_SPACING_MS);
		}
		for (const orphan of state.orphans.values()) if (orphan.firstSeenAt + ORPHAN_MS > listedAt) by(orphan.firstSeenAt + ORPHAN_MS);
		if (draft.isDue(dueAt)) draft.call<List>({ call: "list" });
	},

	isStillDue(state, _effect, now) {
		return isOpen(state, now);
	},

	done(state, _effect, vms, now, startedAt) {
		return applyListed(answered(state, now, "list"), vms, startedAt, now);
	},

	failed(state, _effect, failure, now) {
		const why = `the inventory cannot be read: ${failure.message}`;
		const breaker = opened(
			state.breakers.list,
			{ why, backOff: BACK_OFF.list, begunAt: now, notBefore: failure.retryAt, seed: state.pool.object },
			now,
		);
		return withBreaker(state, "list", breaker, now, "WARNING");
	},
};
