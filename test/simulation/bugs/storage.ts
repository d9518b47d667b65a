/** Slips of what is stored, and of what is shown in D1. */
import * as Codec from "../../../src/controller/codec.ts";
import * as PublishRoom from "../../../src/core/effects/publish.ts";
import * as StateModule from "../../../src/core/model/state.ts";
import { type Bug, plant } from "../planting.ts";

export const STORAGE: readonly Bug[] = [
	{
		name: "forget a row that changed",
		plants: [
			plant(Codec, "changesBetween", (changesBetween) => (before, after, areVitalsDue) => {
				const changes = changesBetween(before, after, areVitalsDue);
				return { ...changes, proxies: changes.proxies.slice(1) };
			}),
		],
		focus: ["evicted"],
	},
	{
		name: "do not revive a field that is stored",
		plants: [
			plant(StateModule, "revived", (revived) => (stored) => {
				const { ramped: _, ...others } = stored;
				return revived(others);
			}),
		],
		focus: ["evicted"],
		isDemanding: true,
	},
	{
		name: "publish without a new version",
		plants: [plant(PublishRoom, "publish", (publish) => ({ ...publish, sent: (state) => state }))],
	},
];
