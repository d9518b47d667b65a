/** VMs that others made: taken in by putting our tags on, let go by taking them off. What was let go is never deleted. */
import { newest } from "../model/bounds.ts";
import { fraction } from "../model/breakers.ts";
import { inPhase, nameOf, withLog, withProxy } from "../model/edit.ts";
import { CONFIRMATION_BYTES, CONFIRMATION_MS, KEPT_CONFIRMATIONS, KEPT_RELEASED, RELEASED_BYTES } from "../model/limits.ts";
import { isPlain, proxyAt, vmOf } from "../model/proxies.ts";
import { intentOf } from "../model/proxy.ts";
import type { Id, Ms, Proxy, State } from "../model/state.ts";

/** Takes a VM in: the intent is stored, the tags follow. */
export function withAdoption(state: State, vm: string, now: Ms): State {
	const id = idFor(state, vm, now);
	const why = "associated by an operator";
	const proxy: Proxy = { ...intentOf(id, now), isAdopted: true, phase: { at: "adopting", vm, sentAt: null }, why };
	const orphans = state.orphans.without(vm);
	const released = state.released.filter((other) => other !== vm);
	return withLog(withProxy({ ...state, orphans, released }, proxy), now, "INFO", `associating ${vm}`);
}

/** Derived and not drawn, since `apply` has no randomness; two pools never meet, nor two associations of one VM. */
function idFor(state: State, vm: string, now: Ms): Id {
	const piece = (salt: string) => fraction(`${salt} ${state.pool.object} ${vm} ${now}`).toString(36).slice(2, 7).padEnd(5, "0");
	return `a${["one", "two", "three"].map(piece).join("")}`;
}

/** Lets a VM go. From here on no list makes an orphan of it, however late that list is. */
export function withRelease(state: State, proxy: Proxy, why: string, now: Ms): State {
	const vm = vmOf(proxy);
	if (vm === null) return state;
	const all = [...state.released.filter((other) => other !== vm), vm];
	const released = newest(all, { most: KEPT_RELEASED, bytes: RELEASED_BYTES, perItem: 1, textOf: (other) => other });
	// Who registered from it is no proxy of ours any more.
	const leaving = { ...inPhase(proxy, { at: "releasing", vm }, why, now), claim: null };
	return withLog(withProxy({ ...state, released }, leaving), now, "INFO", `disassociating ${nameOf(proxy)}: ${why}`);
}

/** An operator says that what has this address serves. One whose address is not known yet is remembered for a while. */
export function withConfirmation(state: State, address: string, now: Ms): State {
	const proxy = liveAt(state, address);
	if (proxy !== null) return confirmedByHand(state, proxy, now);
	const fresh = state.confirmations.filter((one) => one.address !== address && now < one.at + CONFIRMATION_MS);
	const bounds = {
		most: KEPT_CONFIRMATIONS,
		bytes: CONFIRMATION_BYTES,
		perItem: 60,
		textOf: (one: { readonly address: string }) => one.address,
	};
	return { ...state, confirmations: newest([...fresh, { address, at: now }], bounds) };
}

/** The same, where a VM's address has just become known. */
export function withRemembered(state: State, proxy: Proxy, now: Ms): State {
	const isMeant = (one: State["confirmations"][number]) => one.address === proxy.address && now < one.at + CONFIRMATION_MS;
	if (!isPlain(proxy) || proxy.registered || !state.confirmations.some(isMeant)) return state;
	const confirmations = state.confirmations.filter((one) => !isMeant(one));
	return confirmedByHand({ ...state, confirmations }, proxy, now);
}

/** Nobody vouches any more for what has this address: the proxy's id, or null. */
export function withoutConfirmation(state: State, address: string): { readonly state: State; readonly id: Id | null } {
	const confirmations = state.confirmations.filter((one) => one.address !== address);
	const after = confirmations.length === state.confirmations.length ? state : { ...state, confirmations };
	return { state: after, id: liveAt(state, address)?.id ?? null };
}

/** An agent with a key of its own that had left is back as well; one that never registered will do so itself. */
function confirmedByHand(state: State, proxy: Proxy, now: Ms): State {
	if (proxy.registered || (proxy.keyHash === null && !proxy.isAdopted)) return state;
	return withLog(withProxy(state, { ...proxy, registered: true, failedProbes: 0 }), now, "INFO", `confirmed ${nameOf(proxy)}`);
}

function liveAt(state: State, address: string): Proxy | null {
	return proxyAt(state.proxies, address, ({ phase }) => phase.at !== "deleting" && phase.at !== "releasing");
}
