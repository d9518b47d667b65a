import type { Price, Vm } from "../../core/model/state.ts";
import { shownOf } from "../base/account.ts";
import { Driver } from "../base/driver.ts";
import { as, isFailure, orNull } from "../base/failures.ts";
import { Firewalls } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
import { statedOr } from "../base/prices.ts";
import {
	type CreateRequest,
	type Protection,
	type Provider,
	type ProviderDefinition,
	ProviderError,
	type Retired,
	type Wanted,
} from "../base/provider.ts";
import { eachOnce, labels, readLabels, TAG } from "../base/tags.ts";
import { type Accepted, Arm, accepted } from "./api.ts";
import { countries } from "./countries.ts";
import { codesOf, imageOf, Machine, machineBody, VM_TAG, vmOf } from "./machine.ts";
import { ensureNetwork, networkIds } from "./network.ts";
import { addressesByInterface, addressOfInterface, allParts, deleteParts, interfaceKey, partsOf } from "./parts.ts";
import { AZURE_PRICES_AS_OF, azureHourly } from "./prices.ts";
import { retiredParts } from "./retired.ts";
import { type AzureAccount, GROUP, schema, settings } from "./settings.ts";

/** What names a VM can have. */
const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/**
 * Azure virtual machines (https://learn.microsoft.com/rest/api/compute/virtual-machines). What shapes this driver:
 * - A create is a PUT by name with an operation that goes on after its answer. One that fails then leaves a VM in the state
 *   `Failed`, and parts of it.
 * - A VM has no address: its network interface has a public one, each with a name that Azure makes up.
 * - A VM that is deleted takes its parts with it, if all goes well. Parts without a VM are shown here as a VM that is switched off,
 *   so that they are deleted like one.
 * - Names are unique in a resource group: a VM's id here is `group/name`, so that one is not lost when the setting changes.
 */
export const azure: ProviderDefinition<AzureAccount> = {
	displayName: "Azure",
	countries,
	settings,
	schema,
	shown: (account) => {
		const { image, size } = account;
		return { ...shownOf(settings, account), image: image ?? (size === undefined ? null : imageOf({ size, image: null })) };
	},
	twoStepRestart: false,
	billedSeconds: 60,
	// Reads can be another region's, some behind (the words of Azure's support): https://github.com/hashicorp/terraform-provider-azurerm/issues/18268
	// A PUT by name with `If-None-Match: *` is refused: https://learn.microsoft.com/rest/api/compute/virtual-machines/create-or-update
	absence: { lookup: "name", isImmediate: false, repeat: "conflict" },
	leavesBehind: "the network and the network security group muster-<deployment>-<location>, in each location used",
	create: (account, context) => new Azure(account, context),
};

/** So many leftovers are looked at with each list; the rest waits for the next one. */
const MAX_LEFTOVERS = 5;

interface Place {
	readonly group: string;
	readonly name: string;
}

/** The networks with their security groups; each time that one was seen to is an object of its own, by which it is forgotten. */
const networks = new Firewalls<{ readonly made: true }>();

class Azure extends Driver<AzureAccount> implements Provider {
	readonly #arm = new Arm(this.context, this.account);

