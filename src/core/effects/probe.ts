import { applyProbed } from "../facts/agents.ts";
import { hiddenFrom, probePauseMs } from "../model/deadlines.ts";
import { DOUBT_PAUSE_MS, LINE_LATE_MS, SAMPLE_SHARE } from "../model/limits.ts";
import { lateAt } from "../model/lines.ts";
import { isPlain, unsettledOf } from "../model/proxies.ts";
import type { Id, Ms, Proxy, State, Verdict, Vitals } from "../model/state.ts";
import { filtered, measure } from "../model/table.ts";
import { passed } from "../model/time.ts";
import type { Draft } from "../planning/draft.ts";
import { itsProxy, type OfProxy, type Room } from "./room.ts";

/** Sends a request through a proxy, as a client would. */
export interface Probe extends OfProxy {
	readonly call: "probe";
	readonly address: string;
	/** Null: no agent of ours is there, and a plain request is all that can be asked. */
	readonly keyHash: string | null;
}

export const probe: Room<Probe, Verdict> = {
	call: "probe",
	slot: "probe",
	isMutating: false,
	subject: itsProxy,

	plan(draft) {
		if (!draft.state.spec.canProbe) return;
		const due = new Map<Proxy, Ms>();
		for (const proxy of unsettledOf(draft.state.proxies)) noteIfDue(draft, proxy, due);
		for (const proxy of lateOnes(draft)) noteIfDue(draft, proxy, due);
		// Who has waited the longest comes first: while many do not answer, the first in the order of ids would be due again before the last had a turn.
		for (const [proxy] of [...due].sort(([, a], [, b]) => a - b)) callFor(draft, proxy);
		for (const proxy of sample(draft)) if (!due.has(proxy)) callFor(draft, proxy);
	},

	isStillDue(state, { id, address }) {
		return state.proxies.get(id)?.address === address;
	},

	done(state, { id }, verdict, now, startedAt) {
		return applyProbed(state, id, verdict, startedAt, now);
	},

	/** A probe has no failures but verdicts; one that was lost is due again. */
	failed(state) {
		return state;
	},
};

function canBeProbed(proxy: Proxy): boolean {
	return proxy.address !== null && (proxy.keyHash !== null || isPlain(proxy));
}

function callFor(draft: Draft, { id, address, keyHash }: Proxy): void {
	if (address !== null) draft.call<Probe>({ call: "probe", id, address, keyHash });
}

function noteIfDue(draft: Draft, proxy: Proxy, due: Map<Proxy, Ms>): void {
	if (!canBeProbed(proxy) || due.has(proxy)) return;
	const dueAt = probeDueAt(draft.state, proxy, draft.now);
	if (dueAt !== null && draft.isDue(dueAt)) due.set(proxy, dueAt);
}

const readyOf = filtered<Proxy>((proxy) => proxy.phase.at === "ready" && canBeProbed(proxy));

/** A few of the ready proxies, each interval: one whose agent reports may still be unreachable. */
function sample(draft: Draft): readonly Proxy[] {
	const { state, now } = draft;
	if (!draft.isDue(passed(state.sampledAt, now) + state.spec.intervalSeconds * 1000)) return [];
	const ready = readyOf(state.proxies);
	if (ready.length === 0) return [];
	draft.state = { ...draft.state, sampledAt: now };
	const count = Math.max(1, Math.floor(ready.length * SAMPLE_SHARE + draft.random()));
	const chosen = new Set<Proxy>();
	for (let i = 0; i < count; i++) {
		const proxy = ready[Math.floor(draft.random() * ready.length)];
		if (proxy !== undefined) chosen.add(proxy);
	}
	return [...chosen];
}

interface Heard {
	/** The earliest sign of life of those with a line, and of those without. */
	readonly onLineAt: Ms;
	readonly byCallAt: Ms;
	readonly isAnyDoubted: boolean;
	readonly ids: readonly Id[];
}

const heard = measure<Vitals, Heard>((ids, values) => {
	let [onLineAt, byCallAt, isAnyDoubted] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, false];
	for (const { heardAt, isLined, doubtedAt } of values) {
		if (isLined) onLineAt = Math.min(onLineAt, heardAt);
		else byCallAt = Math.min(byCallAt, heardAt);
		isAnyDoubted ||= doubtedAt > 0;
	}
	return { onLineAt, byCallAt, isAnyDoubted, ids };
});

/** Ready proxies of which some may not have been heard for too long, or lost their line. */
function lateOnes(draft: Draft): readonly Proxy[] {
	const { proxies, vitals } = draft.state;
	const late: Proxy[] = [];
	for (const { onLineAt, byCallAt, isAnyDoubted, ids } of heard(vitals)) {
		const at = Math.min(lateAt(draft.state, onLineAt, true), lateAt(draft.state, byCallAt, false));
		if (!isAnyDoubted && !draft.isDue(at)) continue;
		for (const id of ids) {
			const proxy = proxies.get(id);
			if (proxy?.phase.at === "ready") late.push(proxy);
		}
	}
	// Vitals are stored lazily: after a loss of memory there may be none of a proxy.
	if (vitals.size < proxies.size) for (const proxy of readyOf(proxies)) if (!vitals.has(proxy.id)) late.push(proxy);
	return late;
}

/** When a proxy is to be probed next for a reason of its own; null: not at all. */
export function probeDueAt(state: State, proxy: Proxy, now: Ms): Ms | null {
	const vitals = state.vitals.get(proxy.id);
	const probedAt = passed(vitals?.probedAt ?? 0, now);
	const intervalMs = state.spec.intervalSeconds * 1000;
	const isDoubted = (vitals?.doubtedAt ?? 0) > 0;
	const pauseMs = probePauseMs(proxy.failedProbes, intervalMs, state.spec, isDoubted);
	switch (proxy.phase.at) {
		case "ready": {
			if (proxy.failedProbes > 0) return probedAt + pauseMs;
			if (isDoubted) return probedAt + DOUBT_PAUSE_MS;
			const isLined = vitals?.isLined ?? false;
			const spacingMs = isLined ? Math.min(intervalMs, LINE_LATE_MS) : intervalMs;
			return Math.max(lateAt(state, vitals?.heardAt ?? 0, isLined), probedAt + spacingMs);
		}
		case "booting":
		case "unready":
			// At once when its agent registers; each interval once it is known not to answer.
			if (!proxy.registered) return null;
			return proxy.failedProbes === 0 ? probedAt : probedAt + pauseMs;
		case "draining": {
			// Its answer tells whether anybody still uses it.
			const hiddenAt = hiddenFrom(proxy, proxy.phase);
			return probedAt < hiddenAt ? hiddenAt : probedAt + pauseMs;
		}
		default:
			return null;
	}
}
