/** Slips of the size that rules and clients ask for. */
import * as Agents from "../../../src/core/facts/agents.ts";
import * as Commands from "../../../src/core/facts/commands.ts";
import * as Load from "../../../src/core/model/load.ts";
import * as Metrics from "../../../src/core/model/metrics.ts";
import * as Proxies from "../../../src/core/model/proxies.ts";
import * as Rules from "../../../src/core/model/rules.ts";
import * as Window from "../../../src/core/model/window.ts";
import * as Demand from "../../../src/core/planning/demand.ts";
import { type Bug, plant } from "../planting.ts";
import { asIf, withChanged } from "./as-if.ts";

const loose = (bound: Rules.Bound | null) => bound && { ...bound, isStrict: false };

const DEMANDING: readonly Omit<Bug, "isDemanding">[] = [
	{
		name: "treat a proxy that does not report as one without load",
		plants: [
			plant(Metrics, "measurementsOf", (measurementsOf) => (state, now) => {
				const measured = measurementsOf(state, now);
				return measured && { ...measured, missing: 0 };
			}),
		],
	},
	{
		name: "scale in on a metric that nobody reports",
		plants: [plant(Metrics, "totalOf", (totalOf) => (metric, measured) => totalOf(metric, measured) ?? 0)],
	},
	{
		name: "ignore the scale-in window",
		plants: [plant(Window, "highestWish", () => (_window, size) => size)],
	},
	{
		name: "count a window that was lost as one in which nothing was asked for",
		plants: [plant(Window, "withWish", (withWish) => (window, wish, spec) => withWish(window, wish, spec, 0))],
	},
	{
		name: "forget a higher wish as soon as a lower one comes",
		plants: [
			plant(Window, "withWish", (withWish) => (window, wish, spec, present) => {
				return withWish(window, wish, spec, present).filter((one) => one === wish || one.target > wish.target * 2);
			}),
		],
	},
	{
		name: "ramp at each plan, not once an interval",
		plants: [plant(Load, "nextDecisionAt", () => () => 0)],
	},
	{
		name: "let the ramp begin anew with each instance",
		plants: [
			plant(Load, "nextDecisionAt", (nextDecisionAt) => (state, now) => {
				return nextDecisionAt({ ...state, ramped: { ...state.ramped, at: 0 } }, now);
			}),
		],
		focus: ["evicted"],
	},
	{
		name: "no ramp",
		plants: [
			plant(Demand, "decideTarget", (decideTarget) => (draft) => {
				return asIf(draft, { spec: { ...draft.state.spec, rampLimit: 1_000 } }, () => decideTarget(draft));
			}),
		],
	},
	{
		name: "take strict bounds for loose ones",
		plants: [
			plant(Rules, "rangeOf", (rangeOf) => (rule, total) => {
				return rule.metric === Rules.INSTANCES
					? rangeOf(rule, total)
					: rangeOf({ ...rule, lower: loose(rule.lower), upper: loose(rule.upper) }, total);
			}),
		],
	},
	{
		name: "a wake never ends",
		plants: [plant(Load, "awakeUntil", () => () => Number.POSITIVE_INFINITY)],
	},
	{
		name: "wake nothing",
		plants: [plant(Load, "canWake", () => () => false)],
	},
	{
		name: "start one proxy however many clients ask",
		plants: [plant(Load, "wantedByCallers", () => () => 1)],
	},
	{
		name: "forget how many clients ask",
		plants: [
			plant(Commands, "applyCommand", (applyCommand) => (state, command, now) => {
				return applyCommand(state, command.do === "wake" ? { do: "wake", from: command.from ?? "" } : command, now);
			}),
		],
	},
	{
		name: "take those who ask several isolates for the same ones",
		plants: [plant(Load, "withWaker", () => (_wakers, word) => [word])],
	},
	{
		name: "count clients once more whenever another isolate serves them",
		plants: [plant(Load, "withWaker", () => (wakers, word) => [...wakers.filter(({ from }) => from !== word.from), word])],
	},
	{
		name: "forget those who wait when another client asks",
		plants: [
			plant(Commands, "applyCommand", (applyCommand) => (state, command, now) => {
				return applyCommand(command.do === "wake" ? { ...state, wokenFor: 0 } : state, command, now);
			}),
		],
	},
	{
		name: "start as many proxies as clients ask, whatever the ramp",
		plants: [
			plant(Load, "wantedByCallers", (wantedByCallers) => (state) => {
				return wantedByCallers({ ...state, spec: { ...state.spec, rampLimit: 1_000 } });
			}),
		],
	},
	{
		name: "hold on to a size that nothing was ever measured for",
		plants: [plant(Proxies, "hasProven", () => () => true)],
	},
	{
		name: "lose what was posted at the next heartbeat",
		plants: [
			plant(Agents, "applyHeartbeat", (applyHeartbeat) => (state, report, now) => {
				return withChanged(applyHeartbeat(state, report, now), report.id, ({ posted }) =>
					Object.keys(posted).length > 0 ? { posted: {} } : null,
				);
			}),
		],
	},
	{
		name: "go by another endpoint's metrics however old they are",
		plants: [
			plant(Metrics, "measurementsOf", (measurementsOf) => (state, now) => {
				const { metricsSource } = state.spec;
				return metricsSource !== null && state.source?.endpoint === metricsSource ? state.source : measurementsOf(state, now);
			}),
		],
		focus: ["databaseOut"],
	},
	{
		name: "shrink below what rules ask for while it is draining: its connections count for nothing",
		plants: [
			plant(Metrics, "measurementsOf", (measurementsOf) => (state, now) => {
				let { proxies } = state;
				for (const { id, phase } of proxies.values()) if (phase.at === "draining") proxies = proxies.without(id);
				return measurementsOf({ ...state, proxies }, now);
			}),
		],
	},
];

export const DEMAND: readonly Bug[] = DEMANDING.map((bug) => ({ ...bug, isDemanding: true }));
