import type { EffectOf } from "../core/effects/index.ts";
import type { World } from "./world.ts";

export async function share({ account, until, rate }: EffectOf<"share">, _state: unknown, world: World): Promise<null> {
	await world.shareLimit(account, until, rate);
	return null;
}
