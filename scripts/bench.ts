/**
 * `npm run bench`: how fast Muster is, in one table. The machine is rarely idle, so that only what was measured in one run, one right after
 * the other, is compared: ratios count, absolute numbers are for orientation. `--only worker|patch|live|agent|gateway|core` leaves the rest out; with
 * `--against <revision>` the core, or the agent, of that revision is measured beside this one (`--only simulation`: of the core the simulator alone); of agent, gateway and live `--rows TEXT` measures only
 * the rows whose name holds it (of gateway and live one of several, with | between them). Linux.
 */
import { parseArgs } from "node:util";
import { benchAgent } from "./bench/agent.ts";
import { benchCore, benchSimulation } from "./bench/core.ts";
import { benchGateway } from "./bench/gateway.ts";
import { benchLive } from "./bench/live.ts";
import { benchPatch } from "./bench/patch.ts";
import { benchWorker, bundleBytes } from "./bench/worker.ts";

interface Line {
	readonly what: string;
	readonly measured: string;
	readonly goal: string;
	readonly also: string;
}

const { values } = parseArgs({
	options: { only: { type: "string" }, against: { type: "string" }, rows: { type: "string" }, agents: { type: "string" } },
});
const isWanted = (part: string) => values.only === undefined || values.only === part;
const print = (text: string) => console.error(`  ${text}`);
const lines: Line[] = [];

if (isWanted("worker")) {
	const bytes = bundleBytes();
	lines.push({ what: "bundle, gzip", measured: `${Math.round(bytes / 1024)} KB`, goal: "≤ 400 KB", also: "" });
	for (const { proxies, route, ratio, cpuRatio, perSecond, p99Ms, rowsRead } of await benchWorker(print)) {
		const isCacheOff = route.endsWith("cache off");
		lines.push({
			what: `${proxies} proxies, ${route}`,
			measured: `ratio ${ratio.toFixed(2)}`,
			goal: !isCacheOff ? "≥ 0.9, flat" : proxies === 10_000 ? "≥ 0.4" : "",
			also: `CPU × ${cpuRatio.toFixed(2)}, ${Math.round(perSecond)}/s, p99 ${p99Ms.toFixed(1)} ms, ${rowsRead} rows read when cold`,
		});
	}
}
if (isWanted("patch")) {
	const { medianMs, p95Ms } = await benchPatch(print);
	lines.push({
		what: "PATCH to ready, minus boot",
		measured: `p95 ${Math.round(p95Ms)} ms`,
		goal: "≤ 1000 ms",
		also: `median ${Math.round(medianMs)} ms, 20 rounds`,
	});
}
if (isWanted("live")) lines.push(...(await benchLive(print, Number(values.agents ?? 50), values.rows ?? null)));
if (isWanted("agent")) lines.push(...(await benchAgent({ against: values.against ?? null, rows: values.rows ?? "", print })));
if (isWanted("gateway")) lines.push(...(await benchGateway({ rows: values.rows ?? "", print })));
if (isWanted("core")) lines.push(...(await benchCore(values.against ?? null, print)));
// Part of the core's, where that is measured.
if (values.only === "simulation") {
	if (values.against === undefined) throw new Error("--only simulation needs --against <revision>");
	lines.push(...benchSimulation(values.against, print));
}

const columns = ["what", "measured", "goal", "also"] as const;
const widths = columns.map((column) => Math.max(column.length, ...lines.map((line) => line[column].length)));
const row = (cells: readonly string[]) =>
	cells
		.map((cell, index) => cell.padEnd(widths[index] ?? 0))
		.join("  ")
		.trimEnd();
console.log(row(columns));
console.log(row(widths.map((width) => "-".repeat(width))));
for (const line of lines) console.log(row(columns.map((column) => line[column])));
if (isWanted("worker"))
	console.log(
		"\nRatio: requests per second over those of a bare route of the same Worker that answers as much, just before and just after it (CPU: time of the runtime for a request, over the same); medians of seven rounds.",
	);
