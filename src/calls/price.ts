import type { Price } from "../core/model/state.ts";
import type { World } from "./world.ts";

export function price(_effect: unknown, _state: unknown, world: World): Promise<Price> {
	return world.provider().hourlyPrice();
}
