import { expect } from "vitest";
import { loadCore } from "./core.ts";
import { runSeeds } from "./crew.ts";
import { scenarioOf } from "./scenario.ts";
import { report, shrink } from "./shrink.ts";
import { run } from "./world.ts";

/** More would not help a test run whose other projects need a core as well. */
const THREADS = 2;

/** Runs seeds and expects that none of them breaks a promise; shows the first that does, as short as it gets. */
export async function expectKept(from: number, seeds: number, hours: number): Promise<void> {
	const tally = await runSeeds({ from, seeds, options: { hours } }, THREADS);
	const first = tally.failing[0];
	if (first !== undefined) {
		const core = await loadCore();
		expect.fail(`${tally.failing.length} seeds fail\n${report(await shrink(await run(scenarioOf(first.seed, { hours }), core), core))}`);
	}
	expect(tally.runs).toBe(seeds);
	// Every kind of fault struck, or these runs show less than they say.
	expect(Object.keys(tally.faults).length).toBeGreaterThanOrEqual(45);
	expect(tally.made).toBeGreaterThan(seeds);
}
