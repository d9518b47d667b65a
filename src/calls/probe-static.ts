import type { EffectOf } from "../core/effects/index.ts";
import { credentialsAsked } from "../core/model/credentials.ts";
import type { State, Verdict } from "../core/model/state.ts";
import type { World } from "./world.ts";

export function probeStatic({ address, port }: EffectOf<"probeStatic">, state: State, world: World): Promise<Verdict> {
	world.countCall();
	return world.probePlainly({ address, port, credentials: credentialsAsked(state), agentUrl: state.agentUrl });
}
