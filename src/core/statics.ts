/** Static backends: proxies that others run. They are probed and handed out while they answer; nothing else is ever done to them. */

import { credentialsAsked } from "./credentials.ts";
import type { Draft } from "./draft.ts";
import { withLog } from "./edit.ts";
import type { Event } from "./events.ts";
import { PROBE_RETRY_MS, PROBES_TO_FAIL, STATICS_AN_INTERVAL } from "./limits.ts";
import type { ProxyRow, ReadyEntry } from "./published.ts";
import type { Id, Ms, State, StaticBackend, StaticHealth } from "./state.ts";

/** How a static backend is called, in lists and in the log. No proxy's id holds a colon. */
export function staticId({ address, port }: StaticBackend): Id {
	return `${address}:${port}`;
}

export function isStatic(state: State, id: Id): boolean {
	return state.spec.statics.some((backend) => staticId(backend) === id);
}

const UNKNOWN: StaticHealth = { isUp: false, failures: 0, since: 0 };

function healthOf(state: State, id: Id): StaticHealth {
	return state.statics.get(id) ?? UNKNOWN;
}

/** A pool that was stopped hands out nothing at all. */
function isServing({ run }: State): boolean {
	return run === "running" || run === "paused";
}

/** What is not configured any more is forgotten. */
export function settleStatics(draft: Draft): void {
	const { statics } = draft.state;
	if (statics.size === 0) return;
	const kept = new Map([...statics].filter(([id]) => isStatic(draft.state, id)));
	if (kept.size < statics.size) draft.state = { ...draft.state, statics: kept };
}

/** Each is probed once an interval, so many in one: more of them are probed the less often. One that fails is asked again soon, until it counts as down. */
export function probeStatics(draft: Draft): void {
	const { state, now } = draft;
	const { statics, intervalSeconds } = state.spec;
	if (statics.length === 0 || state.agentUrl === null || !isServing(state)) return;
	const intervalMs = intervalSeconds * 1000;
	const everyMs = intervalMs * Math.max(1, Math.ceil(statics.length / STATICS_AN_INTERVAL));
	const retryMs = Math.min(PROBE_RETRY_MS, intervalMs / 6);
	for (const backend of statics) {
		const id = staticId(backend);
		const { failures } = healthOf(state, id);
		const probedAt = state.staticsProbed.get(id) ?? 0;
		const pauseMs = failures > 0 && failures < PROBES_TO_FAIL ? retryMs : everyMs;
		// After a clock was set back it may lie in the future.
		if (draft.isDue(probedAt > now ? 0 : probedAt + pauseMs))
			draft.call({ call: "probeStatic", id, address: backend.address, port: backend.port });
	}
}

const WORDS = {
	refused: "it refuses connections",
	credentials: "it refuses the proxy credentials",
	silent: "it does not answer",
	egress: "it cannot reach us",
	impostor: "what comes back through it is not ours",
} as const;

/** Three failures in a row take it off the list, one success brings it back. Where nothing changes, nothing is stored but when. */
export function staticProbed(state: State, { id, verdict }: Event & { on: "staticProbed" }, now: Ms): State {
	if (!isStatic(state, id)) return state;
	const staticsProbed = new Map([...state.staticsProbed].filter(([other]) => isStatic(state, other))).set(id, now);
	const after = { ...state, staticsProbed };
	const health = healthOf(state, id);
	const withHealth = (next: StaticHealth) => ({ ...after, statics: new Map(after.statics).set(id, next) });
	if (verdict.is === "ok") {
		if (health.isUp) return health.failures === 0 ? after : withHealth({ ...health, failures: 0 });
		return withLog(withHealth({ isUp: true, failures: 0, since: now }), now, "INFO", `ready ${id}`);
	}
	if (health.failures >= PROBES_TO_FAIL) return after;
	const failures = health.failures + 1;
	if (failures < PROBES_TO_FAIL) return withHealth({ ...health, failures });
	const text = `dropped ${id}: ${WORDS[verdict.is]}`;
	return withLog(withHealth({ isUp: false, failures, since: health.isUp ? now : health.since }), now, "WARNING", text);
}

/** Their entries in the ready list; the port is told where it is not the agents'. */
export function staticEntries(state: State, usualPort: number): ReadyEntry[] {
	if (!isServing(state)) return [];
	const version = credentialsAsked(state)?.version ?? 0;
	return state.spec.statics.flatMap((backend): ReadyEntry[] => {
		const id = staticId(backend);
		if (!healthOf(state, id).isUp) return [];
		const entry = [id, backend.address, version] as const;
		return [backend.port === usualPort ? entry : [...entry, backend.port]];
	});
}

/** Their rows beside the proxies': an order that names one is told what it is. */
export function staticRows(state: State): ProxyRow[] {
	const credentials = credentialsAsked(state)?.version ?? 0;
	return state.spec.statics.map((backend) => {
		const id = staticId(backend);
		const { isUp, since } = healthOf(state, id);
		const phase = isUp && isServing(state) ? "ready" : "unready";
		return { id, vm: null, address: backend.address, phase, credentials, since, createdAt: 0, why: "a static backend" };
	});
}
