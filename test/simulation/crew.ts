import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { ScenarioOptions } from "./scenario.ts";
import { add, newTally, type Tally } from "./tally.ts";

/** A range of seeds for one thread. */
export interface Job {
	readonly from: number;
	readonly seeds: number;
	/** Every how many-th of them; each if missing. */
	readonly step?: number;
	/** A seed that is run before them. */
	readonly first?: number;
	readonly options: ScenarioOptions;
	/** The name of the bug that is planted in the core; none if missing. */
	readonly bug?: string;
	/** See {@link Digest}. */
	readonly isDigested?: boolean;
	/** Goes no further after the first seed that breaks a promise. */
	readonly stopsAtFirst?: boolean;
}

/** Runs seeds on several threads, each its share of them, and adds up what they come to. */
export async function runSeeds(job: Job, threads: number): Promise<Tally> {
	const sum = newTally();
	const shares = Array.from({ length: threads }, (_, index) => ({ ...job, from: job.from + index, step: threads }));
	for (const part of await Promise.all(shares.map((share) => runJob({ ...share, seeds: job.seeds - (share.from - job.from) }))))
		add(sum, part);
	sum.failing.sort((a, b) => a.seed - b.seed);
	sum.digests.sort((a, b) => a.seed - b.seed);
	return sum;
}

/** One job on a thread of its own. */
export function runJob(job: Job): Promise<Tally> {
	return new Promise((resolve, reject) => {
		const worker = new Worker(fileURLToPath(new URL("./worker.ts", import.meta.url).href), { workerData: job });
		worker.once("message", resolve);
		worker.once("error", reject);
		worker.once("exit", (code) => reject(new Error(`a simulation thread ended with ${code}`)));
	});
}
