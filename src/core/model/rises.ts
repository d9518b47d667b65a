/** Demand between the rules' turns: whether more is wanted than there is, and how far what agents report may rise before it is. */
import { RISE_SPACING_MS } from "./limits.ts";
import { ACTIVE, measurementsOf, totalOf } from "./metrics.ts";
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

/** What was just heard may be a reason to decide before the rules' turn. */
export function withPress(state: State, now: Ms): State {
	return isRiseDue(state, now) ? { ...state, pressedAt: now } : state;
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

/** A metric of which less than this share of its bound is left has that for a step: where little is left, rates that waver would be told without end. */
const LEAST_STEP = 1 / 4;

/**
 * By how much of each metric each proxy may differ from what it told while their sum asks for no more proxies. Powers of two, so that they
 * seldom change.
 */
function stepsOf(state: State): ReadonlyMap<string, number> {
	const count = Math.max(1, state.proxies.size);
	const steps = new Map<string, number>();
	for (const { rule, sum } of canRise(state) ? ceilingsOf(state) : []) {
		const { metric } = rule;
		const room = sum - (reportedOf.get(metric)?.(state.vitals) ?? 0);
		const isCount = metric === ACTIVE;
		const part = isCount ? Math.max(1, 1 + (room - 1) / count) : Math.max(LEAST_STEP * (rule.upper?.value ?? 0), room / count);
		steps.set(metric, Math.min(steps.get(metric) ?? Number.POSITIVE_INFINITY, 2 ** Math.floor(Math.log2(part))));
	}
	return steps;
}

/**
 * What agents are told of it, brought up to date. Each change is told to every line and acknowledged: a narrower step at once, a wider one only
 * where it is much wider, and seldom.
 */
export function withRiseStep(state: State, now: Ms): State {
	const { rise } = state;
	const before = new Map(Object.entries({ ...rise.others, ...(rise.step > 0 && { [ACTIVE]: rise.step }) }));
	const steps = stepsOf(state);
	const isNarrower = [...steps].some(([metric, step]) => step < (before.get(metric) ?? Number.POSITIVE_INFINITY));
	const isMuchWider = [...before].some(([metric, step]) => (steps.get(metric) ?? Number.POSITIVE_INFINITY) >= 4 * step);
	const isDue = now < rise.at || now - rise.at >= RISE_SPACING_MS;
	if (!isNarrower && !(isMuchWider && isDue)) return state;
	// What is wider beside it stays until it is its turn: two that take turns would be told without end.
	const after = new Map(steps);
	if (!isDue) for (const [metric, step] of before) after.set(metric, Math.min(step, steps.get(metric) ?? step));
	const { [ACTIVE]: step = 0, ...others } = Object.fromEntries(after);
	return { ...state, rise: { step, others, at: now } };
}
