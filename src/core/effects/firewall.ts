import { BACK_OFF, pauseMs } from "../model/breakers.ts";
import { withLog } from "../model/edit.ts";
import { NEVER_CHANGED } from "../model/firewall.ts";
import { LOST_RESULT_MS } from "../model/limits.ts";
import { isSent, mayAct, vmOf } from "../model/proxies.ts";
import type { Proxy, State } from "../model/state.ts";
import { summed } from "../model/table.ts";
import type { AnyEffect } from "../planning/draft.ts";
import { answered, isOpen, isRich, type Room } from "./room.ts";

/** Makes the firewall in front of the pool's VMs admit these addresses (CIDR; none: everyone) and no others, where no create does. */
export interface ChangeFirewall extends AnyEffect {
	readonly call: "firewall";
	readonly allow: readonly string[];
}

export const firewall: Room<ChangeFirewall, null> = {
	call: "firewall",
	slot: "create",
	isMutating: true,
	subject: () => "firewall",

	plan(draft) {
		const { state } = draft;
		if (!isFirewallWrong(state) || !isRich(draft)) return;
		if (draft.isDue(state.firewall.retryAt)) draft.call<ChangeFirewall>({ call: "firewall", allow: state.allow });
	},

	isStillDue(state, { allow }, now) {
		return isOpen(state, now) && allow === state.allow && isFirewallWrong(state);
	},

	sent(state, _effect, now) {
		return { ...state, firewall: { ...state.firewall, retryAt: now + LOST_RESULT_MS } };
	},

	done(state, { allow }, _result, now) {
		const words = allow.length === 0 ? "every address" : `only ${allow.join(", ")}`;
		const after = { ...answered(state, now), firewall: { ...NEVER_CHANGED, admits: allow } };
		return withLog(after, now, "INFO", `the firewall admits ${words}`);
	},

	failed(state, _effect, failure, now) {
		const tries = state.firewall.tries + 1;
		const why = `the firewall could not be changed: ${failure.message}`;
		const retryAt = Math.max(now + pauseMs(BACK_OFF.proxy, tries, state.pool.object), failure.retryAt ?? 0);
		const after = { ...state, firewall: { ...state.firewall, tries, retryAt, why } };
		return tries === 1 ? withLog(after, now, "WARNING", why) : after;
	},
};

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

const withVm = summed<Proxy>((proxy) => (vmOf(proxy) !== null || isSent(proxy) ? 1 : 0));

function hasVm({ proxies }: State): boolean {
	return withVm(proxies) > 0;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
	return a.length === b.length && a.every((cidr, index) => cidr === b[index]);
}
