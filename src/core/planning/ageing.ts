/** Replacement of proxies that are older than the age limit: all at once, or a few at a time with enough others ready. */
import { countReady } from "../model/proxies.ts";
import { floorOf, inFlight, isServing } from "../model/rolling.ts";
import type { Proxy } from "../model/state.ts";
import { measure } from "../model/table.ts";
import type { Draft } from "./draft.ts";
import { drain } from "./replace.ts";

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
	const aged = agedOf(draft, ageLimitSeconds * 1000);
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

const serving = measure<Proxy, { readonly oldestAt: number; readonly proxies: readonly Proxy[] }>((_keys, values) => {
	const proxies = values.filter(isServing);
	return { oldestAt: Math.min(Number.POSITIVE_INFINITY, ...proxies.map(({ createdAt }) => createdAt)), proxies };
});

/** Those that serve and are older than that. */
function agedOf(draft: Draft, limitMs: number): Proxy[] {
	const aged: Proxy[] = [];
	for (const { oldestAt, proxies } of serving(draft.state.proxies)) {
		if (draft.isDue(oldestAt + limitMs)) aged.push(...proxies.filter((proxy) => draft.isDue(proxy.createdAt + limitMs)));
	}
	return aged;
}
