import type { EffectOf } from "../core/effects/index.ts";
import type { State, Vm } from "../core/model/state.ts";
import { vmName } from "./names.ts";
import type { World } from "./world.ts";

export function find({ id, vm }: EffectOf<"find">, state: State, world: World): Promise<Vm | null> {
	return world
		.provider(state.proxies.get(id)?.place)
		.find({ vm, name: vmName(state, id), tags: { deployment: state.pool.deployment, intent: id } });
}
