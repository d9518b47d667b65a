import { createHash } from "node:crypto";
import type { Account } from "./account.ts";
import { ALLOCATION, begin, guid, refuse, resourceNotFound } from "./azure-answers.ts";
import { IMAGES, isSame, LOCATIONS, type Place, SIZES } from "./azure-catalogue.ts";
import { networkComplaint } from "./azure-network.ts";
import type { VirtualMachineBody } from "./azure-requests.ts";
import { type Call, json } from "./dialect.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { type Labels, labelsOf, wordsOf } from "./labels.ts";

/** Azure's virtual machines. */

/** How long a VM takes to be deleted, with what belongs to it. */
export const DELETE_MS = 1000;
export const TYPE = "Microsoft.Compute/virtualMachines";

interface Details {
	readonly [key: string]: Json;
	readonly subscription: string;
	/** Lower case. */
	readonly group: string;
	readonly location: string;
	readonly size: string;
	readonly image: string;
	readonly isSpot: boolean;
	/** What its parts are called, as far as its maker says. */
	readonly disk: string;
	readonly interface: string;
	readonly address: string | null;
	readonly interfaceTags: Labels;
	readonly addressTags: Labels;
	readonly securityGroup: string;
	readonly subnet: string;
	/** Digest of its custom data, which no answer shows. */
	readonly customData: string;
}

/** A VM as the API shows it, whatever the local cloud still has of it. */
export interface Machine {
	readonly [key: string]: Json;
	/** Tells it from others, also of the same name. */
	readonly key: string;
	readonly name: string;
	readonly tags: Labels;
	readonly details: Details;
	readonly provisioning: "Creating" | "Succeeded" | "Deleting" | "Failed";
	readonly power: string | null;
	readonly address: string | null;
	readonly createdAt: number;
}
interface Going {
	readonly [key: string]: Json;
	readonly at: number;
	readonly machine: Machine;
}
interface Launch {
	readonly [key: string]: Json;
	readonly task: number;
	readonly machine: Machine;
}

const keyOf = (place: Place, name: string) => `${place.subscription}/${place.group}/${name}`.toLowerCase();
const goingOf = (account: Account) => account.collection<Going>("going");
const launchesOf = (account: Account) => account.collection<Launch>("launches");

/** All VMs of a subscription, or of one of its resource groups, those that are going and those that failed among them. */
export function machines(account: Account, subscription: string, group: string | null = null): readonly Machine[] {
	const alive = account.vms().map((vm) => machineOf(vm, account));
	const isAlive = (one: Machine) => alive.some(({ name, details }) => isSame(name, one.name) && details.group === one.details.group);
	const going = goingOf(account)
		.all()
		.filter(({ at }) => account.now() - at < DELETE_MS)
		.map(({ machine }) => machine);
	const failed = launchesOf(account)
		.all()
		.filter(({ task }) => account.task(task)?.status === "failed")
		.map(({ machine }): Machine => ({ ...machine, provisioning: "Failed" }));
	return [...alive, ...[...going, ...failed].filter((one) => !isAlive(one))].filter(
		({ details }) => details.subscription === subscription && (group === null || isSame(details.group, group)),
	);
}

export function machineNamed(account: Account, { subscription, group }: Place, name: string): Machine | null {
	return machines(account, subscription, group).find((one) => isSame(one.name, name)) ?? null;
}

function machineOf(vm: VmRecord, account: Account): Machine {
	const last = account.tasks(vm).at(-1);
	const power = vm.state === "active" ? "running" : last?.status === "running" ? "starting" : "deallocated";
	return {
		key: vm.id,
		name: vm.name,
		tags: labelsOf(vm.tags),
		// Only this dialect makes VMs of this cloud.
		details: vm.details as Details,
		provisioning: vm.state === "new" ? "Creating" : "Succeeded",
		power: vm.state === "new" ? null : power,
		address: vm.state === "new" ? null : vm.address,
		createdAt: vm.createdAt,
	};
}

