import { z } from "zod";
import type { Price, Vm } from "../../core/model/state.ts";
import { shownOf } from "../base/account.ts";
import { Driver } from "../base/driver.ts";
import { asBeforeCreate, isFailure, orElse, orNull } from "../base/failures.ts";
import { Firewalls } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
import { Once } from "../base/once.ts";
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
import { allPages, Rest } from "../base/rest.ts";
import { retiredUnless } from "../base/retired.ts";
import { eachOnce, isIntents, retagged, TAG, tagList } from "../base/tags.ts";
import { scalewayApi } from "./api.ts";
import { countries } from "./countries.ts";
import { ensureGroup } from "./firewall.ts";
import {
	BlockVolume,
	hourlyOf,
	Labels,
	LocalImages,
	LocalVolume,
	placeOf,
	type RootVolume,
	rootVolume,
	rootVolumeFor,
	Server,
	type ServerType,
	Types,
	type VolumeFound,
	vmOf,
} from "./server.ts";
import { type ScalewayAccount, schema, settings } from "./settings.ts";

/**
 * Scaleway Instances (https://www.scaleway.com/en/developers/api/instances/). What shapes this driver:
 * - A create is three calls: the server, which is stopped; its user data; switching it on. One that was cut in between is gone on with by
 *   the next create of that name. One whose later steps are refused is taken back.
 * - Only a server that runs can be terminated, which takes its local volume along; one that is stopped is deleted, and its volumes are not;
 *   one that is starting or stopping must be waited for.
 * - Names are not unique, and asking for one gives all that contain it.
 * - The address is dynamic: it comes with switching on, goes with the server, and is never reserved.
 */
export const scaleway: ProviderDefinition<ScalewayAccount> = {
	displayName: "Scaleway",
	countries,
	settings,
	schema,
	shown: (account) => shownOf(settings, account),
	twoStepRestart: false,
	billedSeconds: 3600,
	// Of lists that lag nothing is said, and nothing else was found.
	absence: { lookup: "name", isImmediate: false, repeat: "second" },
	leavesBehind: "the security group muster-<deployment>, in each zone used",
	finishesCreate: true,
	create: (account, context) => new Scaleway(account, context),
};

/** A create is over by then, however many calls it took: whoever finds its server stopped later knows that it was cut. */
const CREATE_MS = 30_000;
/** What a type is changes less often than that. */
const CATALOGUE_MS = 24 * 3_600_000;

/** The security groups' ids. */
const groups = new Firewalls<string>();
const volumes = new Once<RootVolume>((_, ageMs) => ageMs < CATALOGUE_MS);

class Scaleway extends Driver<ScalewayAccount> implements Provider {
	readonly isRegional = true;
	readonly #rest = new Rest(this.context, scalewayApi(this.account));

