import type { Price } from "../core/model/state.ts";
import { soundPrice } from "../providers/base/prices.ts";
import type { World } from "./world.ts";

export async function price(_effect: unknown, _state: unknown, world: World): Promise<Price> {
	return soundPrice(await world.provider().hourlyPrice());
}
