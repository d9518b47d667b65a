/**
 * The core's costs on synthetic pools, in CPU time: on this tree and, one right after the other, on another revision's checkout. What the
 * other would take minutes for is measured in part and extrapolated, and the table says so.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { CoreFigures } from "./core-child.ts";

const PROJECT = resolve(import.meta.dirname, "../..");
const SIZES = [100, 1_000, 5_000, 10_000];
/** The sizes between which costs must not grow. */
const [SMALL, LARGE] = [100, 10_000];
/** Seeds of the simulation, so many that starting Node does not count; and again, until so much of CPU time was spent in each tree. */
const SEEDS_A_RUN = 100;
const ENOUGH_SIMULATION_SECONDS = 15;

export interface CoreLine {
	readonly what: string;
	readonly measured: string;
	readonly goal: string;
	readonly also: string;
}

/** `against`: a revision of this repository, or null for this tree alone. `say` is told of each step. */
export async function benchCore(against: string | null, print: (text: string) => void): Promise<readonly CoreLine[]> {
	if (against === null) return lines(figuresOf(PROJECT, null, print), null);
	return inCheckout(against, (checkout) => {
		const table = lines(figuresOf(PROJECT, checkout, print), against);
		return [...table, simulationLine(against, simulations(checkout, print))];
	});
}

/** The simulator alone, of this tree and of another revision. */
export function benchSimulation(against: string, print: (text: string) => void): readonly CoreLine[] {
	return inCheckout(against, (checkout) => [simulationLine(against, simulations(checkout, print))]);
}

function inCheckout<Result>(revision: string, work: (checkout: string) => Result): Result {
	const parent = mkdtempSync(join(tmpdir(), "muster-bench-core-"));
	const checkout = join(parent, "other");
	try {
		execFileSync("git", ["-C", PROJECT, "worktree", "add", "--detach", checkout, revision], { stdio: "ignore" });
		symlinkSync(join(PROJECT, "node_modules"), join(checkout, "node_modules"));
		return work(checkout);
	} finally {
		execFileSync("git", ["-C", PROJECT, "worktree", "remove", "--force", checkout], { stdio: "ignore" });
		rmSync(parent, { recursive: true, force: true });
	}
}

/** By size: of this tree and of the other. */
type Figures = ReadonlyMap<number, { readonly here: CoreFigures; readonly there: CoreFigures | null }>;

function figuresOf(here: string, there: string | null, print: (text: string) => void): Figures {
	return new Map(
		SIZES.map((size) => {
			const run = (root: string, whose: string) => {
				print(`core, ${size} proxies: ${whose}`);
				return figures(root, size);
			};
			return [size, { here: run(here, "this tree"), there: there === null ? null : run(there, "the other revision") }];
		}),
	);
}

function figures(root: string, size: number): CoreFigures {
	const child = spawnSync(process.execPath, [join(import.meta.dirname, "core-child.ts"), root, String(size)], {
		encoding: "utf8",
		stdio: ["ignore", "pipe", "inherit"],
	});
	if (child.status !== 0) throw new Error(`the bench of ${size} proxies ended with ${child.status ?? child.signal}`);
	return JSON.parse(child.stdout) as CoreFigures;
}

interface Simulated {
	readonly hours: number;
	readonly cpuSeconds: number;
}

/** The same seeds in both trees, a few in one and then in the other, until both have had enough. */
function simulations(there: string, print: (text: string) => void): { readonly here: Simulated; readonly there: Simulated } {
	let [here, other] = [NOTHING, NOTHING];
	for (let from = 1; Math.max(here.cpuSeconds, other.cpuSeconds) < ENOUGH_SIMULATION_SECONDS; from += SEEDS_A_RUN) {
		print(`simulation, seeds ${from} to ${from + SEEDS_A_RUN - 1} in both trees`);
		here = sum(here, simulate(PROJECT, from));
		other = sum(other, simulate(there, from));
	}
	return { here, there: other };
}

const NOTHING: Simulated = { hours: 0, cpuSeconds: 0 };
const sum = (a: Simulated, b: Simulated) => ({ hours: a.hours + b.hours, cpuSeconds: a.cpuSeconds + b.cpuSeconds });

