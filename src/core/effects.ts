/** Which calls the stored facts ask for now, and when the next ones fall due. */

import { isPlain, retag } from "./adopt.ts";
import { isWithinBounds, reserve } from "./budget.ts";
import { absenceCountsFrom, billable, countReady, hasCloud, isPending, mayAct, surgeOf } from "./count.ts";
import type { Draft } from "./draft.ts";
import type { Effect } from "./events.ts";
import { finish, isUnfinished } from "./finish.ts";
import { changeFirewall, isFirewallWrong } from "./firewall.ts";
import {
	IDLE_LIST_MS,
	LATE_INTERVALS,
	LIST_SPACING_MS,
	LOOKS_TO_FORGET,
	PROBE_RETRY_MS,
	PROBES_TO_FAIL,
	RATE_RESERVE,
	READY_STALENESS_MS,
	SAMPLE_SHARE,
	STRAY_MS,
	UNPUBLISHED_DRAIN_MS,
} from "./limits.ts";
import { askPrice, isPriceWanted } from "./pricing.ts";
import { projectionHash } from "./projection.ts";
import { showSessions } from "./sessions.ts";
import type { Ms, Proxy, State } from "./state.ts";
import { isStatic, probeStatics } from "./statics.ts";

/** Effects in the order of their priority: delete, find, publish, list, create, restart, probe, and what concerns other pools. */
export function callWhatIsDue(draft: Draft): void {
	const { state } = draft;
	const isReachable = draft.isDue(state.gates.rate.until) && draft.isDue(state.gates.auth.until);
	const isRich = isReachable && hasQuota(draft);
	const mayChange = mayAct(state);
	if (isReachable && mayChange) {
		deleteDoomed(draft);
		deleteStrays(draft);
		retag(draft);
	}
	if (isReachable) find(draft, isRich && state.gates.list.until <= draft.now);
	publish(draft);
	reserve(draft);
	showSessions(draft);
	if (isRich) {
		changeFirewall(draft);
		list(draft);
		askPrice(draft);
	}
	if (isRich && mayChange) {
		create(draft);
		restart(draft);
	}
	if (state.spec.canProbe) probe(draft);
	probeStatics(draft);
	forget(draft);
	measure(draft);
}

/** The account's quota is shared by pools: its last quarter is kept for deletes and finds. */
function hasQuota(draft: Draft): boolean {
	const { rate } = draft.state;
	return rate === null || rate.remaining >= rate.limit * RATE_RESERVE || draft.isDue(rate.resetAt);
}

/** An accepted delete is looked after with finds; every fourth time it is sent again, lest the provider forgot it. */
function isDeleteTurn(proxy: Proxy): boolean {
	return proxy.phase.at === "deleting" && (proxy.phase.acceptedAt === null || proxy.tries % 4 === 3);
}

function deleteDoomed(draft: Draft): void {
	for (const proxy of draft.proxies) {
		const { id, phase, retryAt } = proxy;
		if (phase.at !== "deleting" || phase.vm === null || !isDeleteTurn(proxy)) continue;
		if (draft.isDue(retryAt)) draft.call({ call: "delete", id, vm: phase.vm });
	}
}

function deleteStrays(draft: Draft): void {
	for (const [vm, stray] of draft.state.strays) {
		// Shown by two lists so far apart, or by none for so long: then the answer to its delete is what tells that it is gone.
		const isDue = stray.seenAt - stray.firstSeenAt >= STRAY_MS || draft.isDue(stray.seenAt + STRAY_MS);
		if (isDue && draft.isDue(stray.retryAt)) draft.call({ call: "deleteStray", vm });
	}
}

function find(draft: Draft, mayList: boolean): void {
	for (const proxy of draft.proxies) {
		// An agent that is up waits for the inventory to say where: while there can be no list, a find says it.
		const dueAt = findDueAt(draft.state, proxy) ?? (mayList || !isPending(proxy) ? null : 0);
		if (dueAt !== null && draft.isDue(Math.max(dueAt, proxy.retryAt))) {
			draft.call({ call: "find", id: proxy.id, vm: proxy.phase.at === "launching" ? null : proxy.phase.vm });
		}
	}
}

