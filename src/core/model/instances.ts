import { vmOf } from "./proxies.ts";
import type { Phase, State } from "./state.ts";

/** A pool's VMs by how they stand; each as its provider's id. */
export interface InstanceIds {
	/** Meant to stay. */
	readonly active: readonly string[];
	/** Draining, being deleted or being let go. */
	readonly decommissioned: readonly string[];
	/** Meant to stay, and not serving though they did. */
	readonly errored: readonly string[];
	/** The last that failed. */
	readonly discarded: readonly string[];
}

export function instancesOf(state: State): InstanceIds {
	const proxies = [...state.proxies.values()];
	const idsOf = (...phases: readonly Phase["at"][]) =>
		proxies.filter(({ phase }) => phases.includes(phase.at)).flatMap((proxy) => vmOf(proxy) ?? []);
	return {
		active: idsOf("adopting", "booting", "ready", "restarting"),
		decommissioned: idsOf("draining", "deleting", "releasing"),
		errored: idsOf("unready"),
		discarded: [...new Set(state.failed.flatMap(({ vm }) => vm ?? []))],
	};
}
