import { describe, expect, test } from "vitest";
import { BUGS } from "./bugs/index.ts";
import { runJob } from "./crew.ts";

/** A bug that so many seeds do not show would live for long: the simulation must be mended then, not the bound. */
const MOST_SEEDS = 400;
/** The same faults in less time: shorter runs show most bugs sooner. */
const HOURS = 8;

describe("a planted bug is caught", () => {
	const caught: string[] = [];

	// Two at a time, each on a thread of its own.
	test.concurrent.each(BUGS)("$name", async ({ name, focus, isBounded = false, isDemanding = false, provider }) => {
		const options = { hours: HOURS, isDemanding, ...(isBounded && { isBounded }), ...(focus && { focus }), ...(provider && { provider }) };
		const { runs, failing } = await runJob({ bug: name, from: 1, seeds: MOST_SEEDS, options, stopsAtFirst: true });
		const say = failing[0]?.say.slice(0, 90) ?? "not caught";
		caught.push(`${String(runs).padStart(4)} seeds${focus ? ` of ${focus.join(", ")}` : ""}: ${name} (${say})`);
		expect(failing.length, `"${name}" survived ${runs} seeds`).toBe(1);
	});

	test("and each has a name of its own", () => {
		console.log(`Planted bugs and the seeds that it took to catch them:\n${caught.join("\n")}`);
		expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
	});
});
