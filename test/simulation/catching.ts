import { expect } from "vitest";
import { runJob } from "./crew.ts";
import type { Bug } from "./planting.ts";

/** A bug that so many seeds do not show would live for long: the simulation must be mended then, not the bound. */
const MOST_SEEDS = 400;
/** The same faults in less time: shorter runs show most bugs sooner. */
const HOURS = 8;

/** Runs seeds, on a thread of its own, until one of them shows the bug; fails where none does. A line says which did. */
export async function caught({
	name,
	focus,
	isBounded = false,
	isDemanding = false,
	isLined,
	isPlaced,
	isRolled,
	provider,
}: Bug): Promise<string> {
	const options = {
		hours: HOURS,
		isDemanding,
		...(isBounded && { isBounded }),
		...(isLined && { isLined }),
		...(isPlaced && { isPlaced }),
		...(isRolled && { isRolled }),
		...(focus && { focus }),
		...(provider && { provider }),
	};
	const { runs, failing } = await runJob({ bug: name, from: 1, seeds: MOST_SEEDS, options, stopsAtFirst: true });
	expect(failing.length, `"${name}" survived ${runs} seeds`).toBe(1);
	return `${String(runs).padStart(4)} seeds${focus ? ` of ${focus.join(", ")}` : ""}: ${name} (${failing[0]?.message.slice(0, 90)})`;
}
