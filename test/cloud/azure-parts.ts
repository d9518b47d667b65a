import type { Account } from "./account.ts";
import { page, refuse, resourceNotFound } from "./azure-answers.ts";
import { isSame, type Place } from "./azure-catalogue.ts";
import { generated, idOf, interfaceId, type Machine, machines, TYPE } from "./azure-machines.ts";
import { resourceFilter } from "./azure-requests.ts";
import { type Call, json } from "./dialect.ts";
import type { Json } from "./inventory.ts";
import type { Labels } from "./labels.ts";

/** Network interfaces, public addresses and disks: those of VMs, and those that a failed create left behind. */

const INTERFACE = "Microsoft.Network/networkInterfaces";
const ADDRESS = "Microsoft.Network/publicIPAddresses";
const DISK = "Microsoft.Compute/disks";
export type PartType = typeof INTERFACE | typeof ADDRESS | typeof DISK;

/** How long one takes to be deleted. */
const DELETE_MS = 500;

interface Part {
	readonly [key: string]: Json;
	readonly type: PartType;
	readonly id: string;
	readonly name: string;
	readonly location: string;
	readonly subscription: string;
	readonly group: string;
	readonly tags: Labels;
	/** The VM that has it; null: it was left behind. */
	readonly vm: string | null;
	/** The interface, and for an address the one that holds it. */
	readonly interface: string;
	/** The address itself, once there is one. */
	readonly ip: string | null;
	readonly goneAt: number | null;
}

const orphansOf = (account: Account) => account.collection<Part>("orphans");

function parts(account: Account, { subscription, group }: Place): readonly Part[] {
	const orphans = orphansOf(account);
	for (const { id, goneAt } of orphans.all()) if (goneAt !== null && account.now() >= goneAt) orphans.delete(id.toLowerCase());
	const left = orphans.all().filter((part) => part.subscription === subscription && isSame(part.group, group));
	return [...machines(account, subscription, group).flatMap(partsOf), ...left];
}

function partsOf(machine: Machine): Part[] {
	const { subscription, group, location, interfaceTags, addressTags, disk, address } = machine.details;
	const base = `/subscriptions/${subscription}/resourceGroups/${group}/providers`;
	const common = { location, subscription, group, vm: idOf(machine), interface: interfaceId(machine), ip: null, goneAt: null };
	const part = (type: PartType, name: string, tags: Labels): Part => ({ ...common, type, id: `${base}/${type}/${name}`, name, tags });
	return [
		part(INTERFACE, interfaceId(machine).split("/").at(-1) ?? "", interfaceTags),
		...(address === null ? [] : [{ ...part(ADDRESS, generated(address, machine), addressTags), ip: machine.address }]),
		// A disk takes over the tags of its VM when it is made; a VM that found no room never had one.
		...(machine.provisioning === "Failed" ? [] : [part(DISK, disk, machine.tags)]),
	];
}

/** A VM that failed goes without what was made before it failed. */
export function leaveBehind(account: Account, machine: Machine): void {
	for (const part of partsOf(machine)) orphansOf(account).set(part.id.toLowerCase(), { ...part, vm: null });
}

export function isPart(type: string): type is PartType {
	return [INTERFACE, ADDRESS, DISK].some((one) => isSame(one, type));
}

export function list(call: Call, account: Account, place: Place, type: PartType, pageSize: number): Response {
	const found = parts(account, place).filter((part) => isSame(part.type, type));
	return page(
		call,
		found.map((part) => shown(part, account, place, false)),
		pageSize,
	);
}

export function get(call: Call, account: Account, place: Place, type: PartType, name: string): Response {
	const found = parts(account, place).find((part) => isSame(part.type, type) && isSame(part.name, name));
	if (!found) return resourceNotFound(type, name, place.group);
	return json(200, shown(found, account, place, call.query.get("$expand") === "ipConfigurations/publicIPAddress"));
}

