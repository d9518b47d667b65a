import type { State } from "../../src/core/model/state.ts";
import { Table } from "../../src/core/model/table.ts";
import { awakeUntil, canBeWoken, type Expectation, expectationOf, isHeldByClients, wokenSize } from "./demand.ts";
import type { Host } from "./host.ts";
import type { Changes, DemandRecord } from "./record.ts";
import { SECOND } from "./scenario.ts";

/** What a clock may be off by, and alarms be late, without anybody minding. */
const SLACK_MS = 2 * SECOND;
/** As the core has it: after so many intervals without a decision nothing is known of the time between. */
const GAP_INTERVALS = 5;

type Say = (text: string) => void;

/** Judges a plan of a pool with rules: its target, and how it came to it. `say` is told what is wrong. */
export function judgeTarget(host: Host, record: DemandRecord, before: State, after: State, message: Say): void {
	const isDecision = before.decidedAt !== after.decidedAt;
	if (!isDecision && before.target === after.target) return;
	const { spec } = after;
	if (after.run !== "running" && after.run !== "paused") {
		if (after.target !== 0) message(`a pool that is ${after.run} is to have ${after.target}`);
		return;
	}
	if (after.target < spec.min || after.target > spec.max) message(`the target ${after.target} is not within ${spec.min} to ${spec.max}`);
	if (spec.rules.length === 0) {
		if (after.target !== spec.min) message(`the target is ${after.target} without rules, the minimum ${spec.min}`);
		return;
	}
	const isAwake = spec.min === 0 && spec.max >= 1 && after.wokenAt > 0 && after.wokenAt <= host.now() && host.now() < awakeUntil(after);
	const asked = isAwake ? wokenSize(after) : 0;
	const floor = Math.max(asked, isHeldByClients(settled(before, after), host.now()) ? 1 : spec.min);
	const held = Math.min(spec.max, Math.max(floor, before.target));
	if (isDecision) judgeDecision(host, record, { held, floor, before, after }, message);
	else if (after.target !== held) message(`the target went from ${before.target} to ${after.target} without a decision`);
}

/** Judges what a pool has taken down of so many clients who found nothing. */
export function judgeWoken(host: Host, callers: number, before: State, after: State, message: Say): void {
	const now = host.now();
	const isAwake = after.wokenAt > now - after.spec.intervalSeconds * SECOND && after.wokenAt <= now;
	const isServed = [...before.proxies.values()].some(({ phase }) => phase.at === "ready");
	const waiting = before.wokenAt <= now && now < awakeUntil(before) && !isServed ? before.wokenFor : 0;
	const asking = before.wokenAt === 0 ? callers : Math.max(callers, waiting);
	if (!canBeWoken(before)) return;
	if (after.wokenFor > Math.max(asking, before.wokenFor)) message(`${asking} clients wait for a proxy, and it counts ${after.wokenFor}`);
	if (!(isAwake && after.wokenFor >= asking))
		message(`${asking} clients wait for a proxy, and it knows of ${isAwake ? after.wokenFor : "none"}`);
}

interface Decision {
	/** The size in force. */
	readonly held: number;
	readonly floor: number;
	readonly before: State;
	readonly after: State;
}

