import { describe, expect, test } from "vitest";
import { BUGS } from "./bugs/index.ts";
import { type Catch, caught, keepSeeds } from "./catching.ts";

describe("a planted bug is caught", () => {
	const catches: Catch[] = [];

	// Two at a time, each on a thread of its own.
	test.concurrent.each(BUGS)("$name", async (bug) => {
		catches.push(await caught(bug));
	});

	test("and each has a name of its own", () => {
		console.log(`Planted bugs and the seeds that show them:\n${catches.map(({ line }) => line).join("\n")}`);
		const moved = catches.filter(({ isNew }) => isNew).map(({ name }) => name);
		if (process.env.KEEP_SEEDS === "1") keepSeeds(BUGS, catches);
		else if (moved.length > 0) console.warn(`${moved.length} have another seed now, which KEEP_SEEDS=1 keeps:\n${moved.join("\n")}`);
		expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
	});
});
