import { withLog } from "../model/edit.ts";
import { told } from "../model/load.ts";
import { withPress } from "../model/rises.ts";
import type { Measurements } from "../model/state.ts";
import { passed } from "../model/time.ts";
import type { AnyEffect } from "../planning/draft.ts";
import type { Room } from "./room.ts";

/** Asks another pool what its proxies report. */
export interface Measure extends AnyEffect {
	readonly call: "measure";
	readonly endpoint: string;
}

/** A sentence where that endpoint cannot be the source of metrics. */
export const measure: Room<Measure, Measurements | string> = {
	call: "measure",
	slot: "database",
	isMutating: false,
	subject: () => "measure",

	/** Once an interval, whatever came of it the last time. */
	plan(draft) {
		const { state, now } = draft;
		const { metricsSource, rules, intervalSeconds } = state.spec;
		if (metricsSource === null || rules.length === 0 || state.run !== "running") return;
		if (!draft.isDue(passed(state.sourceAskedAt, now) + intervalSeconds * 1000)) return;
		draft.state = { ...draft.state, sourceAskedAt: now };
		draft.call<Measure>({ call: "measure", endpoint: metricsSource });
	},

	isStillDue(state, { endpoint }) {
		return state.spec.metricsSource === endpoint;
	},

	done(state, { endpoint }, found, now, startedAt) {
		if (endpoint !== state.spec.metricsSource) return state;
		if (typeof found !== "string") return withPress({ ...state, source: { ...found, endpoint, at: startedAt } }, now);
		return told(state, found) === state ? state : withLog(told(state, found), now, "WARNING", found);
	},

	failed(state) {
		return state;
	},
};
