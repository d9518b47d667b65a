/**
 * Runs the simulation of the pool's core (docs/reliability.md) over seeds of one's choice:
 * `npm run sim -- --seeds 10000 --from 1 [--hours 24] [--profile aws] [--threads 2] [--demand]`. Prints what happened in it; exit code 1 when a
 * promise was broken, with the schedule of the first failing seeds, as short as it gets. `--lines` has agents hold lines in every run, `--no-lines` in none, `--demand` gives rules to the pools of every run, `--focus staleList,scale` deals these faults and orders and
 * no others, `--trace` prints everything that happens,
 * `--digests` a line a seed that is the same wherever the same was decided: two revisions that print the same for a seed differ in speed alone.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { loadCore } from "../test/simulation/core.ts";
import { runSeeds } from "../test/simulation/crew.ts";
import { PROFILES, type ProfileName } from "../test/simulation/profiles.ts";
import { APART, LASTING, ORDERS, type ScenarioOptions, SUDDEN, scenarioOf } from "../test/simulation/scenario.ts";
import { report, shrink } from "../test/simulation/shrink.ts";
import { run } from "../test/simulation/world.ts";

/** So many failing seeds are named, and so many of these shrunk and printed whole. */
const NAMED_FAILURES = 50;
const SHOWN_FAILURES = 3;
/** Faults, T to converge, and a quiet time need room. */
const LEAST_HOURS = 5;

/** What can happen, of which `--focus` names some. */
const KINDS: ReadonlySet<string> = new Set([...LASTING, ...SUDDEN, ...APART, ...ORDERS, "roll", "endRoll", "orderCredentials"]);

const { values } = parseArgs({
	allowNegative: true,
	options: {
		seeds: { type: "string", default: "1000" },
		from: { type: "string", default: "1" },
		hours: { type: "string", default: "12" },
		threads: { type: "string", default: String(Math.min(8, availableParallelism())) },
		profile: { type: "string" },
		demand: { type: "boolean", default: false },
		places: { type: "boolean", default: false },
		rolls: { type: "boolean", default: false },
		focus: { type: "string" },
		lines: { type: "boolean" },
		trace: { type: "boolean", default: false },
		digests: { type: "boolean", default: false },
	},
});

function whole(name: "seeds" | "from" | "hours" | "threads", least: number): number {
	const value = Number(values[name]);
	if (!Number.isInteger(value) || value < least) throw new Error(`--${name} must be a whole number of at least ${least}`);
	return value;
}

if (values.profile !== undefined && !Object.hasOwn(PROFILES, values.profile)) {
	throw new Error(`--profile must be one of ${Object.keys(PROFILES).join(", ")}`);
}
const [seeds, from, hours, threads] = [whole("seeds", 1), whole("from", 0), whole("hours", LEAST_HOURS), whole("threads", 1)];
const focus = values.focus?.split(",") as ScenarioOptions["focus"];
const unknown = focus?.find((one) => !KINDS.has(one));
if (unknown !== undefined) throw new Error(`--focus knows no ${unknown}, but ${[...KINDS].join(", ")}`);
const options: ScenarioOptions = {
	hours,
	...(focus && { focus }),
	isDemanding: values.demand,
	...(values.lines === undefined ? {} : { isLined: values.lines }),
	...(values.places ? { isPlaced: true } : {}),
	...(values.rolls ? { isRolled: true } : {}),
	...(values.profile === undefined ? {} : { provider: values.profile as ProfileName }),
};

if (values.trace) {
	const outcome = await run(scenarioOf(from, options), await loadCore(), { isTraced: true });
	console.log(outcome.trace.join("\n"));
	console.log(report(outcome));
	process.exit(outcome.violation === null ? 0 : 1);
}

const began = performance.now();
const tally = await runSeeds({ from, seeds, options, isDigested: values.digests }, threads);
const seconds = (performance.now() - began) / 1000;
const table = (numbers: Record<string, number>) =>
	Object.entries(numbers)
		.sort(([, a], [, b]) => b - a)
		.map(([name, times]) => `${name} ${times}`)
		.join(", ");
console.log(`runs        ${tally.runs} (seeds ${from} to ${from + seeds - 1}, ${values.profile ?? "all profiles"})`);
console.log(
	`simulated   ${Math.round(tally.simulatedHours)} h in ${seconds.toFixed(1)} s, ${Math.round(tally.simulatedHours / seconds)} h/s on ${threads} threads`,
);
console.log(`faults      ${table(tally.faults)}`);
console.log(`VMs created ${tally.made}`);
console.log(`effects     ${table(tally.effects)}`);
console.log(`passes      ${tally.passes}, heartbeats ${tally.heartbeats}`);
console.log(`violations  ${tally.failing.length}`);
for (const { seed, digest } of tally.digests) console.log(`digest      ${seed} ${digest}`);
for (const { seed, message } of tally.failing.slice(0, NAMED_FAILURES)) console.log(`  seed ${seed}: ${message}`);
const core = await loadCore();
for (const { seed } of tally.failing.slice(0, SHOWN_FAILURES)) {
	console.log(`\n${report(await shrink(await run(scenarioOf(seed, options), core), core))}`);
}
process.exitCode = tally.failing.length > 0 ? 1 : 0;