export async function put(call: Call, account: Account, place: Place, name: string, body: VirtualMachineBody): Promise<Response> {
	const condition = call.headers.get("if-none-match");
	if (condition !== null && condition !== "*")
		return refuse(400, "InvalidParameter", "The value of parameter If-None-Match is invalid. Only '*' is supported.");
	const { osProfile, storageProfile, networkProfile, hardwareProfile, priority } = body.properties;
	const customData = createHash("sha256")
		.update(osProfile.customData ?? "")
		.digest("hex");
	const existing = machineNamed(account, place, name);
	if (existing) {
		if (condition !== null) return refuse(412, "PreconditionFailed", `If-None-Match: the resource '${name}' exists.`);
		return existing.details.customData === customData
			? json(200, shown(existing, false))
			: refuse(409, "PropertyChangeNotAllowed", "Changing property 'osProfile.customData' is not allowed.");
	}
	const complaint = complaintAbout(account, name, body);
	if (complaint) return complaint;
	const configuration = networkProfile.networkInterfaceConfigurations[0];
	const ip = configuration?.properties.ipConfigurations[0];
	const { publisher, offer, sku } = storageProfile.imageReference;
	const details: Details = {
		subscription: place.subscription,
		group: place.group.toLowerCase(),
		location: body.location,
		size: hardwareProfile.vmSize,
		image: `${publisher}:${offer}:${sku}`,
		isSpot: priority === "Spot",
		disk: storageProfile.osDisk.name ?? `${name}_OsDisk_1`,
		interface: configuration?.name ?? name,
		address: ip?.properties.publicIPAddressConfiguration?.name ?? null,
		interfaceTags: configuration?.tags ?? {},
		addressTags: ip?.properties.publicIPAddressConfiguration?.tags ?? {},
		securityGroup: configuration?.properties.networkSecurityGroup?.id ?? "",
		subnet: ip?.properties.subnet.id ?? "",
		customData,
	};
	const { vm, task } = await account.create({
		provider: "azure",
		id: String,
		name,
		tags: wordsOf(body.tags),
		userData: Buffer.from(osProfile.customData ?? "", "base64").toString("utf8"),
		details,
	});
	const machine = machineOf(vm, account);
	launchesOf(account).set(keyOf(place, name), { task: task.id, machine });
	return json(201, shown(machine, false), begin(call, account, computeAt(call, place, body.location), { task: task.id }));
}

function computeAt(call: Call, { subscription }: Place, location: string) {
	return { subscription, namespace: "Microsoft.Compute", location, version: call.query.get("api-version") ?? "" };
}

function complaintAbout(account: Account, name: string, body: VirtualMachineBody): Response | null {
	const invalid = (message: string) => refuse(400, "InvalidParameter", message);
	const { osProfile, storageProfile, networkProfile, hardwareProfile, priority } = body.properties;
	if (!LOCATIONS.includes(body.location))
		return refuse(
			400,
			"LocationNotAvailableForResourceType",
			`The provided location '${body.location}' is not available for resource type '${TYPE}'.`,
		);
	const size = SIZES[hardwareProfile.vmSize];
	if (!size) return invalid(`The value ${hardwareProfile.vmSize} provided for the VM size is not valid.`);
	const { publisher, offer, sku, version } = storageProfile.imageReference;
	const architecture = IMAGES[`${publisher}:${offer}:${sku}`];
	if (architecture === undefined)
		return refuse(404, "PlatformImageNotFound", `The platform image '${publisher}:${offer}:${sku}:${version}' is not available.`);
	if (architecture !== size.architecture)
		return refuse(
			400,
			"BadRequest",
			`Cannot create a VM of size '${hardwareProfile.vmSize}' because this VM size only supports a CPU Architecture of '${size.architecture}', but an image or disk with CPU Architecture '${architecture}' was given.`,
		);
	if (priority === "Spot" && size.isBurstable)
		return refuse(400, "BadRequest", `Azure Spot Virtual Machine is not supported for this VM size: '${hardwareProfile.vmSize}'.`);
	if (osProfile.linuxConfiguration.ssh.publicKeys.some(({ path }) => path !== `/home/${osProfile.adminUsername}/.ssh/authorized_keys`))
		return invalid(
			"Destination path for SSH public keys is currently limited to its default value due to a known issue in Linux provisioning agent.",
		);
	const configuration = networkProfile.networkInterfaceConfigurations[0]?.properties;
	const ip = configuration?.ipConfigurations[0]?.properties;
	const { publicIPAddressConfiguration } = ip ?? {};
	if (publicIPAddressConfiguration?.sku.name === "Basic")
		return refuse(
			400,
			"IPv4BasicSkuPublicIpCountLimitReached",
			"Cannot create more than 0 IPv4 Basic SKU public IP addresses for this subscription in this region.",
		);
	const missing = networkComplaint(
		account,
		body.location,
		`${TYPE}/${name}`,
		ip?.subnet.id ?? "",
		configuration?.networkSecurityGroup?.id ?? null,
	);
	if (missing) return missing;
	if (account.count() < account.limit) return null;
	return refuse(
		409,
		"OperationNotAllowed",
		`Operation could not be completed as it results in exceeding approved Total Regional Cores quota. Additional details - Deployment Model: Resource Manager, Location: ${body.location}, Current Limit: ${account.limit}, Current Usage: ${account.count()}, Additional Required: 1, (Minimum) New Limit Required: ${account.limit + 1}. Submit a request for Quota increase.`,
	);
}

