/** Which proxy each lease names: its own while that is ready, else a successor. */
import { type Lease, leasedOf, suits } from "../model/leases.ts";
import type { Draft } from "./draft.ts";

export function settleLeases(draft: Draft): void {
	const { proxies, waitingLeases } = draft.state;
	if (waitingLeases.length === 0 && leasedOf(proxies).length === 0) return;
	endExpired(draft);
	takeFromLost(draft);
	nameProxies(draft);
}

function endExpired(draft: Draft): void {
	for (const proxy of leasedOf(draft.state.proxies)) {
		if (proxy.lease !== null && draft.isDue(proxy.lease.until)) draft.put({ ...proxy, lease: null });
	}
	keepWaiting(
		draft,
		draft.state.waitingLeases.filter(({ until }) => !draft.isDue(until)),
	);
}

/** A proxy that is not ready serves nobody. */
function takeFromLost(draft: Draft): void {
	const lost: Lease[] = [];
	for (const proxy of leasedOf(draft.state.proxies)) {
		if (proxy.lease === null || proxy.phase.at === "ready") continue;
		lost.push({ ...proxy.lease, replaces: proxy.address });
		draft.put({ ...proxy, lease: null });
	}
	if (lost.length > 0) keepWaiting(draft, [...draft.state.waitingLeases, ...lost]);
}

function nameProxies(draft: Draft): void {
	if (draft.state.waitingLeases.length === 0) return;
	const free = [...draft.proxies];
	const still = draft.state.waitingLeases.filter((lease) => {
		const candidates = free.filter((proxy) => draft.state.proxies.get(proxy.id) === proxy && suits(proxy, lease, draft.now));
		const proxy = candidates[Math.floor(draft.random() * candidates.length)];
		if (proxy === undefined) return true;
		draft.put({ ...proxy, lease });
		return false;
	});
	keepWaiting(draft, still);
}

function keepWaiting(draft: Draft, waitingLeases: readonly Lease[]): void {
	if (waitingLeases.length !== draft.state.waitingLeases.length) draft.state = { ...draft.state, waitingLeases };
}
