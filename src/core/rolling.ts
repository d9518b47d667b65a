/** Replacement of proxies that are older than the age limit: all at once, or a few at a time with enough others ready. */
import { countReady } from "./count.ts";
import type { Draft } from "./draft.ts";
import { drain } from "./replace.ts";
import type { Ms, PatchedRolling, Proxy, Rolling, State } from "./state.ts";

/** The settings that hold: an operator's, until the environment's own change. */
export function rollingInForce(patched: PatchedRolling | null, environment: Rolling): Rolling {
	if (patched === null || !isSameRolling(patched.environment, environment)) return environment;
	const { enabled, minAvailable, batchSize } = patched;
	return { enabled, minAvailable, batchSize };
}

export function isSameRolling(a: Rolling, b: Rolling): boolean {
	return a.enabled === b.enabled && a.minAvailable === b.minAvailable && a.batchSize === b.batchSize;
}

/**
 * Lets go of proxies that are older than the age limit. Rolling off: of all at once. Rolling on: at most a batch is in flight (draining,
 * or its replacement not ready), the oldest first, and never so many that fewer than {@link floorOf} are ready.
 *
 * Returns how many proxies above the target are wanted for it: one, where the target is too small to let any go before its
 * replacement is ready.
 */
export function retireAged(draft: Draft, target: number): number {
	const { ageLimitSeconds, rolling } = draft.state.spec;
	if (ageLimitSeconds === 0 || target === 0) return 0;
	const aged = [...draft.proxies].filter((proxy) => isServing(proxy) && draft.isDue(proxy.createdAt + ageLimitSeconds * 1000));
	if (aged.length === 0) return 0;
	const floor = floorOf(draft.state, target);
	const ready = countReady(draft.state);
	const left = rolling.batchSize - inFlight(draft.state, target, draft.now);
	const room = rolling.enabled ? Math.min(left, ready - floor) : aged.length;
	for (const proxy of aged.sort((a, b) => a.createdAt - b.createdAt).slice(0, Math.max(0, room))) {
		drain(draft, proxy, "older than the age limit", false);
	}
	// Not while the batch is full: what is wanted for a recycling that may not begin would be one too many as soon as it is ready.
	return rolling.enabled && target <= floor && ready <= floor && left > 0 ? 1 : 0;
}

/** The fewest that stay ready: `min_available`, or where that is not below the target, one less than it and at least one. */
export function floorOf({ spec }: State, target: number): number {
	return spec.rolling.minAvailable < target ? spec.rolling.minAvailable : Math.max(1, target - 1);
}

/** What a rolling deployment is doing, as `/rolling` shows it: addresses, but for those that have none yet. */
export interface RollingStatus {
	readonly healthy: readonly string[];
	/** Launched and not ready yet. */
	readonly pending: number;
	/** Older than the age limit, and still handed out until their turn comes. */
	readonly pendingRecycle: readonly string[];
	/** Older than the age limit, draining or being deleted. */
	readonly recycling: readonly string[];
	/** When a proxy last changed its phase, in milliseconds since the epoch. */
	readonly lastUpdate: Ms;
}

export function rollingStatus(state: State, now: Ms): RollingStatus {
	const proxies = [...state.proxies.values()];
	const addresses = (wanted: (proxy: Proxy) => boolean) => proxies.filter(wanted).flatMap((proxy) => proxy.address ?? []);
	return {
		healthy: addresses((proxy) => proxy.phase.at === "ready"),
		pending: proxies.filter((proxy) => proxy.phase.at === "launching" || proxy.phase.at === "booting").length,
		pendingRecycle: addresses((proxy) => isServing(proxy) && isAged(state, proxy, now)),
		recycling: addresses((proxy) => isLeaving(proxy) && isAged(state, proxy, now)),
		lastUpdate: proxies.reduce((latest, proxy) => Math.max(latest, proxy.since), state.bornAt),
	};
}

function inFlight(state: State, target: number, now: Ms): number {
	let recycling = 0;
	for (const proxy of state.proxies.values()) if (isLeaving(proxy) && isAged(state, proxy, now)) recycling++;
	return Math.max(recycling, target - countReady(state));
}

function isAged({ spec }: State, proxy: Proxy, now: Ms): boolean {
	return spec.ageLimitSeconds > 0 && now >= proxy.createdAt + spec.ageLimitSeconds * 1000;
}

function isServing({ phase }: Proxy): boolean {
	return phase.at === "ready" || phase.at === "unready";
}

/** On its way out, and still in its place: a delete that was accepted has ended. */
function isLeaving({ phase }: Proxy): boolean {
	return phase.at === "draining" || (phase.at === "deleting" && phase.acceptedAt === null);
}
