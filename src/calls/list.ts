import type { Vm } from "../core/model/state.ts";
import type { World } from "./world.ts";

export function list(_effect: unknown, _state: unknown, world: World): Promise<readonly Vm[]> {
	return world.provider().list();
}
