import { z } from "zod";
import type { Price, Vm } from "../../core/model/state.ts";
import { shownOf } from "../base/account.ts";
import { Driver } from "../base/driver.ts";
import { as, asBeforeCreate, isFailure, orElse, orNull } from "../base/failures.ts";
import { Firewalls } from "../base/firewall.ts";
import { ignored, json, quotable } from "../base/http.ts";
import { priced } from "../base/prices.ts";
import {
	type CreateRequest,
	type Protection,
	type Provider,
	type ProviderDefinition,
	ProviderError,
	type Retired,
	type Wanted,
} from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";
import { eachOnce, isIntents, readTagList, retagged, TAG, tagList } from "../base/tags.ts";
import { flavorId, forgetNames, imageId, networkId, retiredNames } from "./catalogue.ts";
import { countries } from "./countries.ts";
import { kindOfFault } from "./faults.ts";
import { ensureGroup } from "./firewall.ts";
import { attachFloating, floatingAddresses, releaseFloating } from "./floating.ts";
import { keyOf, nova, serviceAt } from "./session.ts";
import { type OpenStackAccount, schema, settings } from "./settings.ts";

/**
 * OpenStack: Keystone v3, Nova 2.1, Neutron 2.0, Glance 2 (https://docs.openstack.org/api-ref/), as OVHcloud, Infomaniak and many private clouds
 * have it. No machine-readable description is published; the references and Nova's own `api-ref` samples are what this was written by. What shapes this driver:
 * - Every cloud differs: names of flavors, images and networks are settings, and looked up.
 * - A create that is accepted is not one that succeeds: a server for which there is no host becomes an ERROR server, which counts against
 *   the quota and is deleted. So a create is watched until a host was found for it.
 * - Tags are known from microversion 2.26 on, and in a create from 2.52: https://docs.openstack.org/nova/latest/reference/api-microversion-history.html
 * - Where VMs have no public address, a floating IP is attached once the server has its port. A port has one at the most, so that asking again
 *   makes no second; it is marked with the server's name, for it outlives the server and is billed.
 * - Names are not unique, and a list leaves out what is in a cell that does not answer.
 * - An id says its region, which is an API of its own: `RegionOne/6b4d…`.
 */
export const openstack: ProviderDefinition<OpenStackAccount> = {
	displayName: "OpenStack",
	countries,
	settings,
	schema,
	shown: (account) => shownOf(settings, account),
	twoStepRestart: false,
	billedSeconds: 3600,
	// "With any filter, … cells that are down are skipped": https://docs.openstack.org/nova/latest/admin/cells.html
	absence: { lookup: "name", isImmediate: false, repeat: "second" },
	leavesBehind: "the security group muster-<deployment>, in each region used",
	create: (account, context) => new OpenStack(account, context),
};

const Address = z.object({ addr: z.string(), version: z.number(), "OS-EXT-IPS:type": z.string().nullish() });
const Server = z.object({
	id: z.string(),
	name: z.string().nullish(),
	status: z.string(),
	addresses: z.record(z.string(), z.array(Address)).nullish(),
	tags: z.array(z.string()).nullish(),
	"OS-EXT-STS:task_state": z.string().nullish(),
	fault: z.object({ message: z.string() }).nullish(),
});
type Server = z.infer<typeof Server>;
const Found = z.object({ server: Server });

/** A create is over by then, with its watch for a host and an address. */
const CREATE_MS = 25_000;
/** How long after each look the next one comes, while a host is looked for: it usually takes a second or two. */
const LOOKS_MS = [500, 1000, 1500, 2000, 3000, 4000, 5000];

/** The security groups' ids. */
const groups = new Firewalls<string>();

class OpenStack extends Driver<OpenStackAccount> implements Provider {
	readonly isRegional = true;

