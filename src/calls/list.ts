import type { State, Vm } from "../core/model/state.ts";
import { regionsOf } from "./regions.ts";
import type { World } from "./world.ts";

/** A cloud whose lists show one region each is asked for each region that the pool has, or had, VMs in. Whole lists only: where one fails, all do. */
export async function list(_effect: unknown, state: State, world: World): Promise<readonly Vm[]> {
	const vms: Vm[] = [];
	for (const place of regionsOf(state)) {
		const provider = world.provider(place);
		vms.push(...(await provider.list()));
		if (!provider.isRegional) break;
	}
	return vms;
}
