import { probePauseMs } from "../model/deadlines.ts";
import { withLog } from "../model/edit.ts";
import { PROBES_TO_FAIL, STATICS_AN_INTERVAL } from "../model/limits.ts";
import type { Ms, State, StaticHealth, Verdict } from "../model/state.ts";
import { handsOut, healthOf, isStatic, staticId } from "../model/statics.ts";
import { passed } from "../model/time.ts";
import { itsProxy, type OfProxy, type Room } from "./room.ts";

/** Sends a request through a proxy that others run. */
export interface ProbeStatic extends OfProxy {
	readonly call: "probeStatic";
	readonly address: string;
	readonly port: number;
	/** As in the settings. */
	readonly access: string;
	/** A page is fetched through it, which costs a request. Else it is enough that it opens a way. */
	readonly isWhole: boolean;
}

export const probeStatic: Room<ProbeStatic, Verdict> = {
	call: "probeStatic",
	slot: "probe",
	isMutating: false,
	subject: itsProxy,

	/**
	 * Each once an interval, so many in one: more of them are probed the less often. One that fails is asked again soon, until it counts as down. A page is
	 * fetched through those that are not known to be well, and each day's first time through all: each costs a request of the plan's.
	 */
	plan(draft) {
		const { state, now } = draft;
		const { statics, intervalSeconds } = state.spec;
		if (statics.length === 0 || state.agentUrl === null || !handsOut(state)) return;
		const everyMs = intervalSeconds * 1000 * Math.max(1, Math.ceil(statics.length / STATICS_AN_INTERVAL));
		for (const backend of statics) {
			const { address, port, access } = backend;
			const id = staticId(backend);
			const { isUp, failures } = healthOf(state, id);
			const pauseMs = probePauseMs(failures, everyMs, state.spec);
			const probedAt = state.staticsProbed.get(id) ?? 0;
			if (!draft.isDue(probedAt > now ? 0 : passed(probedAt, now) + pauseMs)) continue;
			const isWhole = !isUp || failures > 0 || dayOf(probedAt) !== dayOf(now);
			draft.call<ProbeStatic>({ call: "probeStatic", id, address, port, access, isWhole });
		}
	},

	isStillDue(state, { id }) {
		return isStatic(state, id);
	},

	/** Three failures in a row take it off the list, one success brings it back. Where nothing changes, nothing is stored but when. */
	done(state, { id }, verdict, now) {
		if (!isStatic(state, id)) return state;
		const after: State = { ...state, staticsProbed: state.staticsProbed.with(id, now) };
		const health = healthOf(state, id);
		const withHealth = (next: StaticHealth): State => ({ ...after, statics: after.statics.with(id, next) });
		if (verdict.is === "ok") {
			if (health.isUp) return health.failures === 0 ? after : withHealth({ ...health, failures: 0 });
			return withLog(withHealth({ isUp: true, failures: 0, since: now }), now, "INFO", `ready ${id}`);
		}
		if (health.failures >= PROBES_TO_FAIL) return after;
		const failures = health.failures + 1;
		if (failures < PROBES_TO_FAIL) return withHealth({ ...health, failures });
		const text = `dropped ${id}: ${WORDS[verdict.is]}`;
		return withLog(withHealth({ isUp: false, failures, since: health.isUp ? now : health.since }), now, "WARNING", text);
	},

	failed(state) {
		return state;
	},
};

/** Days are those of UTC. */
const dayOf = (at: Ms) => Math.floor(at / 86_400_000);

const WORDS = {
	refused: "it refuses connections",
	credentials: "it refuses the proxy credentials",
	silent: "it does not answer",
	egress: "it cannot reach us",
	impostor: "what comes back through it is not ours",
} as const;
