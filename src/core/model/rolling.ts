/** Rolling replacement: whose settings hold, and how far it is. */
import { countReady, isUnsent } from "./proxies.ts";
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

/** How many are being replaced: on their way out, or their successors not ready yet. */
export function inFlight(state: State, target: number, now: Ms): number {
	let recycling = 0;
	for (const proxy of state.proxies.values()) if (isLeaving(proxy) && isAged(state, proxy, now)) recycling++;
	return Math.max(recycling, target - countReady(state));
}

/** Whether a rolling deployment is replacing proxies just now. */
export function isRecycling(state: State, now: Ms): boolean {
	if (!state.spec.rolling.enabled) return false;
	for (const proxy of state.proxies.values()) if ((isServing(proxy) || isLeaving(proxy)) && isAged(state, proxy, now)) return true;
	return false;
}

function isAged(state: State, proxy: Proxy, now: Ms): boolean {
	return proxy.isRolled || now >= agedAt(state, proxy.createdAt);
}

/** When one that was made then has reached the age limit; infinite: there is none. */
export function agedAt({ spec }: State, createdAt: Ms): Ms {
	return spec.ageLimitSeconds === 0 ? Number.POSITIVE_INFINITY : createdAt + spec.ageLimitSeconds * 1000;
}

/** One whose VM is there, or may be, and that is not on its way out for good. */
function isRollable(proxy: Proxy): boolean {
	const { at } = proxy.phase;
	return at !== "adopting" && at !== "releasing" && at !== "deleting" && !isUnsent(proxy);
}

/** The state once all that there are shall be replaced, or none of them that has not begun to go. */
export function withRoll(state: State, isOn: boolean): State {
	let { proxies } = state;
	for (const [id, proxy] of proxies) {
		const isRolled = isOn ? isRollable(proxy) : isLeaving(proxy) && proxy.isRolled;
		if (isRolled !== proxy.isRolled) proxies = proxies.with(id, { ...proxy, isRolled });
	}
	return proxies === state.proxies ? state : { ...state, proxies };
}

/** How many that an operator wants replaced have not begun to go. */
export function countRolling(state: State): number {
	let rolling = 0;
	for (const proxy of state.proxies.values()) if (proxy.isRolled && isRollable(proxy) && proxy.phase.at !== "draining") rolling++;
	return rolling;
}

export function isServing({ phase }: Proxy): boolean {
	return phase.at === "ready" || phase.at === "unready";
}

/** On its way out, and still in its place: a delete that was accepted has ended. */
function isLeaving({ phase }: Proxy): boolean {
	return phase.at === "draining" || (phase.at === "deleting" && phase.acceptedAt === null);
}
