/** What the target is: an operator's bounds at once; where rules are given, what the measured load asks for, once an interval. */
import { withUnreported } from "../model/health.ts";
import { awakeUntil, canWake, nextDecisionAt, told, wantedByCallers } from "../model/load.ts";
import { isInUse, measurementsOf, totalOf } from "../model/metrics.ts";
import { drainingOf, hasCloud, hasProven } from "../model/proxies.ts";
import { isRiseDue, withRiseStep } from "../model/rises.ts";
import { clamp, INSTANCES, intersectionOf, parseRule, type Range, type Rule, rangeOf, sizeIn } from "../model/rules.ts";
import type { Measurements, Ms, State } from "../model/state.ts";
import { highestWish, isWithinWindow, withWish } from "../model/window.ts";
import type { Draft } from "./draft.ts";

/** Brings the target up to date, and says why it changed. */
export function decideTarget(draft: Draft): void {
	const { run, spec } = draft.state;
	if (spec.rules.length === 0 || run !== "running") noteUnreported(draft, []);
	if (run === "stopped" || run === "removing") setTarget(draft, 0, run);
	else if (!hasCloud(draft.state)) setTarget(draft, 0, "");
	else if (spec.rules.length === 0) setTarget(draft, spec.min, "");
	else byRules(draft);
	draft.state = withRiseStep(draft.state, draft.now);
}

function setTarget(draft: Draft, target: number, why: string): void {
	const { target: before } = draft.state;
	if (target === before) return;
	draft.message("INFO", `target changed ${before} => ${target}${why === "" ? "" : `: ${why}`}`);
	draft.state = { ...draft.state, target };
}

/** Whether somebody asked lately; the pool looks again when that ends. */
function isAwake(draft: Draft): boolean {
	const { state, now } = draft;
	// One in the future was dated by a clock that was set back since.
	return state.wokenAt > 0 && state.wokenAt <= now && canWake(state) && !draft.isDue(awakeUntil(state));
}

function byRules(draft: Draft): void {
	const { spec } = draft.state;
	// Rules that ask for none while a client is connected would have it cut off, and ask for a proxy again: a VM at each turn.
	const asked = isAwake(draft) ? wantedByCallers(draft.state) : 0;
	const isWanted = asked > 0 || (canWake(draft.state) && isInUse(draft.state, draft.now));
	const bounds: Range = { least: isWanted ? Math.max(1, asked, spec.min) : spec.min, most: spec.max };
	const within = clamp(draft.state.target, bounds);
	const isForClients = isWanted && within === bounds.least && draft.state.target < within && within > spec.min;
	const clients = draft.state.wokenFor === 1 ? "a client asks for a proxy" : `${draft.state.wokenFor} clients ask for a proxy`;
	setTarget(draft, within, isForClients ? clients : `the bounds are ${spec.min} to ${spec.max}`);
	if (draft.isDue(nextDecisionAt(draft.state, draft.now)) || isPressed(draft.state, draft.now)) decide(draft, bounds);
}

/** Whether a line has told since the last decision of what asks for more. */
function isPressed(state: State, now: Ms): boolean {
	return state.pressedAt > state.decidedAt && state.pressedAt <= now && isRiseDue(state, now);
}

function decide(draft: Draft, bounds: Range): void {
	const { state, now } = draft;
	const { spec, target: present } = state;
	const asked = askedFor(draft, measurementsOf(state, now));
	const wish = wishOf(state, asked, { least: spec.min, most: spec.max }, present);
	const scaleInWindow = withWish(state.scaleInWindow, { at: now, target: wish }, spec, present);
	draft.state = { ...draft.state, decidedAt: now, scaleInWindow };

	const ramp = Math.max(1, spec.rampLimit);
	const highest = highestWish(scaleInWindow, wish);
	let next = present;
	if (wish > present) next = Math.min(wish, present + ramp + recommissionable(state));
	else if (highest < present && !(state.ramped.isRise && isWithinWindow(state.ramped.at, spec, now)))
		next = Math.max(highest, present - ramp);
	next = clamp(next, bounds);
	if (next === present) return;
	const limited = next === wish ? "" : next > present || highest < next ? `, by ${ramp} at a time` : ", the most of the window";
	setTarget(draft, next, `${asked.why}${limited}`);
	draft.state = { ...draft.state, ramped: { at: now, isRise: next > present } };
}