function findDueAt(state: State, proxy: Proxy): Ms | null {
	const { phase } = proxy;
	switch (phase.at) {
		case "launching":
			// Sent, and no answer: it is looked up until it shows, or its absence counts.
			return phase.sentAt === null ? null : 0;
		case "deleting":
			if (phase.vm === null) return 0;
			return isDeleteTurn(proxy) ? null : 0;
		case "adopting":
		case "releasing":
			return null;
		case "booting":
		case "ready":
		case "unready":
		case "restarting":
		case "draining":
			if (proxy.absentAt !== null) return absenceCountsFrom(state, proxy);
			return proxy.suspectAt;
		default:
			return phase satisfies never;
	}
}

function publish(draft: Draft): void {
	const { state } = draft;
	const hash = projectionHash(state);
	if (hash === state.published.hash || !draft.isDue(state.gates.publish.until)) return;
	draft.call({ call: "publish", hash, version: state.published.version + 1 });
}

/** When it last happened. After a clock was set back that may lie in the future, and is no reason to wait for it. */
function passed(at: Ms, now: Ms): Ms {
	return at > now ? 0 : at;
}

/** The inventory is read when something waits for it, each interval while anything is in motion, else every five minutes. */
function list(draft: Draft): void {
	const { state } = draft;
	if (!hasCloud(state) || !draft.isDue(state.gates.list.until)) return;
	const intervalMs = state.spec.intervalSeconds * 1000;
	const listedAt = passed(state.listedAt, draft.now);
	let dueAt = listedAt + Math.max(IDLE_LIST_MS, intervalMs);
	const by = (at: Ms) => {
		dueAt = Math.min(dueAt, at);
	};
	if (state.reconciledAt === null) by(0);
	if (state.run === "removing") by(listedAt + intervalMs);
	for (const proxy of draft.proxies) {
		const { phase } = proxy;
		if (phase.at === "ready" && proxy.failedProbes === 0 && proxy.offSince === null) continue;
		by(listedAt + intervalMs);
		// An agent is up, and the inventory has not said yet where.
		if (proxy.claim !== null && isPending(proxy)) by(Math.max(listedAt + LIST_SPACING_MS, proxy.claim.at));
		// A proxy that falls silent may have lost its VM.
		if (phase.at === "unready" && proxy.since > listedAt) by(listedAt + LIST_SPACING_MS);
	}
	for (const stray of state.strays.values()) by(stray.firstSeenAt + STRAY_MS > listedAt ? stray.firstSeenAt + STRAY_MS : dueAt);
	if (draft.isDue(dueAt)) draft.call({ call: "list" });
}

function create(draft: Draft): void {
	const { state } = draft;
	if (state.run !== "running" || state.agentUrl === null || !draft.isDue(state.gates.launch.until)) return;
	if (!isWithinBounds(state, draft.now)) return;
	finish(draft);
	for (const { id, phase } of draft.proxies) {
		if (phase.at === "launching" && phase.sentAt === null) draft.call({ call: "create", id });
	}
}

function restart(draft: Draft): void {
	for (const { id, phase, retryAt } of draft.proxies) {
		if (phase.at === "restarting" && draft.isDue(retryAt)) draft.call({ call: "restart", id, vm: phase.vm, step: phase.step });
	}
}

function probe(draft: Draft): void {
	const { state, now } = draft;
	const intervalMs = state.spec.intervalSeconds * 1000;
	const isSampleDue = draft.isDue(state.sampledAt + intervalMs);
	const ready = countReady(state);
	const share = ready === 0 ? 0 : Math.max(SAMPLE_SHARE, 1 / ready);
	if (isSampleDue && ready > 0) draft.state = { ...draft.state, sampledAt: now };
	for (const proxy of draft.proxies) {
		if (proxy.address === null || (proxy.keyHash === null && !isPlain(proxy))) continue;
		const isSample = proxy.phase.at === "ready" && isSampleDue && draft.random() < share;
		const dueAt = probeDueAt(state, proxy, intervalMs, now);
		if (isSample || (dueAt !== null && draft.isDue(dueAt))) {
			draft.call({ call: "probe", id: proxy.id, address: proxy.address, keyHash: proxy.keyHash });
		}
	}
}

