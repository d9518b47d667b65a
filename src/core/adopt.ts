/** VMs that others made: taken in by putting our tags on, let go by taking them off. What was let go is never deleted. */
import { absenceCountsFrom, isBelievedGone, mayAct, vmOf } from "./count.ts";
import type { Draft } from "./draft.ts";
import { inPhase, nameOf, withFailed, withLog, withoutProxy, withProxy } from "./edit.ts";
import type { Effect, Failure, Vm } from "./events.ts";
import { BACK_OFF, fraction, pauseMs } from "./gates.ts";
import { intentOf } from "./intent.ts";
import { ADOPT_LIMIT_MS, CONFIRMATION_MS, KEPT_CONFIRMATIONS, KEPT_RELEASED, LOST_RESULT_MS } from "./limits.ts";
import type { Id, Ms, Proxy, State } from "./state.ts";

/** Takes a VM in: the intent is stored, the tags follow. */
export function withAdoption(state: State, vm: string, now: Ms): State {
	const id = idFor(state, vm, now);
	const why = "associated by an operator";
	const proxy: Proxy = { ...intentOf(id, now), isAdopted: true, phase: { at: "adopting", vm, sentAt: null }, why };
	const strays = new Map(state.strays);
	strays.delete(vm);
	const released = state.released.filter((other) => other !== vm);
	return withLog(withProxy({ ...state, strays, released }, proxy), now, "INFO", `associating ${vm}`);
}

/** Derived and not drawn, since `apply` has no randomness; two pools never meet, nor two associations of one VM. */
function idFor(state: State, vm: string, now: Ms): Id {
	const piece = (salt: string) => fraction(`${salt} ${state.pool.object} ${vm} ${now}`).toString(36).slice(2, 7).padEnd(5, "0");
	return `a${["one", "two", "three"].map(piece).join("")}`;
}

/** The proxy that an operator names by its own id, or by its VM's. */
export function proxyNamed(state: State, name: string): Proxy | null {
	const known = state.proxies.get(name);
	if (known !== undefined) return known;
	for (const proxy of state.proxies.values()) if (vmOf(proxy) === name) return proxy;
	return null;
}

/** Whether a VM carries another pool's tags. The deployment's is put on last and taken off first. */
export function isAnothers({ tags }: Vm, pool: State["pool"]): boolean {
	return tags.deployment !== null && (tags.deployment !== pool.deployment || tags.pool !== pool.tag);
}

/** Whether its VM can be let go: it has one, it is whole, and it is not on its way out already. */
export function isReleasable({ phase }: Proxy): boolean {
	return phase.at !== "launching" && phase.at !== "adopting" && phase.at !== "releasing" && phase.at !== "deleting";
}

/** Lets a VM go. From here on no list makes a stray of it, however late that list is. */
export function withRelease(state: State, proxy: Proxy, why: string, now: Ms): State {
	const vm = vmOf(proxy);
	if (vm === null) return state;
	const released = [...state.released.filter((other) => other !== vm), vm].slice(-KEPT_RELEASED);
	// Who registered from it is no proxy of ours any more.
	const leaving = { ...inPhase(proxy, { at: "releasing", vm }, why, now), claim: null };
	return withLog(withProxy({ ...state, released }, leaving), now, "INFO", `disassociating ${nameOf(proxy)}: ${why}`);
}

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
	draft.say("WARNING", `dropped ${nameOf(proxy)}: its provider has it no more`);
}

