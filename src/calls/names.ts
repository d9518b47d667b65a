import type { Id, State } from "../core/model/state.ts";

/** The name of a VM at its provider. */
export function vmName({ pool }: State, id: Id): string {
	return `muster-${pool.deployment}-${id}`;
}
