import type { EffectOf } from "../core/effects/index.ts";
import type { World } from "./world.ts";

export function assist({ endpoint, count }: EffectOf<"assist">, _state: unknown, world: World): Promise<string | null> {
	return world.assist(endpoint, count);
}
