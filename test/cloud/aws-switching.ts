import type { Account } from "./account.ts";
import { type Details, instance, type State } from "./aws-instances.ts";
import { isOneTimeSpot, terminate } from "./aws-launch.ts";
import { notFound, stateSet } from "./aws-shown.ts";
import { answer, refuse } from "./aws-xml.ts";
import type { VmRecord } from "./inventory.ts";

/** Instances that are stopped, started, rebooted and ended. A call about several does it to all of them or to none. */

/** One id that is unknown fails the whole batch; one that has ended already does not. */
export async function terminateAll(ids: readonly string[], account: Account, region: string): Promise<Response> {
	const before = ids.map((id) => ({ id, one: instance(account, region, id) }));
	const unknown = before.find(({ one }) => one === null);
	if (unknown) return notFound(unknown.id);
	for (const id of ids) {
		const vm = account.vm(id);
		if (vm) await terminate(vm, account);
	}
	return changed(
		"TerminateInstances",
		before.map(({ id, one }) => ({ id, from: one?.state ?? "terminated", to: instance(account, region, id)?.state ?? "terminated" })),
	);
}

/** The VM of an id that can be switched, or the refusal. */
function switchable(id: string, account: Account, region: string): { readonly vm: VmRecord; readonly state: State } | Response {
	const one = instance(account, region, id);
	const vm = account.vm(id);
	if (!one) return notFound(id);
	return vm ? { vm, state: one.state } : wrongState(id, "changed");
}

function wrongState(id: string, done: string): Response {
	return refuse(400, "IncorrectInstanceState", `The instance '${id}' is not in a state from which it can be ${done}.`);
}

/** All or none: each must be there, and may be switched so. */
function allSwitchable(
	ids: readonly string[],
	account: Account,
	region: string,
): readonly { readonly id: string; readonly vm: VmRecord; readonly state: State }[] | Response {
	const found: { readonly id: string; readonly vm: VmRecord; readonly state: State }[] = [];
	for (const id of ids) {
		const one = switchable(id, account, region);
		if (one instanceof Response) return one;
		found.push({ id, ...one });
	}
	return found;
}

/** A reboot that goes on is no state: an instance is stopped out of it. */
export function stop(ids: readonly string[], account: Account, region: string): Response {
	const all = allSwitchable(ids, account, region);
	if (all instanceof Response) return all;
	const oneTime = all.find(({ vm }) => isOneTimeSpot(vm.details as Details, account));
	if (oneTime) {
		return refuse(
			400,
			"UnsupportedOperation",
			`You can't stop the Spot Instance '${oneTime.id}' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.`,
		);
	}
	const pending = all.find(({ state }) => state === "pending");
	if (pending) return wrongState(pending.id, "stopped");
	for (const { vm, state } of all) if (state === "running") account.power(vm, "off", "stop", true);
	return changed(
		"StopInstances",
		all.map(({ id, state }) => ({ id, from: state, to: instance(account, region, id)?.state ?? "stopped" })),
	);
}

/** Each start gives another address. */
export async function start(ids: readonly string[], account: Account, region: string): Promise<Response> {
	const all = allSwitchable(ids, account, region);
	if (all instanceof Response) return all;
	const stopping = all.find(({ state }) => state === "stopping");
	if (stopping) return wrongState(stopping.id, "started");
	for (const { id, vm, state } of all) {
		if (state !== "stopped") continue;
		await account.readdress(vm);
		if (!account.power(account.vm(id) ?? vm, "on", "start")) return wrongState(id, "started");
	}
	return changed(
		"StartInstances",
		all.map(({ id, state }) => ({ id, from: state, to: instance(account, region, id)?.state ?? "pending" })),
	);
}

export function reboot(ids: readonly string[], account: Account, region: string): Response {
	const all = allSwitchable(ids, account, region);
	if (all instanceof Response) return all;
	const other = all.find(({ state }) => state !== "running");
	if (other) return wrongState(other.id, "rebooted");
	for (const { vm } of all) account.power(vm, "restart", "reboot", true);
	return answer("RebootInstances", { return: true });
}

function changed(action: string, instances: readonly { readonly id: string; readonly from: State; readonly to: State }[]): Response {
	const set = instances.map(({ id, from, to }) => ({ instanceId: id, currentState: stateSet(to), previousState: stateSet(from) }));
	return answer(action, { instancesSet: set });
}