export function remove(account: Account, place: Place, type: PartType, name: string): Response {
	const found = parts(account, place).find((part) => isSame(part.type, type) && isSame(part.name, name));
	if (!found) return new Response(null, { status: 204 });
	if (found.vm !== null && isSame(type, INTERFACE))
		return refuse(
			400,
			"NicInUse",
			`Network Interface ${found.id} is used by existing resource ${found.vm}. In order to delete the network interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic.`,
		);
	if (found.vm !== null && isSame(type, DISK)) return refuse(409, "OperationNotAllowed", `Disk ${name} is attached to VM ${found.vm}.`);
	const isHeld = parts(account, place).some((part) => part.id === found.interface);
	if (isSame(type, ADDRESS) && isHeld)
		return refuse(
			400,
			"PublicIPAddressCannotBeDeleted",
			`Public IP address ${found.id} can not be deleted since it is still allocated to resource ${found.interface}/ipConfigurations/${name}. In order to delete the public IP, disassociate/detach the Public IP address from the resource.`,
		);
	const key = found.id.toLowerCase();
	orphansOf(account).set(key, { ...found, goneAt: found.goneAt ?? account.now() + DELETE_MS });
	return new Response(null, { status: 202 });
}

/** Everything in a resource group that is spoken of here; with a filter by tag, Azure leaves the tags out. */
export function resources(call: Call, account: Account, place: Place, pageSize: number): Response {
	const text = call.query.get("$filter");
	const filter = text === null ? null : resourceFilter(text);
	if (text !== null && filter === null)
		return refuse(400, "InvalidFilterInQueryString", `Invalid $filter '${text}' specified in the query string.`);
	const all = [
		...machines(account, place.subscription, place.group).map((one) => ({
			...one.details,
			id: idOf(one),
			name: one.name,
			type: TYPE,
			tags: one.tags,
		})),
		...parts(account, place),
	];
	const isWanted = ({ type, tags }: (typeof all)[number]) => {
		if (filter === null) return true;
		return "types" in filter ? filter.types.includes(type.toLowerCase()) : tags[filter.name] === filter.value;
	};
	const isByTag = filter !== null && "name" in filter;
	const found = all
		.filter(isWanted)
		.map(({ id, name, type, location, tags }) => ({ id, name, type, location, ...(isByTag ? {} : { tags }) }));
	return page(call, found, pageSize);
}

function shown(part: Part, account: Account, place: Place, isExpanded: boolean): object {
	const { id, name, type, location, tags, vm } = part;
	const common = { id, name, type, location, tags };
	const provisioningState = part.goneAt === null ? "Succeeded" : "Deleting";
	const configuration = `${part.interface}/ipConfigurations/${name}`;
	if (type === DISK)
		return {
			...common,
			...(vm === null ? {} : { managedBy: vm }),
			properties: { diskState: vm === null ? "Unattached" : "Attached", provisioningState },
		};
	if (type === ADDRESS) {
		const isHeld = parts(account, place).some((other) => other.id === part.interface);
		const properties = {
			provisioningState,
			publicIPAddressVersion: "IPv4",
			publicIPAllocationMethod: "Static",
			...(part.ip === null ? {} : { ipAddress: part.ip }),
			...(isHeld ? { ipConfiguration: { id: configuration } } : {}),
		};
		return { ...common, sku: { name: "Standard", tier: "Regional" }, properties };
	}
	const address = parts(account, place).find((other) => other.type === ADDRESS && other.interface === part.id);
	const publicIPAddress = address && (isExpanded ? shown(address, account, place, false) : { id: address.id });
	return {
		...common,
		properties: {
			provisioningState,
			...(vm === null ? {} : { virtualMachine: { id: vm } }),
			ipConfigurations: [
				{
					name,
					id: configuration,
					properties: { primary: true, privateIPAddress: "10.77.0.4", ...(publicIPAddress ? { publicIPAddress } : {}) },
				},
			],
		},
	};
}
