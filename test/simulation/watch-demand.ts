import type { State } from "../../src/pool/core/state.ts";
import { awakeUntil, expectationOf } from "./demand.ts";
import type { Host } from "./host.ts";
import type { DemandRecord } from "./record.ts";
import { SECOND } from "./scenario.ts";

/** What a clock may be off by, and alarms be late, without anybody minding. */
const SLACK_MS = 2 * SECOND;
/** As the core has it: after so many intervals without a decision nothing is known of the time between. */
const GAP_INTERVALS = 5;

type Say = (text: string) => void;

/** Judges a plan of a pool with rules: its target, and how it came to it. `say` is told what is wrong. */
export function judgeTarget(host: Host, record: DemandRecord, before: State, after: State, say: Say): void {
	const isDecision = before.decidedAt !== after.decidedAt;
	if (!isDecision && before.target === after.target) return;
	const { spec } = after;
	const now = host.world.clock.now;
	if (after.run !== "running" && after.run !== "paused") {
		if (after.target !== 0) say(`a pool that is ${after.run} is to have ${after.target}`);
		return;
	}
	if (after.target < spec.min || after.target > spec.max) say(`the target ${after.target} is not within ${spec.min} to ${spec.max}`);
	if (spec.rules.length === 0) {
		if (after.target !== spec.min) say(`the target is ${after.target} without rules, the minimum ${spec.min}`);
		return;
	}
	const isAwake = after.wokenAt > 0 && spec.min === 0 && spec.max >= 1 && host.now() < awakeUntil(after);
	const floor = isAwake && after.wokenAt <= host.now() ? 1 : spec.min;
	const held = Math.min(spec.max, Math.max(floor, before.target));
	if (!isDecision) {
		if (after.target !== held) say(`the target went from ${before.target} to ${after.target} without a decision`);
		return;
	}
	const expected = expectationOf(before, host.now(), held);
	const intervalMs = spec.intervalSeconds * SECOND;
	const windowMs = spec.scaleInWindowSeconds * SECOND;
	if (now - record.decidedAt > Math.max(windowMs, GAP_INTERVALS * intervalMs)) record.since = now;
	record.decidedAt = now;
	record.wishes = [...record.wishes.filter(({ at }) => at > now - windowMs), { at: now, size: expected.wish }];

	const step = after.target - held;
	if (step !== 0) {
		const sinceMs = now - record.steppedAt;
		if (sinceMs < intervalMs - SLACK_MS) say(`rules changed the target twice within ${Math.round(sinceMs / SECOND)} s, to ${after.target}`);
		record.steppedAt = now;
	}
	const most = spec.rampLimit + expected.spare;
	if (step > most || step < -spec.rampLimit) say(`the target went from ${held} to ${after.target}, past the ramp of ${spec.rampLimit}`);
	if (expected.wish > held) {
		const wanted = Math.min(expected.wish, held + most);
		if (after.target !== wanted) say(`the target is ${after.target}, and the load asks for ${wanted}`);
	} else if (step > 0) say(`the target rose to ${after.target} though nothing asks for more than ${expected.wish}`);
	if (step >= 0) return;
	if (expected.isBlind) say(`the target fell from ${held} to ${after.target} though a sample is missing`);
	const highest = Math.max(...record.wishes.filter(({ at }) => at > now - windowMs + SLACK_MS).map(({ size }) => size), floor);
	if (after.target < Math.max(highest, expected.wish))
		say(`the target fell from ${held} to ${after.target}, and ${highest} were asked for within the window`);
	if (windowMs > 0 && now - record.since < windowMs - SLACK_MS)
		say(`the target fell from ${held} to ${after.target} when only ${Math.round((now - record.since) / SECOND)} s were known`);
}

/** What was posted for an address stays with it for as long as it counts. */
export function judgePosted(host: Host, before: State, after: State, say: Say): void {
	for (const [id, proxy] of after.proxies) {
		const was = before.proxies.get(id);
		if (was === undefined || was.posted === proxy.posted || was.address !== proxy.address) continue;
		for (const [name, [, , at]] of Object.entries(was.posted)) {
			const isCounting = at <= host.now() && host.now() < at + 3 * after.heartbeatSeconds * SECOND;
			if (isCounting && !(name in proxy.posted)) say(`what was posted of ${name} for ${proxy.address} is lost`);
		}
	}
}

/** The instance has gone, and with it what it decided since its memory was last stored. */
export function forgetLost(host: Host, record: DemandRecord): void {
	const storedAt = (host.stored?.volatileAt ?? 0) - host.skewMs;
	record.wishes = record.wishes.filter(({ at }) => at <= storedAt);
}

/** What keeps a pool with rules from being at rest at the size that it has; null: nothing. */
export function restlessness(host: Host, state: State): string | null {
	const { target, spec } = state;
	const { demand } = host.world.setupOf(host);
	const { wish, isBlind } = expectationOf(state, host.now(), target);
	if (target < spec.min || target > spec.max) return `its target is ${target}`;
	if (spec.rules.length > 0 && !isBlind && wish !== target) return `its target is ${target}, and its load asks for ${wish}`;
	const isNeeded = demand !== null && demand.finalLoad > 0 && spec.rules.length > 0 && spec.max > 0;
	return isNeeded && target === 0 ? "nothing is ready for its clients" : null;
}
