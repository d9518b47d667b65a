import { withUnlisted } from "../facts/listing.ts";
import { BACK_OFF, CLOSED, opened } from "../model/breakers.ts";
import { withBreaker, withProxy } from "../model/edit.ts";
import { projectionHash } from "../model/projection.ts";
import type { Id, Ms, State } from "../model/state.ts";
import { unshownFrom } from "../model/tries.ts";
import type { AnyEffect } from "../planning/draft.ts";
import type { Room } from "./room.ts";

/** Shows in D1 how the pool stands. */
export interface Publish extends AnyEffect {
	readonly call: "publish";
	/** Of the projection. */
	readonly hash: string;
	readonly version: number;
}

/** D1 holds it; `logSeq` is the last entry of the log that went along. */
export interface Published {
	readonly logSeq: number;
	/** VMs that are gone, and of which it holds a row now. */
	readonly ended: readonly Id[];
	/** Proxies that its lists lack since they drain, and since when. */
	readonly hidden: readonly { readonly id: Id; readonly since: Ms }[];
}

export const publish: Room<Publish, Published> = {
	call: "publish",
	slot: "database",
	isMutating: true,
	subject: () => "publish",

	plan(draft) {
		const { state } = draft;
		const from = unshownFrom(state);
		if (state.listing.unlistedAt !== null || from === null || !draft.isDue(from) || !draft.isDue(state.breakers.publish.until)) return;
		draft.call<Publish>({ call: "publish", hash: projectionHash(state), version: state.published.version + 1 });
	},

	isStillDue(state, { version }) {
		return version === state.published.version + 1;
	},

	sent(state, { version }) {
		return { ...state, published: { ...state.published, version } };
	},

	done(state, { hash }, { logSeq, ended, hidden }, now, startedAt) {
		const { breakers } = state;
		let after: State = breakers.publish === CLOSED ? state : { ...state, breakers: { ...breakers, publish: CLOSED } };
		for (const { id, since } of hidden) {
			const proxy = state.proxies.get(id);
			// One that came back meanwhile and drains anew may have been listed in between.
			if (proxy?.phase.at !== "draining" || proxy.phase.hiddenAt !== null || proxy.since !== since) continue;
			after = withProxy(after, { ...proxy, phase: { ...proxy.phase, hiddenAt: now } });
		}
		// An entry that was renewed since keeps its number.
		const log = after.log.filter((entry) => entry.seq > logSeq || entry.at > startedAt);
		const untold = ended.length === 0 ? after.ended : after.ended.filter(({ id }) => !ended.includes(id));
		return { ...after, published: { hash, version: after.published.version }, log, ended: untold };
	},

	failed(state, _effect, failure, now) {
		if (failure.kind === "notFound" && !state.leaving) return withUnlisted(state, [], now);
		return databaseFailed(state, failure.message, now);
	},
};

/** D1 cannot be written: it is left alone for a while. */
export function databaseFailed(state: State, message: string, now: Ms): State {
	const why = `the database cannot be written: ${message}`;
	return withBreaker(
		state,
		"publish",
		opened(state.breakers.publish, { why, backOff: BACK_OFF.publish, begunAt: now, seed: state.pool.object }, now),
		now,
		"WARNING",
	);
}
