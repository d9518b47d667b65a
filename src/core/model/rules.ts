/**
 * Rules: how many proxies a measured load asks for. The grammar and the arithmetic are Gridcentric Reactor's
 * (https://github.com/gridcentric/reactor-core, `reactor/metrics/calculator.py`), but that open ends are infinite.
 */

/** One end of a rule. A strict one is not met by its own value. */
export interface Bound {
	readonly value: number;
	readonly isStrict: boolean;
}

/** `[lower <|<=] metric [<|<= upper]`: what a proxy's share of the metric shall be. */
export interface Rule {
	/** As it was written, without the white space around it. */
	readonly text: string;
	readonly metric: string;
	readonly lower: Bound | null;
	readonly upper: Bound | null;
}

/** Numbers of proxies, both ends included; `most` may be infinite. */
export interface Range {
	readonly least: number;
	readonly most: number;
}

/** Bounds the number of proxies itself. */
export const INSTANCES = "instances";
/** More would be a mistake, and each is looked at in every interval. */
export const MOST_RULES = 32;

/** White space included. */
const MOST_RULE_CHARS = 200;

const NUMBER = String.raw`[+-]?\d{1,15}(?:\.\d{1,15})?`;
const NAME = String.raw`[A-Za-z][\w.-]{0,39}`;
const RULE = new RegExp(`^(?:(${NUMBER})\\s*(<=?)\\s*)?(${NAME})(?:\\s*(<=?)\\s*(${NUMBER}))?$`);
const WHOLE_NAME = new RegExp(`^${NAME}$`);

/** Whether metrics may have this name: a letter, then at most 39 letters, digits, `_`, `.` or `-`. */
export function isMetricName(text: string): boolean {
	return WHOLE_NAME.test(text);
}

/** All that agents report. */
export const AGENT_METRICS: readonly string[] = ["active", "requests", "bytes", "errors", "cpu", "load"];
/** Shorter names are too like others for a slip to be told. */
const SHORTEST_SLIP = 5;

/**
 * What is wrong with rules that are posted, which one that is stored may still be: one without a bound asks for nothing, and a metric that is
 * one letter off one of the agents' is a slip. A sentence's end for "rules …", or null.
 */
export function slipIn(rules: readonly string[]): string | null {
	for (const text of rules) {
		const rule = parseRule(text);
		if (rule === null) continue;
		const { metric, lower, upper } = rule;
		const form = `must have the form "2 <= active < 4", with either end or both`;
		if (lower === null && upper === null) return `${form}: "${text.slice(0, 40)}" has neither`;
		const meant = AGENT_METRICS.find((name) => name.length >= SHORTEST_SLIP && isSlipOf(metric, name));
		if (meant !== undefined) return `${form}: agents report no "${metric}"; "${meant}" is meant`;
	}
	return null;
}

/** One letter more, less or other; a singular is a name of its own. */
function isSlipOf(given: string, name: string): boolean {
	if (given === name || `${given}s` === name || given === `${name}s`) return false;
	if (Math.abs(given.length - name.length) > 1) return false;
	let start = 0;
	while (start < given.length && given[start] === name[start]) start++;
	const rest = (text: string, by: number) => text.slice(start + by);
	return rest(given, 1) === rest(name, 1) || rest(given, 1) === rest(name, 0) || rest(given, 0) === rest(name, 1);
}

/** Null: it is no rule. */
export function parseRule(text: string): Rule | null {
	const match = text.length > MOST_RULE_CHARS ? null : RULE.exec(text.trim());
	if (match === null) return null;
	const [, lower, lowerSign, metric = "", upperSign, upper] = match;
	const bound = (value: string | undefined, sign: string | undefined) =>
		value === undefined ? null : { value: Number(value), isStrict: sign === "<" };
	return { text: text.trim(), metric, lower: bound(lower, lowerSign), upper: bound(upper, upperSign) };
}

/**
 * Rules as a configuration gives them: a list, or one string with commas between them (an empty one: none). The fault is a sentence's
 * end for "rules …", without a value of more than 40 characters.
 */
export function parseRules(
	given: string | readonly string[],
): { readonly ok: true; readonly rules: readonly Rule[] } | { readonly ok: false; readonly message: string } {
	const texts = typeof given === "string" ? given.split(",").filter((text) => text.trim() !== "") : given;
	if (texts.length > MOST_RULES) return { ok: false, message: `must be at most ${MOST_RULES}` };
	const rules: Rule[] = [];
	for (const text of texts) {
		const rule = parseRule(text);
		if (rule === null)
			return { ok: false, message: `must have the form "2 <= active < 4", with either end or both: "${text.slice(0, 40)}" has not` };
		rules.push(rule);
	}
	return { ok: true, rules };
}

/**
 * The numbers of proxies that a rule allows. `total`: the metric of all proxies together; for the metric `instances` it is not looked
 * at. A bound of 0 or less is none. Where the bounds contradict each other the one that asks for more proxies holds.
 */
export function rangeOf({ metric, lower, upper }: Rule, total: number): Range {
	if (metric === INSTANCES) {
		const least = lower === null ? 0 : Math.max(0, lower.isStrict ? Math.floor(lower.value) + 1 : Math.ceil(lower.value));
		const most = upper === null ? Number.POSITIVE_INFINITY : upper.isStrict ? Math.ceil(upper.value) - 1 : Math.floor(upper.value);
		return { least, most: Math.max(least, most) };
	}
	const [floor, ceiling] = [limiting(lower), limiting(upper)];
	const least = ceiling === null ? 0 : shares(total, ceiling, 1);
	const most = floor === null ? Number.POSITIVE_INFINITY : shares(total, floor, -1);
	return { least, most: Math.max(least, most) };
}

function limiting(bound: Bound | null): Bound | null {
	return bound === null || bound.value <= 0 ? null : bound;
}

/**
 * A division is exact where it misses a whole number by less than this share of it: a mean of decimals times its count seldom gives
 * back the very sum. Bounds that are nearer to each other than this are one.
 */
const EXACTNESS = 1e-9;

/** ⌈total / share⌉; where that is exact and the bound strict, `beyond` more. Never below 0. */
function shares(total: number, { value, isStrict }: Bound, beyond: 1 | -1): number {
	if (total <= 0) return 0;
	const quotient = total / value;
	const whole = Math.round(quotient);
	const isExact = whole >= 1 && Math.abs(quotient - whole) <= EXACTNESS * whole;
	if (!isExact) return Math.ceil(quotient);
	return Math.max(0, isStrict ? whole + beyond : whole);
}

/** What all ranges allow, taken in order. One that is disjoint from those before it counts as their nearer edge; `conflict` is the first such one's index, else -1. */
export function intersectionOf(ranges: readonly Range[]): { readonly range: Range; readonly conflict: number } {
	let range: Range = { least: 0, most: Number.POSITIVE_INFINITY };
	let conflict = -1;
	for (const [index, { least, most }] of ranges.entries()) {
		if (conflict < 0 && (least > range.most || most < range.least)) conflict = index;
		range = { least: clamp(least, range), most: clamp(most, range) };
	}
	return { range, conflict };
}

/** The size to have: the present one where the range and the pool's bounds allow it, else the middle of what they allow, rounded down. */
export function sizeIn(range: Range, bounds: Range, present: number): number {
	const least = clamp(range.least, bounds);
	const most = clamp(range.most, bounds);
	return present >= least && present <= most ? present : Math.floor((least + most) / 2);
}

export function clamp(value: number, { least, most }: Range): number {
	return Math.min(most, Math.max(least, value));
}
