import type { EffectOf } from "../core/effects/index.ts";
import type { World } from "./world.ts";

export async function retired({ place }: EffectOf<"retired">, _state: unknown, world: World): Promise<readonly string[]> {
	const found = await world.provider(place).retired();
	return found.map(({ what, name, nearest }) => {
		const where = place === null ? "" : ` in ${place.region}`;
		return `the cloud no longer has the ${what} ${name}${where}${nearest === null ? "" : `: the nearest that it has is ${nearest}`}`;
	});
}
