import { createHash } from "node:crypto";
import type { Account } from "./account.ts";
import { json } from "./dialect.ts";
import { begin, exists, notFound, notReady, operation, refuse, SELF } from "./gcp-answers.ts";
import { imageNamed, MACHINE_TYPES, regionOf, ZONES } from "./gcp-catalogue.ts";
import type { InsertInstance, SetLabels } from "./gcp-requests.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { labelsOf, wordsOf } from "./labels.ts";

/** Compute Engine's instances. */

/** How long a guest takes to shut down. */
const SHUTDOWN_MS = 1000;

interface Details {
	readonly [key: string]: Json;
	readonly project: string;
	readonly zone: string;
	readonly machineType: string;
	readonly image: string;
	readonly networkTags: readonly string[];
	readonly hasAddress: boolean;
	readonly isSpot: boolean;
}
interface Going {
	readonly [key: string]: Json;
	readonly at: number;
	readonly shown: Json;
	readonly where: string;
	readonly name: string;
}

/** A project's zone: `projects/p/zones/z`. */
export interface Place {
	readonly project: string;
	readonly zone: string;
}
const whereOf = ({ project, zone }: Place) => `projects/${project}/zones/${zone}`;
const targetOf = (place: Place, name: string) => `${whereOf(place)}/instances/${name}`;

function vmsOf(account: Account, { project, zone }: Place): readonly VmRecord[] {
	return account.vms().filter(({ details }) => details.project === project && details.zone === zone);
}
const vmOf = (account: Account, place: Place, name: string) =>
	vmsOf(account, place).find((vm) => vm.name === name || vm.id === name) ?? null;

/** As the API shows them, those that are being deleted among them. */
export function instances(account: Account, place: Place): readonly Instance[] {
	const going = account
		.collection<Going>("going")
		.all()
		.filter(({ at, where }) => where === whereOf(place) && account.now() - at < SHUTDOWN_MS);
	const alive = vmsOf(account, place).map((vm) => show(vm, account));
	return [
		...alive,
		...going.filter(({ name }) => !alive.some((one) => one.name === name)).map(({ shown }) => shown as unknown as Instance),
	];
}

export type Instance = ReturnType<typeof show>;

/** The disk that an instance has as long as it lives, which bears its name. */
export function diskOf({ id, name, zone, creationTimestamp, selfLink, disks }: Instance) {
	const [disk] = disks;
	return {
		kind: "compute#disk",
		id: `${id}1`,
		name,
		zone,
		creationTimestamp,
		status: "READY",
		sizeGb: disk?.diskSizeGb ?? "10",
		type: `${zone}/diskTypes/pd-standard`,
		users: [selfLink],
		labels: {},
		labelFingerprint: "42WmSpB8rSM=",
		licenses: [],
		physicalBlockSizeBytes: "4096",
		selfLink: disk?.source ?? "",
	};
}

export async function insert(account: Account, place: Place, wanted: InsertInstance, requestId: string | null): Promise<Response> {
	if (requestId !== null && !/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(requestId)) {
		return refuse(400, "invalid", `Invalid value for field 'requestId': '${requestId}'. Must be a valid UUID`);
	}
	const requests = account.collection<string>("requests");
	const earlier = requestId === null ? null : requests.get(requestId);
	const known = earlier === null ? null : operation(account, whereOf(place), earlier);
	if (known) return json(200, known);
	const complaint = complaintAbout(account, place, wanted);
	if (complaint) return complaint;
	const userData = wanted.metadata?.items?.find(({ key }) => key === "user-data")?.value ?? "";
	const { task } = await account.create({
		provider: "gcp",
		id: String,
		name: wanted.name,
		tags: wordsOf(wanted.labels),
		userData,
		details: {
			...place,
			machineType: `zones/${place.zone}/machineTypes/${wanted.machineType.split("/").at(-1)}`,
			image: wanted.disks[0]?.initializeParams.sourceImage ?? "",
			networkTags: wanted.tags?.items ?? [],
			hasAddress: (wanted.networkInterfaces?.[0]?.accessConfigs ?? []).length > 0,
			isSpot: wanted.scheduling?.provisioningModel === "SPOT" || wanted.scheduling?.preemptible === true,
		} satisfies Details,
	});
	const begun = begin(account, { type: "insert", where: whereOf(place), target: targetOf(place, wanted.name), task: task.id });
	if (requestId !== null) requests.set(requestId, begun.name);
	return begun.answer;
}

function complaintAbout(account: Account, place: Place, wanted: InsertInstance): Response | null {
	const invalid = (field: string, value: string, why: string) =>
		refuse(400, "invalid", `Invalid value for field '${field}': '${value}'. ${why}`);
	if (!ZONES.includes(place.zone)) return invalid("zone", place.zone, "Unknown zone.");
	// A reference is whole, or begins with its project or its zone.
	const [, zone, machine = ""] = /(?:^|\/)zones\/([a-z0-9-]+)\/machineTypes\/([a-z0-9-]+)$/.exec(wanted.machineType) ?? [];
	const type = zone === place.zone ? MACHINE_TYPES[machine] : undefined;
	if (type === undefined) return invalid("resource.machineType", wanted.machineType, "The referenced resource does not exist.");
	const image = wanted.disks[0]?.initializeParams.sourceImage ?? "";
	const known = imageNamed(image);
	if (!known) return notFound(image);
	if (known.architecture !== type.architecture) {
		return invalid(
			"resource.disks[0].initializeParams.sourceImage",
			image,
			`The machine type ${machine} does not support its architecture.`,
		);
	}
	const network = wanted.networkInterfaces?.[0]?.network ?? "global/networks/default";
	if (!/(^|\/)global\/networks\/default$/.test(network)) return notFound(network);
	if (instances(account, place).some(({ name }) => name === wanted.name)) return exists(targetOf(place, wanted.name));
	if (account.count() < account.limit) return null;
	return refuse(403, "quotaExceeded", `Quota 'INSTANCES' exceeded.  Limit: ${account.limit}.0 in region ${regionOf(place.zone)}.`);
}

