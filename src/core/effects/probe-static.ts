import { probePauseMs } from "../model/deadlines.ts";
import { withLog } from "../model/edit.ts";
import { PROBES_TO_FAIL, STATICS_A_PLAN, STATICS_AN_INTERVAL } from "../model/limits.ts";
import type { Id, Ms, State, StaticHealth, Verdict } from "../model/state.ts";
import { backendsOf, handsOut, healthOf, isStatic } from "../model/statics.ts";
import { measure } from "../model/table.ts";
import type { Draft } from "../planning/draft.ts";
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
		const backends = backendsOf(statics);
		for (const id of dueOf(draft, everyMs)) {
			const backend = backends.get(id);
			if (backend === undefined) continue;
			const { address, port, access } = backend;
			const { isUp, failures } = healthOf(state, id);
			const isWhole = !isUp || failures > 0 || dayOf(state.staticsProbed.get(id) ?? 0) !== dayOf(now);
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

interface Probed {
	readonly ids: readonly Id[];
	readonly at: readonly Ms[];
	readonly oldestAt: Ms;
	readonly newestAt: Ms;
}

const probedIn = measure<Ms, Probed>((ids, at) => ({ ids, at, oldestAt: Math.min(...at), newestAt: Math.max(...at) }));
const isInDoubt = ({ failures }: StaticHealth) => failures > 0 && failures < PROBES_TO_FAIL;
const doubtedIn = measure<StaticHealth, readonly Id[]>((ids, healths) => ids.filter((_, i) => isInDoubt(healths[i] as StaticHealth)));

/**
 * Those whose time has come, no more than one pass can probe: those in doubt first, then those that have waited the longest. There may be thousands of
 * backends, and each result of a probe makes a plan: only parts of the table in which one is due are looked into.
 */
function dueOf(draft: Draft, everyMs: Ms): readonly Id[] {
	const { state, now } = draft;
	const isDue = (at: Ms, pauseMs: Ms) => at > now || draft.isDue(at + pauseMs);
	const due = doubtedIn(state.statics)
		.flat()
		.filter((id) => isDue(state.staticsProbed.get(id) ?? 0, probePauseMs(1, everyMs, state.spec)));
	// What a clock that was set back since has dated does not wait for it.
	const parts = probedIn(state.staticsProbed).filter(({ oldestAt, newestAt }) => newestAt > now || draft.isDue(oldestAt + everyMs));
	for (const { ids, at } of parts.sort((a, b) => a.oldestAt - b.oldestAt)) {
		if (due.length >= STATICS_A_PLAN) break;
		due.push(...ids.filter((id, i) => isDue(at[i] as Ms, everyMs) && !isInDoubt(healthOf(state, id))));
	}
	return due.slice(0, STATICS_A_PLAN);
}

/** Days are those of UTC. */
const dayOf = (at: Ms) => Math.floor(at / 86_400_000);

const WORDS = {
	refused: "it refuses connections",
	credentials: "it refuses the proxy credentials",
	silent: "it does not answer",
	egress: "it cannot reach us",
	impostor: "what comes back through it is not ours",
} as const;
