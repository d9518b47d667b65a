import { describe, expect, test } from "vitest";
import { runJob } from "./crew.ts";
import { MUTANTS, plant } from "./mutants.ts";

/** A bug that so many seeds do not show would live for long: the simulation must be mended then, not the bound. */
const MOST_SEEDS = 400;
/** The same faults in less time: shorter runs show most bugs sooner. */
const HOURS = 8;

describe("a planted bug is caught", () => {
	const caught: string[] = [];

	// Two at a time, each on a thread of its own.
	test.concurrent.each(MUTANTS)("$name", async (mutant) => {
		const { folder, remove } = await plant(mutant);
		try {
			const job = {
				from: 1,
				seeds: MOST_SEEDS,
				options: {
					hours: HOURS,
					...(mutant.focus ? { focus: mutant.focus } : {}),
					...(mutant.isBounded ? { isBounded: true } : {}),
					...(mutant.isDemanding ? { isDemanding: true } : {}),
					...(mutant.provider ? { provider: mutant.provider } : {}),
				},
				folder: folder.href,
				stopsAtFirst: true,
			};
			const { runs, failing } = await runJob(job);
			caught.push(
				`${String(runs).padStart(4)} seeds${mutant.focus ? ` of ${mutant.focus.join(", ")}` : ""}: ${mutant.name} (${failing[0]?.say.slice(0, 90) ?? "not caught"})`,
			);
			expect(failing.length, `"${mutant.name}" survived ${runs} seeds`).toBe(1);
		} finally {
			await remove();
		}
	});

	test("and there are more than 20 of them", () => {
		console.log(`Planted bugs and the seeds that it took to catch them:\n${caught.join("\n")}`);
		expect(MUTANTS.length).toBeGreaterThan(20);
		expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
	});
});
