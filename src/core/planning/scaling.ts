/** How many proxies the pool should have, and the intents and drains that bring it there. */
import { unlistedUntil } from "../facts/listing.ts";
import { inPhase, nameOf } from "../model/edit.ts";
import { BOOTS_TO_OPEN, STUCK_DELETE_MS } from "../model/limits.ts";
import { isIdle } from "../model/metrics.ts";
import { assisting, unplaced } from "../model/neighbours.ts";
import { placeKey } from "../model/places.ts";
import {
	billable,
	countForTarget,
	countKept,
	countReady,
	deletingOf,
	drainingOf,
	hasCloud,
	isKept,
	isNewcomer,
	isUnsent,
	mayAct,
	sentOf,
	surgeOf,
	unsentOf,
	unsettledOf,
} from "../model/proxies.ts";
import { intentOf } from "../model/proxy.ts";
import { sayWaiting, waitingReplacements } from "../model/replacements.ts";
import type { Id, Place, Proxy } from "../model/state.ts";
import { isTry } from "../model/tries.ts";
import { releaseNewcomers } from "./adopt.ts";
import { retireAged } from "./ageing.ts";
import { retireBanned } from "./bans.ts";
import { affordable, noteHeld, takeBackUnaffordable } from "./budget.ts";
import { decideTarget } from "./demand.ts";
import type { Draft } from "./draft.ts";
import { doom } from "./lifecycle.ts";
import { leavers, Places } from "./placing.ts";
import { drain, retireUnhealthy, unhealthy } from "./replace.ts";

export function scale(draft: Draft): void {
	if (!mayAct(draft.state) || draft.state.run === "paused") return;
	decideTarget(draft);
	const target = withAssists(draft, draft.state.target);
	const ahead = retireAged(draft, target) + retireBanned(draft, target);
	const sick = unhealthy(draft);
	retireUnhealthy(draft, sick, target);
	const stillSick = sick.filter((proxy) => draft.state.proxies.get(proxy.id)?.phase.at === "unready").length;
	// An unhealthy proxy keeps its place until its replacement, which takes one more, is ready.
	const wanted = target === 0 ? 0 : target + stillSick + ahead;
	takeBack(draft);
	takeBackUnaffordable(draft);
	const at = new Places(draft);
	if (draft.state.run === "running") at.moveUnsent();
	if (draft.state.run === "stopped" || draft.state.run === "removing") releaseNewcomers(draft);
	// Those taken in are left out: whether they will ever serve nobody knows, and until then no other goes for them, nor waits for them.
	const [count, kept] = [countForTarget(draft.state, draft.now), countKept(draft.state)];
	const waiting = kept < wanted ? successorsWaiting(draft) : 0;
	// One that is being deleted keeps its successor waiting, but no other proxy goes in its stead.
	if (count < wanted) grow(draft, at, wanted - count, waiting);
	else if (kept > wanted) shrink(draft, kept - wanted);
	if (isDeadlocked(draft, sick, target)) shrink(draft, 1);
	if (draft.state.run === "running") draft.held ??= new Places(draft).sayFull(wanted - countKept(draft.state), target);
	noteHeld(draft);
	noteUnplaced(draft);
	for (const { phase, since } of deletingOf(draft.state.proxies)) {
		if (phase.at === "deleting" && phase.acceptedAt === null) draft.wake(since + STUCK_DELETE_MS);
	}
}

/** The target with what other pools want of this one, within its own bounds. */
function withAssists(draft: Draft, own: number): number {
	const { state, now } = draft;
	if (state.run !== "running" || !hasCloud(state)) return own;
	const { count, until } = assisting(state, now);
	draft.wake(until);
	return Math.max(own, Math.min(state.spec.max, own + count));
}

/** Since when proxies are missing for which nothing was made: another pool stands in for them in time. */
function noteUnplaced(draft: Draft): void {
	const { state, now } = draft;
	const since = unplaced(state) === 0 ? null : Math.min(now, state.unplacedSince ?? now);
	if (since !== state.unplacedSince) draft.state = { ...draft.state, unplacedSince: since };
}

/**
 * Whether unhealthy proxies, which wait for their replacements, leave no room for any: all that may be billed is there, more than the target,
 * nothing is on its way up or out, and too few are ready.
 */
function isDeadlocked({ state }: Draft, sick: readonly Proxy[], target: number): boolean {
	if (state.proxies.size <= target || billable(state) < state.spec.max + surgeOf(state.spec)) return false;
	for (const { id, phase } of unsettledOf(state.proxies)) {
		if (phase.at !== "ready" && (phase.at !== "unready" || !sick.some((one) => one.id === id))) return false;
	}
	return countReady(state) < target;
}

