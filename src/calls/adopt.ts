import type { EffectOf } from "../core/effects/index.ts";
import { isAnothers } from "../core/model/proxies.ts";
import type { State, Vm } from "../core/model/state.ts";
import { ProviderError } from "../providers/base/provider.ts";
import { retagging } from "./retag.ts";
import type { World } from "./world.ts";

/** Puts this pool's tags on a VM of its account that no Muster has. */
export async function adopt({ id, vm }: EffectOf<"adopt">, { pool }: State, world: World): Promise<Vm> {
	const { get, retag } = retagging(world.provider());
	const found = await get(vm);
	if (found === null || found.state === "going") throw new ProviderError({ kind: "notFound", message: `there is no VM "${vm}"` });
	if (isAnothers(found, pool))
		throw new ProviderError({ kind: "conflict", message: `VM "${vm}" carries the tags of another pool or deployment` });
	const tags = { deployment: pool.deployment, pool: pool.tag, intent: id };
	await retag(vm, tags);
	return { ...found, tags };
}