	async create(wanted: CreateRequest): Promise<Vm> {
		const endsAt = this.context.now() + CREATE_MS;
		const { zone, server } = wanted.unfinished === undefined ? await this.#made(wanted) : await this.#unfinished(wanted, wanted.unfinished);
		const made = { ...vmOf(zone, server), tags: wanted.tags };
		// An earlier create came so far.
		if (server.state !== "stopped") return made;
		const path = `${serversOf(zone)}/${server.id}`;
		const confidential = [wanted.userData];
		const step = (...[method, below, body, headers]: ["PATCH" | "POST", string, unknown, Record<string, string>?]) => {
			const deadlineMs = endsAt - this.context.now();
			if (deadlineMs <= 0)
				throw new ProviderError({ kind: "unknown", message: "Scaleway: the create took too long, and is gone on with later" });
			return this.#rest.call(method, path + below, ignored, { body, headers: headers ?? {}, confidential, deadlineMs });
		};
		try {
			await step("PATCH", "/user_data/cloud-init", wanted.userData, { "content-type": "text/plain" });
			await step("POST", "/action", { action: "poweron" });
		} catch (error) {
			throw await this.#takenBack(zone, server, error);
		}
		return { ...made, state: "starting" };
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#group(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		const { zone } = this.account;
		return eachOnce((await this.#servers(zone, { tags: TAG })).map((server) => vmOf(zone, server)));
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		if (wanted.vm === null) {
			const server = await this.#begun(wanted);
			return server === null ? null : vmOf(this.account.zone, server);
		}
		const { zone, id } = placeOf(wanted.vm);
		const server = await orNull(this.#server(zone, id));
		return server !== null && isIntents(vmOf(zone, server), wanted.tags) ? vmOf(zone, server) : null;
	}

	async get(vm: string): Promise<Vm | null> {
		const look = async () => {
			const { zone, id } = placeOf(vm);
			return vmOf(zone, await this.#server(zone, id));
		};
		return orNull(look());
	}

	/** Tags are set as a whole. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const { zone, id } = placeOf(vm);
		const wanted = retagged((await this.#server(zone, id)).tags ?? [], tags);
		if (wanted !== null) await this.#rest.call("PATCH", `${serversOf(zone)}/${id}`, ignored, { body: { tags: wanted } });
	}

	async delete(vm: string): Promise<void> {
		const { zone, id } = placeOf(vm);
		await this.#remove(zone, await this.#server(zone, id));
	}

	/** A reboot keeps the address; a server that is stopped is switched on, and gets another. `on` has nothing left to do. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		if (step === "on") return;
		const { zone, id } = placeOf(vm);
		const act = (action: string) => this.#rest.call("POST", `${serversOf(zone)}/${id}/action`, ignored, { body: { action } });
		// Refused, it is certainly not done: it does not run.
		await orElse(act("reboot"), "invalid", () => act("poweron"));
	}

	/** The server of an intent: the one that is there, else a new one. */
	async #made(wanted: CreateRequest): Promise<Placed> {
		const group = await this.#group(wanted);
		const volume = await this.#volume();
		const server = (await this.#begun(wanted)) ?? (await this.#make(wanted, group, volume));
		return { zone: this.account.zone, server };
	}

	async #unfinished({ tags }: CreateRequest, vm: string): Promise<Placed> {
		const { zone, id } = placeOf(vm);
		const server = await this.#server(zone, id);
		if (isIntents(vmOf(zone, server), tags)) return { zone, server };
		throw new ProviderError({ kind: "notFound", message: `Scaleway: ${vm} is not this proxy's` });
	}

	async #make(wanted: CreateRequest, group: string, volume: RootVolume): Promise<Server> {
		const { name, tags, userData } = wanted;
		const { zone, size, image, project_id } = this.account;
		try {
			const { server } = await this.#rest.call("POST", serversOf(zone), json(z.object({ server: Server })), {
				body: {
					name,
					commercial_type: size,
					image,
					project: project_id,
					tags: tagList(tags),
					dynamic_ip_required: true,
					security_group: group,
					// Its name tells whose it is should a delete be cut after it was detached.
					volumes: { "0": { name, ...volume } },
				},
				confidential: [userData],
			});
			return server;
		} catch (error) {
			throw groups.blamed(this.#key, wanted, group, error);
		}
	}

	/** What a create whose server exists failed of. A refusal is told as one only where nothing is left of the server. */
	async #takenBack(zone: string, server: Server, error: unknown): Promise<unknown> {
		if (!(error instanceof ProviderError)) return error;
		const unfinished = new ProviderError({ kind: "unknown", message: error.failure.message });
		if (!isFailure(error, "quota", "capacity", "invalid")) return unfinished;
		try {
			await this.#remove(zone, server);
			return error;
		} catch {
			return unfinished; // it is found, and deleted as one that never came up
		}
	}

	/** Takes a server away with its root volume, by the way that its state leaves. */
	async #remove(zone: string, server: Server): Promise<void> {
		const path = `${serversOf(zone)}/${server.id}`;
		const act = (action: string) => this.#rest.call("POST", `${path}/action`, ignored, { body: { action } });
		const root = rootVolume(server);
		switch (server.state) {
			case "starting":
			case "stopping":
				throw new ProviderError({ kind: "conflict", message: `Scaleway: a server that is ${server.state} cannot be deleted yet` });
			case "stopped":
				// The server goes last: as long as it is there, its volume is found again.
				if (root !== null) await this.#rest.call("PATCH", path, ignored, { body: { volumes: {} } });
				for (const volume of root === null ? await this.#detached(zone, server.name) : [root]) await this.#removeVolume(zone, volume);
				await this.#rest.call("DELETE", path, ignored);
				return;
			default:
				if (root === null || root.isLocal) return act("terminate");
				await act("poweroff");
				throw new ProviderError({
					kind: "conflict",
					message: "Scaleway: a server with block storage is switched off first, since its volume would outlive it",
				});
		}
	}

	async #removeVolume(zone: string, { id, isLocal }: VolumeFound): Promise<void> {
		await orNull(this.#rest.call("DELETE", `/${isLocal ? "instance" : "block"}/v1/zones/${zone}/volumes/${id}`, ignored));
	}

