import { z } from "zod";
import type { Price, Vm } from "../../core/model/state.ts";
import { as, asBeforeCreate, isFailure, orNull } from "../base/failures.ts";
import { apiUrl, secret, slug } from "../base/fields.ts";
import { type HttpRequest, ignored, json } from "../base/http.ts";
import { agreedId } from "../base/oldest.ts";
import { Once } from "../base/once.ts";
import { allPages } from "../base/pages.ts";
import { priced } from "../base/prices.ts";
import {
	type CreateRequest,
	type Protection,
	type Provider,
	type ProviderContext,
	type ProviderDefinition,
	ProviderError,
	type Wanted,
} from "../base/provider.ts";
import { DEPLOYMENT_TAG, retagged, TAG, tagList } from "../base/tags.ts";
import { allOf, scaleway as call } from "./call.ts";
import { areAsWanted, GroupRule, groupBody, groupRules, SecurityGroup } from "./group.ts";
import {
	BlockVolume,
	hourlyOf,
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

/**
 * Scaleway Instances (https://www.scaleway.com/en/developers/api/instances/). What shapes this driver:
 * - A create is three calls: the server, which is stopped; its user data; switching it on. One that was cut in between is gone on with by
 *   the next create of that name. One whose later steps are refused is taken back.
 * - Only a server that runs can be terminated, which takes its local volume along; one that is stopped is deleted, and its volumes are not;
 *   one that is starting or stopping must be waited for.
 * - Names are not unique, and asking for one gives all that contain it.
 * - The address is dynamic: it comes with switching on, goes with the server, and is never reserved.
 */
const projectId = "a project's id, such as 11111111-2222-3333-4444-555555555555";
const schema = z.object({
	/** Names the key, and proves nothing: kept since Scaleway gives both. */
	access_key: secret("the access key").default(""),
	secret_key: secret("the secret key of an API key that may manage Instances"),
	project_id: z.string(projectId).regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/, projectId),
	zone: slug("fr-par-1").default("fr-par-1"),
	size: slug("DEV1-S").default("DEV1-S"),
	/** An image's label, or the id of one of the project's own. */
	image: slug("ubuntu_noble").default("ubuntu_noble"),
	api_url: apiUrl("https://api.scaleway.com"),
});
export type ScalewayAccount = z.infer<typeof schema>;

export const scaleway: ProviderDefinition<ScalewayAccount> = {
	displayName: "Scaleway",
	schema,
	secrets: ["access_key", "secret_key"],
	shown: ({ project_id, zone, size, image, api_url }) => ({
		size: size ?? null,
		region: zone ?? null,
		zone: zone ?? null,
		project_id: project_id ?? null,
		image: image ?? null,
		api_url: api_url ?? null,
	}),
	twoStepRestart: false,
	billedSeconds: 3600,
	finishesCreate: true,
	create: (account, context) => new Scaleway(account, context),
};

/** A create is over by then, however many calls it took: whoever finds its server stopped later knows that it was cut. */
const CREATE_MS = 30_000;
/** What a type is changes less often than that. */
const CATALOGUE_MS = 24 * 3_600_000;

/** The security groups' ids. */
const groups = new Once<string>();
const volumes = new Once<RootVolume>((_, ageMs) => ageMs < CATALOGUE_MS);

class Scaleway implements Provider {
	readonly #account: ScalewayAccount;
	readonly #context: ProviderContext;

	constructor(account: ScalewayAccount, context: ProviderContext) {
		this.#account = account;
		this.#context = context;
	}

