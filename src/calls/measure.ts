import type { EffectOf, ResultOf } from "../core/effects/index.ts";
import type { World } from "./world.ts";

export function measure({ endpoint }: EffectOf<"measure">, _state: unknown, world: World): Promise<ResultOf<"measure">> {
	return world.measure(endpoint);
}