function judgeDecision(host: Host, record: DemandRecord, { held, floor, before, after }: Decision, message: Say): void {
	const { now } = host.world.clock;
	const { spec } = after;
	const intervalMs = spec.intervalSeconds * SECOND;
	const windowMs = spec.scaleInWindowSeconds * SECOND;
	if (now - record.decidedAt > Math.max(windowMs, GAP_INTERVALS * intervalMs)) Object.assign(record, { since: now, sizeThen: held });
	record.decidedAt = now;

	const step = after.target - held;
	if (step !== 0) {
		const sinceMs = now - record.steppedAt;
		if (sinceMs < intervalMs - SLACK_MS)
			message(`rules changed the target twice within ${Math.round(sinceMs / SECOND)} s, to ${after.target}`);
		record.steppedAt = now;
	}
	// What time alone brought about in the same plan may have come before the decision.
	const views = [before, settled(before, after)].map((state) => expectationOf(state, host.now(), held));
	const faults = views.map((expected) => faultOf(expected, { held, step, target: after.target, rampLimit: spec.rampLimit }));
	if (!faults.includes(null)) message(faults[0] ?? "");

	record.wishes = [...record.wishes.filter(({ at }) => at > now - windowMs), { at: now, size: Math.min(...views.map(({ wish }) => wish)) }];
	if (step >= 0) return;
	const highest = Math.max(...record.wishes.filter(({ at }) => at > now - windowMs + SLACK_MS).map(({ size }) => size), floor);
	if (after.target < highest) message(`the target fell from ${held} to ${after.target}, and ${highest} were asked for within the window`);
	// What an operator's bound added since, and took away again, nobody asked for.
	if (windowMs > 0 && now - record.since < windowMs - SLACK_MS && after.target < record.sizeThen)
		message(`the target fell from ${held} to ${after.target} when only ${Math.round((now - record.since) / SECOND)} s were known`);
}

/** What is wrong with a step; null: nothing. */
function faultOf(
	{ wish, spare, isBlind }: Expectation,
	{ held, step, target, rampLimit }: { held: number; step: number; target: number; rampLimit: number },
): string | null {
	const most = rampLimit + spare;
	if (step > most || step < -rampLimit) return `the target went from ${held} to ${target}, past the ramp of ${rampLimit}`;
	if (wish > held && target !== Math.min(wish, held + most))
		return `the target is ${target}, and the load asks for ${Math.min(wish, held + most)}`;
	if (wish <= held && step > 0) return `the target rose to ${target} though nothing asks for more than ${wish}`;
	if (step < 0 && isBlind) return `the target fell from ${held} to ${target} though a sample is missing`;
	return step < 0 && target < wish ? `the target fell from ${held} to ${target}, and the load asks for ${wish}` : null;
}

/** As it was before, without what the plan has found gone, or has begun to delete. */
function settled(before: State, after: State): State {
	const proxies = [...before.proxies].flatMap(([id, proxy]) => {
		const then = after.proxies.get(id);
		return then === undefined ? [] : [[id, then.phase.at === "deleting" ? then : proxy] as const];
	});
	return { ...before, proxies: Table.of(proxies) };
}

/** What was posted for an address stays with it. */
export function judgePosted(changes: Changes, message: Say): void {
	for (const [, was, proxy] of changes) {
		if (was === undefined || proxy === undefined || was.posted === proxy.posted || was.address !== proxy.address) continue;
		for (const name of Object.keys(was.posted))
			if (!(name in proxy.posted)) message(`what was posted of ${name} for ${proxy.address} is lost`);
	}
}

/** The instance has gone, and with it what it decided since its memory was last stored. */
export function forgetLost(host: Host, record: DemandRecord): void {
	const storedAt = (host.rows?.vitalsWrittenAt ?? 0) - host.skewMs;
	record.wishes = record.wishes.filter(({ at }) => at <= storedAt);
}

/** What keeps a pool with rules from being at rest at the size that it has; null: nothing. */
export function restlessness(host: Host, state: State): string | null {
	const { target, spec } = state;
	const { demand } = host.world.setupOf(host);
	const { wish, isBlind } = expectationOf(state, host.now(), target);
	if (target < spec.min || target > spec.max) return `its target is ${target}`;
	const wanted = isHeldByClients(state, host.now()) ? Math.max(1, wish) : wish;
	if (spec.rules.length > 0 && !isBlind && wanted !== target) return `its target is ${target}, and its load asks for ${wanted}`;
	// Others' backends serve those who would wake it.
	if ([...state.statics.values()].some(({ isUp }) => isUp)) return null;
	const isNeeded = demand !== null && spec.rules.length > 0 && spec.max > 0 && host.world.crowd.isShort(host);
	return isNeeded && target === 0 ? "nothing is ready for its clients" : null;
}