/** `npm run sim` of a checkout. Throws where it cannot be run, or a promise was broken in it. */
function simulate(root: string, from: number): Simulated {
	const program = [join(root, "scripts/sim.ts"), "--seeds", String(SEEDS_A_RUN), "--from", String(from), "--threads", "1"];
	const child = spawnSync(process.execPath, ["--import", join(import.meta.dirname, "cpu-time.ts"), ...program], {
		cwd: root,
		encoding: "utf8",
	});
	const hours = Number(/^simulated\s+(\d+) h /m.exec(child.stdout)?.[1] ?? Number.NaN);
	const cpuSeconds = Number(/^cpu-seconds ([\d.]+)$/m.exec(child.stderr)?.[1] ?? Number.NaN);
	if (child.status !== 0 || Number.isNaN(hours + cpuSeconds))
		throw new Error(`the simulation in ${root} failed:\n${child.stdout}${child.stderr}`);
	return { hours, cpuSeconds };
}

const ROWS = [
	{ key: "list", what: "one inventory list", goal: 100 },
	{ key: "heartbeat", what: "a heartbeat", goal: 50 },
	{ key: "rotation", what: "all acknowledge credentials", goal: 10 },
	{ key: "idlePass", what: "a pass with nothing due", goal: null },
	{ key: "plan", what: "plan", goal: null },
] as const;
/** The size for which the goals are. */
const GOAL_SIZE = 5_000;
const MOST_GROWTH = 3;
const MOST_CHANGE_BYTES = 4_096;
const CHANGE_SIZE = 1_000;
const LEAST_SIMULATION_RATIO = 2;

function lines(figures: Figures, against: string | null): readonly CoreLine[] {
	const table: CoreLine[] = [];
	for (const [size, { here, there }] of figures) {
		for (const { key, what, goal } of ROWS) {
			const part = (of: CoreFigures) => (key === "rotation" && of.acknowledged < size ? ` (from ${of.acknowledged} of ${size})` : "");
			table.push({
				what: `${count(size)} proxies, ${what}`,
				measured: there === null ? time(here[key]) : `${ratio(there[key], here[key])} less`,
				goal: goal !== null && size === GOAL_SIZE && there !== null ? `≥ ${goal} × less` : "",
				also: there === null ? part(here).trim() : `${time(here[key])}${part(here)}, ${against} ${time(there[key])}${part(there)}`,
			});
		}
	}
	const [small, large] = [figures.get(SMALL)?.here, figures.get(LARGE)?.here];
	if (small !== undefined && large !== undefined) {
		for (const { key, what } of ROWS.filter(({ key: row }) => row === "heartbeat" || row === "idlePass")) {
			table.push({
				what: `${what}, ${count(LARGE)} over ${SMALL}`,
				measured: ratio(large[key], small[key]),
				goal: `≤ ${MOST_GROWTH} ×`,
				also: `${time(large[key])}, ${time(small[key])}`,
			});
		}
	}
	const change = figures.get(CHANGE_SIZE);
	if (change !== undefined) {
		table.push({
			what: `D1, one ready proxy of ${count(CHANGE_SIZE)} changes`,
			measured: `${count(change.here.changeBytes)} bytes`,
			goal: `≤ ${count(MOST_CHANGE_BYTES)} bytes`,
			also: change.there === null ? "" : `${against} ${count(change.there.changeBytes)} bytes`,
		});
	}
	return table;
}

function simulationLine(against: string, { here, there }: ReturnType<typeof simulations>): CoreLine {
	const speed = ({ hours, cpuSeconds }: Simulated) => hours / cpuSeconds;
	return {
		what: "simulated hours a CPU second",
		measured: ratio(speed(here), speed(there)),
		goal: `≥ ${LEAST_SIMULATION_RATIO} ×`,
		also: `${speed(here).toFixed(1)} (${here.hours} h), ${against} ${speed(there).toFixed(1)} (${there.hours} h)`,
	};
}

const count = (value: number) => value.toLocaleString("en");

function time(ms: number): string {
	return ms >= 1_000 ? `${(ms / 1_000).toFixed(1)} s` : ms >= 1 ? `${ms.toFixed(1)} ms` : `${(ms * 1_000).toFixed(0)} µs`;
}

function ratio(of: number, over: number): string {
	const value = of / over;
	return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} ×`;
}
