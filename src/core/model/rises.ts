/** Demand between the rules' turns: whether more is wanted than there is, and how far connections may rise before it is. */
import { RISE_SPACING_MS } from "./limits.ts";
import { measurementsOf, totalOf } from "./metrics.ts";
import { AGENT_METRICS, INSTANCES, intersectionOf, parseRule, type Rule, rangeOf } from "./rules.ts";
import type { Ms, State, Vitals } from "./state.ts";
import { summed } from "./table.ts";

/** What all proxies last reported of a metric, however old: at least what rules go by. */
const reportedOf = new Map(
	AGENT_METRICS.map((name) => [name, summed<Vitals>(({ active, metrics }) => (name === "active" ? active : (metrics[name] ?? 0)))]),
);

/** Whether rules have a say in a higher target now. */
function canRise({ run, spec, target }: State): boolean {
	return run === "running" && spec.rules.length > 0 && target < spec.max;
}

/** Rules that bound from above what agents report, with the sum at which they ask for more proxies than the target. */
function ceilingsOf({ spec, target }: State): readonly { readonly rule: Rule; readonly sum: number }[] {
	if (spec.metricsSource !== null) return [];
	return spec.rules.flatMap((text) => {
		const rule = parseRule(text);
		if (rule?.upper == null || rule.upper.value <= 0 || !AGENT_METRICS.includes(rule.metric)) return [];
		return [{ rule, sum: rule.upper.value * target }];
	});
}

/** Whether what was just reported may ask for more proxies: cheap, and never wrong where it says no. */
export function mayAskForMore(state: State): boolean {
	if (!canRise(state)) return false;
	return ceilingsOf(state).some(({ rule, sum }) => (reportedOf.get(rule.metric)?.(state.vitals) ?? 0) >= sum);
}

/** Whether more is wanted than there is: that need not wait for the rules' turn, the ramp's steps do. */
export function isRiseDue(state: State, now: Ms): boolean {
	const { spec, target, ramped } = state;
	if (!canRise(state) || (now >= ramped.at && now < ramped.at + spec.intervalSeconds * 1000)) return false;
	const measured = measurementsOf(state, now);
	if (measured === null) return false;
	const ranges = spec.rules.flatMap((text) => {
		const rule = parseRule(text);
		const total = rule === null || rule.metric === INSTANCES ? 0 : totalOf(rule.metric, measured);
		return rule === null || total === null ? [] : [rangeOf(rule, total)];
	});
	return intersectionOf(ranges).range.least > target;
}

/**
 * By how many connections each proxy's number may differ from what it told while their sum asks for no more proxies; 0: no rise is of
 * weight. A power of two, so that it seldom changes.
 */
function stepOf(state: State): number {
	const [connections, count] = [reportedOf.get("active")?.(state.vitals) ?? 0, Math.max(1, state.proxies.size)];
	const ceilings = canRise(state) ? ceilingsOf(state).filter(({ rule }) => rule.metric === "active") : [];
	if (ceilings.length === 0) return 0;
	const room = Math.min(...ceilings.map(({ sum }) => sum)) - connections;
	return 2 ** Math.floor(Math.log2(Math.max(1, 1 + (room - 1) / count)));
}

/**
 * What agents are told of it, brought up to date. Each change is told to every line and acknowledged: a narrower step at once, a wider one only
 * where it is much wider, and seldom.
 */
export function withRiseStep(state: State, now: Ms): State {
	const { step: before, at } = state.rise;
	const step = stepOf(state);
	if (step === before) return state;
	const isNarrower = step > 0 && (before === 0 || step < before);
	const isMuchWider = before > 0 && (step === 0 || step >= 4 * before) && (now < at || now - at >= RISE_SPACING_MS);
	return isNarrower || isMuchWider ? { ...state, rise: { step, at: now } } : state;
}
