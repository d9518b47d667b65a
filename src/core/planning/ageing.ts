/** Replacement of proxies that are older than the age limit, or that an operator wants replaced: a few at a time, and with enough others ready. */
import { placesIn } from "../model/places.ts";
import { countReady, surgeOf } from "../model/proxies.ts";
import { agedAt, floorOf, inFlight, isServing } from "../model/rolling.ts";
import type { Proxy } from "../model/state.ts";
import { measure } from "../model/table.ts";
import type { Draft } from "./draft.ts";
import { leavers } from "./placing.ts";
import { drain } from "./replace.ts";

/**
 * Lets go of aged proxies, the oldest first, and never so many that fewer than {@link floorOf} are ready.
 * Rolling on: at most a batch is in flight (draining, or its replacement not ready). Rolling off: as many as the surge has room for are replaced at
 * one time, each only once its successor is ready; drains that last hold none of them up.
 *
 * Returns how many proxies above the target are wanted for it: those whose successors must be ready before they may go.
 */
export function retireAged(draft: Draft, target: number): number {
	const { rolling } = draft.state.spec;
	if (target === 0) return 0;
	const aged = agedOf(draft);
	if (aged.length === 0) return 0;
	const ready = countReady(draft.state);
	if (!rolling.enabled) {
		const going = retire(draft, aged, ready - target);
		return Math.min(aged.length - going, surgeOf(draft.state.spec));
	}
	const floor = floorOf(draft.state, target);
	const left = rolling.batchSize - inFlight(draft.state, target, draft.now);
	retire(draft, aged, Math.min(left, ready - floor), Math.ceil(rolling.batchSize / placesIn(draft.state).length));
	// Not while the batch is full: what is wanted for a recycling that may not begin would be one too many as soon as it is ready.
	return target <= floor && ready <= floor && left > 0 ? 1 : 0;
}

/** The oldest go, so many of them; returns how many. `share`: of how many an even pool has one place do without at a time. */
export function retire(draft: Draft, aged: Proxy[], most: number, share?: number): number {
	// One that is not ready serves nobody: it goes in the stead of one that does.
	const rank = ({ phase }: Proxy) => (phase.at === "ready" ? 1 : 0);
	const inOrder = aged.sort((a, b) => rank(a) - rank(b) || a.createdAt - b.createdAt);
	// Which of the aged goes first is the spread's to say only where it is to stay even meanwhile.
	const isEven = draft.state.spec.spread === "even";
	const going = isEven ? leavers(draft.state, inOrder, most, rank, share) : inOrder.slice(0, Math.max(0, most));
	for (const proxy of going) drain(draft, proxy, proxy.isRolled ? "rolled by an operator" : "older than the age limit", false);
	return going.length;
}

const serving = measure<Proxy, { readonly oldestAt: number; readonly rolled: readonly Proxy[]; readonly others: readonly Proxy[] }>(
	(_keys, values) => {
		const [rolled, others]: [Proxy[], Proxy[]] = [[], []];
		let oldestAt = Number.POSITIVE_INFINITY;
		for (const proxy of values) {
			if (!isServing(proxy)) continue;
			(proxy.isRolled ? rolled : others).push(proxy);
			if (!proxy.isRolled) oldestAt = Math.min(oldestAt, proxy.createdAt);
		}
		return { oldestAt, rolled, others };
	},
);

/** Those that serve and have had their time. */
function agedOf(draft: Draft): Proxy[] {
	const aged: Proxy[] = [];
	const hasLimit = draft.state.spec.ageLimitSeconds > 0;
	const isDue = (createdAt: number) => draft.isDue(agedAt(draft.state, createdAt));
	for (const { oldestAt, rolled, others } of serving(draft.state.proxies)) {
		if (rolled.length > 0) aged.push(...rolled);
		if (hasLimit && isDue(oldestAt)) aged.push(...others.filter(({ createdAt }) => isDue(createdAt)));
	}
	return aged;
}
