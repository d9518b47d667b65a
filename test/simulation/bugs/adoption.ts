/** Slips of VMs that others made, and of those that are to run on without us. */
import * as AdoptRoom from "../../../src/core/effects/adopt.ts";
import * as Inventory from "../../../src/core/facts/inventory.ts";
import * as PlanModule from "../../../src/core/plan.ts";
import { type Bug, plant } from "../planting.ts";

export const ADOPTION: readonly Bug[] = [
	{
		name: "delete a VM that was let go, when a list still shows its tags",
		plants: [
			plant(Inventory, "applyListed", (applyListed) => (state, vms, startedAt, now) => {
				return { ...applyListed({ ...state, released: [] }, vms, startedAt, now), released: state.released };
			}),
		],
		focus: ["staleList"],
	},
	{
		name: "put tags on a VM without recording it",
		plants: [plant(AdoptRoom, "adopt", (adopt) => ({ ...adopt, isMutating: false }))],
	},
	{
		name: "delete the VMs of a pool that is to leave them running",
		plants: [
			plant(PlanModule, "plan", (plan) => (state, now, random) => {
				return plan(state.keep ? { ...state, keep: false } : state, now, random);
			}),
		],
	},
];