/** When a proxy is to be probed next for a reason of its own; null: not at all. */
function probeDueAt(state: State, proxy: Proxy, intervalMs: Ms, now: Ms): Ms | null {
	const vitals = state.vitals.get(proxy.id);
	const probedAt = passed(vitals?.probedAt ?? 0, now);
	const retryMs = Math.min(PROBE_RETRY_MS, intervalMs / 6);
	switch (proxy.phase.at) {
		case "ready": {
			if (proxy.failedProbes > 0) return probedAt + retryMs;
			const lateAt = (vitals?.heardAt ?? 0) + LATE_INTERVALS * state.heartbeatSeconds * 1000;
			return Math.max(lateAt, probedAt + intervalMs);
		}
		case "booting":
		case "unready":
			// At once when its agent registers; each interval once it is known not to answer.
			if (!proxy.registered) return null;
			return proxy.failedProbes === 0 ? probedAt : probedAt + (proxy.failedProbes >= PROBES_TO_FAIL ? intervalMs : retryMs);
		case "draining": {
			// Its answer tells whether anybody still uses it.
			const hiddenAt = proxy.phase.hiddenAt === null ? proxy.since + UNPUBLISHED_DRAIN_MS : proxy.phase.hiddenAt + READY_STALENESS_MS;
			const isFailing = proxy.failedProbes > 0 && proxy.failedProbes < PROBES_TO_FAIL;
			return probedAt < hiddenAt ? hiddenAt : probedAt + (isFailing ? retryMs : intervalMs);
		}
		default:
			return null;
	}
}

/** The endpoint whose metrics stand for the pool's own is asked once an interval, whatever came of it the last time. */
function measure(draft: Draft): void {
	const { state, now } = draft;
	const { metricsSource, rules, intervalSeconds } = state.spec;
	if (metricsSource === null || rules.length === 0 || state.run !== "running") return;
	if (!draft.isDue(passed(state.sourceAskedAt, now) + intervalSeconds * 1000)) return;
	draft.state = { ...draft.state, sourceAskedAt: now };
	draft.call({ call: "measure", endpoint: metricsSource });
}

/** An emptied pool is forgotten once whole lists, read after its last VM can have shown up, have held nothing of it. */
function forget(draft: Draft): void {
	const { state } = draft;
	if (state.run !== "removing" || state.emptySince === null || state.strays.size > 0 || state.forgotten) return;
	if (hasCloud(state) && state.looks < LOOKS_TO_FORGET) return;
	if (draft.isDue(state.gates.publish.until)) draft.call({ call: "forget" });
}

/** Whether an effect that was planned a moment ago is still wanted: other results of its pass may have changed that. */
export function isStillDue(state: State, effect: Effect, now: Ms): boolean {
	const isOpen = state.gates.rate.until <= now && state.gates.auth.until <= now;
	const phaseOf = (id: string) => state.proxies.get(id)?.phase;
	switch (effect.call) {
		case "delete": {
			const phase = phaseOf(effect.id);
			return isOpen && mayAct(state) && phase?.at === "deleting" && phase.vm === effect.vm;
		}
		case "deleteStray":
			return isOpen && mayAct(state) && state.strays.has(effect.vm);
		case "find":
			return isOpen && state.proxies.has(effect.id);
		case "adopt":
		case "release": {
			const wanted = effect.call === "adopt" ? "adopting" : "releasing";
			return isOpen && mayAct(state) && phaseOf(effect.id)?.at === wanted;
		}
		case "probeStatic":
			return isStatic(state, effect.id);
		case "sessions":
			return true;
		case "publish":
			return effect.version === state.published.version + 1;
		case "list":
			return isOpen;
		case "reserve":
			return effect.version === state.money.lease.version + 1;
		case "price":
			return isOpen && effect.account === state.account && isPriceWanted(state);
		case "firewall":
			return isOpen && effect.allow === state.allow && isFirewallWrong(state);
		case "forget":
			return state.run === "removing" && state.proxies.size === 0;
		case "create": {
			const phase = phaseOf(effect.id);
			const isWithinBound = billable(state) <= state.spec.max + surgeOf(state.spec);
			const isAllowed = isWithinBound && isWithinBounds(state, now);
			const isWanted = state.run === "running" && mayAct(state) && state.gates.launch.until <= now && isAllowed;
			return isOpen && isWanted && phase?.at === "launching" && phase.sentAt === null;
		}
		case "finish": {
			const proxy = state.proxies.get(effect.id);
			const isWanted = state.run === "running" && mayAct(state) && state.gates.launch.until <= now;
			return isOpen && isWanted && proxy !== undefined && isUnfinished(state, proxy) && proxy.retryAt <= now;
		}
		case "restart": {
			const phase = phaseOf(effect.id);
			return isOpen && mayAct(state) && phase?.at === "restarting" && phase.step === effect.step;
		}
		case "probe":
			return state.proxies.get(effect.id)?.address === effect.address;
		case "measure":
			return state.spec.metricsSource === effect.endpoint;
		default:
			return effect satisfies never;
	}
}