/** What may have tags of ours by now gets rid of them. */
function giveUp(draft: Draft, proxy: Proxy, isSent: boolean, why: string): void {
	draft.say("WARNING", `associating ${vmOf(proxy)} failed: ${why}`);
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

/** Taken in, and not of use yet. */
export function isNewcomer(proxy: Proxy): boolean {
	return proxy.isAdopted && !proxy.wasReady;
}

/** A pool that is to have no proxy gives back what it has never used. */
export function releaseNewcomers(draft: Draft): void {
	for (const proxy of [...draft.proxies]) {
		if (!isNewcomer(proxy)) continue;
		if (proxy.phase.at === "adopting" && proxy.phase.sentAt === null) draft.remove(proxy.id);
		else if (isReleasable(proxy) || proxy.phase.at === "adopting") release(draft, proxy, "the pool is to have no proxy");
	}
}

export function retag(draft: Draft): void {
	for (const { id, phase, retryAt } of draft.proxies) {
		if (phase.at === "adopting" && draft.isDue(retryAt)) draft.call({ call: "adopt", id, vm: phase.vm });
		if (phase.at === "releasing" && draft.isDue(retryAt)) draft.call({ call: "release", id, vm: phase.vm });
	}
}

/** On its way to the provider. */
export function retagSent(state: State, { call, id }: Effect & { call: "adopt" | "release" }, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy === undefined) return state;
	const { phase } = proxy;
	const sent = call === "adopt" && phase.at === "adopting" ? { ...phase, sentAt: phase.sentAt ?? now } : phase;
	return withProxy(state, { ...proxy, phase: sent, retryAt: now + LOST_RESULT_MS });
}

/** Its tags are off: it is nobody's business here any more. */
export function released(state: State, id: Id, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy?.phase.at !== "releasing") return state;
	const text = `disassociated ${nameOf(proxy)}: ${proxy.phase.vm} is left running`;
	return withLog(withoutProxy(state, id, now), now, "INFO", text);
}

/** Whether trying again cannot help. */
export function isFinal({ kind }: Failure): boolean {
	return kind === "notFound" || kind === "conflict" || kind === "invalid";
}

/** A failure that a further attempt does not mend ends an association; everything else is tried again until its time is up. */
export function adoptFailed(state: State, id: Id, failure: Failure, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy?.phase.at !== "adopting") return state;
	if (!isFinal(failure)) return retried(state, proxy, now);
	const { vm } = proxy.phase;
	const why = `associating ${vm} failed: ${failure.say}`;
	const noted = withFailed(withLog(state, now, "WARNING", why), { id, vm, address: proxy.address, at: now, why });
	// The first attempt found nothing that could be tagged; after it, or where the cloud refuses midway, there may be tags.
	const isUntouched = failure.kind === "notFound" || (failure.kind === "conflict" && proxy.tries === 0);
	return isUntouched ? withoutProxy(noted, id, now) : withRelease(noted, proxy, why, now);
}

export function releaseFailed(state: State, id: Id, failure: Failure, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy?.phase.at !== "releasing") return state;
	// A VM that was made just now may not show yet.
	if (failure.kind === "notFound")
		return withProxy(state, { ...proxy, absentAt: now, retryAt: Math.max(now, absenceCountsFrom(state, proxy)) });
	const after = retried(state, proxy, now);
	return proxy.tries > 0 ? after : withLog(after, now, "WARNING", `disassociating ${nameOf(proxy)} failed: ${failure.say}`);
}

function retried(state: State, proxy: Proxy, now: Ms): State {
	const tries = proxy.tries + 1;
	return withProxy(state, { ...proxy, tries, retryAt: now + pauseMs(BACK_OFF.proxy, tries, proxy.id) });
}

/** Whether it serves without an agent's key: then an operator confirms it, and a plain request through it is its probe. */
export function isPlain(proxy: Proxy): boolean {
	return proxy.isAdopted && proxy.keyHash === null;
}

/** An operator says that what has this address serves. One whose address is not known yet is remembered for a while. */
export function withConfirmation(state: State, address: string, now: Ms): State {
	const proxy = liveAt(state, address);
	if (proxy !== null) return confirmedByHand(state, proxy, now);
	const fresh = state.confirmations.filter((one) => one.address !== address && now < one.at + CONFIRMATION_MS);
	return { ...state, confirmations: [...fresh, { address, at: now }].slice(-KEPT_CONFIRMATIONS) };
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
	for (const proxy of state.proxies.values()) {
		if (proxy.address === address && proxy.phase.at !== "deleting" && proxy.phase.at !== "releasing") return proxy;
	}
	return null;
}
