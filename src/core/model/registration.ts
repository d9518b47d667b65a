import type { Claim, Id, Ms, Proxy, State } from "./state.ts";

export type Judgement = { readonly is: "accepted" } | { readonly is: "refused"; readonly message: string };

const refused = (message: string): Judgement => ({ is: "refused", message });
const ACCEPTED: Judgement = { is: "accepted" };

/**
 * Whether a registration is believed. A boot token serves one VM, for a live intent: the first key that comes with it is bound to
 * it, the same pair always gets the same answer, any other key is refused. An unused token expires with the boot limit. The address
 * must be the one in the inventory; while that is not known, the claim is kept until it is.
 *
 * `tokenHash` and `keyHash` are SHA-256 (hex) of what was presented.
 */
export function judgeRegistration(
	state: State,
	request: { readonly id: Id; readonly tokenHash: string; readonly keyHash: string; readonly address: string },
	now: Ms,
): Judgement {
	const proxy = state.proxies.get(request.id);
	if (proxy === undefined || proxy.phase.at === "deleting" || proxy.phase.at === "releasing")
		return refused("this proxy is not, or no longer, part of the fleet");
	if (!isTokenOf(proxy, request.tokenHash)) return refused("the boot token is not valid");
	const boundKey = proxy.keyHash ?? proxy.claim?.keyHash ?? null;
	if (boundKey !== null && boundKey !== request.keyHash) return refused("the boot token was used with another key");
	if (boundKey === null && now >= proxy.createdAt + state.spec.unregisteredTimeoutSeconds * 1000)
		return refused("the boot token has expired");
	if (proxy.address !== null && proxy.address !== request.address) return refused("the address is not this proxy's");
	return ACCEPTED;
}

/** Whether a claim that came before its VM's address was known is believed, now that the inventory shows the address. */
export function isBorneOut(claim: Claim, address: string): boolean {
	return claim.address === address;
}

/** Whether a boot token is one that this proxy's VM may have been given. */
export function isTokenOf(proxy: Proxy, tokenHash: string): boolean {
	return proxy.tokenHash === tokenHash || (proxy.formerTokenHash !== null && proxy.formerTokenHash === tokenHash);
}

/**
 * Whether a call with a VM's own key is believed. The address is not asked for: after a reboot the VM may have another one before
 * the inventory shows it, and the key alone proves the VM.
 */
export function judgeKey(state: State, id: Id, keyHash: string): Judgement {
	const proxy = state.proxies.get(id);
	if (proxy === undefined || proxy.phase.at === "deleting" || proxy.phase.at === "releasing")
		return refused("this proxy is not, or no longer, part of the fleet");
	const boundKey = proxy.keyHash ?? proxy.claim?.keyHash ?? null;
	return boundKey !== null && boundKey === keyHash ? ACCEPTED : refused("the key is not this proxy's");
}
