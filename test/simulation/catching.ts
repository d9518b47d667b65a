import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { runJob } from "./crew.ts";
import type { Bug } from "./planting.ts";

/** A bug that so many seeds do not show would live for long: the simulation must be mended then, not the bound. */
const MOST_SEEDS = 400;
/** The same faults in less time: shorter runs show most bugs sooner. */
const HOURS = 8;

const SEEDS_FILE = join(import.meta.dirname, "bugs/seeds.json");
/**
 * By the name of a bug, the first seed that showed it when it was last looked for: it is tried first. Where it shows the bug no more, since the dealing of
 * scenarios has changed, all are tried in turn, which takes its time; {@link keepSeeds} then writes the new one.
 */
const KNOWN = JSON.parse(readFileSync(SEEDS_FILE, "utf8")) as Readonly<Record<string, number>>;

export interface Catch {
	readonly name: string;
	readonly seed: number;
	/** Whether the seed that was known shows it no more. */
	readonly isNew: boolean;
	/** For people. */
	readonly line: string;
}

/** For `KEEP_SEEDS=1 npm run test:long -- all-bugs`: what is known from now on of all bugs that there are. */
export function keepSeeds(bugs: readonly Bug[], catches: readonly Catch[]): void {
	const seeds = new Map([...Object.entries(KNOWN), ...catches.map(({ name, seed }) => [name, seed] as const)]);
	const sorted = [...seeds].filter(([name]) => bugs.some((bug) => bug.name === name)).sort(([a], [b]) => (a < b ? -1 : 1));
	writeFileSync(SEEDS_FILE, `${JSON.stringify(Object.fromEntries(sorted), null, "\t")}\n`);
}

/** Runs seeds, on a thread of its own, until one of them shows the bug; fails where none does. */
export async function caught({
	name,
	focus,
	isBounded = false,
	isDemanding = false,
	isLined,
	isPlaced,
	isRolled,
	provider,
}: Bug): Promise<Catch> {
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
	const known = KNOWN[name];
	const first = known !== undefined && known <= MOST_SEEDS ? { first: known } : {};
	const { runs, failing } = await runJob({ bug: name, from: 1, seeds: MOST_SEEDS, ...first, options, stopsAtFirst: true });
	const [shown] = failing;
	if (shown === undefined) expect.fail(`"${name}" survived ${runs} seeds`);
	const line = `seed ${String(shown.seed).padStart(3)}${focus ? ` of ${focus.join(", ")}` : ""}: ${name} (${shown.message.slice(0, 90)})`;
	return { name, seed: shown.seed, isNew: shown.seed !== known, line };
}
