import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	intersectionOf,
	isMetricName,
	parseRule,
	parseRules,
	type Range,
	type Rule,
	rangeOf,
	sizeIn,
} from "../../../src/core/model/rules.ts";

const ANY = Number.POSITIVE_INFINITY;

function rule(text: string): Rule {
	const parsed = parseRule(text);
	if (parsed === null) throw new Error(`${text} is no rule`);
	return parsed;
}
/** The size that rules ask for at `mean` over `reporting` proxies. */
function sized(rules: readonly string[], load: { mean: number; reporting: number }, bounds: Range, present: number): number {
	const ranges = rules.map((text) => rangeOf(rule(text), load.mean * load.reporting));
	return sizeIn(intersectionOf(ranges).range, bounds, present);
}

describe("the grammar", () => {
	test.each([
		"",
		" ",
		"foo bahh",
		"foo < 4.",
		"foo == 4",
		"foo < .5",
		"4",
		"4 < 5",
		"foo < 1e3",
		"foo > 4",
		"3 < foo > 2",
		"foo <",
		"< foo",
		"1 2 foo",
		"foo<=",
		"foo < -",
		"1 <",
		"2 = foo",
		"a b < 3",
	])("%j is no rule", (text) => {
		expect(parseRule(text)).toBeNull();
	});

	const at = (value: number) => ({ value, isStrict: false });
	const beyond = (value: number) => ({ value, isStrict: true });
	test.each([
		["foo", null, null],
		["foo <= 4.0", null, at(4)],
		["foo < 4.0", null, beyond(4)],
		["1.0 <= foo", at(1), null],
		["1.0 < foo", beyond(1), null],
		["1.0 <= foo <= 2.0", at(1), at(2)],
		["1.0 < foo < 2.0", beyond(1), beyond(2)],
		["2<=foo<4", at(2), beyond(4)],
		["  -1.5<=foo  <  +2.25 ", at(-1.5), beyond(2.25)],
	])("%j bounds foo by %j and %j", (text, lower, upper) => {
		expect(parseRule(text)).toEqual({ text: text.trim(), metric: "foo", lower, upper });
	});

	test("names hold letters, digits, _, . and -, and no more than 40 of them", () => {
		for (const name of ["active", "http.5xx-rate", "a", `a${"b".repeat(39)}`]) expect(isMetricName(name), name).toBe(true);
		for (const name of ["", "__proto__", "4xx", "a b", "a<b", `a${"b".repeat(40)}`, "ä"]) expect(isMetricName(name), name).toBe(false);
	});

	test("a configuration gives a list, or a string with commas, and is told what is wrong with it", () => {
		expect(parseRules("2<=active<=4, cpu<0.8")).toMatchObject({ ok: true, rules: [{ metric: "active" }, { metric: "cpu" }] });
		expect(parseRules("")).toEqual({ ok: true, rules: [] });
		expect(parseRules([])).toEqual({ ok: true, rules: [] });
		expect(parseRules(["2<=active", "active == 4"])).toEqual({
			ok: false,
			message: 'must have the form "2 <= active < 4", with either end or both: "active == 4" has not',
		});
		expect(parseRules([""])).toMatchObject({ ok: false });
		expect(parseRules(Array.from({ length: 33 }, () => "a<1"))).toEqual({ ok: false, message: "must be at most 32" });
	});
});

describe("a rule's range", () => {
	test.each([
		["foo", 20, 0, ANY],
		["foo <= 4", 20, 5, ANY],
		["foo < 4", 20, 6, ANY],
		["foo <= 4", 21, 6, ANY],
		["foo < 4", 21, 6, ANY],
		["2 <= foo", 20, 0, 10],
		["2 < foo", 20, 0, 9],
		["2 <= foo", 21, 0, 11],
		["2 < foo", 21, 0, 11],
		["2 <= foo < 4", 20, 6, 10],
		["foo < 4", 0, 0, ANY],
		["2 < foo", 0, 0, 0],
		["0 < foo < 0", 20, 0, ANY],
		["-1 <= foo <= -2", 20, 0, ANY],
		// Its own bounds contradict each other: the one that asks for more proxies holds.
		["3 < foo < 3.5", 6, 2, 2],
		["10 <= foo <= 1", 20, 20, 20],
	])("%j at %d in all: %d to %d proxies", (text, total, least, most) => {
		expect(rangeOf(rule(text), total)).toEqual({ least, most });
	});

	test.each([
		["instances", 0, ANY],
		["2 <= instances", 2, ANY],
		["2 < instances", 3, ANY],
		["1.5 <= instances < 4.5", 2, 4],
		["instances < 4", 0, 3],
		["instances <= 0", 0, 0],
		["5 <= instances <= 3", 5, 5],
	])("%j bounds the number itself: %d to %d", (text, least, most) => {
		expect(rangeOf(rule(text), 1000)).toEqual({ least, most });
	});

	test("is what decimals say, not what their binary forms come to", () => {
		// 0.1 × 3 is 0.30000000000000004, and 0.7 / 0.1 is 6.999999999999999.
		expect(rangeOf(rule("cpu <= 0.1"), 0.1 * 3)).toEqual({ least: 3, most: ANY });
		expect(rangeOf(rule("cpu < 0.1"), 0.1 * 3)).toEqual({ least: 4, most: ANY });
		expect(rangeOf(rule("cpu < 0.1"), 0.7)).toEqual({ least: 8, most: ANY });
		expect(rangeOf(rule("0.1 < cpu"), 0.7)).toEqual({ least: 0, most: 6 });
	});

	test("that no bound can hold together stays a number", () => {
		expect(rangeOf(rule("foo < 0.000000000000001"), Number.MAX_VALUE).least).toBe(ANY);
		expect(sized(["foo < 0.000000000000001"], { mean: Number.MAX_VALUE, reporting: 1 }, { least: 1, most: 6 }, 1)).toBe(6);
	});
});

