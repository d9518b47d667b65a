/** Slips of an order to replace all that there are. */
import * as ProxyModel from "../../../src/core/model/proxy.ts";
import * as Rolling from "../../../src/core/model/rolling.ts";
import * as Ageing from "../../../src/core/planning/ageing.ts";
import * as Replace from "../../../src/core/planning/replace.ts";
import { type Bug, plant } from "../planting.ts";

const ROLLED: readonly Omit<Bug, "isRolled">[] = [
	{
		name: "roll those that came after the order, and so for ever",
		plants: [plant(ProxyModel, "intentOf", (intentOf) => (id, now, place) => ({ ...intentOf(id, now, place), isRolled: true }))],
	},
	{
		name: "roll the first few and forget the others",
		plants: [
			plant(Rolling, "withRoll", (withRoll) => (state, isOn) => {
				const after = withRoll(state, isOn);
				const last = [...after.proxies.values()].findLast(({ isRolled }) => isRolled);
				return last === undefined || !isOn ? after : { ...after, proxies: after.proxies.with(last.id, { ...last, isRolled: false }) };
			}),
		],
	},
	{
		name: "roll all at once",
		plants: [
			plant(Ageing, "retireAged", (retireAged) => (draft, target) => {
				for (const proxy of draft.proxies) if (proxy.isRolled) Replace.drain(draft, proxy, "rolled by an operator", false);
				return retireAged(draft, target);
			}),
		],
	},
];

export const ROLLING: readonly Bug[] = ROLLED.map((bug) => ({ ...bug, isRolled: true }));
