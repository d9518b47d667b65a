import type { EffectOf } from "../core/effects/index.ts";
import { AGENT_PORT } from "../core/model/basics.ts";
import type { Id, State, Vm } from "../core/model/state.ts";
import { vmName } from "./names.ts";
import type { World } from "./world.ts";

export function create({ id }: EffectOf<"create">, state: State, world: World): Promise<Vm> {
	return makeVm(id, state, world);
}

/** `unfinished`: the VM that an earlier create of this intent left. */
export async function makeVm(id: Id, state: State, world: World, unfinished?: string): Promise<Vm> {
	const userData = await world.userData(state, world.takeToken(id));
	const { deployment, tag } = state.pool;
	return world.provider(state.proxies.get(id)?.place).create({
		name: vmName(state, id),
		tags: { deployment, pool: tag, intent: id },
		userData,
		allow: state.allow,
		port: AGENT_PORT,
		...(unfinished === undefined ? {} : { unfinished }),
	});
}
