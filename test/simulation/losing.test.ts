import { expect, test } from "vitest";
import { runSeeds } from "./crew.ts";

/** D1 is lost, or comes back as an older copy, again and again. */
const LOSING = { hours: 8, focus: ["databaseLost"] as const };

test("D1 is lost again and again, and no promise is broken", async () => {
	const tally = await runSeeds({ from: 1, seeds: 20, options: LOSING }, 2);
	expect(tally.failing).toEqual([]);
	expect(tally.faults.databaseLost).toBeGreaterThan(200);
	expect(tally.effects.enter).toBeGreaterThan(40);
});
