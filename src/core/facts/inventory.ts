/** What look-ups and lists show, applied. */
import { storedBytes } from "../model/bounds.ts";
import { backedOff, inPhase, withLog, withProxy, withVitals } from "../model/edit.ts";
import { CREATE_DEADLINE_MS, KEPT_ORPHANS, MOST_VM_CHARS, ORPHAN_BYTES } from "../model/limits.ts";
import { absenceCountsFrom, isPending, isReleasable, isSent, isTaggedFor, vmOf } from "../model/proxies.ts";
import { isBorneOut } from "../model/registration.ts";
import type { Id, Ms, Orphan, Proxy, State, Vm } from "../model/state.ts";
import { summed } from "../model/table.ts";
import { withCreate } from "../model/tally.ts";
import { withRemembered } from "./adopt.ts";
import { confirmed } from "./agents.ts";

/** A call that shows a proxy's VM: it exists, and this is its address and power state. */
export function sighted(state: State, proxy: Proxy, vm: Vm, now: Ms): State {
	let after = withVitals(state, proxy.id, { seenAt: now });
	let seen = proxy;
	const set = (change: Partial<Proxy>) => {
		seen = { ...seen, ...change };
	};
	if (proxy.phase.at === "launching") {
		if (proxy.phase.sentAt === null) return state;
		seen = inPhase(proxy, { at: "booting", vm: vm.vm }, "launched", now);
		after = withLog(withCreate(after, "created"), now, "INFO", `launched ${vm.vm}`);
	} else if (proxy.phase.at === "adopting" && proxy.phase.vm === vm.vm) {
		seen = inPhase(proxy, { at: "booting", vm: vm.vm }, "associated", now);
		after = withLog(after, now, "INFO", `associated ${vm.vm}`);
	} else if (proxy.phase.at === "deleting" && proxy.phase.vm === null) {
		seen = { ...proxy, phase: { ...proxy.phase, vm: vm.vm }, tries: 0, retryAt: 0 };
		after = withCreate(after, "created");
	} else if (vmOf(proxy) !== vm.vm) {
		return state; // another VM with the same intent: the list keeps it as an orphan
	}
	if (seen.suspectAt !== null) set({ suspectAt: null });
	if (seen.absentAt !== null && seen.phase.at !== "deleting") set({ absentAt: null });
	const offSince = vm.state === "off" ? (seen.offSince ?? now) : null;
	if (offSince !== seen.offSince) set({ offSince });
	if (vm.address !== null && vm.address !== seen.address) {
		const had = seen.address;
		set({ address: vm.address });
		if (had !== null) {
			set({ registered: false, posted: {} });
			after = withLog(after, now, "INFO", `${had} is now ${vm.address}`);
			if (seen.phase.at === "ready") seen = inPhase(seen, { at: "unready", vm: vm.vm }, "its address changed", now);
		}
	}
	if (seen !== proxy) after = withProxy(after, seen);
	const { claim } = seen;
	if (claim === null && seen.address !== null) return withRemembered(after, seen, now);
	if (claim === null || seen.address === null) return after;
	if (isBorneOut(claim, seen.address)) return confirmed(after, seen, claim.keyHash, now);
	const refused = withProxy(after, { ...seen, claim: null });
	return withLog(refused, now, "WARNING", `a registration from ${claim.address} was refused: the proxy's address is ${seen.address}`);
}

/** `startedAt`: when the look-up went out; `vm` null: its provider says that there is none. */
export function applyFound(state: State, id: Id, vm: Vm | null, startedAt: Ms, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy === undefined) return state;
	const isWaitingForDelete = proxy.phase.at === "deleting" && proxy.phase.vm !== null;
	if (vm !== null) {
		const seen = sighted(state, proxy, vm, now);
		const after = seen.proxies.get(proxy.id);
		const isLookedForAgain = isWaitingForDelete || (after !== undefined && isPending(after));
		return isLookedForAgain ? backedOff(seen, proxy, now) : seen;
	}
	const absent = backedOff(withProxy(state, { ...proxy, absentAt: startedAt, suspectAt: null }), proxy, now);
	const waiting = absent.proxies.get(id);
	if (waiting === undefined) return absent;
	// However long the pauses have become, it is looked up when that tells something new: once a create is over that can be sent once more, and
	// once its absence counts, until when it holds a place.
	const telling = [
		...(state.spec.repeatsCreate && isSent(proxy) ? [proxy.createdAt + CREATE_DEADLINE_MS] : []),
		absenceCountsFrom(absent, waiting),
	];
	const retryAt = Math.min(waiting.retryAt, ...telling.filter((at) => at > now));
	return retryAt === waiting.retryAt ? absent : withProxy(absent, { ...waiting, retryAt });
}

