/** A create that takes several calls and was cut between them: its VM is there, switched off, and is finished rather than made again. */
import { credentialsAsked } from "../model/credentials.ts";
import { backedOff, nameOf, withLog, withProxy } from "../model/edit.ts";
import { LOST_RESULT_MS } from "../model/limits.ts";
import { placeBreaker } from "../model/places.ts";
import { bootingOf, isUnfinished, vmOf } from "../model/proxies.ts";
import type { Proxy, State } from "../model/state.ts";
import { isLaunching, launchRefused, mayLaunch } from "./create.ts";
import { answered, itsProxy, type OfProxy, type Room } from "./room.ts";

/** Goes on with such a create. Those that are not finished are deleted, as every VM that stays switched off. */
export interface Finish extends OfProxy {
	readonly call: "finish";
	readonly vm: string;
}

export const finish: Room<Finish, null> = {
	call: "finish",
	slot: "create",
	isMutating: true,
	mintsToken: true,
	subject: itsProxy,

	plan(draft) {
		if (!draft.state.spec.finishesCreate || !mayLaunch(draft)) return;
		for (const proxy of bootingOf(draft.state.proxies)) {
			const vm = vmOf(proxy);
			if (vm === null || !isUnfinished(draft.state, proxy) || !draft.isDue(proxy.retryAt)) continue;
			if (!draft.isDue(placeBreaker(draft.state, proxy.place).until)) continue;
			draft.call<Finish>({ call: "finish", id: proxy.id, vm });
		}
	},

	isStillDue(state, { id }, now) {
		const proxy = state.proxies.get(id);
		return proxy !== undefined && isLaunching(state, now) && isUnfinished(state, proxy) && proxy.retryAt <= now;
	},

	/** Its user data are written anew, so that from now on another boot token holds; whether it is on is for a later look to say. */
	sent(state, { id }, now, tokenHash) {
		const proxy = state.proxies.get(id);
		if (proxy === undefined || !isUnfinished(state, proxy)) return state;
		const credentials = credentialsAsked(state)?.version ?? 0;
		return withProxy(state, { ...proxy, tokenHash, credentials, offSince: null, retryAt: now + LOST_RESULT_MS });
	},

	done(state, effect, _result, now) {
		const heard = answered(state, now);
		const proxy = finishing(state, effect);
		if (proxy === undefined) return heard;
		return withLog(withProxy(heard, { ...proxy, tries: 0 }), now, "INFO", `finished the create of ${nameOf(proxy)}`);
	},

	failed(state, effect, failure, now) {
		const proxy = finishing(state, effect);
		if (proxy === undefined) return state;
		const why = `the create of ${nameOf(proxy)} could not be finished: ${failure.message}`;
		// What does not exist is looked for, and believed gone in time.
		const suspectAt = failure.kind === "notFound" ? (proxy.suspectAt ?? now) : proxy.suspectAt;
		const after = backedOff(withProxy(state, { ...proxy, suspectAt }), proxy, now);
		const isRefused = failure.kind === "quota" || failure.kind === "capacity" || failure.kind === "invalid";
		if (isRefused) return launchRefused(after, proxy.place, failure, why, now, proxy.retryAt - LOST_RESULT_MS);
		return proxy.tries > 0 ? after : withLog(after, now, "WARNING", why);
	},
};

/** The proxy, while it is still the one that is being finished. */
function finishing(state: State, { id, vm }: Finish): Proxy | undefined {
	const proxy = state.proxies.get(id);
	return proxy?.phase.at === "booting" && proxy.phase.vm === vm ? proxy : undefined;
}
