import { describe, expect, test } from "vitest";
import { BUGS } from "./bugs/index.ts";
import { caught } from "./catching.ts";

describe("a planted bug is caught", () => {
	const lines: string[] = [];

	// Two at a time, each on a thread of its own.
	test.concurrent.each(BUGS)("$name", async (bug) => {
		lines.push(await caught(bug));
	});

	test("and each has a name of its own", () => {
		console.log(`Planted bugs and the seeds that it took to catch them:\n${lines.join("\n")}`);
		expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
	});
});
