import { expect, test } from "vitest";
import { alarmTime } from "../../src/controller/pass.ts";

test.each([
	["in time", 5_000, 1_000, 5_000],
	["between two milliseconds", 5_000.3, 1_000, 5_001],
	["now", 1_000, 1_000, 1_001],
	["past", 900, 1_000.9, 1_001],
])("what is due %s arms the alarm for a whole millisecond after now", (_, dueAt, now, at) => {
	expect(alarmTime(dueAt, now)).toBe(at);
});
