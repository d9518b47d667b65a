import { leasedOf } from "../model/leases.ts";
import { billable, isPlain, surgeOf, vmOf } from "../model/proxies.ts";
import type { Ms, State } from "../model/state.ts";
import { overspend } from "./budget.ts";

/**
 * The cheap checks that stay on in production: what a plan must never do to the state. Returns a sentence that says what did not
 * hold, or null. A breach stops the pool's creates and deletes until an operator starts it again; its proxies go on being served.
 */
export function breachOf(before: State, after: State, now: Ms): string | null {
	const bound = after.spec.max + surgeOf(after.spec);
	if (billable(after) > bound && billable(after) > billable(before)) {
		return `${billable(after)} VMs would be billed where at most ${bound} may be`;
	}
	const cost = overspend(before, after, now);
	if (cost !== null) return cost;
	return sound.has(after.proxies) ? null : unsoundness(after);
}

/** Proxies that were found as they should be: they are never mutated. */
const sound = new WeakSet<State["proxies"]>();

function unsoundness({ proxies }: State): string | null {
	const owners = new Map<string, string>();
	for (const proxy of proxies.values()) {
		const vm = vmOf(proxy);
		if (vm === null) continue;
		const owner = owners.get(vm);
		if (owner !== undefined) return `VM ${vm} belongs to two intents, ${owner} and ${proxy.id}`;
		owners.set(vm, proxy.id);
	}
	const leases = leasedOf(proxies).map(({ lease }) => lease?.id);
	if (new Set(leases).size < leases.length) return "a lease names two proxies";
	for (const [id, proxy] of proxies) {
		if (proxy.phase.at === "ready" && (proxy.address === null || (proxy.keyHash === null && !isPlain(proxy)) || !proxy.registered)) {
			return `${id} is ready without an address or a registration`;
		}
	}
	sound.add(proxies);
	return null;
}