/** Null: there is no such instance. */
export function remove(account: Account, place: Place, name: string): Response {
	const vm = vmOf(account, place, name);
	const going = instances(account, place).find((one) => one.name === name || one.id === name);
	if (!going) return notFound(targetOf(place, name));
	if (vm) {
		const shown = JSON.parse(JSON.stringify({ ...going, status: "STOPPING" })) as Json;
		account.collection<Going>("going").set(vm.id, { at: account.now(), shown, where: whereOf(place), name: vm.name });
		account.delete(vm);
	}
	return begin(account, { type: "delete", where: whereOf(place), target: targetOf(place, going.name), task: null }).answer;
}

export async function power(account: Account, place: Place, name: string, action: string): Promise<Response> {
	const vm = vmOf(account, place, name);
	const target = targetOf(place, name);
	if (!vm) return notFound(target);
	const status = statusOf(vm, account);
	if (status === "STAGING" || status === "STOPPING") return notReady(target);
	if (action === "reset" && status !== "RUNNING") return notReady(target);
	const isNeeded = action === "start" ? status === "TERMINATED" : status === "RUNNING";
	// Its address was given back when it was stopped.
	if (isNeeded && action === "start") await account.readdress(vm);
	const how = { stop: "off", start: "on", reset: "restart" } as const;
	const task = isNeeded ? account.power(account.vm(vm.id) ?? vm, how[action as keyof typeof how], action) : null;
	if (isNeeded && !task) return notReady(target);
	return begin(account, { type: action, where: whereOf(place), target, task: task?.id ?? null }).answer;
}

/** Labels are replaced as a whole, and only by who has seen the latest. */
export function setLabels(account: Account, place: Place, name: string, { labels, labelFingerprint }: SetLabels): Response {
	const vm = vmOf(account, place, name);
	const target = targetOf(place, name);
	if (!vm) return notFound(target);
	if (labelFingerprint !== fingerprintOf(vm)) {
		return refuse(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed");
	}
	account.retag(vm, wordsOf(labels));
	return begin(account, { type: "setLabels", where: whereOf(place), target, task: null }).answer;
}

const fingerprintOf = ({ tags }: VmRecord) => createHash("sha256").update(JSON.stringify(tags)).digest("base64").slice(0, 11).concat("=");

function statusOf(vm: VmRecord, account: Account): string {
	const last = account.tasks(vm).at(-1);
	if (vm.state === "new") return "STAGING";
	if (vm.state === "active") return "RUNNING";
	if (last?.status === "running") return last.kind === "reset" ? "RUNNING" : "STAGING";
	return last?.kind === "stop" && account.now() - last.startedAt < SHUTDOWN_MS ? "STOPPING" : "TERMINATED";
}

function show(vm: VmRecord, account: Account) {
	// Only this dialect makes VMs of this cloud.
	const details = vm.details as Details;
	const { project, zone, machineType, networkTags, hasAddress, isSpot, image } = details;
	const status = statusOf(vm, account);
	const [, , third, fourth] = vm.address.split(".");
	const base = `${SELF}/projects/${project}`;
	const nat = { kind: "compute#accessConfig", type: "ONE_TO_ONE_NAT", name: "External NAT", networkTier: "PREMIUM" };
	return {
		kind: "compute#instance",
		id: vm.id,
		name: vm.name,
		creationTimestamp: new Date(vm.createdAt).toISOString(),
		status,
		zone: `${base}/zones/${zone}`,
		machineType: `${base}/${machineType}`,
		selfLink: `${base}/zones/${zone}/instances/${vm.name}`,
		canIpForward: false,
		deletionProtection: false,
		labels: labelsOf(vm.tags),
		labelFingerprint: fingerprintOf(vm),
		tags: { items: networkTags, fingerprint: "42WmSpB8rSM=" },
		metadata: { kind: "compute#metadata", items: [{ key: "user-data", value: vm.userData }], fingerprint: "42WmSpB8rSM=" },
		networkInterfaces: [
			{
				kind: "compute#networkInterface",
				name: "nic0",
				network: `${base}/global/networks/default`,
				networkIP: `10.128.${third}.${fourth}`,
				accessConfigs: hasAddress ? [status === "RUNNING" ? { ...nat, natIP: vm.address } : nat] : [],
			},
		],
		disks: [
			{
				kind: "compute#attachedDisk",
				boot: true,
				autoDelete: true,
				type: "PERSISTENT",
				mode: "READ_WRITE",
				diskSizeGb: "10",
				source: `${base}/zones/${zone}/disks/${vm.name}`,
				licenses: [image],
			},
		],
		scheduling: {
			provisioningModel: isSpot ? "SPOT" : "STANDARD",
			automaticRestart: !isSpot,
			onHostMaintenance: isSpot ? "TERMINATE" : "MIGRATE",
		},
		startRestricted: false,
	};
}
