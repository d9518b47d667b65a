/** Questions about proxies: each of them, and all that a pool has. */
import { CREATE_DEADLINE_MS, STUCK_DELETE_MS } from "./limits.ts";
import type { Id, Identity, Ms, Proxy, Spec, State, Vm } from "./state.ts";
import { filtered, measure, summed, type Table } from "./table.ts";

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

/** Everything that may cost money: each proxy from its intent until its VM is known to be gone, and orphans. Bounds creation. */
export function billable(state: State): number {
	return state.proxies.size + state.orphans.size;
}

/** Whether it is meant to stay: what meets, or will meet, demand. */
export function isKept(proxy: Proxy): boolean {
	const at = proxy.phase.at;
	return at !== "draining" && at !== "deleting" && at !== "releasing";
}

/** Whether it counts as one of the target's. One whose delete was accepted, or is stuck, does no more (within surge). */
export function countsForTarget(proxy: Proxy, now: Ms): boolean {
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

/** Whether its VM is off: seen so once, it may have been on its way up again; the inventory must say so for as long as its answers may lag. */
export function isBelievedOff({ vitals, spec }: State, { id, offSince }: Proxy): boolean {
	return offSince !== null && (vitals.get(id)?.seenAt ?? 0) >= offSince + spec.unknownTimeoutSeconds * 1000;
}

/**
 * Whether its VM was never switched on: it was last seen off, never had an address nor an agent, and that at a time when its create was
 * certainly over. An earlier look may have come between two calls of a create that goes on.
 */
export function isUnfinished(state: State, proxy: Proxy): boolean {
	if (!state.spec.finishesCreate || proxy.phase.at !== "booting" || proxy.offSince === null) return false;
	// One that others made has its own system, and never had a token of ours.
	if (proxy.tokenHash === null) return false;
	const seenAt = state.vitals.get(proxy.id)?.seenAt ?? 0;
	return proxy.address === null && proxy.keyHash === null && proxy.claim === null && seenAt >= proxy.createdAt + CREATE_DEADLINE_MS;
}

/** Whether the pool may call creates, deletes and restarts at all. */
export function mayAct(state: State): boolean {
	return state.suspended === null && state.breach === null && state.unreadable === null;
}

const readyIn = summed<Proxy>((proxy) => (proxy.phase.at === "ready" ? 1 : 0));

/** Proxies that are ready now. */
export function countReady({ proxies }: Pick<State, "proxies">): number {
	return readyIn(proxies);
}

const byAddress = measure<Proxy, ReadonlyMap<string, readonly Proxy[]>>((_keys, values) => {
	const found = new Map<string, Proxy[]>();
	for (const proxy of values) {
		if (proxy.address === null) continue;
		const others = found.get(proxy.address);
		if (others === undefined) found.set(proxy.address, [proxy]);
		else others.push(proxy);
	}
	return found;
});

/** The first proxy of this address that fulfils a condition. */
export function proxyAt(proxies: Table<Proxy>, address: string, isMeant: (proxy: Proxy) => boolean): Proxy | null {
	for (const part of byAddress(proxies)) {
		const proxy = part.get(address)?.find(isMeant);
		if (proxy !== undefined) return proxy;
	}
	return null;
}

/** The proxy that an operator names by its own id, or by its VM's. */
export function proxyNamed({ proxies }: State, name: Id): Proxy | null {
	const known = proxies.get(name);
	if (known !== undefined) return known;
	for (const proxy of proxies.values()) if (vmOf(proxy) === name) return proxy;
	return null;
}

/** Whether a VM carries the pool's own tags. */
export function isTaggedFor(pool: Identity, { tags }: Vm): boolean {
	return tags.deployment === pool.deployment && tags.pool === pool.tag;
}

/** Whether a VM carries another pool's tags. The deployment's is put on last and taken off first. */
export function isAnothers(vm: Vm, pool: Identity): boolean {
	return vm.tags.deployment !== null && !isTaggedFor(pool, vm);
}

/** Whether its VM can be let go: it has one, it is whole, and it is not on its way out already. */
export function isReleasable({ phase }: Proxy): boolean {
	return phase.at !== "launching" && phase.at !== "adopting" && phase.at !== "releasing" && phase.at !== "deleting";
}

/** Taken in, and not of use yet. */
export function isNewcomer(proxy: Proxy): boolean {
	return proxy.isAdopted && !proxy.wasReady;
}

/** Whether it serves without an agent's key: then an operator confirms it, and a plain request through it is its probe. */
export function isPlain(proxy: Proxy): boolean {
	return proxy.isAdopted && proxy.keyHash === null;
}

/** Whether its create was sent, and nothing is known of what came of it. */
export function isSent({ phase }: Proxy): boolean {
	return phase.at === "launching" && phase.sentAt !== null;
}

/** Whether it is an intent of which nothing was sent yet. */
export function isUnsent({ phase }: Proxy): boolean {
	return phase.at === "launching" && phase.sentAt === null;
}

/** Intents of which nothing was sent yet. */
export const unsentOf = filtered<Proxy>(isUnsent);
export const sentOf = filtered<Proxy>(isSent);
export const unreadyOf = filtered<Proxy>(({ phase }) => phase.at === "unready");
export const drainingOf = filtered<Proxy>(({ phase }) => phase.at === "draining");
export const deletingOf = filtered<Proxy>(({ phase }) => phase.at === "deleting");
export const restartingOf = filtered<Proxy>(({ phase }) => phase.at === "restarting");
export const bootingOf = filtered<Proxy>(({ phase }) => phase.at === "booting");
export const adoptingOf = filtered<Proxy>(({ phase }) => phase.at === "adopting");
export const releasingOf = filtered<Proxy>(({ phase }) => phase.at === "releasing");

/** All but those that serve, and of which nothing says that they will not go on doing so. */
export const unsettledOf = filtered<Proxy>(
	({ phase, failedProbes, offSince, suspectAt, absentAt, wasReady }) =>
		phase.at !== "ready" || failedProbes > 0 || offSince !== null || suspectAt !== null || absentAt !== null || !wasReady,
);

const keptIn = summed<Proxy>((proxy) => (isKept(proxy) && !isNewcomer(proxy) ? 1 : 0));
const standingIn = summed<Proxy>((proxy) => (isKept(proxy) && !isNewcomer(proxy) && proxy.phase.at !== "deleting" ? 1 : 0));

/** Proxies that are meant to stay, without those taken in of which nobody knows yet whether they will ever serve. */
export function countKept({ proxies }: State): number {
	return keptIn(proxies);
}

/** How many of the target there are; see {@link countsForTarget}. */
export function countForTarget({ proxies }: State, now: Ms): number {
	let count = standingIn(proxies);
	for (const proxy of deletingOf(proxies)) if (!isNewcomer(proxy) && countsForTarget(proxy, now)) count++;
	return count;
}

const provenIn = summed<Proxy>((proxy) => (proxy.wasReady && isKept(proxy) ? 1 : 0));

/** Whether anything that is meant to stay ever was ready. */
export function hasProven({ proxies }: State): boolean {
	return provenIn(proxies) > 0;
}
