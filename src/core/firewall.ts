/** Keeps the cloud's firewall in step with the addresses that may use the proxies, where no create happens that would see to it. */
import { mayAct, vmOf } from "./count.ts";
import type { Draft } from "./draft.ts";
import { withLog } from "./edit.ts";
import type { Failure } from "./events.ts";
import { BACK_OFF, pauseMs } from "./gates.ts";
import { LOST_RESULT_MS } from "./limits.ts";
import type { Ms, State } from "./state.ts";

/** Changes the firewall, where VMs stand behind one that admits others than it shall. */
export function changeFirewall(draft: Draft): void {
	const { state } = draft;
	if (isFirewallWrong(state) && draft.isDue(state.firewall.retryAt)) draft.call({ call: "firewall", allow: state.allow });
}

/**
 * Whether VMs stand behind a firewall that is not known to admit whom it shall. It is one for all pools of the deployment: a pool that is being
 * removed hears of no settings any more, and keeps its hands off.
 */
export function isFirewallWrong(state: State): boolean {
	const { admits } = state.firewall;
	return state.run !== "removing" && mayAct(state) && admits !== null && !isSame(admits, state.allow) && hasVm(state);
}

/** A create sees to the firewall: what it was sent with is what the first VM stands behind. */
export function firewallAtCreate(state: State): State["firewall"] {
	return state.firewall.admits === null || !hasVm(state) ? { ...NEVER_CHANGED, admits: state.allow } : state.firewall;
}

export function firewallSent(state: State, now: Ms): State {
	return { ...state, firewall: { ...state.firewall, retryAt: now + LOST_RESULT_MS } };
}

export function firewallChanged(state: State, allow: readonly string[], now: Ms): State {
	const words = allow.length === 0 ? "every address" : `only ${allow.join(", ")}`;
	return withLog({ ...state, firewall: { ...NEVER_CHANGED, admits: allow } }, now, "INFO", `the firewall admits ${words}`);
}

export function firewallFailed(state: State, failure: Failure, now: Ms): State {
	const tries = state.firewall.tries + 1;
	const why = `the firewall could not be changed: ${failure.say}`;
	const retryAt = Math.max(now + pauseMs(BACK_OFF.proxy, tries, state.pool.object), failure.retryAt ?? 0);
	const after = { ...state, firewall: { ...state.firewall, tries, retryAt, why } };
	return tries === 1 ? withLog(after, now, "WARNING", why) : after;
}

/** The firewall of a pool that has made no VM yet. */
export const NEVER_CHANGED: State["firewall"] = { admits: null, tries: 0, retryAt: 0, why: "" };

function hasVm(state: State): boolean {
	for (const proxy of state.proxies.values()) {
		if (vmOf(proxy) !== null || (proxy.phase.at === "launching" && proxy.phase.sentAt !== null)) return true;
	}
	return false;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
	return a.length === b.length && a.every((cidr, index) => cidr === b[index]);
}
