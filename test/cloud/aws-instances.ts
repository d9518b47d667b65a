import type { Account } from "./account.ts";
import { INSTANCE_TYPES, idOf, matches } from "./aws-catalogue.ts";
import { type Filters, groupsOf, tagSet, vpcOf } from "./aws-groups.ts";
import { answer, refuse, type XmlValue } from "./aws-xml.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { type Labels, labelsOf } from "./labels.ts";

/** Instances as EC2 shows them: with states of their own, and for an hour after their end. */

/** What of an instance is kept beside what every VM has. */
export interface Details {
	readonly [key: string]: Json;
	readonly region: string;
	readonly type: string;
	readonly image: string;
	readonly group: string;
	readonly token: string;
	readonly spotRequest: string | null;
}
interface Terminated {
	readonly [key: string]: Json;
	readonly id: string;
	readonly at: number;
	readonly createdAt: number;
	readonly tags: readonly string[];
	readonly details: Details;
}

export type State = "pending" | "running" | "stopping" | "stopped" | "shutting-down" | "terminated";
/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html */
const CODES: Readonly<Record<State, number>> = { pending: 0, running: 16, "shutting-down": 32, terminated: 48, stopping: 64, stopped: 80 };

/** How long the guest takes to shut down. */
const SHUTDOWN_MS = 1000;
const LISTED_AFTER_END_MS = 3_600_000;
const OWNER = "123456789012";

/** One instance, alive or ended. */
export interface Instance {
	readonly id: string;
	readonly createdAt: number;
	readonly state: State;
	readonly address: string | null;
	readonly tags: Labels;
	readonly details: Details;
}
export function instancesOf(account: Account, region: string): readonly Instance[] {
	const alive = account.vms().map((vm) => instanceOf(vm, account));
	const ended = account.collection<Terminated>("terminated").all();
	const isListed = ({ id, at }: Terminated) => account.now() - at < LISTED_AFTER_END_MS && !alive.some((other) => other.id === id);
	return [...alive, ...ended.filter(isListed).map((one) => endedOf(one, account))].filter(({ details }) => details.region === region);
}

/** Whatever is known of an id in this region; null: nothing, or not yet. */
export function instance(account: Account, region: string, id: string): Instance | null {
	return instancesOf(account, region).find((one) => one.id === id) ?? null;
}

function instanceOf(vm: VmRecord, account: Account): Instance {
	// Only this dialect makes VMs of this cloud.
	const details = vm.details as Details;
	const state = stateOf(vm, account);
	return { id: vm.id, createdAt: vm.createdAt, state, address: state === "running" ? vm.address : null, tags: labelsOf(vm.tags), details };
}

function stateOf(vm: VmRecord, account: Account): State {
	const last = account.tasks(vm).at(-1);
	if (vm.state === "new") return "pending";
	if (vm.state === "active") return "running";
	if (last?.status === "running") return last.kind === "reboot" ? "running" : "pending";
	return last?.kind === "stop" && account.now() - last.startedAt < SHUTDOWN_MS ? "stopping" : "stopped";
}

function endedOf(one: Terminated, account: Account): Instance {
	const state = account.now() - one.at < SHUTDOWN_MS ? "shutting-down" : "terminated";
	return { id: one.id, createdAt: one.createdAt, state, address: null, tags: labelsOf(one.tags), details: one.details };
}

/** Ends it; from now on it is only listed. */
export function end(account: Account, vm: VmRecord): void {
	const gone: Terminated = { id: vm.id, at: account.now(), createdAt: vm.createdAt, tags: vm.tags, details: vm.details as Details };
	account.collection<Terminated>("terminated").set(vm.id, gone);
	account.delete(vm);
}

