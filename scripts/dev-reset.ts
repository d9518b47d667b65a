/**
 * `npm run dev:reset`: forgets the Worker's data and the local cloud's VMs, of every port; with PORT, or MUSTER_STATE_DIR, of that one
 * alone. Nothing is forgotten while one of them runs.
 */
import { readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_PORT, forget, runningDev, stateDirectory } from "./dev-state.ts";

const main = stateDirectory(Number(process.env.PORT || DEFAULT_PORT));
const isOne = Boolean(process.env.PORT || process.env.MUSTER_STATE_DIR);
const ports = isOne ? [] : entries(main).filter((name) => /^port-\d+$/.test(name));
const directories = [main, ...ports.map((name) => join(main, name))];

for (const directory of directories) {
	const running = runningDev(directory);
	if (running === null) continue;
	console.error(`'npm run dev' runs with the state in ${directory} (process ${running}); stop it first.`);
	process.exit(1);
}
for (const directory of directories) forget(directory);
for (const name of ports) if (entries(join(main, name)).length === 0) rmdirSync(join(main, name));
console.log(`Forgotten: the Worker's data and the local cloud's VMs (${directories.join(", ")}).`);

function entries(directory: string): readonly string[] {
	try {
		return readdirSync(directory);
	} catch {
		// There never was a state.
		return [];
	}
}
