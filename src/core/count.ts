import { CREATE_DEADLINE_MS, STUCK_DELETE_MS } from "./limits.ts";
import type { Ms, Proxy, Spec, State } from "./state.ts";

/**
 * VMs that may exist above `max` while others are replaced or deleted: max(2, rolling batch, ⌈10 % of max⌉). A batch counts while
 * rolling is on, and for no more than `max`: a slip in it must not buy more than a second fleet.
 */
export function surgeOf({ max, rolling }: Spec): number {
	return Math.max(2, rolling.enabled ? Math.min(rolling.batchSize, max) : 0, Math.ceil(max / 10));
}

/** Whether the pool can have VMs at all. */
export function hasCloud({ pool }: State): boolean {
	return pool.provider !== "static";
}

/** Everything that may cost money: each proxy from its intent until its VM is known to be gone, and strays. Bounds creation. */
export function billable(state: State): number {
	return state.proxies.size + state.strays.size;
}

/** Whether it is meant to stay: what meets, or will meet, demand. */
export function isKept(proxy: Proxy): boolean {
	const at = proxy.phase.at;
	return at !== "draining" && at !== "deleting" && at !== "releasing";
}

/** Whether it takes one of the target's places. A delete that was accepted, or is stuck, has freed its place (within surge). */
export function holdsPlace(proxy: Proxy, now: Ms): boolean {
	if (proxy.phase.at === "deleting") return proxy.phase.acceptedAt === null && now < proxy.since + STUCK_DELETE_MS;
	return proxy.phase.at !== "draining" && proxy.phase.at !== "releasing";
}

/** The provider's id of its VM, null while none is known. */
export function vmOf(proxy: Proxy): string | null {
	return proxy.phase.at === "launching" ? null : proxy.phase.vm;
}

export function isReady(proxy: Proxy): boolean {
	return proxy.phase.at === "ready";
}

/** Its agent has registered, and is believed once the inventory shows its address. */
export function isPending(proxy: Proxy): boolean {
	return proxy.claim !== null && proxy.address === null && proxy.phase.at !== "deleting";
}

/** When its agent or its inventory last gave a sign of life; at the earliest, when its create was sent. */
export function lastSeenAt(state: State, proxy: Proxy): Ms {
	const vitals = state.vitals.get(proxy.id);
	return Math.max(proxy.createdAt, vitals?.heardAt ?? 0, vitals?.seenAt ?? 0);
}

/**
 * From this instant on a `find` that says "not found" is believed: `unknown_timeout` after the VM was last seen, or, while it never was
 * ready, may have come into being, which it can do as long as its create call may be under way.
 */
export function absenceCountsFrom(state: State, proxy: Proxy): Ms {
	const bornBy = proxy.wasReady ? 0 : proxy.createdAt + CREATE_DEADLINE_MS;
	return Math.max(lastSeenAt(state, proxy), bornBy) + state.spec.unknownTimeoutSeconds * 1000;
}

/** Whether a `find` has said "not found" at a time from which it counts. */
export function isBelievedGone(state: State, proxy: Proxy): boolean {
	return proxy.absentAt !== null && proxy.absentAt >= absenceCountsFrom(state, proxy);
}

/** Whether the pool may call creates, deletes and restarts at all. */
export function mayAct(state: State): boolean {
	return state.suspended === null && state.breach === null;
}

/** Whether its agent has been heard within `intervals` heartbeat intervals. */
export function heardWithin(state: State, proxy: Proxy, intervals: number, now: Ms): boolean {
	return (state.vitals.get(proxy.id)?.heardAt ?? 0) + intervals * state.heartbeatSeconds * 1000 > now;
}

/** Proxies that are ready now. */
export function countReady(state: State): number {
	let ready = 0;
	for (const proxy of state.proxies.values()) if (proxy.phase.at === "ready") ready++;
	return ready;
}