describe("several rules", () => {
	test("are intersected in order, and one that is disjoint counts as the nearer edge", () => {
		const [a, b, c] = [
			{ least: 2, most: 6 },
			{ least: 8, most: 9 },
			{ least: 0, most: 1 },
		] as const;
		expect(intersectionOf([a])).toEqual({ range: a, conflict: -1 });
		expect(intersectionOf([a, b])).toEqual({ range: { least: 6, most: 6 }, conflict: 1 });
		expect(intersectionOf([a, c])).toEqual({ range: { least: 2, most: 2 }, conflict: 1 });
		expect(intersectionOf([a, { least: 4, most: 9 }])).toEqual({ range: { least: 4, most: 6 }, conflict: -1 });
		expect(intersectionOf([])).toEqual({ range: { least: 0, most: ANY }, conflict: -1 });
	});
});

describe("the size", () => {
	test("is the middle of what rules and bounds allow: 10 over 2, 2<=active<4, at most 8", () => {
		expect(sized(["2<=active<4"], { mean: 10, reporting: 2 }, { least: 1, most: 8 }, 2)).toBe(7);
	});

	test("stays where it is allowed", () => {
		for (const present of [6, 7, 8])
			expect(sized(["2<=active<4"], { mean: 10, reporting: 2 }, { least: 1, most: 8 }, present)).toBe(present);
		expect(sized(["2<=instances"], { mean: 0, reporting: 0 }, { least: 1, most: 8 }, 5)).toBe(5);
	});

	const decimal = fc.integer({ min: 1, max: 200 }).map((tenths) => tenths / 10);
	const text = fc
		.record({
			metric: fc.constantFrom("active", "instances"),
			lower: fc.option(decimal),
			upper: fc.option(decimal),
			isStrict: fc.boolean(),
		})
		.map(({ metric, lower, upper, isStrict }) => {
			// A strict lower bound takes one off where it is met exactly, and so is not monotone there: the dialect has it so.
			return `${lower === null ? "" : `${lower.toFixed(1)}<=`}${metric}${upper === null ? "" : `${isStrict ? "<" : "<="}${upper.toFixed(1)}`}`;
		});
	const load = fc.integer({ min: 0, max: 50_000 }).map((tenths) => tenths / 10);
	const bounds = fc.tuple(fc.nat(30), fc.nat(30)).map(([least, more]) => ({ least, most: least + more }));
	const given = fc.record({ rules: fc.array(text, { maxLength: 4 }), bounds, present: fc.nat(80) });

	test("never leaves the bounds, is whole, and a size that was reached is kept", () => {
		fc.assert(
			fc.property(given, load, ({ rules, bounds, present }, mean) => {
				const size = sized(rules, { mean, reporting: 1 }, bounds, present);
				expect(size).toBeGreaterThanOrEqual(bounds.least);
				expect(size).toBeLessThanOrEqual(bounds.most);
				expect(Number.isInteger(size)).toBe(true);
				expect(sized(rules, { mean, reporting: 1 }, bounds, size)).toBe(size);
			}),
		);
	});

	test("never falls when the load rises", () => {
		fc.assert(
			fc.property(given, load, load, ({ rules, bounds, present }, a, b) => {
				const [less, more] = [a, b].map((mean) => sized(rules, { mean, reporting: 1 }, bounds, present)) as [number, number];
				if (a <= b) expect(less).toBeLessThanOrEqual(more);
				else expect(more).toBeLessThanOrEqual(less);
			}),
		);
	});
});
