import type { EffectOf } from "../core/effects/index.ts";
import { AGENT_PORT } from "../core/model/basics.ts";
import type { State } from "../core/model/state.ts";
import type { World } from "./world.ts";

export async function firewall({ allow }: EffectOf<"firewall">, { pool }: State, world: World): Promise<null> {
	await world.provider().protect({ tags: { deployment: pool.deployment }, allow, port: AGENT_PORT });
	return null;
}
