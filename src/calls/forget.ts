import { chargesLeft } from "../core/model/cost.ts";
import type { State } from "../core/model/state.ts";
import type { World } from "./world.ts";

export async function forget(_effect: unknown, state: State, world: World): Promise<null> {
	const now = world.now();
	await world.database.forget(state.pool.object, chargesLeft(state, now), now);
	return null;
}
