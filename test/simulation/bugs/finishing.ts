/** Slips of going on with a create that was cut between its calls. */
import * as FinishRoom from "../../../src/core/effects/finish.ts";
import * as Proxies from "../../../src/core/model/proxies.ts";
import { type Bug, plant } from "../planting.ts";
import { withChanged } from "./as-if.ts";

export const FINISHING: readonly Bug[] = [
	{
		name: "finish a create that may still be under way",
		plants: [plant(Proxies, "isUnfinished", (isUnfinished) => (state, proxy) => isUnfinished(state, { ...proxy, createdAt: 0 }))],
		focus: ["slowCalls", "evicted", "superseded"],
		provider: "scaleway",
	},
	{
		name: "finish a create with a token that nobody stored",
		plants: [
			plant(FinishRoom, "finish", (finish) => ({
				...finish,
				sent(state, effect, now, tokenHash) {
					const before = state.proxies.get(effect.id)?.tokenHash ?? null;
					return withChanged(finish.sent?.(state, effect, now, tokenHash) ?? state, effect.id, () => ({ tokenHash: before }));
				},
			})),
		],
		focus: ["createCut"],
		provider: "scaleway",
	},
	{
		name: "finish a create time and again, without a pause",
		plants: [
			plant(FinishRoom, "finish", (finish) => ({
				...finish,
				sent(state, effect, now, tokenHash) {
					const offSince = state.proxies.get(effect.id)?.offSince ?? null;
					return withChanged(finish.sent?.(state, effect, now, tokenHash) ?? state, effect.id, () => ({ offSince, retryAt: 0 }));
				},
			})),
		],
		focus: ["createCut"],
		provider: "scaleway",
	},
];
