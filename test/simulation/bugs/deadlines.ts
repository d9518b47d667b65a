/** Slips of what time alone brings about. */
import * as Deadlines from "../../../src/core/model/deadlines.ts";
import type { Proxy } from "../../../src/core/model/state.ts";
import type { Draft } from "../../../src/core/planning/draft.ts";
import * as Lifecycle from "../../../src/core/planning/lifecycle.ts";
import * as Replace from "../../../src/core/planning/replace.ts";
import { type Bug, plant } from "../planting.ts";
import { withChanged } from "./as-if.ts";

const NEVER = Number.POSITIVE_INFINITY;
const YEAR = 365 * 86_400_000;

/** Settles, and does not count the boots that ended in such a way. */
function uncounted(settle: (draft: Draft) => void, isSuch: (before: Proxy, after: Proxy | undefined) => boolean) {
	return (draft: Draft) => {
		const before = draft.state;
		settle(draft);
		if (before.proxies === draft.state.proxies) return;
		const hasSuch = [...before.proxies.values()].some((proxy) => isSuch(proxy, draft.state.proxies.get(proxy.id)));
		if (hasSuch) draft.state = { ...draft.state, breakers: { ...draft.state.breakers, boots: before.breakers.boots } };
	};
}

export const DEADLINES: readonly Bug[] = [
	{
		name: "drop the boot limit",
		plants: [plant(Deadlines, "bootLimitAt", () => () => NEVER)],
	},
	{
		name: "forget a deadline: a restart that never comes back",
		plants: [plant(Deadlines, "restartLimitAt", () => () => NEVER)],
		focus: ["credentialsRefused"],
	},
	{
		name: "forget a deadline: a drain never ends while somebody uses the proxy",
		plants: [
			plant(Replace, "drain", (drain) => (draft, proxy, why, spare) => {
				drain(draft, proxy, why, spare);
				draft.state = withChanged(draft.state, proxy.id, ({ phase }) =>
					phase.at === "draining" && phase.until > draft.now ? { phase: { ...phase, until: draft.now + YEAR } } : null,
				);
			}),
		],
		focus: ["heartbeatsLost", "probesLost"],
	},
	{
		name: "delete before the ready list without the proxy is published",
		plants: [
			plant(
				Deadlines,
				"hiddenFrom",
				() =>
					({ since }) =>
						since,
			),
		],
	},
	{
		name: "treat a missing sample of connections as 0",
		plants: [
			plant(Deadlines, "wasIdleSince", () => ({ vitals }, { id }, at) => {
				const known = vitals.get(id);
				return known === undefined || known.reportedAt < at || known.active === 0;
			}),
		],
	},
	{
		name: "repeat for ever a create that is accepted and fails later",
		plants: [
			plant(Lifecycle, "settle", (settle) => uncounted(settle, ({ phase }, after) => phase.at === "booting" && after === undefined)),
		],
		focus: ["createFailsLater"],
	},
	{
		name: "repeat for ever a create that leaves a VM switched off",
		plants: [
			plant(Lifecycle, "settle", (settle) =>
				uncounted(settle, ({ phase, wasReady }, after) => !wasReady && phase.at !== "deleting" && after?.phase.at === "deleting"),
			),
		],
		focus: ["createCut"],
		provider: "scaleway",
	},
];
