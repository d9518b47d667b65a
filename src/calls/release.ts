import type { EffectOf } from "../core/effects/index.ts";
import { isAnothers } from "../core/model/proxies.ts";
import type { State } from "../core/model/state.ts";
import { ProviderError } from "../providers/base/provider.ts";
import { retagging } from "./retag.ts";
import type { World } from "./world.ts";

/** Takes our tags off; where an association never came about the VM may have another pool's, which stay. */
export async function release({ vm }: EffectOf<"release">, { pool }: State, world: World): Promise<null> {
	const { get, retag } = retagging(world.provider());
	const found = await get(vm);
	if (found === null) throw new ProviderError({ kind: "notFound", message: `there is no VM "${vm}"` });
	if (!isAnothers(found, pool)) await retag(vm, null);
	return null;
}