	async create(wanted: CreateRequest): Promise<Vm> {
		const endsAt = this.#context.now() + CREATE_MS;
		const { zone, server } = wanted.unfinished === undefined ? await this.#made(wanted) : await this.#unfinished(wanted, wanted.unfinished);
		const made = { ...vmOf(zone, server), tags: wanted.tags };
		// An earlier create came so far.
		if (server.state !== "stopped") return made;
		const path = `${serversOf(zone)}/${server.id}`;
		const confidential = [wanted.userData];
		const step = (...[method, below, body]: ["PATCH" | "POST", string, unknown]) => {
			const deadlineMs = endsAt - this.#context.now();
			if (deadlineMs <= 0)
				throw new ProviderError({ kind: "unknown", say: "Scaleway: the create took too long, and is gone on with later" });
			return this.#call(method, path + below, ignored, { body, confidential, deadlineMs });
		};
		try {
			await step("PATCH", "/user_data/cloud-init", wanted.userData);
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
		const { zone } = this.#account;
		const servers = await this.#servers(zone, { tags: TAG });
		// A server that is deleted or made between two pages may move the rest and show one of them twice.
		return [...new Map(servers.map((server) => [server.id, vmOf(zone, server)])).values()];
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		if (wanted.vm === null) {
			const server = await this.#begun(wanted);
			return server === null ? null : vmOf(this.#account.zone, server);
		}
		const { zone, id } = placeOf(wanted.vm);
		const server = await orNull(this.#server(zone, id));
		return server !== null && isOf(vmOf(zone, server), wanted.tags) ? vmOf(zone, server) : null;
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
		if (wanted !== null) await this.#call("PATCH", `${serversOf(zone)}/${id}`, ignored, { body: { tags: wanted } });
	}

	async delete(vm: string): Promise<void> {
		const { zone, id } = placeOf(vm);
		await this.#remove(zone, await this.#server(zone, id));
	}

	/** A reboot keeps the address; a server that is stopped is switched on, and gets another. `on` has nothing left to do. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		if (step === "on") return;
		const { zone, id } = placeOf(vm);
		const act = (action: string) => this.#call("POST", `${serversOf(zone)}/${id}/action`, ignored, { body: { action } });
		try {
			await act("reboot");
		} catch (error) {
			// Certainly not done: it does not run.
			if (!isFailure(error, "invalid")) throw error;
			await act("poweron");
		}
	}

	/** The server of an intent: the one that is there, else a new one. */
	async #made(wanted: CreateRequest): Promise<Placed> {
		const group = await this.#group(wanted);
		const volume = await this.#volume();
		const server = (await this.#begun(wanted)) ?? (await this.#make(wanted, group, volume));
		return { zone: this.#account.zone, server };
	}

	async #unfinished({ tags }: CreateRequest, vm: string): Promise<Placed> {
		const { zone, id } = placeOf(vm);
		const server = await this.#server(zone, id);
		if (isOf(vmOf(zone, server), tags)) return { zone, server };
		throw new ProviderError({ kind: "notFound", say: `Scaleway: ${vm} is not this proxy's` });
	}

	async #make({ name, tags, userData }: CreateRequest, group: string, volume: RootVolume): Promise<Server> {
		const { zone, size, image, project_id } = this.#account;
		try {
			const { server } = await this.#call("POST", serversOf(zone), json(z.object({ server: Server })), {
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
			// What the request names does not exist; it may be the security group, which someone removed since it was seen.
			if (isFailure(error, "notFound", "invalid")) groups.forget(this.#groupKey(tags.deployment), group);
			throw as(error, { notFound: "invalid" });
		}
	}

	/** What a create whose server exists failed of. A refusal is told as one only where nothing is left of the server. */
	async #takenBack(zone: string, server: Server, error: unknown): Promise<unknown> {
		if (!(error instanceof ProviderError)) return error;
		const unfinished = new ProviderError({ kind: "unknown", say: error.failure.say });
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
		const act = (action: string) => this.#call("POST", `${path}/action`, ignored, { body: { action } });
		const root = rootVolume(server);
		switch (server.state) {
			case "starting":
			case "stopping":
				throw new ProviderError({ kind: "conflict", say: `Scaleway: a server that is ${server.state} cannot be deleted yet` });
			case "stopped":
				// The server goes last: as long as it is there, its volume is found again.
				if (root !== null) await this.#call("PATCH", path, ignored, { body: { volumes: {} } });
				for (const volume of root === null ? await this.#detached(zone, server.name) : [root]) await this.#removeVolume(zone, volume);
				await this.#call("DELETE", path, ignored);
				return;
			default:
				if (root === null || root.isLocal) return act("terminate");
				await act("poweroff");
				throw new ProviderError({
					kind: "conflict",
					say: "Scaleway: a server with block storage is switched off first, since its volume would outlive it",
				});
		}
	}

	async #removeVolume(zone: string, { id, isLocal }: VolumeFound): Promise<void> {
		await orNull(this.#call("DELETE", `/${isLocal ? "instance" : "block"}/v1/zones/${zone}/volumes/${id}`, ignored));
	}

	/** The volumes that an earlier delete of a server of that name has detached. */
	async #detached(zone: string, name: string): Promise<VolumeFound[]> {
		const { project_id } = this.#account;
		const local = await this.#all(`/instance/v1/zones/${zone}/volumes`, { project: project_id, name }, "volumes", LocalVolume);
		const path = `/block/v1/zones/${zone}/volumes?${new URLSearchParams({ project_id, name })}`;
		const block = await this.#call("GET", path, json(z.object({ volumes: z.array(BlockVolume) })));
		return [
			...local.filter((volume) => volume.name === name && !volume.server).map(({ id }) => ({ id, isLocal: true })),
			...block.volumes.filter((volume) => volume.name === name && !volume.references?.length).map(({ id }) => ({ id, isLocal: false })),
		];
	}

	async #server(zone: string, id: string): Promise<Server> {
		return (await this.#call("GET", `${serversOf(zone)}/${id}`, json(z.object({ server: Server })))).server;
	}

	/** The server of that name that is this intent's. Names are not unique: were there two, the same one is found each time. */
	async #begun({ name, tags }: Pick<Wanted, "name" | "tags">): Promise<Server | null> {
		const { zone } = this.#account;
		const named = await this.#servers(zone, { name });
		const ours = named.filter((server) => server.name === name && isOf(vmOf(zone, server), tags));
		return ours.sort((a, b) => (a.id < b.id ? -1 : 1))[0] ?? null;
	}

	#servers(zone: string, query: Readonly<Record<string, string>>): Promise<Server[]> {
		const { project_id } = this.#account;
		return this.#all(serversOf(zone), { project: project_id, ...query, order: "creation_date_asc" }, "servers", Server);
	}

