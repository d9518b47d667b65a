import type { EffectOf } from "../core/effects/index.ts";
import { credentialsAsked } from "../core/model/credentials.ts";
import type { State, Verdict } from "../core/model/state.ts";
import { accessOf } from "../values/access.ts";
import type { World } from "./world.ts";

export async function probeStatic(
	{ address, port, access, isWhole }: EffectOf<"probeStatic">,
	state: State,
	world: World,
): Promise<Verdict> {
	world.countCall();
	const own = accessOf(access);
	const { scheme = "http" } = own ?? {};
	const login = own?.login ? { version: 0, username: own.login[0], password: own.login[1] } : null;
	const credentials = own === null ? credentialsAsked(state) : login;
	const target = { address, port, scheme, credentials, agentUrl: state.agentUrl };
	if (!isWhole) {
		if (await world.knock(target)) return { is: "ok", active: null };
		world.countCall();
	}
	return world.probePlainly(target);
}
