/** Slips of what clients lease, and of what they report. */
import * as Bans from "../../../src/core/model/bans.ts";
import * as Edit from "../../../src/core/model/edit.ts";
import * as Leases from "../../../src/core/model/leases.ts";
import * as Projection from "../../../src/core/model/projection.ts";
import * as Replacements from "../../../src/core/model/replacements.ts";
import { type Bug, plant } from "../planting.ts";

export const LEASES: readonly Bug[] = [
	{
		name: "give a proxy that is leased to another lease",
		plants: [plant(Leases, "suits", (suits) => (proxy, lease, now) => suits({ ...proxy, lease: null }, lease, now))],
	},
	{
		name: "hand out what is leased",
		plants: [
			plant(Projection, "readyEntryOf", (readyEntryOf) => (proxy, isOnlyPlace) => readyEntryOf({ ...proxy, lease: null }, isOnlyPlace)),
		],
	},
	{
		name: "forget the lease of a proxy whose VM is gone",
		plants: [
			plant(Edit, "withoutProxy", (withoutProxy) => (state, id, now) => ({
				...withoutProxy(state, id, now),
				waitingLeases: state.waitingLeases,
			})),
		],
		focus: ["vmDeleted"],
	},
	{
		name: "lease a proxy that is not ready",
		plants: [
			plant(
				Leases,
				"suits",
				(suits) => (proxy, lease, now) =>
					suits(proxy.phase.at === "unready" ? { ...proxy, phase: { at: "ready", vm: proxy.phase.vm } } : proxy, lease, now),
			),
		],
	},
	{
		name: "cool down anew at each report",
		plants: [
			plant(Bans, "withReports", (withReports) => (state, reports, now) => {
				let { proxies } = state;
				for (const { id, outcome } of reports) {
					const proxy = proxies.get(id);
					if (proxy !== undefined && outcome === "banned") proxies = proxies.with(id, { ...proxy, bans: [] });
				}
				return withReports({ ...state, proxies }, reports, now);
			}),
		],
	},
	{
		name: "replace every proxy that is banned at once",
		plants: [plant(Replacements, "replacementsLeft", () => () => 1_000)],
	},
];
