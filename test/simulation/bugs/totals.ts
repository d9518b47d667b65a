/** Slips of what history and /metrics count. */
import * as ControllerModule from "../../../src/controller/controller.ts";
import * as Tally from "../../../src/core/model/tally.ts";
import * as TrafficModel from "../../../src/core/model/traffic.ts";
import { type Bug, plant } from "../planting.ts";

export const TOTALS: readonly Bug[] = [
	{
		name: "forget in a sleep what clients reported before it",
		plants: [
			plant(ControllerModule, "Controller", (Controller) => {
				return class extends Controller {
					override keepReports(): void {}
				};
			}),
		],
	},
	{
		name: "forget what an agent had counted before it was started anew",
		plants: [
			plant(TrafficModel, "counted", (counted) => (known, boot, counters) => {
				const after = counted(known, boot, counters);
				return { ...after, before: known.before };
			}),
		],
		focus: ["agentsCrash", "agentCrashes"],
	},
	{
		name: "count what a proxy had once more when it is gone, after a crash",
		plants: [
			plant(Tally, "trafficOf", () => (state) => {
				let sum = state.tally.gone;
				for (const { counted } of state.vitals.values())
					if (counted.boot !== "") sum = TrafficModel.sumOf(sum, TrafficModel.totalCounted(counted));
				return sum;
			}),
		],
		focus: ["evicted", "vmDeleted"],
	},
	{
		name: "forget what a proxy has counted that is gone",
		plants: [
			plant(Tally, "withEnded", (withEnded) => (state, id, now) => {
				const after = withEnded(state, id, now);
				return after === state ? state : { ...after, tally: { ...after.tally, gone: state.tally.gone } };
			}),
		],
	},
	{
		name: "count a create that was lost as one that was done",
		plants: [plant(Tally, "withCreate", (withCreate) => (state, outcome) => withCreate(state, outcome === "lost" ? "created" : outcome))],
		focus: ["createAnswerLost", "databaseFails"],
	},
	{
		name: "bill a VM that is gone by the second where its hour is billed whole",
		plants: [
			plant(Tally, "withEnded", (withEnded) => (state, id, now) => {
				const after = withEnded({ ...state, spec: { ...state.spec, billedSeconds: 0 } }, id, now);
				return { ...after, spec: state.spec };
			}),
		],
		provider: "hetzner",
	},
];
