/** Orders that cannot be carried out as the pool is now; everything else is applied by `apply`. */
import { hasControls } from "../model/bounds.ts";
import type { Command } from "../model/command.ts";
import { holderOf, MOST_WAITING_LEASES } from "../model/leases.ts";
import { MOST_VM_CHARS } from "../model/limits.ts";
import { billable, hasCloud, isReleasable, proxyNamed, surgeOf } from "../model/proxies.ts";
import type { State } from "../model/state.ts";
import { handsOut, isStatic } from "../model/statics.ts";

export interface Refusal {
	readonly error: "notFound" | "conflict";
	/** A sentence for whoever gave the order. */
	readonly message: string;
}

/** Why the order is refused, or null. `apply` ignores what this refuses, so that a race between the two changes nothing. */
export function refusalOf(state: State, command: Command): Refusal | null {
	// What is not known cannot be changed, and would be forgotten with the instance.
	if (state.unreadable !== null && !isRemoval(command) && command.do !== "configure")
		return { error: "conflict", message: `What is stored of this pool cannot be read (${state.unreadable}): it can only be deleted.` };
	switch (command.do) {
		case "destroy":
		case "restart": {
			const proxy = state.proxies.get(command.id);
			if (isStatic(state, command.id))
				return { error: "conflict", message: "This is a static backend: others run it, and only they can do that." };
			if (proxy === undefined) return { error: "notFound", message: "This proxy does not exist any more." };
			const { at } = proxy.phase;
			if (at !== "adopting" && at !== "releasing") return null;
			return { error: "conflict", message: `This proxy's VM is just being ${at === "adopting" ? "associated" : "disassociated"}.` };
		}
		case "adopt":
			return refusalOfAdoption(state, command.vm);
		case "release": {
			const proxy = proxyNamed(state, command.id);
			if (proxy === null) return { error: "notFound", message: `The pool has no VM "${command.id}".` };
			if (isReleasable(proxy)) return null;
			return { error: "conflict", message: `The VM of ${proxy.id} cannot be let go: it is ${proxy.phase.at} just now.` };
		}
		case "configure": {
			const { provider } = command;
			if (provider === undefined || provider === state.pool.provider || billable(state) === 0) return null;
			return {
				error: "conflict",
				message: `The pool has VMs at ${state.pool.provider}: its cloud cannot be changed to ${provider} before they are gone. Stop it first.`,
			};
		}
		case "lease": {
			if (!handsOut(state)) return { error: "conflict", message: `The pool is ${state.run} and hands out nothing.` };
			if (state.waitingLeases.length + command.ids.length <= MOST_WAITING_LEASES) return null;
			return { error: "conflict", message: `${MOST_WAITING_LEASES} leases wait for a proxy already.` };
		}
		case "renewLease":
			return holderOf(state, command.id) === null ? { error: "notFound", message: "There is no such lease: it has ended." } : null;
		case "assist":
			if (command.count === 0 || hasCloud(state)) return null;
			return { error: "conflict", message: "The pool has no cloud: it cannot stand in for another." };
		case "roll":
			if (!command.isOn || (hasCloud(state) && state.run === "running")) return null;
			return {
				error: "conflict",
				message: hasCloud(state)
					? `The pool is ${state.run}: start it before its proxies are replaced.`
					: "The pool has no cloud: it has no VM to replace.",
			};
		case "report":
		case "endLeases":
		case "scale":
		case "limited":
		case "confirm":
		case "leave":
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

function refusalOfAdoption(state: State, vm: string): Refusal | null {
	if (!hasCloud(state)) return { error: "conflict", message: "The pool has no cloud: there is no VM to associate." };
	if (state.run === "removing") return { error: "conflict", message: "The pool is being removed." };
	if (state.run === "stopped") return { error: "conflict", message: "The pool is stopped, and is to have no VM: start it first." };
	if (vm.length > MOST_VM_CHARS || hasControls(vm)) return { error: "notFound", message: "No cloud has a VM of that id." };
	if (proxyNamed(state, vm) !== null) return { error: "conflict", message: `VM "${vm}" is part of the pool already.` };
	const bound = state.spec.max + surgeOf(state.spec);
	const count = billable(state) + (state.orphans.has(vm) ? 0 : 1);
	if (count <= bound) return null;
	return { error: "conflict", message: `The pool may have ${bound} VMs at most, and has as many: raise max_instances first.` };
}

function isRemoval(command: Command): boolean {
	return command.do === "run" && command.run === "removing";
}
