/** Which proxies are to be replaced, and when the old one may go: replace first, then delete. */
import { inPhase, nameOf } from "../model/edit.ts";
import { countReady, isReleasable, unreadyOf, vmOf } from "../model/proxies.ts";
import type { Proxy } from "../model/state.ts";
import type { Draft } from "./draft.ts";

/** Proxies that were ready and have been unready for `unregistered_timeout`. */
export function unhealthy(draft: Draft): readonly Proxy[] {
	const patienceMs = draft.state.spec.unregisteredTimeoutSeconds * 1000;
	return unreadyOf(draft.state.proxies).filter((proxy) => proxy.wasReady && draft.isDue(proxy.since + patienceMs));
}

/**
 * Lets go of unhealthy proxies, as many as ready ones stand in for them. Those are the ready ones beyond the places that no
 * unhealthy proxy holds: with a target of 5, four ready and one unhealthy let none go; the fifth ready one lets it go. Where the
 * fault is ours or the network's no replacement becomes ready, and nothing goes.
 */
export function retireUnhealthy(draft: Draft, sick: readonly Proxy[], target: number): void {
	if (sick.length === 0) return;
	const ready = countReady(draft.state);
	const replaced = Math.max(0, ready - Math.max(0, target - sick.length));
	for (const proxy of [...sick].sort((a, b) => a.since - b.since).slice(0, replaced)) {
		drain(draft, proxy, `replaced: ${proxy.why}`, false);
	}
}

/** To `draining`; `spare` ones may come back while they drain. One that does not serve anyway has nothing to wait for. */
export function drain(draft: Draft, proxy: Proxy, why: string, spare: boolean): void {
	const vm = vmOf(proxy);
	if (vm === null || !isReleasable(proxy) || proxy.phase.at === "draining") return;
	const isServing = proxy.phase.at === "ready";
	const until = isServing ? draft.now + draft.state.spec.decommissionedTimeoutSeconds * 1000 : draft.now;
	const phase = { at: "draining", vm, until, hiddenAt: null, spare: spare && isServing } as const;
	draft.put({ ...inPhase(proxy, phase, why, draft.now), failedProbes: 0 });
	draft.message("INFO", `decommissioning ${nameOf(proxy)}: ${why}`);
}
