import type { EffectOf } from "../core/effects/index.ts";
import type { State } from "../core/model/state.ts";
import { makeVm } from "./create.ts";
import type { World } from "./world.ts";

export async function finish({ id, vm }: EffectOf<"finish">, state: State, world: World): Promise<null> {
	await makeVm(id, state, world, vm);
	return null;
}
