import type { EffectOf, ResultOf } from "../core/effects/index.ts";
import type { State } from "../core/model/state.ts";
import type { World } from "./world.ts";

export async function enter({ names, isRemoved }: EffectOf<"enter">, { pool }: State, world: World): Promise<ResultOf<"enter">> {
	// Nothing of what D1 showed is there any more.
	world.ledger.doubt();
	const { object, provider, name, incarnation, deployment } = pool;
	return world.database.enter({ object, provider, name, incarnation, deployment, names, removedAt: isRemoved ? world.now() : null });
}
