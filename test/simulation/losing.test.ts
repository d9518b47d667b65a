import { describe, expect, test } from "vitest";
import { runJob, runSeeds } from "./crew.ts";
import { type Mutant, plant } from "./mutants.ts";

/** D1 is lost, or comes back as an older copy, again and again. */
const LOSING = { hours: 8, focus: ["databaseLost"] as const };

const PLANTED: readonly Mutant[] = [
	{
		name: "launch though the directory lacks the pool",
		file: "core/facts/listing.ts",
		find: "if (listing.unlistedAt !== null) return Number.POSITIVE_INFINITY;",
		replace: "",
	},
	{
		name: "take no notice that a publication finds no row",
		file: "core/effects/publish.ts",
		find: `if (failure.kind === "notFound" && !state.leaving) return withUnlisted(state, [], now);`,
		replace: "",
	},
	{
		name: "never enter again",
		file: "core/effects/enter.ts",
		find: `if (listing.unlistedAt === null || leaving || forgotten) return;`,
		replace: "return;",
	},
	{
		name: "take no notice that D1 shows an older copy",
		file: "core/facts/listing.ts",
		find: "const behind = version < published.version ? version : -1;",
		replace: "const behind = version < 0 ? version + published.version : -1;",
	},
	{
		name: "divide by a price of 0",
		file: "d1/leases.ts",
		find: "CASE WHEN ?5 > 0 THEN",
		replace: "CASE WHEN 1 THEN",
	},
];

describe("D1 is lost", () => {
	test("again and again, and no promise is broken", async () => {
		const tally = await runSeeds({ from: 1, seeds: 100, options: LOSING }, 2);
		expect(tally.failing).toEqual([]);
		expect(tally.faults.databaseLost).toBeGreaterThan(500);
		expect(tally.effects.enter).toBeGreaterThan(100);
	});

	test.each(PLANTED)("and a planted bug is caught: $name", async (mutant) => {
		const { folder, remove } = await plant(mutant);
		try {
			const isOfPrices = mutant.file === "d1/leases.ts";
			const options = isOfPrices ? { hours: 8, isBounded: true, focus: ["priceChanges"] as const } : LOSING;
			const { runs, failing } = await runJob({ from: 1, seeds: 200, options, folder: folder.href, stopsAtFirst: true });
			console.log(`${runs} seeds: ${mutant.name} (${failing[0]?.say.slice(0, 120) ?? "not caught"})`);
			expect(failing.length).toBe(1);
		} finally {
			await remove();
		}
	});
});