	/** The volumes that an earlier delete of a server of that name has detached. */
	async #detached(zone: string, name: string): Promise<VolumeFound[]> {
		const { project_id } = this.account;
		const local = await this.#all(`/instance/v1/zones/${zone}/volumes`, { project: project_id, name }, "volumes", LocalVolume);
		const path = `/block/v1/zones/${zone}/volumes?${new URLSearchParams({ project_id, name })}`;
		const block = await this.#rest.call("GET", path, json(z.object({ volumes: z.array(BlockVolume) })));
		return [
			...local.filter((volume) => volume.name === name && !volume.server).map(({ id }) => ({ id, isLocal: true })),
			...block.volumes.filter((volume) => volume.name === name && !volume.references?.length).map(({ id }) => ({ id, isLocal: false })),
		];
	}

	async #server(zone: string, id: string): Promise<Server> {
		return (await this.#rest.call("GET", `${serversOf(zone)}/${id}`, json(z.object({ server: Server })))).server;
	}

	/** The server of that name that is this intent's. Names are not unique: were there two, the same one is found each time. */
	async #begun({ name, tags }: Pick<Wanted, "name" | "tags">): Promise<Server | null> {
		const { zone } = this.account;
		const named = await this.#servers(zone, { name });
		const ours = named.filter((server) => server.name === name && isIntents(vmOf(zone, server), tags));
		return ours.sort((a, b) => (a.id < b.id ? -1 : 1))[0] ?? null;
	}

	#servers(zone: string, query: Readonly<Record<string, string>>): Promise<Server[]> {
		const { project_id } = this.account;
		return this.#all(serversOf(zone), { project: project_id, ...query, order: "creation_date_asc" }, "servers", Server);
	}

	async hourlyPrice(): Promise<Price> {
		const { zone, size } = this.account;
		return priced("Scaleway", "server type", `${size} in ${zone}`, hourlyOf(await this.#type()), "EUR", this.context.now());
	}

	/** Types say when they are not to be had any more; labels stand for images of a zone, one a processor: https://www.scaleway.com/en/developers/api/marketplace/ */
	async retired(): Promise<readonly Retired[]> {
		const { zone, size, image } = this.account;
		const types = await this.#types();
		const type = types.get(size);
		const offered = [...types].filter(([, { end_of_service }]) => end_of_service !== true).map(([name]) => name);
		const gone = retiredUnless("size", size, offered);
		if (/^[0-9a-f-]{36}$/.test(image)) return gone;
		const at = (query: Readonly<Record<string, string>>) => new URLSearchParams({ ...query, page_size: "100" });
		const local = await this.#rest.call("GET", `/marketplace/v2/local-images?${at({ image_label: image, zone })}`, json(LocalImages));
		const isThere = local.local_images.some(({ arch }) => !type?.arch || !arch || arch === type.arch);
		if (isThere) return gone;
		const { images } = await this.#rest.call(
			"GET",
			`/marketplace/v2/images?${at({ ...(type?.arch ? { arch: type.arch } : {}) })}`,
			json(Labels),
		);
		const labels = images.map(({ label }) => label).filter((label) => label !== image);
		return [...gone, ...retiredUnless("image", image, labels)];
	}

	/** What the type's root volume is to be. */
	async #volume(): Promise<RootVolume> {
		const { api_url, secret_key, zone, size } = this.account;
		const key = JSON.stringify([api_url, secret_key, zone, size]);
		try {
			return await volumes.ensure(this.context, key, "", async () => rootVolumeFor(await this.#type()));
		} catch (error) {
			throw asBeforeCreate(error);
		}
	}

	async #type(): Promise<ServerType> {
		const { zone, size } = this.account;
		const type = (await this.#types()).get(size);
		if (type === undefined) throw new ProviderError({ kind: "invalid", message: `Scaleway: ${zone} has no server type ${size}` });
		return type;
	}

	/** The zone's types, by name: as far as the account's, or all where it is not among them. */
	async #types(): Promise<ReadonlyMap<string, ServerType>> {
		const { zone, size } = this.account;
		const path = `/instance/v1/zones/${zone}/products/servers`;
		const types = await allPages(`Scaleway: the pages of ${path}`, 1, async (page) => {
			const { servers } = await this.#rest.call("GET", `${path}?per_page=100&page=${page}`, json(Types));
			const items = Object.entries(servers);
			return { items, next: servers[size] !== undefined || items.length === 0 ? null : Number(page) + 1 };
		});
		return new Map(types);
	}

	/** The id of the one security group that the deployment has, which lets in whom it shall. */
	#group(wanted: Protection): Promise<string> {
		return groups.ensure(this.context, this.#key, wanted, () => ensureGroup(this.#rest, this.account, wanted));
	}

	get #key() {
		const { api_url, secret_key, zone, project_id } = this.account;
		return [api_url, secret_key, zone, project_id];
	}

	#all<T>(path: string, query: Readonly<Record<string, string>>, key: string, item: z.ZodType<T>): Promise<T[]> {
		return this.#rest.all(`${path}?${new URLSearchParams(query)}`, key, item);
	}
}

interface Placed {
	readonly zone: string;
	readonly server: Server;
}

const serversOf = (zone: string) => `/instance/v1/zones/${zone}/servers`;
