/** Orders that cannot be carried out as the pool is now; everything else is folded in by `apply`. */
import { billable } from "./count.ts";
import type { Command, State } from "./state.ts";

export interface Refusal {
	readonly error: "notFound" | "conflict";
	/** A sentence for whoever gave the order. */
	readonly say: string;
}

/** Why the order is refused, or null. `apply` ignores what this refuses, so that a race between the two changes nothing. */
export function refusalOf(state: State, command: Command): Refusal | null {
	switch (command.do) {
		case "destroy":
		case "restart":
			return state.proxies.has(command.id) ? null : { error: "notFound", say: "This proxy does not exist any more." };
		case "configure": {
			const { provider } = command;
			if (provider === undefined || provider === state.pool.provider || billable(state) === 0) return null;
			return {
				error: "conflict",
				say: `The pool has VMs at ${state.pool.provider}: its cloud cannot be changed to ${provider} before they are gone. Stop it first.`,
			};
		}
		case "scale":
		case "run":
		case "wake":
		case "metrics":
		case "drop":
		case "log":
			return null;
		default:
			return command satisfies never;
	}
}
