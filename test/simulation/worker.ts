import { parentPort, workerData } from "node:worker_threads";
import { loadCore } from "./core.ts";
import type { Job } from "./crew.ts";
import { scenarioOf } from "./scenario.ts";
import { count, newTally } from "./tally.ts";
import { run } from "./world.ts";

const job = workerData as Job;
const core = job.bug === undefined ? await loadCore() : await plantedCore(job.bug);
const tally = newTally();
for (const seed of seedsOf(job)) {
	count(tally, await run(scenarioOf(seed, job.options), core, job.isDigested ? { isDigested: true } : {}));
	if (job.stopsAtFirst && tally.failing.length > 0) break;
}
parentPort?.postMessage(tally);

function* seedsOf({ from, seeds, step = 1, first }: Job): Generator<number> {
	if (first !== undefined) yield first;
	for (let seed = from; seed < from + seeds; seed += step) if (seed !== first) yield seed;
}

async function plantedCore(name: string) {
	const [{ BUGS }, { PLANTED, sow }] = await Promise.all([import("./bugs/index.ts"), import("./planting.ts")]);
	const bug = BUGS.find((one) => one.name === name);
	if (bug === undefined) throw new Error(`there is no bug "${name}"`);
	await sow(bug);
	return loadCore(PLANTED);
}
