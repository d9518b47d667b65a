/**
 * The local cloud as a program of its own, as `npm run dev` runs it: ends, with every agent, on a signal and when its standard
 * input, where that is a pipe, closes: then whoever started it is gone.
 *
 * LOCALCLOUD_PORT (8790), LOCALCLOUD_DIR (where the VMs are kept), LOCALCLOUD_BOOT_MS (1500), LOCALCLOUD_LIMIT (VMs an account
 * may have, 1000), LOCALCLOUD_REQUESTS_PER_HOUR (an account's rate limit; without it there is none), LOCALCLOUD_BLOCK (0; the first y
 * of 127.77.y.0/24 that it gives addresses of), LOCALCLOUD_RUN_ANY (1: VMs run what their user data holds, and not this checkout's agent
 * alone; then whoever reaches the port runs programs as you).
 */
import { fstatSync } from "node:fs";
import { resolve } from "node:path";
import { LocalCloud } from "./cloud.ts";
import { fileInventory } from "./inventory.ts";
import { processMachines } from "./processes.ts";
import { serve } from "./server.ts";

function numberSetting(name: string, preset: number): number {
	const text = process.env[name] ?? "";
	if (text === "") return preset;
	if (!/^\d{1,9}$/.test(text)) throw new Error(`${name} is '${text}'; it must be a whole number`);
	return Number(text);
}

const directory = resolve(process.env.LOCALCLOUD_DIR ?? ".wrangler/local-cloud");
const requestsPerHour = numberSetting("LOCALCLOUD_REQUESTS_PER_HOUR", 0);
const cloud = new LocalCloud({
	machines: processMachines(directory, {
		firstBlock: numberSetting("LOCALCLOUD_BLOCK", 0),
		...(process.env.LOCALCLOUD_RUN_ANY === "1" ? { shipped: null } : {}),
	}),
	inventory: fileInventory(directory),
	bootMs: numberSetting("LOCALCLOUD_BOOT_MS", 1500),
	limit: numberSetting("LOCALCLOUD_LIMIT", 1000),
	limits: { requestsPerHour: requestsPerHour === 0 ? null : requestsPerHour },
});

let isEnding = false;
async function end(code: number): Promise<void> {
	if (isEnding) return;
	isEnding = true;
	await cloud.fleet.close();
	process.exit(code);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(0));
const input = fstatSync(0);
if (input.isFIFO() || input.isSocket()) {
	process.stdin.on("end", () => void end(0)).on("error", () => void end(0));
	process.stdin.resume();
}
process.on("uncaughtException", (error) => {
	console.error("local cloud:", error);
	void end(1);
});

await cloud.fleet.resume();
await serve(cloud, numberSetting("LOCALCLOUD_PORT", 8790));
