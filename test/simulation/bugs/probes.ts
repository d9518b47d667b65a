/** Slips of what probes find. */
import * as ProbeStaticRoom from "../../../src/core/effects/probe-static.ts";
import * as Agents from "../../../src/core/facts/agents.ts";
import * as Deadlines from "../../../src/core/model/deadlines.ts";
import { PROBES_TO_FAIL } from "../../../src/core/model/limits.ts";
import { vmOf } from "../../../src/core/model/proxies.ts";
import { type Bug, plant } from "../planting.ts";
import { asIf, withChanged } from "./as-if.ts";

export const PROBES: readonly Bug[] = [
	{
		name: "make a proxy ready that a probe found before it was drained or restarted: a stale result",
		plants: [
			plant(Agents, "applyProbed", (applyProbed) => (state, id, verdict, startedAt, now) => {
				const waiting = withChanged(state, id, (proxy) => {
					const vm = vmOf(proxy);
					const isMeant = verdict.is === "ok" && proxy.phase.at !== "ready" && vm !== null && proxy.address !== null;
					return isMeant ? { phase: { at: "unready", vm } } : null;
				});
				return applyProbed(waiting, id, verdict, startedAt, now);
			}),
		],
	},
	{
		name: "inherit health on a reused address",
		plants: [
			plant(Agents, "applyProbed", (applyProbed) => (state, id, verdict, startedAt, now) => {
				return applyProbed(state, id, verdict.is === "impostor" ? { is: "ok", active: null } : verdict, startedAt, now);
			}),
		],
	},
	{
		name: "probe what does not answer every few seconds for ever",
		plants: [
			plant(Deadlines, "probePauseMs", (probePauseMs) => (failures, usualMs, spec) => probePauseMs(Math.min(1, failures), usualMs, spec)),
		],
	},
	{
		name: "go on handing out a static backend that is down",
		plants: [
			plant(ProbeStaticRoom, "probeStatic", (probeStatic) => ({
				...probeStatic,
				done(state, effect, verdict, now, startedAt) {
					const after = probeStatic.done(state, effect, verdict, now, startedAt);
					const health = after.statics.get(effect.id);
					return health?.isUp === false ? { ...after, statics: after.statics.with(effect.id, { ...health, isUp: true }) } : after;
				},
			})),
		],
		focus: ["staticsDown"],
	},
	{
		name: "never ask a static backend again that was down",
		plants: [
			plant(ProbeStaticRoom, "probeStatic", (probeStatic) => ({
				...probeStatic,
				plan(draft) {
					const { state, now } = draft;
					const down = [...state.statics].filter(([, { failures }]) => failures >= PROBES_TO_FAIL);
					const staticsProbed = down.reduce((probed, [id]) => probed.with(id, now), state.staticsProbed);
					asIf(draft, { staticsProbed }, () => probeStatic.plan(draft));
				},
			})),
		],
		focus: ["staticsDown"],
	},
];