export function applyListed(state: State, vms: readonly Vm[], startedAt: Ms, now: Ms): State {
	const seen = new Set<string>();
	// One that is just being associated, or let go, may carry the tags that it had.
	const own = new Set([...state.proxies.values()].map(vmOf));
	const released = new Set(state.released);
	// An orphan stays until a delete of it says that it is gone: no list proves that.
	let orphans = state.orphans;
	let [pools, deployments] = [0, 0];
	let after = state;
	for (const vm of vms) {
		if (!isTaggedFor(state.pool, vm)) {
			// EC2 shows those that are gone for an hour more: nobody pays for them.
			if (vm.state === "going") continue;
			if (vm.tags.deployment === state.pool.deployment || state.deployments.includes(vm.tags.deployment ?? "")) pools++;
			else deployments++;
		} else {
			const proxy = vm.tags.intent === null ? undefined : after.proxies.get(vm.tags.intent);
			const known = proxy === undefined ? null : vmOf(proxy);
			if (proxy !== undefined && (known === vm.vm || (known === null && proxy.phase.at !== "launching") || isSent(proxy))) {
				seen.add(proxy.id);
				orphans = orphans.without(vm.vm);
				after = sighted(after, proxy, vm, now);
			} else if (vm.state !== "going" && !own.has(vm.vm) && !released.has(vm.vm)) {
				if (!orphans.has(vm.vm) && !hasRoomFor(vm.vm, orphans)) continue;
				const orphan = state.orphans.get(vm.vm) ?? { firstSeenAt: startedAt, seenAt: startedAt, tries: 0, retryAt: 0 };
				orphans = orphans.with(vm.vm, orphan.seenAt === startedAt ? orphan : { ...orphan, seenAt: startedAt });
			}
		}
	}
	for (const proxy of after.proxies.values()) {
		const isExpected = vmOf(proxy) !== null && isReleasable(proxy) && proxy.createdAt < startedAt;
		if (isExpected && !seen.has(proxy.id) && proxy.suspectAt === null && proxy.absentAt === null) {
			after = withProxy(after, { ...proxy, suspectAt: now });
		}
	}
	const isFirst = after.reconciledAt === null;
	const isSameForeign = after.foreign.pools === pools && after.foreign.deployments === deployments;
	return {
		...after,
		orphans,
		foreign: isSameForeign ? after.foreign : { pools, deployments },
		looks: looksOf(after, orphans.size, startedAt),
		listedAt: startedAt,
		reconciledAt: isFirst ? now : after.reconciledAt,
	};
}

/** Whether one more orphan is remembered: they share a row with all other facts. */
function hasRoomFor(vm: string, orphans: State["orphans"]): boolean {
	if (vm.length > MOST_VM_CHARS || orphans.size >= KEPT_ORPHANS) return false;
	return idBytes(orphans) + storedBytes(vm) <= ORPHAN_BYTES;
}

const idBytes = summed<Orphan>((_orphan, vm) => storedBytes(vm));

/** See `State.looks`: anything of the pool in the list begins the count anew. */
function looksOf(state: State, orphans: number, startedAt: Ms): number {
	if (state.run !== "removing" || state.emptySince === null || orphans > 0) return 0;
	const shownBy = state.emptySince + state.spec.unknownTimeoutSeconds * 1000;
	return startedAt < shownBy ? 0 : state.looks + 1;
}
