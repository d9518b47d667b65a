import type { Account } from "./account.ts";
import type { Call } from "./dialect.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { rfc3339 } from "./requests.ts";
import { isAsked, json, notFound, ORGANIZATION, page, read, refuse, uuidOf } from "./scaleway-answers.ts";
import { CreateIp } from "./scaleway-requests.ts";

/** Volumes and reserved addresses of Scaleway's dialect: what outlives a server, and goes on being billed. */
export interface Volume {
	readonly [key: string]: Json;
	readonly id: string;
	readonly name: string;
	readonly size: number;
	readonly volume_type: string;
	readonly project: string;
	readonly zone: string;
	readonly tags: readonly string[];
	/** The id of the server that it is attached to. */
	readonly server: string | null;
	readonly at: number;
}

const volumesOf = (account: Account) => account.collection<Volume>("volumes");
const isLocal = ({ volume_type }: Volume) => volume_type === "l_ssd";

export function createVolume(
	account: Account,
	wanted: Pick<Volume, "name" | "size" | "volume_type" | "project" | "zone" | "server">,
): void {
	const volume: Volume = { ...wanted, id: uuidOf(account.number()), tags: [], at: account.now() };
	volumesOf(account).set(volume.id, volume);
}

/** A server's volumes as it shows them, by their place. */
export function volumesShown(vm: VmRecord, account: Account): { [key: string]: Json } {
	const attached = volumesOf(account)
		.all()
		.filter(({ server }) => server === vm.id);
	return Object.fromEntries(
		attached.map((volume, place) => {
			// Of block storage the server knows little.
			const { id, volume_type, zone } = volume;
			return [String(place), isLocal(volume) ? localShown(volume, account) : { id, volume_type, zone, boot: false, state: "available" }];
		}),
	);
}

/** Those of the server's volumes that `kept` does not name are on their own from now on. */
export function detach(vm: VmRecord, account: Account, kept: readonly string[] = []): void {
	for (const volume of volumesOf(account).all()) {
		if (volume.server === vm.id && !kept.includes(volume.id)) volumesOf(account).set(volume.id, { ...volume, server: null });
	}
}

/** A termination takes the local volumes along, and leaves those in block storage. */
export function terminateVolumes(vm: VmRecord, account: Account): void {
	for (const volume of volumesOf(account).all()) if (volume.server === vm.id && isLocal(volume)) volumesOf(account).delete(volume.id);
	detach(vm, account);
}

/** `/instance/v1/zones/{zone}/volumes`: local ones. */
export function answerVolumes(call: Call, account: Account, zone: string, id: string | undefined): Response {
	const local = volumesOf(account)
		.all()
		.filter((volume) => volume.zone === zone && isLocal(volume));
	if (id === undefined) {
		if (call.method !== "GET") return refuse(405, "method_not_allowed", "Method not allowed");
		const found = local.filter((volume) => isAsked(call, volume));
		return page(
			call,
			"volumes",
			found.map((volume) => localShown(volume, account)),
		);
	}
	const volume = local.find((each) => each.id === id);
	if (!volume) return notFound("Volume", id);
	if (call.method === "GET") return json(200, { volume: localShown(volume, account) });
	if (volume.server !== null) return refuse(400, "invalid_request_error", "volume is in use by a server");
	volumesOf(account).delete(id);
	return new Response(null, { status: 204 });
}

/** `/block/v1/zones/{zone}/volumes`: those in block storage. */
export function answerBlockVolumes(call: Call, account: Account, zone: string, id: string | undefined): Response {
	const block = volumesOf(account)
		.all()
		.filter((volume) => volume.zone === zone && !isLocal(volume));
	if (id === undefined) {
		const { query } = call;
		const found = block.filter((volume) => isAsked({ ...call, query: new URLSearchParams({ name: query.get("name") ?? "" }) }, volume));
		const ofProject = found.filter(({ project }) => (query.get("project_id") ?? project) === project);
		return json(200, { volumes: ofProject.map(blockShown), total_count: ofProject.length });
	}
	const volume = block.find((each) => each.id === id);
	if (!volume) return refuse(404, "not_found", "resource is not found", { resource: "volume", resource_id: id });
	if (call.method === "GET") return json(200, blockShown(volume));
	if (volume.server !== null) {
		return refuse(412, "precondition_failed", "precondition failed", {
			precondition: "resource_still_in_use",
			help_message: "volume is in use",
		});
	}
	volumesOf(account).delete(id);
	return new Response(null, { status: 204 });
}

function localShown(volume: Volume, account: Account): { [key: string]: Json } {
	const { id, name, size, volume_type, project, zone } = volume;
	const server = account.vms().find((vm) => vm.id === volume.server);
	return {
		id,
		name,
		export_uri: "",
		organization: ORGANIZATION,
		project,
		...(server === undefined ? {} : { server: { id: server.id, name: server.name } }),
		size,
		volume_type,
		creation_date: rfc3339(volume.at),
		modification_date: rfc3339(volume.at),
		state: "available",
		boot: false,
		zone,
		tags: [],
	};
}

function blockShown({ id, name, size, project, zone, server, at }: Volume): object {
	const reference = { id, product_resource_type: "instance_server", product_resource_id: server, type: "exclusive", status: "attached" };
	return {
		id,
		name,
		type: "sbs_5k",
		size,
		project_id: project,
		created_at: rfc3339(at),
		updated_at: rfc3339(at),
		references: server === null ? [] : [reference],
		status: server === null ? "available" : "in_use",
		tags: [],
		specs: { perf_iops: 5000, class: "sbs" },
		zone,
	};
}

interface Ip {
	readonly [key: string]: Json;
	readonly id: string;
	readonly address: string;
	readonly project: string;
	readonly zone: string;
	readonly tags: readonly string[];
}

/** Addresses that are reserved: each is billed until it is released, whether a server has it or not. */
export function answerIps(call: Call, account: Account, zone: string, id: string | undefined): Promise<Response> | Response {
	const ips = account.collection<Ip>("ips");
	if (id === undefined && call.method === "POST") {
		return read(call, CreateIp, ({ project, tags }) => {
			const number = account.number();
			const ip: Ip = { id: uuidOf(number), address: `203.0.113.${number % 250}`, project, tags, zone };
			ips.set(ip.id, ip);
			return json(201, { ip: ipShown(ip) });
		});
	}
	if (id === undefined) {
		const found = ips.all().filter((ip) => ip.zone === zone && isAsked(call, { ...ip, name: ip.address }));
		return page(call, "ips", found.map(ipShown));
	}
	if (ips.get(id)?.zone !== zone) return notFound("IP", id);
	if (call.method !== "DELETE") return refuse(405, "method_not_allowed", "Method not allowed");
	ips.delete(id);
	return new Response(null, { status: 204 });
}

function ipShown(ip: Ip): object {
	return {
		...ip,
		reverse: null,
		organization: ORGANIZATION,
		type: "routed_ipv4",
		state: "detached",
		prefix: `${ip.address}/32`,
		ipam_id: ip.id,
	};
}
