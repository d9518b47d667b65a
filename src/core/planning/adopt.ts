/** What time alone brings about for VMs that others made. */
import { withRelease } from "../facts/adopt.ts";
import { nameOf, withFailed } from "../model/edit.ts";
import { ADOPT_LIMIT_MS } from "../model/limits.ts";
import { isBelievedGone, isNewcomer, isReleasable, mayAct, vmOf } from "../model/proxies.ts";
import type { Proxy } from "../model/state.ts";
import type { Draft } from "./draft.ts";

/** To `releasing`, where it is a draft that decides. */
export function release(draft: Draft, proxy: Proxy, why: string): void {
	draft.state = withRelease(draft.state, proxy, why, draft.now);
}

export function settleAdopting(draft: Draft, proxy: Proxy, phase: Proxy["phase"] & { at: "adopting" }): void {
	if (!draft.isDue(proxy.since + ADOPT_LIMIT_MS)) return;
	giveUp(draft, proxy, phase.sentAt !== null, `its tags could not be put on within ${ADOPT_LIMIT_MS / 1000} s`);
}

/** Its tags come off, however long that takes, or it is gone by itself. */
export function settleReleasing(draft: Draft, proxy: Proxy): void {
	if (!isBelievedGone(draft.state, proxy)) return;
	draft.remove(proxy.id);
	draft.message("WARNING", `dropped ${nameOf(proxy)}: its provider has it no more`);
}

/** What may have tags of ours by now gets rid of them. */
function giveUp(draft: Draft, proxy: Proxy, isSent: boolean, why: string): void {
	draft.message("WARNING", `associating ${vmOf(proxy)} failed: ${why}`);
	draft.state = withFailed(draft.state, { id: proxy.id, vm: vmOf(proxy), address: proxy.address, at: draft.now, why });
	if (isSent) release(draft, proxy, why);
	else draft.remove(proxy.id);
}

/** A removed pool whose VMs are to run on lets them all go, and what is on its way as soon as it shows. */
export function releaseAll(draft: Draft): void {
	if (!mayAct(draft.state)) return;
	for (const proxy of [...draft.proxies]) {
		const { phase } = proxy;
		if (isReleasable(proxy)) release(draft, proxy, "the pool was removed and leaves its VMs running");
		else if ((phase.at === "launching" || phase.at === "adopting") && phase.sentAt === null) draft.remove(proxy.id);
	}
}

/** A pool that is to have no proxy gives back what it has never used. */
export function releaseNewcomers(draft: Draft): void {
	for (const proxy of [...draft.proxies]) {
		if (!isNewcomer(proxy)) continue;
		if (proxy.phase.at === "adopting" && proxy.phase.sentAt === null) draft.remove(proxy.id);
		else if (isReleasable(proxy) || proxy.phase.at === "adopting") release(draft, proxy, "the pool is to have no proxy");
	}
}
