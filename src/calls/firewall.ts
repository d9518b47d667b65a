import type { EffectOf } from "../core/effects/index.ts";
import { AGENT_PORT } from "../core/model/basics.ts";
import type { State } from "../core/model/state.ts";
import { regionsOf } from "./regions.ts";
import type { World } from "./world.ts";

export async function firewall({ allow }: EffectOf<"firewall">, state: State, world: World): Promise<null> {
	const tags = { deployment: state.pool.deployment };
	for (const place of regionsOf(state)) await world.provider(place).protect({ tags, allow, port: AGENT_PORT });
	return null;
}