/** What does not exist is as good as deleted, and that is what Azure says. */
export function remove(call: Call, account: Account, place: Place, name: string): Response {
	const machine = machineNamed(account, place, name);
	if (!machine) return new Response(null, { status: 204 });
	launchesOf(account).delete(keyOf(place, name));
	if (machine.provisioning !== "Failed" && machine.provisioning !== "Deleting") {
		const going: Machine = { ...machine, provisioning: "Deleting" };
		goingOf(account).set(machine.key, { at: account.now(), machine: going });
		const vm = account.vm(machine.key);
		if (vm) account.delete(vm);
	}
	const headers = begin(call, account, computeAt(call, place, machine.details.location), { afterMs: DELETE_MS });
	return new Response(null, { status: 202, headers });
}

export function restart(call: Call, account: Account, place: Place, name: string): Response {
	const machine = machineNamed(account, place, name);
	if (!machine) return resourceNotFound(TYPE, name, place.group);
	const vm = account.vm(machine.key);
	if (!vm || machine.power !== "running")
		return refuse(409, "OperationNotAllowed", `Operation 'restart' is not allowed on VM '${name}' since the VM is not running.`);
	const task = account.power(vm, "restart", "restart");
	if (!task) return refuse(409, "Conflict", `The request failed due to conflict with a concurrent request on VM '${name}'.`);
	const headers = begin(call, account, computeAt(call, place, machine.details.location), { task: task.id });
	return new Response(null, { status: 202, headers });
}

export function retag(account: Account, place: Place, name: string, operation: "Merge" | "Replace" | "Delete", tags: Labels): Response {
	const machine = machineNamed(account, place, name);
	const vm = machine && account.vm(machine.key);
	if (!machine || !vm) return resourceNotFound(TYPE, name, place.group);
	const others = Object.fromEntries(Object.entries(machine.tags).filter(([key, value]) => tags[key] !== value));
	const kept = { Merge: { ...machine.tags, ...tags }, Replace: tags, Delete: others }[operation];
	account.retag(vm, wordsOf(kept));
	const id = `${idOf(machine)}/providers/Microsoft.Resources/tags/default`;
	return json(200, { id, name: "default", type: "Microsoft.Resources/tags", properties: { tags: kept } });
}

/** Azure writes the resource group in capitals here and as it was given there. */
export function idOf({ details, name }: Machine): string {
	return `/subscriptions/${details.subscription}/resourceGroups/${details.group.toUpperCase()}/providers/${TYPE}/${name}`;
}

/** Azure makes up what it calls the parts of a VM. */
export function generated(wanted: string, { key }: Machine): string {
	return `${wanted}-${createHash("sha256").update(key).digest("hex").slice(0, 8)}`;
}

export function interfaceId(machine: Machine): string {
	const { subscription, group } = machine.details;
	const name = generated(machine.details.interface, machine);
	return `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Network/networkInterfaces/${name}`;
}

export function shown(machine: Machine, withInstanceView: boolean): object {
	const { name, details, tags, provisioning } = machine;
	const [publisher, offer, sku] = details.image.split(":");
	return {
		id: idOf(machine),
		name,
		type: TYPE,
		location: details.location,
		tags,
		properties: {
			vmId: guid(Number(machine.key) || 0),
			hardwareProfile: { vmSize: details.size },
			storageProfile: {
				imageReference: { publisher, offer, sku, version: "latest", exactVersion: "24.04.202601010" },
				osDisk: { osType: "Linux", name: details.disk, createOption: "FromImage", deleteOption: "Delete", diskSizeGB: 30 },
			},
			osProfile: { computerName: name, adminUsername: "muster", linuxConfiguration: { disablePasswordAuthentication: true } },
			networkProfile: { networkInterfaces: [{ id: interfaceId(machine), properties: { primary: true, deleteOption: "Delete" } }] },
			...(details.isSpot ? { priority: "Spot", evictionPolicy: "Delete", billingProfile: { maxPrice: -1 } } : {}),
			provisioningState: provisioning,
			timeCreated: new Date(machine.createdAt).toISOString(),
			...(withInstanceView ? { instanceView: instanceView(machine) } : {}),
		},
	};
}

/** All that the list of states has of a VM. */
export function status(machine: Machine): object {
	return {
		id: idOf(machine),
		name: machine.name,
		type: TYPE,
		location: machine.details.location,
		properties: { vmId: guid(Number(machine.key) || 0), instanceView: instanceView(machine) },
	};
}

/** What a VM does now: https://learn.microsoft.com/rest/api/compute/virtual-machines/instance-view */
export function instanceView({ provisioning, power }: Machine): object {
	const codes = [
		provisioning === "Failed" ? `ProvisioningState/failed/${ALLOCATION.code}` : `ProvisioningState/${provisioning.toLowerCase()}`,
		...(power === null ? [] : [`PowerState/${power}`]),
	];
	const shown = { Creating: "Creating", Succeeded: "Provisioning succeeded", Deleting: "Deleting", Failed: "Provisioning failed" };
	return {
		statuses: codes.map((code) => ({
			code,
			level: code.includes("failed") ? "Error" : "Info",
			displayStatus: code.startsWith("PowerState/") ? `VM ${power}` : shown[provisioning],
		})),
	};
}
