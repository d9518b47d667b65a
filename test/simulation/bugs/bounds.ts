/** Slips of how many VMs there may be, and which of them go. */
import * as CreateRoom from "../../../src/core/effects/create.ts";
import * as Limits from "../../../src/core/model/limits.ts";
import * as Proxies from "../../../src/core/model/proxies.ts";
import * as Rolling from "../../../src/core/model/rolling.ts";
import * as Tries from "../../../src/core/model/tries.ts";
import * as Replace from "../../../src/core/planning/replace.ts";
import { type Bug, plant } from "../planting.ts";

export const BOUNDS: readonly Bug[] = [
	{
		name: "count only ready proxies as billable",
		plants: [plant(Proxies, "billable", (_billable, { countReady }) => countReady)],
		focus: ["neverBoots", "slowBoot"],
	},
	{
		name: "do not count orphans as billable",
		plants: [
			plant(
				Proxies,
				"billable",
				() =>
					({ proxies }) =>
						proxies.size,
			),
		],
		focus: ["createdTwice", "orphanVm"],
	},
	{
		name: "launch without a bound",
		plants: [plant(Proxies, "surgeOf", () => () => 100)],
		focus: ["neverBoots", "slowBoot"],
	},
	{
		name: "a refused create opens no breaker: it is tried again at once",
		plants: [
			plant(CreateRoom, "create", (create) => ({
				...create,
				failed(state, effect, failure, now) {
					const after = create.failed(state, effect, failure, now);
					return { ...after, breakers: { ...after.breakers, launch: state.breakers.launch }, places: state.places };
				},
			})),
		],
	},
	{
		name: "show nothing while a create tries whether a refusal is over",
		plants: [
			plant(
				Tries,
				"unshownFrom",
				(unshownFrom, { triesOf }) =>
					(state) =>
						triesOf(state).length > 0 ? null : unshownFrom(state),
			),
		],
	},
	{
		name: "no boots breaker",
		plants: [plant(Limits, "BOOTS_TO_OPEN", () => 1_000_000)],
		focus: ["neverBoots"],
	},
	{
		name: "delete the unhealthy before their replacements are ready",
		plants: [
			plant(Replace, "retireUnhealthy", (_retireUnhealthy, { drain }) => (draft, sick) => {
				for (const proxy of sick) drain(draft, proxy, `replaced: ${proxy.why}`, false);
			}),
		],
	},
	{
		name: "recycle aged proxies below min_available",
		plants: [plant(Rolling, "floorOf", () => () => 0)],
		focus: ["slowBoot"],
	},
	{
		name: "let another proxy go in the stead of one that is being deleted",
		plants: [
			plant(Proxies, "countKept", (countKept, { deletingOf, isNewcomer }) => (state) => {
				const holding = deletingOf(state.proxies).filter((one) => one.phase.at === "deleting" && one.phase.acceptedAt === null);
				return countKept(state) + holding.filter((one) => !isNewcomer(one)).length;
			}),
		],
	},
	{
		name: "launch and delete though the settings are bad",
		plants: [
			plant(
				Proxies,
				"mayAct",
				() =>
					({ breach }) =>
						breach === null,
			),
		],
		focus: ["badSetting"],
	},
];
