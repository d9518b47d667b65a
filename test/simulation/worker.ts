import { parentPort, workerData } from "node:worker_threads";
import { loadCore } from "./core.ts";
import type { Job } from "./crew.ts";
import { scenarioOf } from "./scenario.ts";
import { count, newTally } from "./tally.ts";
import { run } from "./world.ts";

const job = workerData as Job;
const core = await loadCore(job.folder === undefined ? undefined : new URL(job.folder));
const tally = newTally();
for (let seed = job.from; seed < job.from + job.seeds; seed += job.step ?? 1) {
	count(tally, await run(scenarioOf(seed, job.options), core));
	if (job.stopsAtFirst && tally.failing.length > 0) break;
}
parentPort?.postMessage(tally);
