import { describe, expect, test } from "vitest";
import { faultOf } from "../../src/values/log.ts";

describe("a fault in the log", () => {
	test("has its stack, its cause's and that one's cause's", () => {
		const first = new RangeError("too deep");
		const text = faultOf(new Error("outer", { cause: new Error("middle", { cause: first }) }));
		expect(text).toMatch(/^Error: outer\n {4}at .*/);
		expect(text).toMatch(/\ncaused by Error: middle\n {4}at .*/);
		expect(text).toMatch(/\ncaused by RangeError: too deep\n {4}at .*/);
	});

	test("begins no line that its message asks for, and moves no cursor", () => {
		const lines = faultOf(new Error("a\nforged\r\u001b[2J\u2028\u202e\ud800\n    at forged.ts:1")).split("\n");
		expect(lines[0]).toBe("Error: a%0Aforged%0D%1B[2J%E2%80%A8%E2%80%AE%EF%BF%BD%0A    at forged.ts:1");
		expect(lines.slice(1).every((line) => /^ {4}at /.test(line) && !line.includes("forged"))).toBe(true);
	});

	test("ends where causes go round in a circle, and may be no error at all", () => {
		const error = new Error("a");
		error.cause = error;
		expect(faultOf(error).match(/caused by/g)).toHaveLength(5);
		expect(faultOf("a\nb")).toBe("a%0Ab");
		expect(faultOf(new Error(""))).toMatch(/^Error: \n {4}at /);
	});
});
