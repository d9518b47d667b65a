/** Slips of what operators order. */
import * as Commands from "../../../src/core/facts/commands.ts";
import * as Limits from "../../../src/core/model/limits.ts";
import * as Sessions from "../../../src/core/model/sessions.ts";
import { type Bug, plant } from "../planting.ts";

export const ORDERS: readonly Bug[] = [
	{
		name: "keep a removed pool's VMs while its settings are bad",
		plants: [
			plant(Commands, "applyCommand", (applyCommand) => (state, command, now) => {
				const after = applyCommand(state, command, now);
				return after !== state && command.do === "run" ? { ...after, suspended: state.suspended } : after;
			}),
		],
		focus: ["badSetting"],
	},
	{
		name: "forget a pool without looking through the account once more",
		plants: [plant(Limits, "LOOKS_TO_FORGET", () => 0)],
	},
	{
		name: "let a pool come back that the directory may have forgotten",
		plants: [
			plant(Commands, "applyCommand", (applyCommand) => (state, command, now) => {
				if (command.do !== "run" || !state.leaving) return applyCommand(state, command, now);
				return { ...applyCommand({ ...state, leaving: false }, command, now), leaving: true };
			}),
		],
		focus: ["databaseAmbiguous", "badSetting"],
	},
	{
		name: "forget a session that is to be dropped",
		plants: [
			plant(Sessions, "withDrop", () => (state, session) => ({ ...state, drops: state.drops.filter((drop) => drop.session !== session) })),
		],
	},
];