/** What one rule asks for. */
export interface Asking {
	readonly rule: string;
	readonly metric: string;
	/** Of all proxies together; null: it is not reported. Not looked at where the rule bounds the number of proxies itself. */
	readonly total: number | null;
	/** Null: nothing, since its metric is not reported. */
	readonly range: Range | null;
}

/** What the rules ask for. */
interface Asked {
	readonly range: Range;
	readonly askings: readonly Asking[];
	/** Some metric is not known, or some proxy has not reported: what was not measured is not 0. */
	readonly isBlind: boolean;
	/** For the log. */
	readonly why: string;
}

export function askedFor(draft: Draft, measured: Measurements | null): Asked {
	const rules = draft.state.spec.rules.map(parseRule).filter((rule) => rule !== null);
	const ranges: Range[] = [];
	const reasons: string[] = [];
	let isBlind = measured === null || measured.missing > 0 || rules.length < draft.state.spec.rules.length;
	const known: Rule[] = [];
	const askings: Asking[] = [];
	const unreported = new Set<string>();
	for (const rule of rules) {
		const total = rule.metric === INSTANCES ? 0 : measured && totalOf(rule.metric, measured);
		if (total === null) {
			isBlind = true;
			unreported.add(rule.metric);
			askings.push({ rule: rule.text, metric: rule.metric, total, range: null });
			reasons.push(`${rule.metric} is not reported`);
			continue;
		}
		const range = rangeOf(rule, total);
		known.push(rule);
		askings.push({ rule: rule.text, metric: rule.metric, total: rule.metric === INSTANCES ? null : total, range });
		ranges.push(range);
		const sum = rule.metric === INSTANCES ? "" : `${rule.metric} is ${rounded(total)} in all: `;
		reasons.push(`${sum}${rule.text} asks for ${inWords(range)}`);
	}
	noteUnreported(draft, [...unreported]);
	const { range, conflict } = intersectionOf(ranges);
	const contrary = known[conflict];
	if (contrary !== undefined) tellOnce(draft, `rules conflict: ${contrary.text} cannot be met together with those before it`);
	return { range, askings, isBlind, why: reasons.join("; ") };
}

function noteUnreported(draft: Draft, metrics: readonly string[]): void {
	const unreported = withUnreported(draft.state.unreported, metrics, draft.now);
	if (unreported !== draft.state.unreported) draft.state = { ...draft.state, unreported };
}

/**
 * The size that is wished for now. Blind, it is never less than the present one; but a pool that may be empty and keeps nothing that ever
 * was ready holds on to nothing: boots that fail must not go on when nobody asks any more.
 */
function wishOf(state: State, asked: Asked, own: Range, present: number): number {
	const ideal = sizeIn(asked.range, own, present);
	if (!asked.isBlind) return ideal;
	const isHeld = own.least > 0 || hasProven(state);
	return isHeld ? Math.max(ideal, clamp(present, own)) : clamp(asked.range.least, own);
}

/** Draining proxies that may come back: they cost nothing anew, and so the ramp does not count them. */
function recommissionable(state: State): number {
	let count = 0;
	for (const { phase, failedProbes } of drainingOf(state.proxies))
		if (phase.at === "draining" && phase.spare && failedProbes === 0) count++;
	return count;
}

/** Says a sentence once for as long as rules and source stay as they are. */
export function tellOnce(draft: Draft, text: string): void {
	const after = told(draft.state, text);
	if (after === draft.state) return;
	draft.state = after;
	draft.message("WARNING", text);
}

function inWords({ least, most }: Range): string {
	return most === Number.POSITIVE_INFINITY ? `${least} or more` : least === most ? String(least) : `${least} to ${most}`;
}

/** Four significant digits are enough to read. */
function rounded(value: number): string {
	return String(Number(value.toPrecision(4)));
}