/** One page of reservations. EC2 puts what one request launched into one reservation; others hold one instance each here. */
export function describe(
	account: Account,
	region: string,
	wanted: { readonly ids: readonly string[] | undefined; readonly filters: Filters; readonly size: number; readonly from: number },
): Response {
	const all = instancesOf(account, region);
	const missing = wanted.ids?.find((id) => !all.some((one) => one.id === id));
	if (missing !== undefined) return notFound(missing);
	const unknown = wanted.filters.find(({ Name }) => valuesOf(Name) === null);
	if (unknown) return refuse(400, "InvalidParameterValue", `The filter '${unknown.Name}' is invalid`);
	const shown = all
		.filter((one) => wanted.ids?.includes(one.id) ?? true)
		.filter((one) =>
			wanted.filters.every(({ Name, Value }) => valuesOf(Name)?.(one).some((text) => Value.some((value) => matches(value, text)))),
		);
	const page = shown.slice(wanted.from, wanted.from + wanted.size);
	return answer("DescribeInstances", {
		reservationSet: page.map((one) => ({
			reservationId: idOf("r", one.id),
			ownerId: OWNER,
			groupSet: [],
			instancesSet: [show(one, account)],
		})),
		nextToken: shown.length > wanted.from + wanted.size ? Buffer.from(String(wanted.from + wanted.size)).toString("base64") : null,
	});
}

function valuesOf(filter: string): ((one: Instance) => readonly string[]) | null {
	const [, tag] = /^tag:(.+)$/.exec(filter) ?? [];
	if (tag !== undefined) return ({ tags }) => (Object.hasOwn(tags, tag) ? [tags[tag] ?? ""] : []);
	const known: Readonly<Record<string, (one: Instance) => readonly string[]>> = {
		"tag-key": ({ tags }) => Object.keys(tags),
		"instance-state-name": ({ state }) => [state],
		"client-token": ({ details }) => [details.token],
		"instance-id": ({ id }) => [id],
	};
	return known[filter] ?? null;
}

export function notFound(id: string): Response {
	if (!/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id)) return refuse(400, "InvalidInstanceID.Malformed", `Invalid id: "${id}"`);
	return refuse(400, "InvalidInstanceID.NotFound", `The instance ID '${id}' does not exist`);
}

export const stateSet = (state: State) => ({ code: CODES[state], name: state });

export function show(one: Instance, account: Account): XmlValue {
	const { region, type, image, group, token, spotRequest } = one.details;
	const hasNetwork = one.state !== "terminated";
	const groups = [{ groupId: group, groupName: groupsOf(account).get(group)?.name ?? "" }];
	const [, , third, fourth] = (one.address ?? "").split(".");
	return {
		instanceId: one.id,
		imageId: image,
		instanceState: stateSet(one.state),
		privateDnsName: "",
		dnsName: one.address === null ? "" : `ec2-${one.address.replaceAll(".", "-")}.${region}.compute.amazonaws.com`,
		reason: "",
		amiLaunchIndex: 0,
		productCodes: [],
		instanceType: type,
		launchTime: new Date(one.createdAt).toISOString(),
		placement: { availabilityZone: `${region}a`, groupName: "", tenancy: "default" },
		monitoring: { state: "disabled" },
		...(hasNetwork
			? {
					subnetId: idOf("subnet", `${account.key}/${region}`),
					vpcId: vpcOf(account, region),
					privateIpAddress: third === undefined ? "172.31.0.1" : `172.31.${third}.${fourth}`,
					groupSet: groups,
				}
			: {}),
		ipAddress: one.address,
		sourceDestCheck: hasNetwork ? true : null,
		architecture: INSTANCE_TYPES[type]?.architecture ?? "x86_64",
		rootDeviceType: "ebs",
		rootDeviceName: "/dev/sda1",
		blockDeviceMapping: [],
		virtualizationType: "hvm",
		clientToken: token,
		tagSet: tagSet(one.tags),
		hypervisor: "xen",
		networkInterfaceSet: [],
		ebsOptimized: false,
		...(spotRequest === null ? {} : { instanceLifecycle: "spot", spotInstanceRequestId: spotRequest }),
	};
}
