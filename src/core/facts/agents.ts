/** What agents say, and how probes find them, applied. */
import { inPhase, nameOf, withBreakerMended, withLog, withProxy, withVitals } from "../model/edit.ts";
import { sayReady, withBootTime } from "../model/health.ts";
import { PROBE_RETRY_MS, PROBES_TO_FAIL } from "../model/limits.ts";
import { reportedMetrics } from "../model/metrics.ts";
import { judgeRegistration } from "../model/registration.ts";
import { mayAskForMore, withPress, withRiseStep } from "../model/rises.ts";
import { withSessions } from "../model/sessions.ts";
import type { Id, Ms, Proxy, State, Verdict } from "../model/state.ts";
import { COUNTED, counted, type Traffic } from "../model/traffic.ts";

export interface Registration {
	readonly id: Id;
	readonly address: string;
	/** SHA-256 (hex) of the VM key. */
	readonly keyHash: string;
	/** Version of the agent; missing: it did not say. */
	readonly agent?: string;
}

/** What an agent reports each interval. */
export interface Report {
	readonly id: Id;
	/** Open client connections. */
	readonly active: number;
	readonly metrics: Readonly<Record<string, number>>;
	/** Version of the newest credentials that it accepts. */
	readonly credentials: number;
	/** Canonical; fewer than `active` where there are more than a report holds. */
	readonly sessions: readonly string[];
	/** Number of a report that came on a line; missing: it came by a call. */
	readonly number?: number;
	/** What it has counted since it started, and which start that is; missing where it does not count, or its report was cut. */
	readonly counts?: { readonly boot: string; readonly counters: Traffic };
}

export function applyRegistered(state: State, event: Registration, now: Ms): State {
	const proxy = state.proxies.get(event.id);
	if (proxy === undefined) return state;
	const request = { id: event.id, tokenHash: proxy.tokenHash ?? "", keyHash: event.keyHash, address: event.address };
	if (judgeRegistration(state, request, now).is === "refused") {
		// Its VM may have another address by now: the inventory will say.
		const isElsewhere = proxy.address !== null && proxy.address !== event.address && proxy.keyHash === event.keyHash;
		return isElsewhere && proxy.suspectAt === null ? withProxy(state, { ...proxy, suspectAt: now }) : state;
	}
	if (proxy.address === null) {
		// The first one stands: a replay from elsewhere must not take its place. Where it is wrong the inventory says so.
		if (proxy.claim !== null) return state;
		return withProxy(state, {
			...proxy,
			agent: event.agent ?? proxy.agent,
			claim: { address: event.address, keyHash: event.keyHash, at: now },
		});
	}
	return confirmed(state, proxy, event.keyHash, now, event.agent);
}

export function confirmed(state: State, proxy: Proxy, keyHash: string, now: Ms, agent = proxy.agent): State {
	// It is probed at once, unless it registers time and again; and not before those that wait since earlier.
	const probedAt = state.vitals.get(proxy.id)?.probedAt ?? 0;
	const isAgain = probedAt > now - PROBE_RETRY_MS;
	const dueNow = Math.min(probedAt, now - state.spec.intervalSeconds * 1000);
	const heard = withVitals(state, proxy.id, { heardAt: now, probedAt: isAgain ? probedAt : dueNow });
	const isKnown = proxy.registered && proxy.keyHash === keyHash;
	if (isKnown) return proxy.agent === agent ? heard : withProxy(heard, { ...proxy, agent });
	const after = withProxy(heard, { ...proxy, agent, registered: true, keyHash, claim: null, failedProbes: 0 });
	return withLog(after, now, "INFO", `confirmed ${nameOf(proxy)}`);
}

export function applyHeartbeat(state: State, report: Report, now: Ms): State {
	const proxy = state.proxies.get(report.id);
	if (proxy === undefined) return state;
	const metrics = reportedMetrics(report.metrics);
	const reported = withSessions(state, report.id, report.sessions, report.active);
	const isLined = report.number !== undefined;
	const { counts } = report;
	const known = state.vitals.get(report.id)?.counted ?? COUNTED.initial;
	const after = counts === undefined ? known : counted(known, counts.boot, counts.counters);
	const how = { isLined, report: report.number ?? 0, doubtedAt: 0 };
	const vitals = { ...how, heardAt: now, active: report.active, reportedAt: now, metrics, metricsAt: now, counted: after };
	const told = withVitals(reported, report.id, vitals);
	const heard = isLined ? withRiseStep(mayAskForMore(told) ? withPress(told, now) : told, now) : told;
	return proxy.credentials === report.credentials ? heard : withProxy(heard, { ...proxy, credentials: report.credentials });
}

export function applyUnregistered(state: State, id: string, why: string, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy === undefined || !proxy.registered) return state;
	const left = { ...proxy, registered: false };
	return proxy.phase.at === "ready" ? unready(state, left, why, now) : withProxy(state, left);
}

function unready(state: State, proxy: Proxy, why: string, now: Ms): State {
	const { phase } = proxy;
	if (phase.at !== "ready") return state;
	const after = withProxy(state, inPhase(proxy, { at: "unready", vm: phase.vm }, why, now));
	return withLog(after, now, "WARNING", `dropped ${nameOf(proxy)}: ${why}`);
}

const PROBE_WORDS = {
	refused: "its proxy port refuses connections",
	credentials: "it refuses the proxy credentials",
	silent: "it does not answer",
	egress: "it cannot reach us",
	impostor: "another machine answers at its address",
} as const;

/** What a good probe proves: the VM exists, is switched on and serves. */
const WELL = { failedProbes: 0, suspectAt: null, absentAt: null, offSince: null } as const;

export function applyProbed(state: State, id: Id, verdict: Verdict, startedAt: Ms, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy === undefined) return state;
	const { phase } = proxy;
	if (verdict.is === "ok") {
		const told = verdict.active === null ? {} : { active: verdict.active, reportedAt: now };
		// A line that broke while the probe was under way leaves a doubt that its answer, which may be from before, does not settle.
		const doubtedAt = state.vitals.get(id)?.doubtedAt ?? 0;
		const settled = doubtedAt < startedAt ? { doubtedAt: 0 } : {};
		const heard = withVitals(state, proxy.id, { probedAt: now, seenAt: now, ...settled, ...told });
		const isUp = (phase.at === "booting" || phase.at === "unready") && proxy.registered;
		if (isUp) {
			const up = {
				...inPhase(proxy, { at: "ready", vm: phase.vm }, "healthy", now),
				...WELL,
				wasReady: true,
				readyAt: proxy.readyAt ?? now,
			};
			const open = withBreakerMended(heard, "boots", now);
			return withLog(withProxy(withBootTime(open, proxy, now), up), now, "INFO", sayReady(proxy, now));
		}
		const isWell = (Object.keys(WELL) as (keyof typeof WELL)[]).every((key) => proxy[key] === WELL[key]);
		return isWell ? heard : withProxy(heard, { ...proxy, ...WELL });
	}
	const failedProbes = proxy.failedProbes + 1;
	const failed = { ...proxy, failedProbes };
	const probed = withVitals(state, proxy.id, { probedAt: now });
	if (phase.at === "ready" && failedProbes >= PROBES_TO_FAIL) return unready(probed, failed, PROBE_WORDS[verdict.is], now);
	// The count stays where it decides: a row is not worth a write at each further probe.
	return failedProbes > PROBES_TO_FAIL ? probed : withProxy(probed, failed);
}
