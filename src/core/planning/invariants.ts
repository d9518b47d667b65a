import { leasedOf } from "../model/leases.ts";
import { billable, isPlain, surgeOf, vmOf } from "../model/proxies.ts";
import type { Ms, Proxy, State } from "../model/state.ts";
import { differences, Table } from "../model/table.ts";
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
	return unsoundness(after);
}

/** By pool: its proxies as they were last found to be as they should. They are never mutated. */
const lastSound = new WeakMap<State["pool"], State["proxies"]>();

function unsoundness({ pool, proxies }: State): string | null {
	const known = lastSound.get(pool) ?? Table.empty<Proxy>();
	if (known === proxies) return null;
	const changes = differences(known, proxies);
	// Most changes leave every VM and every lease where it was, and then no two proxies can have come to share one.
	const fault = changes.some(([, before, after]) => isMoved(before, after)) ? sharedBy(proxies) : null;
	if (fault !== null) return fault;
	for (const [id, , proxy] of changes) {
		if (proxy?.phase.at !== "ready") continue;
		if (proxy.address === null || (proxy.keyHash === null && !isPlain(proxy)) || !proxy.registered) {
			return `${id} is ready without an address or a registration`;
		}
	}
	lastSound.set(pool, proxies);
	return null;
}

function isMoved(before: Proxy | undefined, after: Proxy | undefined): boolean {
	if (after === undefined) return false;
	return before === undefined || vmOf(before) !== vmOf(after) || before.lease !== after.lease;
}

/** What two proxies share that only one can have. */
function sharedBy(proxies: State["proxies"]): string | null {
	const owners = new Map<string, string>();
	for (const proxy of proxies.values()) {
		const vm = vmOf(proxy);
		if (vm === null) continue;
		const owner = owners.get(vm);
		if (owner !== undefined) return `VM ${vm} belongs to two intents, ${owner} and ${proxy.id}`;
		owners.set(vm, proxy.id);
	}
	const leases = leasedOf(proxies).map(({ lease }) => lease?.id);
	return new Set(leases).size < leases.length ? "a lease names two proxies" : null;
}
