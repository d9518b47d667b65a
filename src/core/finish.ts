/** A create that takes several calls and was cut between them: its VM is there, switched off, and is finished rather than made again. */
import { vmOf } from "./count.ts";
import { credentialsAsked } from "./credentials.ts";
import type { Draft } from "./draft.ts";
import { nameOf, withLog, withProxy } from "./edit.ts";
import type { Effect } from "./events.ts";
import { CREATE_DEADLINE_MS, LOST_RESULT_MS } from "./limits.ts";
import type { Ms, Proxy, State } from "./state.ts";

type Finish = Effect & { readonly call: "finish" };

/** Finishes such creates. Those that are not finished are deleted, as every VM that stays switched off. */
export function finish(draft: Draft): void {
	for (const proxy of draft.proxies) {
		const vm = vmOf(proxy);
		if (vm !== null && isUnfinished(draft.state, proxy) && draft.isDue(proxy.retryAt)) draft.call({ call: "finish", id: proxy.id, vm });
	}
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

/** Its user data are written anew, so that from now on another boot token holds; whether it is on is for a later look to say. */
export function finishSent(state: State, effect: Finish, tokenHash: string | null, now: Ms): State {
	const proxy = state.proxies.get(effect.id);
	if (proxy === undefined || !isUnfinished(state, proxy)) return state;
	const credentials = credentialsAsked(state)?.version ?? 0;
	return withProxy(state, { ...proxy, tokenHash, credentials, offSince: null, retryAt: now + LOST_RESULT_MS });
}

export function finishAccepted(state: State, effect: Finish, now: Ms): State {
	const proxy = finishing(state, effect);
	if (proxy === undefined) return state;
	return withLog(withProxy(state, { ...proxy, tries: 0 }), now, "INFO", `finished the create of ${nameOf(proxy)}`);
}

/** The proxy, while it is still the one that is being finished. */
export function finishing(state: State, effect: Finish): Proxy | undefined {
	const proxy = state.proxies.get(effect.id);
	return proxy?.phase.at === "booting" && proxy.phase.vm === effect.vm ? proxy : undefined;
}
