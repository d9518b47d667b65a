import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { differences, filtered, summed, Table } from "../../../src/core/model/table.ts";

const key = fc.integer({ min: 0, max: 300 }).map((n) => `key${n}`);
const steps = fc.array(fc.tuple(key, fc.option(fc.integer())), { maxLength: 600 });

/** The table and a Map after the same steps; null takes a key away. */
function afterSteps(list: readonly (readonly [string, number | null])[], start = Table.empty<number>(), map = new Map<string, number>()) {
	let table = start;
	for (const [name, value] of list) {
		table = value === null ? table.without(name) : table.with(name, value);
		if (value === null) map.delete(name);
		else map.set(name, value);
	}
	return { table, map };
}
const sorted = (map: ReadonlyMap<string, number>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

describe("a table", () => {
	test("holds what a Map would, in the order of its keys, however it came about", () => {
		fc.assert(
			fc.property(steps, (list) => {
				const { table, map } = afterSteps(list);
				expect([...table]).toEqual(sorted(map));
				expect([...Table.of(map)]).toEqual(sorted(map));
				expect(table.size).toBe(map.size);
				for (const [name, value] of map) expect([table.has(name), table.get(name)]).toEqual([true, value]);
				expect([table.has("none"), table.get("none"), table.get("")]).toEqual([false, undefined, undefined]);
				expect([...Array(table.size).keys()].map((index) => table.at(index))).toEqual(sorted(map));
				expect(table.at(table.size)).toBe(undefined);
			}),
		);
	});

	test("is not changed by what is made of it, and is itself where nothing changes", () => {
		fc.assert(
			fc.property(steps, steps, (first, second) => {
				const { table } = afterSteps(first);
				const before = [...table];
				afterSteps(second, table, new Map(table));
				expect([...table]).toEqual(before);
				for (const [name, value] of before) expect(table.with(name, value)).toBe(table);
				expect(table.without("none")).toBe(table);
			}),
		);
	});

	test("tells how it differs from another", () => {
		fc.assert(
			fc.property(steps, steps, (first, second) => {
				const { table, map } = afterSteps(first);
				const then = afterSteps(second, table, new Map(map));
				const names = new Set([...map.keys(), ...then.map.keys()]);
				const expected = [...names].filter((name) => map.get(name) !== then.map.get(name)).sort();
				const found = [...differences(table, then.table)];
				expect(found.map(([name]) => name).sort()).toEqual(expected);
				for (const [name, was, is] of found) expect([was, is]).toEqual([map.get(name), then.map.get(name)]);
			}),
		);
	});

	test("a change leaves all but one chunk as it was, so that little has to be looked at anew", () => {
		const large = Table.of(Array.from({ length: 10_000 }, (_, n) => [`key${n}`, n] as const));
		let looks = 0;
		const sum = summed<number>((value) => {
			looks++;
			return value;
		});
		expect(sum(large)).toBe(49_995_000);
		looks = 0;
		expect(sum(large.with("key7", 0))).toBe(49_994_993);
		expect(looks).toBeLessThanOrEqual(128);
		looks = 0;
		const changed = large.with("key8", 1).without("key9");
		expect([...differences(large, changed)]).toHaveLength(2);
	});

	test("gives the values that fulfil a condition", () => {
		const isEven = filtered<number>((value) => value % 2 === 0);
		const table = Table.of(Array.from({ length: 100 }, (_, n) => [`key${n}`, n] as const));
		expect(isEven(table.with("key1", 2)).length).toBe(51);
	});
});
