/** Slips of what is believed of creates, lists and look-ups. */
import * as CreateRoom from "../../../src/core/effects/create.ts";
import * as RestartRoom from "../../../src/core/effects/restart.ts";
import * as Inventory from "../../../src/core/facts/inventory.ts";
import { withoutProxy } from "../../../src/core/model/edit.ts";
import { CREATE_DEADLINE_MS } from "../../../src/core/model/limits.ts";
import * as Proxies from "../../../src/core/model/proxies.ts";
import { type Bug, plant } from "../planting.ts";
import { withChanged } from "./as-if.ts";

const UNSENT = { at: "launching", sentAt: null } as const;

export const INVENTORY: readonly Bug[] = [
	{
		name: "retry a POST whose answer was lost",
		plants: [
			plant(CreateRoom, "create", (create) => ({
				...create,
				failed: (state, effect, failure, now) =>
					withChanged(create.failed(state, effect, failure, now), effect.id, () => ({ phase: UNSENT })),
			})),
		],
	},
	{
		name: "reuse an intent, and its token, with another body once a find does not show its VM",
		plants: [
			plant(Inventory, "applyFound", (applyFound) => (state, id, vm, startedAt, now) => {
				const isLaunching = state.proxies.get(id)?.phase.at === "launching";
				return vm === null && isLaunching ? withChanged(state, id, () => ({ phase: UNSENT })) : applyFound(state, id, vm, startedAt, now);
			}),
		],
	},
	{
		name: "trust one list: what it lacks is gone",
		plants: [
			plant(Inventory, "applyListed", (applyListed) => (state, vms, startedAt, now) => {
				let after = applyListed(state, vms, startedAt, now);
				for (const { id, suspectAt } of after.proxies.values()) {
					if (suspectAt === now && state.proxies.get(id)?.suspectAt === null) after = withoutProxy(after, id, now);
				}
				return after;
			}),
		],
	},
	{
		name: "trust a find within the consistency window",
		plants: [
			plant(
				Proxies,
				"isBelievedGone",
				() =>
					(_state, { absentAt }) =>
						absentAt !== null,
			),
		],
	},
	{
		name: "let the consistency window begin when a create is sent, not when it can have ended",
		plants: [
			plant(Proxies, "isBelievedGone", (isBelievedGone) => (state, proxy) => {
				return isBelievedGone(state, { ...proxy, createdAt: proxy.createdAt - CREATE_DEADLINE_MS });
			}),
			plant(Proxies, "absenceCountsFrom", (absenceCountsFrom) => (state, proxy) => {
				return absenceCountsFrom(state, { ...proxy, createdAt: proxy.createdAt - CREATE_DEADLINE_MS });
			}),
		],
		focus: ["createAnswerLost"],
	},
	{
		name: "forget an orphan that one list lacks",
		plants: [
			plant(Inventory, "applyListed", (applyListed) => (state, vms, startedAt, now) => {
				const after = applyListed(state, vms, startedAt, now);
				const listed = new Set(vms.map(({ vm }) => vm));
				let { orphans } = after;
				for (const vm of state.orphans.keys()) if (!listed.has(vm)) orphans = orphans.without(vm);
				return { ...after, orphans };
			}),
		],
		focus: ["orphanVm", "emptyList", "createdTwice"],
	},
	{
		name: "delete what is not tagged for this pool",
		plants: [
			plant(
				Proxies,
				"isTaggedFor",
				() =>
					(pool, { tags }) =>
						tags.deployment === pool.deployment && tags.pool !== null,
			),
		],
	},
	{
		name: "delete what is another deployment's",
		plants: [
			plant(
				Proxies,
				"isTaggedFor",
				() =>
					(_pool, { tags }) =>
						tags.deployment !== null,
			),
		],
	},
	{
		name: "delete a VM that was seen off once",
		plants: [
			plant(
				Proxies,
				"isBelievedOff",
				() =>
					(_state, { offSince }) =>
						offSince !== null,
			),
		],
	},
	{
		name: "apply a restart's result to a proxy that is being deleted by now",
		plants: [
			plant(RestartRoom, "restart", (restart) => ({
				...restart,
				done(state, effect, result, now, startedAt) {
					const { vm, step } = effect;
					const taken = withChanged(state, effect.id, (proxy) =>
						Proxies.vmOf(proxy) === null ? null : { phase: { at: "restarting", vm, step } },
					);
					return restart.done(taken, effect, result, now, startedAt);
				},
			})),
		],
		focus: ["slowCalls", "agentDies"],
	},
	{
		name: "look through the account before the last VM can have shown up",
		plants: [
			plant(Inventory, "applyListed", (applyListed) => (state, vms, startedAt, now) => {
				const after = applyListed(state, vms, startedAt, now);
				const isEmptied = after.run === "removing" && after.emptySince !== null && after.orphans.size === 0;
				return isEmptied ? { ...after, looks: state.looks + 1 } : after;
			}),
		],
	},
];