	async create(wanted: CreateRequest): Promise<Vm> {
		const network = await this.#network(wanted);
		const { resource_group, location } = this.account;
		const place = { group: resource_group, name: wanted.name };
		const ids = networkIds({ group: this.#group(place.group), deployment: wanted.tags.deployment, location });
		const body = await machineBody(wanted, this.account, ids);
		const confidential = [wanted.userData, body.properties.osProfile.customData];
		let begun: Accepted;
		try {
			// A PUT would else change a VM of that name.
			const headers = { "if-none-match": "*" };
			begun = await this.#arm.call("PUT", "compute", this.#path(place), accepted, { body, confidential, headers });
		} catch (error) {
			// What was prepared may be gone by now, and the next create shall see.
			if (isFailure(error, "notFound")) networks.forget(this.#networkKey, wanted, network);
			throw as(error, { notFound: "transient" });
		}
		try {
			await this.#arm.settled(begun, confidential);
		} catch (error) {
			// What this does not reach shows in lists, and is deleted then.
			await this.delete(idOf(place)).catch(() => undefined);
			throw error;
		}
		return { vm: idOf(place), name: wanted.name, state: "starting", address: null, tags: wanted.tags };
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#network(wanted);
	}

	/** Four lists, however many VMs there are: the VMs, their power states, the addresses, and the parts, for what is left over. */
	async list(): Promise<readonly Vm[]> {
		const { resource_group } = this.account;
		const group = this.#group(resource_group);
		const machines = await this.#machines(group);
		if (machines === null) return [];
		const ours = machines.filter(({ tags }) => tags?.[TAG] === "true");
		const codes = ours.length === 0 ? new Map<string, string[]>() : await this.#codes();
		const addresses = ours.length === 0 ? new Map<string, string>() : await addressesByInterface(this.#arm, group);
		const vms = ours.map((machine) => {
			const interfaces = machine.properties?.networkProfile?.networkInterfaces ?? [];
			const address = interfaces.flatMap(({ id }) => addresses.get(interfaceKey(id)) ?? [])[0] ?? null;
			return vmOf(idOf({ group: resource_group, name: machine.name }), machine, codes.get(machine.id.toLowerCase()) ?? [], address);
		});
		const leftovers = await this.#leftovers(group, new Set(machines.map(({ name }) => name.toLowerCase())));
		return eachOnce([...vms, ...leftovers]);
	}

	async find({ vm, name, tags }: Wanted): Promise<Vm | null> {
		const place = vm === null ? { group: this.account.resource_group, name } : placeOf(vm);
		const found = await orNull(this.#machine(place));
		if (found === null) {
			const parts = await partsOf(this.#arm, this.#group(place.group), place.name);
			return parts.length === 0 ? null : leftover(place, { ...tags, pool: null });
		}
		const { deployment, intent } = readLabels(found.tags ?? {});
		return deployment === tags.deployment && intent === tags.intent ? this.#shown(place, found) : null;
	}

	async get(vm: string): Promise<Vm | null> {
		return orNull(this.#get(vm));
	}

	async delete(vm: string): Promise<void> {
		const place = placeOf(vm);
		const answer = await orNull(this.#arm.call("DELETE", "compute", `${this.#path(place)}?forceDeletion=true`, accepted));
		// Azure has nothing against deleting what does not exist, and answers so.
		if (answer !== null && answer.status !== 204) return;
		const parts = await partsOf(this.#arm, this.#group(place.group), place.name);
		if (await deleteParts(this.#arm, parts)) return;
		throw new ProviderError({ kind: "notFound", message: `Azure: there is no VM ${place.name}, and nothing is left of it` });
	}

	async restart(vm: string): Promise<void> {
		const place = placeOf(vm);
		await this.#arm.call("POST", "compute", `${this.#path(place)}/restart`, ignored);
	}

	async hourlyPrice(): Promise<Price> {
		const { size, location, hourly_price } = this.account;
		return statedOr(hourly_price, this.context.now(), {
			provider: "Azure",
			kind: "size",
			size: `${size} in ${location}`,
			statedBy: "AZURE_HOURLY_PRICE",
			hourly: azureHourly(location, size),
			asOf: AZURE_PRICES_AS_OF,
		});
	}

	/** A role on the resource group alone need not reach so far: then nothing can be told. */
	async retired(): Promise<readonly Retired[]> {
		try {
			return await retiredParts(this.#arm, this.account);
		} catch (error) {
			if (isFailure(error, "auth") && error.code === "AuthorizationFailed") return [];
			throw error;
		}
	}

	/** One call puts tags on, or takes them off, without a change of the others. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const place = placeOf(vm);
		const has = (await this.#machine(place)).tags ?? {};
		const ours = labels({ deployment: "", pool: "", intent: "" });
		const change =
			tags === null
				? { operation: "Delete", tags: chosen(has, (name) => name in ours || name === VM_TAG) }
				: { operation: "Merge", tags: chosen(labels(tags), (name, value) => has[name] !== value) };
		if (Object.keys(change.tags).length === 0) return;
		const body = { operation: change.operation, properties: { tags: change.tags } };
		await this.#arm.call("PATCH", "resources", `${this.#path(place)}/providers/Microsoft.Resources/tags/default`, ignored, { body });
	}

	async #get(vm: string): Promise<Vm> {
		const place = placeOf(vm);
		return this.#shown(place, await this.#machine(place));
	}

	#machine(place: Place): Promise<Machine> {
		return this.#arm.call("GET", "compute", `${this.#path(place)}?$expand=instanceView`, json(Machine));
	}

	async #shown(place: Place, machine: Machine): Promise<Vm> {
		const id = machine.properties?.networkProfile?.networkInterfaces?.[0]?.id;
		return vmOf(idOf(place), machine, codesOf(machine), id === undefined ? null : await addressOfInterface(this.#arm, id));
	}

	/** The VMs of a resource group; null: there is no such group, and so none. */
	async #machines(group: string): Promise<Machine[] | null> {
		try {
			return await this.#arm.all("compute", `${group}/providers/Microsoft.Compute/virtualMachines`, Machine);
		} catch (error) {
			if (isFailure(error, "notFound") && error.code === "ResourceGroupNotFound") return null;
			throw error;
		}
	}

	/** What the instance views say, by id: only the list of all VMs of the subscription has them. */
	async #codes(): Promise<ReadonlyMap<string, string[]>> {
		const { subscription_id } = this.account;
		const path = `/subscriptions/${subscription_id}/providers/Microsoft.Compute/virtualMachines?statusOnly=true`;
		try {
			const machines = await this.#arm.all("compute", path, Machine);
			return new Map(machines.map((machine) => [machine.id.toLowerCase(), codesOf(machine)]));
		} catch (error) {
			// A role on the resource group alone need not reach so far. Then a VM that is switched off shows only by not answering.
			if (isFailure(error, "auth") && error.code === "AuthorizationFailed") return new Map();
			throw error;
		}
	}

	/** Parts of VMs whose names, in lower case, are not among `names`, and that the cloud itself says are not there: a list may lag behind. */
	async #leftovers(group: string, names: ReadonlySet<string>): Promise<Vm[]> {
		const tagged = (await allParts(this.#arm, group)).flatMap(({ tags }) => (tags?.[TAG] === "true" ? [tags] : []));
		const byName = new Map(tagged.map((tags) => [tags[VM_TAG] ?? "", tags]));
		const found: Vm[] = [];
		for (const [name, tags] of [...byName].filter(([name]) => NAME.test(name) && !names.has(name.toLowerCase())).slice(0, MAX_LEFTOVERS)) {
			const place = { group: this.account.resource_group, name };
			if ((await orNull(this.#machine(place))) === null) found.push(leftover(place, readLabels(tags)));
		}
		return found;
	}

	#network(wanted: Protection): Promise<{ readonly made: true }> {
		const { tags, port, allow } = wanted;
		const { resource_group, location } = this.account;
		const network = { group: this.#group(resource_group), deployment: tags.deployment, location, allow, port };
		return networks.ensure(this.context, this.#networkKey, wanted, async () => {
			await ensureNetwork(this.#arm, network);
			return { made: true };
		});
	}

	get #networkKey() {
		const { api_url, client_id, client_secret, subscription_id, resource_group, location } = this.account;
		return [api_url, client_id, client_secret, subscription_id, resource_group, location];
	}

	#group(name: string): string {
		return `/subscriptions/${this.account.subscription_id}/resourceGroups/${encodeURIComponent(name)}`;
	}

	#path({ group, name }: Place): string {
		return `${this.#group(group)}/providers/Microsoft.Compute/virtualMachines/${name}`;
	}
}

/** In whatever case the setting spells the group, which Azure does not tell apart. */
const idOf = ({ group, name }: Place) => `${group.toLowerCase()}/${name}`;

function placeOf(vm: string): Place {
	const [group = "", name = "", ...more] = vm.split("/");
	if (GROUP.test(group) && NAME.test(name) && more.length === 0) return { group, name };
	throw new ProviderError({ kind: "notFound", message: "Azure: no VM has such an id" });
}

/** What is left of a VM: nothing that runs, and something to delete. */
const leftover = (place: Place, tags: Vm["tags"]): Vm => ({ vm: idOf(place), name: place.name, state: "off", address: null, tags });

function chosen(tags: Readonly<Record<string, string>>, isWanted: (name: string, value: string) => boolean): Record<string, string> {
	return Object.fromEntries(Object.entries(tags).filter(([name, value]) => isWanted(name, value)));
}
