/** `npm run dev:reset`: forgets the Worker's data and the local cloud's VMs, of every port. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_PORT, OWN_ENTRIES, runningDev, stateDirectory } from "./dev-state.ts";

const main = stateDirectory(DEFAULT_PORT);
const ports = process.env.MUSTER_STATE_DIR ? [] : entries(main).filter((name) => /^port-\d+$/.test(name));
const directories = [main, ...ports.map((name) => join(main, name))];

for (const directory of directories) {
	const running = runningDev(directory);
	if (running === null) continue;
	console.error(`'npm run dev' runs with the state in ${directory} (process ${running}); stop it first.`);
	process.exit(1);
}
for (const directory of directories) for (const entry of OWN_ENTRIES) rmSync(join(directory, entry), { recursive: true, force: true });
for (const name of ports) rmSync(join(main, name), { recursive: true, force: true });
console.log(`Forgotten: the Worker's data and the local cloud's VMs (${directories.join(", ")}).`);

function entries(directory: string): readonly string[] {
	try {
		return readdirSync(directory);
	} catch {
		// There never was a state.
		return [];
	}
}