	async create(wanted: CreateRequest): Promise<Vm> {
		const endsAt = this.context.now() + CREATE_MS;
		const { region } = this.account;
		const group = await this.#group(wanted);
		const parts = await this.#parts().catch((error: unknown) => {
			throw asBeforeCreate(error);
		});
		const id = await this.#make(wanted, group, parts);
		const made: Vm = { vm: idOf(region, id), name: wanted.name, state: "starting", address: null, tags: wanted.tags };
		const server = await this.#placed(region, id, endsAt);
		if (server?.status === "ERROR") throw await this.#takenBack(region, id, wanted, notBuilt(server, wanted));
		if (parts.floating === null) return made;
		try {
			const address = await attachFloating(this.context, await this.#at("network", region), {
				server: id,
				name: wanted.name,
				network: parts.floating,
				endsAt,
			});
			return { ...made, address };
		} catch (error) {
			throw await this.#takenBack(region, id, wanted, error);
		}
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#group(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		const { region } = this.account;
		const compute = await this.#at("compute", region);
		const servers = await compute.all(`/servers/detail?tags=${TAG}`, "servers", Server, nova(this.account));
		return eachOnce(await this.#vmsOf(region, servers));
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		const found = wanted.vm === null ? await this.#named(wanted.name) : await this.#byId(wanted.vm);
		const ours = found.filter((vm) => isIntents(vm, wanted.tags));
		// Names are not unique: were there two, the same one is found each time.
		return ours.sort((a, b) => (a.vm < b.vm ? -1 : 1))[0] ?? null;
	}

	async get(vm: string): Promise<Vm | null> {
		return placeOf(vm) === null ? null : ((await this.#byId(vm))[0] ?? null);
	}

	/** Tags are set as a whole. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const { region, id } = placed(vm);
		const compute = await this.#at("compute", region);
		const wanted = retagged((await this.#server(compute, id)).tags ?? [], tags);
		if (wanted !== null) {
			await compute.call("PUT", `${pathOf(id)}/tags`, ignored, { body: { tags: wanted }, headers: nova(this.account) });
		}
	}

	/** Its floating IP first: that is found by the server's name. */
	async delete(vm: string): Promise<void> {
		const { region, id } = placed(vm);
		const compute = await this.#at("compute", region);
		const server = await this.#server(compute, id);
		if (this.account.floating_network !== null || addressesOf(server).some(isFloating)) {
			await releaseFloating(await this.#at("network", region), server.name ?? "", readTagList(server.tags ?? []).deployment);
		}
		await compute.call("DELETE", pathOf(id), ignored, { headers: nova(this.account) });
	}

	/** Soft, and hard where it does not run; `on` has nothing left to do. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		if (step === "on") return;
		const { region, id } = placed(vm);
		const compute = await this.#at("compute", region);
		const reboot = (type: "SOFT" | "HARD") =>
			compute.call("POST", `${pathOf(id)}/action`, ignored, { body: { reboot: { type } }, headers: nova(this.account) });
		// Refused, it is certainly not done: it is in no state for it.
		await orElse(reboot("SOFT"), "conflict", () => reboot("HARD"));
	}

	/** OpenStack shows no prices: what the operator states, of a flavor that exists. */
	async hourlyPrice(): Promise<Price> {
		const { size, region, hourly_price, currency } = this.account;
		if (hourly_price !== null) await flavorId(this.context, this.account, await this.#at("compute", region));
		const what = `${size} (OPENSTACK_HOURLY_PRICE can state it)`;
		return priced("OpenStack", "flavor", what, hourly_price ?? undefined, currency, this.context.now());
	}

	async retired(): Promise<readonly Retired[]> {
		const { region } = this.account;
		return retiredNames(this.account, await this.#at("compute", region), await this.#at("image", region));
	}

	/** The ids of what a server is made of. */
	async #parts() {
		const { region, network, floating_network } = this.account;
		const neutron = async (name: string | null) =>
			name === null ? null : networkId(this.context, this.account, await this.#at("network", region), name);
		return {
			flavor: await flavorId(this.context, this.account, await this.#at("compute", region)),
			image: await imageId(this.context, this.account, await this.#at("image", region)),
			network: await neutron(network),
			floating: await neutron(floating_network),
		};
	}

	/** Gives the server's id, which is all that the answer says. */
	async #make(
		wanted: CreateRequest,
		group: string,
		{ flavor, image, network }: { readonly flavor: string; readonly image: string; readonly network: string | null },
	): Promise<string> {
		const { region, availability_zone, volume_gb, config_drive } = this.account;
		const compute = await this.#at("compute", region);
		const userData = Buffer.from(wanted.userData).toString("base64");
		const volume = {
			boot_index: 0,
			uuid: image,
			source_type: "image",
			destination_type: "volume",
			volume_size: volume_gb,
			delete_on_termination: true,
		};
		try {
			const { server } = await compute.call("POST", "/servers", json(z.object({ server: z.object({ id: z.string() }) })), {
				headers: nova(this.account),
				body: {
					server: {
						name: wanted.name,
						flavorRef: flavor,
						...(volume_gb === null ? { imageRef: image } : { block_device_mapping_v2: [volume] }),
						networks: network === null ? "auto" : [{ uuid: network }],
						// By its id: two may have the name.
						security_groups: [{ name: group }],
						tags: tagList(wanted.tags),
						user_data: userData,
						...(config_drive ? { config_drive } : {}),
						...(availability_zone === null ? {} : { availability_zone }),
					},
				},
				confidential: [userData, wanted.userData],
			});
			return server.id;
		} catch (error) {
			// What the request names does not exist; it may be the group or the flavor, which someone removed since it was seen.
			if (isFailure(error, "notFound", "invalid")) {
				groups.forget(this.#key, wanted, group);
				forgetNames(this.account);
			}
			throw as(error, { notFound: "invalid" });
		}
	}

	/** The server once a host was found for it or none was; null where that cannot be seen in time: it goes on, and a later look shows what came of it. */
	async #placed(region: string, id: string, endsAt: number): Promise<Server | null> {
		for (const waitMs of [...LOOKS_MS, null]) {
			const server = await this.#at("compute", region)
				.then((compute) => this.#server(compute, id))
				.catch(() => null);
			if (server === null || server.status !== "BUILD") return server;
			const task = server["OS-EXT-STS:task_state"];
			if (task !== "scheduling" && task !== null && task !== undefined) return server;
			if (waitMs === null || this.context.now() + waitMs > endsAt) break;
			await this.context.wait(waitMs);
		}
		return null;
	}

	/** What a create whose server exists failed of: a refusal, where nothing is left of the server. */
	async #takenBack(region: string, id: string, { name, tags }: CreateRequest, error: unknown): Promise<unknown> {
		try {
			if (this.account.floating_network !== null) await releaseFloating(await this.#at("network", region), name, tags.deployment);
			const compute = await this.#at("compute", region);
			await orNull(compute.call("DELETE", pathOf(id), ignored, { headers: nova(this.account) }));
			return asBeforeCreate(error);
		} catch {
			// It stays, and shows as an ERROR server, or one without an address.
			return as(error, { quota: "unknown", capacity: "unknown", invalid: "unknown", conflict: "unknown", notFound: "unknown" });
		}
	}

	async #byId(vm: string): Promise<readonly Vm[]> {
		const place = placeOf(vm);
		if (place === null) return [];
		const server = await orNull(this.#server(await this.#at("compute", place.region), place.id));
		if (server === null || isGone(server)) return [];
		// What a cell knows of it is not to be had while the cell does not answer.
		if (server.status === "UNKNOWN" && server.tags === undefined) {
			throw new ProviderError({ kind: "transient", message: "OpenStack: the part of the cloud that has this server does not answer" });
		}
		return this.#vmsOf(place.region, [server]);
	}

	/** A name is looked for as a regular expression of the database. */
	async #named(name: string): Promise<readonly Vm[]> {
		const { region } = this.account;
		const compute = await this.#at("compute", region);
		const pattern = encodeURIComponent(`^${name.replace(/[^A-Za-z0-9-]/g, "\\$&")}$`);
		const servers = await compute.all(`/servers/detail?name=${pattern}`, "servers", Server, nova(this.account));
		return this.#vmsOf(
			region,
			servers.filter((server) => server.name === name),
		);
	}

	async #server(compute: Rest, id: string): Promise<Server> {
		return (await compute.call("GET", pathOf(id), json(Found), { headers: nova(this.account) })).server;
	}

	/** A floating IP can be late in what Nova shows, so that Neutron is asked where one lacks. */
	async #vmsOf(region: string, servers: readonly Server[]): Promise<readonly Vm[]> {
		const isAwaited = (server: Server) => this.account.floating_network !== null && !addressesOf(server).some(isFloating);
		const late = servers.some((server) => server.status === "ACTIVE" && isAwaited(server))
			? await floatingAddresses(await this.#at("network", region))
			: new Map<string, string>();
		return servers.map((server) => ({
			vm: idOf(region, server.id),
			name: server.name ?? "",
			state: stateOf(server),
			address: (isAwaited(server) ? late.get(server.name ?? "") : undefined) ?? publicAddress(server),
			tags: readTagList(server.tags ?? []),
		}));
	}

	#at(service: Parameters<typeof serviceAt>[2], region: string): Promise<Rest> {
		return serviceAt(this.context, this.account, service, region);
	}

	/** The id of the one security group that the deployment has in the region, which lets in whom it shall. */
	#group(wanted: Protection): Promise<string> {
		const { region } = this.account;
		return groups.ensure(this.context, this.#key, wanted, async () => ensureGroup(await this.#at("network", region), wanted));
	}

	get #key() {
		return [keyOf(this.account), this.account.region];
	}
}

function notBuilt({ fault }: Server, { userData }: CreateRequest): ProviderError {
	const message = fault?.message ?? "the server could not be built";
	return new ProviderError({
		kind: kindOfFault(message),
		message: quotable(message, { provider: "OpenStack", secrets: [], confidential: [userData] }),
	});
}

const idOf = (region: string, id: string) => `${region}/${id}`;
const pathOf = (id: string) => `/servers/${encodeURIComponent(id)}`;

/** Null for what is no id of ours. */
function placeOf(vm: string): { readonly region: string; readonly id: string } | null {
	const [, region, id] = /^([A-Za-z0-9][A-Za-z0-9._-]*)\/([0-9a-fA-F-]{32,36})$/.exec(vm) ?? [];
	return region === undefined || id === undefined ? null : { region, id };
}

function placed(vm: string) {
	const place = placeOf(vm);
	if (place === null) throw new ProviderError({ kind: "notFound", message: `OpenStack: there is no server ${vm}` });
	return place;
}

const addressesOf = ({ addresses }: Server) => Object.values(addresses ?? {}).flat();
const isFloating = (address: z.infer<typeof Address>) => address["OS-EXT-IPS:type"] === "floating";
/** RFC 1918, 6598 and 3927: nobody outside reaches these. */
const isPrivate = (address: string) =>
	/^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(address);

/** The floating one, else a public one; addresses come in any order. */
function publicAddress(server: Server): string | null {
	const found = addressesOf(server).filter(({ version, addr }) => version === 4 && !isPrivate(addr));
	return (found.find(isFloating) ?? found[0])?.addr ?? null;
}

const isGone = ({ status }: Server) => status === "DELETED" || status === "SOFT_DELETED";

function stateOf(server: Server): Vm["state"] {
	if (server["OS-EXT-STS:task_state"] === "deleting" || isGone(server)) return "going";
	switch (server.status) {
		case "BUILD":
			return "starting";
		case "ERROR":
		case "SHUTOFF":
		case "PAUSED":
		case "SUSPENDED":
		case "SHELVED":
		case "SHELVED_OFFLOADED":
			return "off";
		default:
			// `ACTIVE`; and `REBOOT`, `MIGRATING`, `RESIZE`, …, of which the agent tells whether the server serves.
			return "running";
	}
}