	async hourlyPrice(): Promise<Price> {
		const { zone, size } = this.#account;
		return priced("Scaleway", "server type", `${size} in ${zone}`, hourlyOf(await this.#type()), "EUR", this.#context.now());
	}

	/** What the type's root volume is to be. */
	async #volume(): Promise<RootVolume> {
		const { api_url, secret_key, zone, size } = this.#account;
		const key = JSON.stringify([api_url, secret_key, zone, size]);
		try {
			return await volumes.ensure(this.#context, key, "", async () => rootVolumeFor(await this.#type()));
		} catch (error) {
			throw asBeforeCreate(error);
		}
	}

	async #type(): Promise<ServerType> {
		const { zone, size } = this.#account;
		const path = `/instance/v1/zones/${zone}/products/servers`;
		const types = await allPages<ServerType, number>(`Scaleway: the pages of ${path}`, 1, async (page) => {
			const { servers } = await this.#call("GET", `${path}?per_page=100&page=${page}`, json(Types));
			const isOver = servers[size] !== undefined || Object.keys(servers).length === 0;
			return { items: servers[size] === undefined ? [] : [servers[size]], next: isOver ? null : page + 1 };
		});
		if (types[0] === undefined) throw new ProviderError({ kind: "invalid", say: `Scaleway: ${zone} has no server type ${size}` });
		return types[0];
	}

	/** The id of the one security group that the deployment has, which lets in whom it shall. */
	async #group(wanted: Protection): Promise<string> {
		const wish = JSON.stringify([wanted.port, [...wanted.allow].sort()]);
		const key = this.#groupKey(wanted.tags.deployment);
		try {
			return await groups.ensure(this.#context, key, wish, () => this.#makeGroup(wanted));
		} catch (error) {
			throw asBeforeCreate(error);
		}
	}

	#groupKey(deployment: string): string {
		const { api_url, secret_key, zone, project_id } = this.#account;
		return JSON.stringify([api_url, secret_key, zone, project_id, deployment]);
	}

	async #makeGroup({ tags: { deployment }, port, allow }: Protection): Promise<string> {
		const { zone, project_id } = this.#account;
		const path = `/instance/v1/zones/${zone}/security_groups`;
		const body = groupBody(deployment, project_id, [TAG, `${DEPLOYMENT_TAG}:${deployment}`]);
		const look = async () => {
			const found = await this.#all(path, { project: project_id, name: body.name }, "security_groups", SecurityGroup);
			const age = ({ creation_date, id }: SecurityGroup) => `${creation_date} ${id}`;
			const oldest = found.filter(({ name }) => name === body.name).sort((a, b) => (age(a) < age(b) ? -1 : 1))[0];
			if (oldest !== undefined && oldest.inbound_default_policy !== "drop") {
				const say = `Scaleway: security group ${oldest.id} lets in what no rule names; set its inbound default policy to drop`;
				throw new ProviderError({ kind: "invalid", say });
			}
			return oldest?.id ?? null;
		};
		const make = async () => {
			const { security_group } = await this.#call("POST", path, json(z.object({ security_group: SecurityGroup })), { body });
			return security_group.id;
		};
		const id = await agreedId(look, make, (surplus) => this.#call("DELETE", `${path}/${surplus}`, ignored));
		const rules = groupRules(port, allow);
		const found = await this.#all(`${path}/${id}/rules`, {}, "rules", GroupRule);
		if (!areAsWanted(found, rules)) await this.#call("PUT", `${path}/${id}/rules`, ignored, { body: { rules } });
		return id;
	}

	#all<T>(path: string, query: Readonly<Record<string, string>>, key: string, item: z.ZodType<T>): Promise<T[]> {
		return allOf(this.#context, this.#account, path, query, key, item);
	}

	#call<T>(
		method: HttpRequest<T>["method"],
		path: string,
		read: HttpRequest<T>["read"],
		more: Pick<HttpRequest<T>, "body" | "confidential" | "deadlineMs"> = {},
	): Promise<T> {
		return call(this.#context, this.#account, method, path, read, more);
	}
}

interface Placed {
	readonly zone: string;
	readonly server: Server;
}

const serversOf = (zone: string) => `/instance/v1/zones/${zone}/servers`;

function isOf(vm: Vm, tags: Wanted["tags"]): boolean {
	return vm.tags.deployment === tags.deployment && vm.tags.intent === tags.intent;
}
