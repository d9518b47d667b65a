/**
 * Runs the simulation of the pool's core over seeds of one's choice: `npm run sim -- --seeds 10000 --from 1 [--hours 24]
 * [--profile aws]`. Prints what it did; exit code 1 when a promise was broken, with a schedule that is as short as it gets.
 */
import { parseArgs } from "node:util";
import { loadCore } from "../test/simulation/core.ts";
import type { PROFILES } from "../test/simulation/profiles.ts";
import { type ScenarioOptions, scenarioOf } from "../test/simulation/scenario.ts";
import { run } from "../test/simulation/world.ts";

const { values } = parseArgs({
	options: {
		seeds: { type: "string", default: "1000" },
		from: { type: "string", default: "1" },
		hours: { type: "string", default: "12" },
		profile: { type: "string" },
		faultless: { type: "boolean", default: false },
		trace: { type: "boolean", default: false },
	},
});
const options: ScenarioOptions = {
	hours: Number(values.hours),
	isFaultless: values.faultless,
	...(values.profile ? { provider: values.profile as keyof typeof PROFILES } : {}),
};
const core = await loadCore();
const began = performance.now();
let [passes, heartbeats, made, violations] = [0, 0, 0, 0];
for (let seed = Number(values.from); seed < Number(values.from) + Number(values.seeds); seed++) {
	const outcome = await run(scenarioOf(seed, options), core, values.trace);
	passes += outcome.passes;
	heartbeats += outcome.heartbeats;
	made += outcome.made;
	if (values.trace) {
		console.log(JSON.stringify(outcome.scenario));
		console.log(outcome.trace.join("\n"));
	}
	if (outcome.passes > 8000) console.log(`seed ${seed}: ${outcome.passes} passes`, outcome.effects);
	if (outcome.violation) {
		violations++;
		console.log(`seed ${seed} (${outcome.scenario.provider}): ${outcome.violation.message}`);
	}
}
const s = process.cpuUsage().user / 1e6;
console.log({ s, hoursPerSecond: (Number(values.seeds) * Number(values.hours)) / s, passes, heartbeats, made, violations });
