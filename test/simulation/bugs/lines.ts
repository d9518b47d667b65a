/** Slips of what lines show, bring and keep. */
import * as AgentLinesModule from "../../../src/controller/agent-lines.ts";
import * as ControllerModule from "../../../src/controller/controller.ts";
import * as Commands from "../../../src/core/facts/commands.ts";
import * as Lines from "../../../src/core/facts/lines.ts";
import * as Directives from "../../../src/core/model/directives.ts";
import { LINE_SILENT_MS } from "../../../src/core/model/limits.ts";
import * as LineModel from "../../../src/core/model/lines.ts";
import * as Rises from "../../../src/core/model/rises.ts";
import { type Bug, plant } from "../planting.ts";

const LINED: readonly Omit<Bug, "isLined">[] = [
	{
		name: "take a line that is open for one that lives",
		plants: [
			plant(Lines, "applyLines", (applyLines) => (state, seen, now) => {
				return applyLines(state, { ...seen, lives: seen.lives.map((one) => ({ ...one, at: now })) }, now);
			}),
		],
		focus: ["vmStopped", "vmDeleted"],
	},
	{
		name: "never take a line for late",
		plants: [
			plant(LineModel, "lateAt", (lateAt) => (state, heardAt, isLined) => {
				return isLined ? Number.POSITIVE_INFINITY : lateAt(state, heardAt, isLined);
			}),
		],
		focus: ["vmStopped", "vmDeleted"],
	},
	{
		name: "take the fall of all lines for a sign of life, where nobody can probe",
		plants: [
			plant(LineModel, "isHeardSince", () => () => true),
			plant(LineModel, "silentAt", () => (state, id) => {
				return Math.max(state.vitals.get(id)?.heardAt ?? 0, state.linesFellAt) + LINE_SILENT_MS;
			}),
		],
		focus: ["agentDies", "createsHang", "scale"],
	},
	{
		name: "forget that a deploy cuts all lines",
		plants: [
			plant(Lines, "applyLines", (applyLines) => (state, seen, now) => {
				return { ...applyLines(state, seen, now), linesFellAt: state.linesFellAt };
			}),
		],
		focus: ["superseded", "evicted"],
	},
	{
		name: "look at no line while a pass is under way",
		plants: [
			plant(ControllerModule, "Controller", (Controller) => {
				return class extends Controller {
					override hearLines(isLoaded = false): void {
						if (!this.isPassing) super.hearLines(isLoaded);
					}
				};
			}),
		],
	},
	{
		name: "suspect nobody whose line broke",
		plants: [plant(Lines, "applyLineLost", () => (state) => state)],
		focus: ["agentDies", "lineBroken"],
	},
	{
		name: "take a proxy off the list because its line broke",
		plants: [
			plant(Lines, "applyLineLost", (applyLineLost) => (state, id, aliveAt, now) => {
				const lost = applyLineLost(state, id, aliveAt, now);
				const proxy = lost.proxies.get(id);
				if (proxy?.phase.at !== "ready") return lost;
				const phase = { at: "unready", vm: proxy.phase.vm } as const;
				return { ...lost, proxies: lost.proxies.with(id, { ...proxy, phase, since: now, why: "its line broke" }) };
			}),
		],
		focus: ["lineBroken"],
	},
	{
		name: "tell an order to nobody but who opens a line",
		plants: [plant(Directives, "mayBeToldAnew", () => () => [])],
	},
	{
		name: "begin a line without a word",
		plants: [
			plant(AgentLinesModule, "AgentLines", (AgentLines) => {
				return class extends AgentLines {
					override opened(): void {}
				};
			}),
		],
		focus: ["lineBroken", "superseded"],
	},
	{
		name: "take a difference from a report that was lost",
		plants: [
			plant(ControllerModule, "Controller", (Controller) => {
				return class extends Controller {
					override lineReport(...[key, report, mustBeStored]: Parameters<InstanceType<typeof Controller>["lineReport"]>) {
						const number = (this.state.vitals.get(report.id)?.report ?? 0) + 1;
						return super.lineReport(key, report.whole ? report : { ...report, number }, mustBeStored);
					}
				};
			}),
			// Nor is a woken object told what was reported.
			plant(AgentLinesModule, "AgentLines", (AgentLines) => {
				return class extends AgentLines {
					override lives(_isLoaded: boolean) {
						return super.lives(false);
					}
				};
			}),
		],
	},
	{
		name: "know after a sleep what was stored, and not what was reported since",
		plants: [
			plant(AgentLinesModule, "AgentLines", (AgentLines) => {
				return class extends AgentLines {
					override lives(_isLoaded: boolean) {
						return super.lives(false);
					}
				};
			}),
		],
	},
	{
		name: "tell a drained proxy to refuse clients before lists lack it",
		plants: [
			plant(Directives, "directivesFor", (directivesFor) => (state, id, now) => {
				const directives = directivesFor(state, id, now);
				return directives && { ...directives, drain: state.proxies.get(id)?.phase.at === "draining", grace: 0 };
			}),
			plant(Directives, "lineDirectivesFor", (lineDirectivesFor) => (state, id, now) => {
				const directives = lineDirectivesFor(state, id, now);
				return directives && { ...directives, drain: state.proxies.get(id)?.phase.at === "draining", grace: 0 };
			}),
		],
		focus: ["databaseFails", "databaseOut", "databaseAmbiguous"],
	},
	{
		name: "wait for the next turn of the rules when a line tells of more than they allow",
		plants: [plant(Rises, "isRiseDue", () => () => false)],
		isDemanding: true,
	},
	{
		name: "have agents tell of no rise before its turn",
		plants: [
			plant(Directives, "lineDirectivesFor", (lineDirectivesFor) => (state, id, now) => {
				const directives = lineDirectivesFor(state, id, now);
				return directives && { ...directives, rise: 0 };
			}),
		],
		isDemanding: true,
	},
	{
		name: "have agents tell of no rise but of connections before its turn",
		plants: [
			plant(Directives, "lineDirectivesFor", (lineDirectivesFor) => (state, id, now) => {
				const directives = lineDirectivesFor(state, id, now);
				return directives && { ...directives, rises: {} };
			}),
		],
		isDemanding: true,
	},
	{
		name: "wait for the next turn of the rules when metrics are posted",
		plants: [
			plant(Commands, "applyCommand", (applyCommand) => (state, command, now) => {
				const after = applyCommand(state, command, now);
				return command.do === "metrics" && after !== state ? { ...after, pressedAt: state.pressedAt } : after;
			}),
		],
		isDemanding: true,
	},
	{
		name: "take each proxy's room for a rise for that of all of them",
		plants: [
			plant(Rises, "withRiseStep", (withRiseStep) => (state, now) => {
				const after = withRiseStep(state, now);
				return after === state ? state : { ...after, rise: { ...after.rise, step: after.rise.step * 8 } };
			}),
		],
		isDemanding: true,
	},
	{
		name: "have idle agents report each second",
		plants: [
			plant(Directives, "lineDirectivesFor", (lineDirectivesFor) => (state, id, now) => {
				const directives = lineDirectivesFor(state, id, now);
				return directives && { ...directives, report: 1 };
			}),
		],
	},
];

export const LINES: readonly Bug[] = LINED.map((bug) => ({ ...bug, isLined: true }));
