import type { EffectOf } from "../core/effects/index.ts";
import { AGENT_PORT } from "../core/model/basics.ts";
import { credentialsOfVersion } from "../core/model/credentials.ts";
import type { State, Verdict } from "../core/model/state.ts";
import type { World } from "./world.ts";

export function probe({ id, address, keyHash }: EffectOf<"probe">, state: State, world: World): Promise<Verdict> {
	world.countCall();
	const credentials = credentialsOfVersion(state, state.proxies.get(id)?.credentials ?? 0);
	if (keyHash !== null) return world.probe({ address, keyHash, credentials });
	return world.probePlainly({ address, port: AGENT_PORT, credentials, agentUrl: state.agentUrl });
}
