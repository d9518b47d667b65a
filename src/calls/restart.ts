import type { EffectOf } from "../core/effects/index.ts";
import type { World } from "./world.ts";

export async function restart({ vm, step }: EffectOf<"restart">, _state: unknown, world: World): Promise<null> {
	await world.provider().restart(vm, step);
	return null;
}
