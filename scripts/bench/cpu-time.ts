/** Preloaded (`--import`): tells, when a program of Node ends, how much CPU time it and its threads took, as the last line of stderr. */
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
	process.on("exit", () => {
		const { user, system } = process.cpuUsage();
		process.stderr.write(`\ncpu-seconds ${(user + system) / 1e6}\n`);
	});
}
