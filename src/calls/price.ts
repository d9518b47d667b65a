import type { EffectOf } from "../core/effects/index.ts";
import type { Price } from "../core/model/state.ts";
import { soundPrice } from "../providers/base/prices.ts";
import type { World } from "./world.ts";

export async function price({ place }: EffectOf<"price">, _state: unknown, world: World): Promise<Price> {
	return soundPrice(await world.provider(place).hourlyPrice());
}
