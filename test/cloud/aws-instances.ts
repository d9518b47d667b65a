import type { Account } from "./account.ts";
import { idOf, matches } from "./aws-catalogue.ts";
import type { Filters } from "./aws-groups.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { type Labels, labelsOf } from "./labels.ts";

/** Instances as EC2 has them: with states of their own, and for an hour after their end. How they are shown: `aws-shown.ts`. */

/** What of an instance is kept beside what every VM has. */
export interface Details {
	readonly [key: string]: Json;
	readonly region: string;
	readonly type: string;
	readonly image: string;
	readonly groups: readonly string[];
	readonly token: string;
	readonly spotRequest: string | null;
	readonly hasAddress: boolean;
	/** Whether its interface and its disk go with it. */
	readonly interfaceGoes: boolean;
	readonly diskGoes: boolean;
	readonly isMonitored: boolean;
}
interface Terminated {
	readonly [key: string]: Json;
	readonly id: string;
	readonly at: number;
	readonly createdAt: number;
	readonly tags: readonly string[];
	readonly details: Details;
}
/** A launch, which may come to nothing after its answer. */
interface Launch extends Terminated {
	readonly task: number;
}

/** An inventory that an earlier version wrote lacks some. */
const whole = (kept: { readonly [key: string]: Json }): Details => ({
	...{ groups: [], hasAddress: true, interfaceGoes: true, diskGoes: true, isMonitored: false },
	// Only this dialect makes VMs of this cloud.
	...(kept as Details),
});

export type State = "pending" | "running" | "stopping" | "stopped" | "shutting-down" | "terminated";

/** How long the guest takes to shut down. */
const SHUTDOWN_MS = 1000;
const LISTED_AFTER_END_MS = 3_600_000;

/** One instance, alive or ended. */
export interface Instance {
	readonly id: string;
	/** When it was made, and when it was started last. */
	readonly createdAt: number;
	readonly startedAt: number;
	readonly state: State;
	/** Why it stopped or ended, and when; null while it does neither. */
	readonly ended: { readonly at: number; readonly by: "user" | "cloud" } | null;
	readonly address: string | null;
	/** Of the account's network. */
	readonly privateAddress: string;
	readonly tags: Labels;
	readonly details: Details;
}

const endedOf = (account: Account) => account.collection<Terminated>("terminated");
const launchesOf = (account: Account) => account.collection<Launch>("launches");

export function instancesOf(account: Account, region: string): readonly Instance[] {
	const alive = account.vms().map((vm) => aliveShown(vm, account));
	const isRecent = ({ at }: Terminated) => account.now() - at < LISTED_AFTER_END_MS;
	const ended = endedOf(account).all().filter(isRecent);
	const failed = launchesOf(account)
		.all()
		.filter((launch) => isRecent(launch) && account.task(launch.task)?.status === "failed" && !ended.some(({ id }) => id === launch.id));
	const gone = [...ended.map((one) => endedShown(one, account, "user")), ...failed.map((one) => endedShown(one, account, "cloud"))];
	return [...alive, ...gone.filter(({ id }) => !alive.some((other) => other.id === id))].filter(({ details }) => details.region === region);
}

/** Whatever is known of an id in this region; null: nothing, or not yet. */
export function instance(account: Account, region: string, id: string): Instance | null {
	return instancesOf(account, region).find((one) => one.id === id) ?? null;
}

function aliveShown(vm: VmRecord, account: Account): Instance {
	const kept = whole(vm.details);
	const tasks = account.tasks(vm);
	const state = stateOf(vm, account);
	const stopped = state === "stopping" || state === "stopped" ? tasks.findLast(({ kind }) => kind === "stop") : undefined;
	const [, , third, fourth] = vm.address.split(".");
	return {
		id: vm.id,
		createdAt: vm.createdAt,
		startedAt: tasks.findLast(({ kind }) => kind === "start")?.startedAt ?? vm.createdAt,
		state,
		ended: stopped === undefined ? null : { at: stopped.startedAt, by: "user" },
		address: state === "running" && kept.hasAddress ? vm.address : null,
		privateAddress: `172.31.${third}.${fourth}`,
		tags: labelsOf(vm.tags),
		details: kept,
	};
}

function stateOf(vm: VmRecord, account: Account): State {
	const last = account.tasks(vm).at(-1);
	if (vm.state === "new") return "pending";
	if (vm.state === "active") return "running";
	if (last?.status === "running") return last.kind === "reboot" ? "running" : "pending";
	return last?.kind === "stop" && account.now() - last.startedAt < SHUTDOWN_MS ? "stopping" : "stopped";
}

function endedShown({ id, at, createdAt, tags, details: kept }: Terminated, account: Account, by: "user" | "cloud"): Instance {
	const state = by === "user" && account.now() - at < SHUTDOWN_MS ? "shutting-down" : "terminated";
	const common = { id, createdAt, startedAt: createdAt, state, address: null, privateAddress: "", details: whole(kept) } as const;
	return { ...common, ended: { at, by }, tags: labelsOf(tags) };
}

/** Makes an instance, and remembers it, in case its launch fails later. */
export async function launch(
	wanted: Pick<VmRecord, "name" | "tags" | "userData"> & { details: Details },
	account: Account,
): Promise<string> {
	const { vm, task } = await account.create({ provider: "aws", id: (number) => idOf("i", String(number)), ...wanted });
	const launches = launchesOf(account);
	for (const { id, at } of launches.all()) if (account.now() - at > LISTED_AFTER_END_MS) launches.delete(id);
	const { id, createdAt, tags } = vm;
	launches.set(id, { id, at: createdAt, createdAt, tags, details: wanted.details, task: task.id });
	return id;
}

/** Ends it; from now on it is only listed. */
export function end(account: Account, vm: VmRecord): void {
	const gone: Terminated = { id: vm.id, at: account.now(), createdAt: vm.createdAt, tags: vm.tags, details: whole(vm.details) };
	endedOf(account).set(vm.id, gone);
	account.delete(vm);
}

/** Whether an instance fits all filters, each of which names what it looks at and what that may be. */
export function fits(one: Instance, filters: Filters): boolean {
	return filters.every(({ Name, Value }) => valuesOf(Name)?.(one).some((text) => Value.some((value) => matches(value, text))));
}

/** What a filter looks at; null: there is no such filter. */
export function valuesOf(filter: string): ((one: Instance) => readonly string[]) | null {
	const [, tag] = /^tag:(.+)$/.exec(filter) ?? [];
	if (tag !== undefined) return ({ tags }) => (Object.hasOwn(tags, tag) ? [tags[tag] ?? ""] : []);
	const known: Readonly<Record<string, (one: Instance) => readonly string[]>> = {
		"tag-key": ({ tags }) => Object.keys(tags),
		"instance-state-name": ({ state }) => [state],
		"client-token": ({ details }) => [details.token],
		"instance-id": ({ id }) => [id],
		"instance-type": ({ details }) => [details.type],
		"image-id": ({ details }) => [details.image],
		"instance.group-id": ({ details }) => details.groups,
		"ip-address": ({ address }) => (address === null ? [] : [address]),
		"private-ip-address": ({ privateAddress }) => [privateAddress],
		"availability-zone": ({ details }) => [`${details.region}a`],
	};
	return Object.hasOwn(known, filter) ? (known[filter] ?? null) : null;
}
