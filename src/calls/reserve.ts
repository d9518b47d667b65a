import type { EffectOf, ResultOf } from "../core/effects/index.ts";
import type { State } from "../core/model/state.ts";
import { ProviderError } from "../providers/base/provider.ts";
import type { World } from "./world.ts";

export async function reserve(effect: EffectOf<"reserve">, { pool }: State, world: World): Promise<ResultOf<"reserve">> {
	const held = await world.database.reserve({ ...effect, object: pool.object, now: world.now() });
	if (held === null)
		throw new ProviderError({ kind: "conflict", message: "a newer request is there, or the directory does not know the pool" });
	return held;
}