/** Above a bound that was lowered only deletes go out: intents that were not sent yet are taken back. */
function takeBack(draft: Draft): void {
	let excess = billable(draft.state) - draft.state.spec.max - surgeOf(draft.state.spec);
	if (excess <= 0) return;
	for (const proxy of unsentOf(draft.state.proxies)) {
		if (excess <= 0) return;
		draft.remove(proxy.id);
		excess--;
	}
}

/** How many of what is missing waits for having been destroyed beyond what may be replaced in an hour; the draft says why. */
function successorsWaiting(draft: Draft): number {
	const { count, until } = waitingReplacements(draft.state, draft.now);
	if (count === 0) return 0;
	draft.wake(until);
	draft.held = sayWaiting(draft.state);
	return count;
}

/** Takes back what only drains for being one too many, then stores intents as far as bounds and breakers allow; `waiting` of them not yet. */
function grow(draft: Draft, at: Places, missing: number, waiting: number): void {
	let left = missing;
	for (const proxy of drainingOf(draft.state.proxies)) {
		if (left === 0) return;
		if (proxy.phase.at !== "draining" || !proxy.phase.spare || proxy.failedProbes > 0) continue;
		draft.put(inPhase(proxy, { at: "ready", vm: proxy.phase.vm }, "recommissioned", draft.now));
		draft.message("INFO", `recommissioning ${nameOf(proxy)}`);
		left--;
	}
	const wanted: (Place | null)[] = [];
	for (let room = Math.min(left - waiting, roomToLaunch(draft)); room > 0; room--) {
		const place = at.next();
		if (place === undefined) break;
		wanted.push(place);
	}
	for (const place of wanted.slice(0, affordable(draft, wanted))) {
		const id = newId(draft.random);
		const intent = { ...intentOf(id, draft.now, place), why: "to meet the target" };
		draft.put(intent);
		if (isTry(draft.state, intent)) continue;
		draft.message("INFO", `launching ${id}${place !== null && draft.state.spec.places.length > 1 ? ` in ${placeKey(place)}` : ""}`);
	}
}

/** How many creates may be intended now: within max + surge, and as the breakers allow. */
function roomToLaunch(draft: Draft): number {
	const { state } = draft;
	const { breakers, spec } = state;
	if (state.run !== "running" || state.agentUrl === null || state.reconciledAt === null) return 0;
	if (!draft.isDue(unlistedUntil(state))) return 0;
	if (![breakers.rate, breakers.auth, breakers.launch].every((breaker) => draft.isDue(breaker.until))) return 0;
	const room = spec.max + surgeOf(spec) - billable(state);
	// After refusals one create tries whether they are over.
	if (breakers.launch.failures > 0) return unsentOf(state.proxies).length + sentOf(state.proxies).length > 0 ? 0 : Math.min(1, room);
	if (breakers.boots.failures < BOOTS_TO_OPEN) return room;
	const isCanaryUp = unsettledOf(state.proxies).some(isUnproven);
	return draft.isDue(breakers.boots.until) && !isCanaryUp ? Math.min(1, room) : 0;
}

/** On its way to its first "ready". */
function isUnproven(proxy: Proxy): boolean {
	return !proxy.wasReady && (proxy.phase.at === "launching" || proxy.phase.at === "booting" || proxy.phase.at === "unready");
}

/** Never registered first (at once), then unhealthy, then idle, then oldest; those that somebody has leased last. */
function shrink(draft: Draft, surplus: number): void {
	const rank = (proxy: Proxy): number => {
		if (proxy.phase.at === "launching") return proxy.phase.sentAt === null ? 0 : 1;
		if (!proxy.wasReady) return 2;
		if (proxy.phase.at !== "ready") return 3;
		if (proxy.lease !== null) return 6;
		return isIdle(draft.state, proxy, draft.now) ? 4 : 5;
	};
	const victims = [...draft.proxies]
		.filter((proxy) => isKept(proxy) && !isNewcomer(proxy))
		.sort((a, b) => rank(a) - rank(b) || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
	for (const proxy of leavers(draft.state, victims, surplus, rank)) {
		if (isUnsent(proxy)) draft.remove(proxy.id);
		else if (!proxy.wasReady) doom(draft, proxy, "not needed any more");
		else drain(draft, proxy, "one too many", true);
	}
}

const ID_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz";
/** 36^16 ≈ 2^83: two pools of a deployment never meet. */
const ID_LENGTH = 16;

function newId(random: () => number): Id {
	let id = "";
	for (let i = 0; i < ID_LENGTH; i++) id += ID_LETTERS[Math.floor(random() * ID_LETTERS.length)];
	return id;
}
