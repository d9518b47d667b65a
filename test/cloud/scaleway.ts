import type { Account } from "./account.ts";
import type { Call, DevAccount, Dialect, Operation } from "./dialect.ts";
import type { Limits } from "./dialects.ts";
import type { VmRecord } from "./inventory.ts";
import { bodyField, maskJson, shortPages } from "./requests.ts";
import {
	invalid,
	isAsked,
	json,
	notFound,
	page,
	read,
	refuse,
	serverShown,
	stateOf,
	taskShown,
	transientState,
	uuidOf,
} from "./scaleway-answers.ts";
import { IMAGE_BYTES, IMAGES, TYPES, ZONES } from "./scaleway-catalogue.ts";
import { answerGroups, groupsOf } from "./scaleway-groups.ts";
import { answerMarketplace } from "./scaleway-marketplace.ts";
import { CreateServer, ServerAction, UpdateServer } from "./scaleway-requests.ts";
import { answerBlockVolumes, answerIps, answerVolumes, createVolume, detach, terminateVolumes, volumesShown } from "./scaleway-volumes.ts";

/**
 * Scaleway's Instances API v1, the part about servers, their volumes and security groups, and of Block Storage what servers leave there.
 * Paths, fields and limits are those of their OpenAPI documents (https://www.scaleway.com/en/developers/api/instances/); sentences are the
 * real ones where they are known.
 *
 * Secret keys are UUIDs, and official clients take no other; one that begins with `10ca1` (or any text that begins with `local`) is an account.
 *
 * `requestsPerHour`: how often an account may call within an hour. The real limits are stated nowhere; null: none.
 */
export function scaleway({ requestsPerHour, pageSize = Number.POSITIVE_INFINITY }: Limits): Dialect {
	const spent = new Map<string, number[]>();
	return {
		provider: "scaleway",
		operation: operationOf,
		account(call) {
			const token = call.headers.get("x-auth-token") ?? "";
			return token.startsWith("local") || LOCAL_KEY.test(token) ? { token } : denied();
		},
		region: (call) => PATH.exec(call.path)?.[2] ?? null,
		soldOut,
		handle: (call, account) => route(shortPages(call, pageSize), account),
		failure(status) {
			if (status === 401) return denied();
			const [type, message] = FAILURES[status] ?? ["internal_error", "internal error"];
			return refuse(status, type, message);
		},
		meter(account, nowMs) {
			if (requestsPerHour === null) return { headers: {}, refusal: null };
			const lately = (spent.get(account.key) ?? []).filter((at) => at > nowMs - 3_600_000);
			const isSpent = lately.length >= requestsPerHour;
			spent.set(account.key, isSpent ? lately : [...lately, nowMs]);
			return { headers: {}, refusal: isSpent ? refuse(429, "too_many_requests", "too many requests") : null };
		},
		// User data travel as text, of which nobody knows where in it a secret is.
		mask: (body) => maskJson(body, []),
	};
}

const LOCAL_KEY = /^10ca1[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A server needs room when it is made, and again when it is switched on. */
function soldOut(call: Call): Response | null {
	const [, , , collection, id, part] = PATH.exec(call.path) ?? [];
	if (collection !== "servers" || call.method !== "POST") return null;
	const isPowerOn = part === "action" && bodyField(call, "action") === "poweron";
	if (id !== undefined && !isPowerOn) return null;
	const resource = bodyField(call, "commercial_type");
	return refuse(412, "out_of_stock", "resource is out of stock", resource === null ? {} : { resource });
}

const denied = () => refuse(401, "denied_authentication", "authentication is denied", { method: "api_key", reason: "invalid_argument" });

const FAILURES: Readonly<Record<number, readonly [type: string, message: string]>> = {
	400: ["invalid_request_error", "Validation Error"],
	403: ["permissions_denied", "insufficient permissions"],
	404: ["unknown_resource", "Resource not found"],
	409: ["transient_state", "resource is in a transient state"],
	412: ["out_of_stock", "resource is out of stock"],
	423: ["locked", "resource is locked"],
	429: ["too_many_requests", "too many requests"],
	503: ["unavailable", "service is temporarily unavailable"],
};

const PATH = /^\/(instance|block)\/v1\/zones\/([^/]+)\/([a-z_]+)(?:\/([^/]+))?(?:\/([a-z_]+))?(?:\/([^/]+))?$/;

function operationOf(call: Call): Operation {
	const [, product, , collection, id, part] = PATH.exec(call.path) ?? [];
	if (collection === "security_groups") return "firewall";
	if (product !== "instance" || collection !== "servers") return "other";
	if (id === undefined) return call.method === "POST" ? "create" : call.query.has("name") ? "get" : "list";
	if (part === "user_data") return "create";
	if (part === "action") return /"(terminate|poweroff)"/.test(call.body) ? "delete" : "restart";
	if (call.method === "PATCH") return call.body.includes('"tags"') ? "retag" : "delete";
	return call.method === "DELETE" ? "delete" : "get";
}

function route(call: Call, account: Account): Promise<Response> | Response {
	if (call.path.startsWith("/marketplace/v2/")) return answerMarketplace(call);
	const [, product, zone = "", collection, id, part, partId] = PATH.exec(call.path) ?? [];
	if (product === undefined) return refuse(404, "unknown_resource", "Resource not found");
	if (!(ZONES as readonly string[]).includes(zone)) return invalid("zone", `${zone} is not a valid zone`);
	switch (`${product} ${collection}`) {
		case "instance servers":
			return id === undefined ? answerServers(call, account, zone) : answerServer(call, account, zone, id, part, partId);
		case "instance security_groups":
			return answerGroups(call, account, zone, id, part, partId);
		case "instance volumes":
			return answerVolumes(call, account, zone, id);
		case "block volumes":
			return answerBlockVolumes(call, account, zone, id);
		case "instance ips":
			return answerIps(call, account, zone, id);
		case "instance products":
			return products(call, part);
		default:
			return refuse(404, "unknown_resource", "Resource not found");
	}
}

/** `products/servers` and `products/servers/availability`. */
function products(call: Call, part: string | undefined): Response {
	const types = Object.entries(TYPES).map(([name, type]) => [name, part === "availability" ? { availability: "available" } : type]);
	const size = Number(call.query.get("per_page") ?? 50);
	const from = (Number(call.query.get("page") ?? 1) - 1) * size;
	const shown = Object.fromEntries(types.slice(from, from + size));
	return json(200, { servers: shown }, { "x-total-count": String(types.length) });
}

const shown = (vm: VmRecord, account: Account) => serverShown(vm, account, volumesShown(vm, account));
const projectOf = (vm: VmRecord) => String(vm.details.project);

function answerServers(call: Call, account: Account, zone: string): Promise<Response> | Response {
	if (call.method === "POST") return read(call, CreateServer, (wanted) => createServer(wanted, account, zone));
	const found = account.vms().filter((vm) => vm.details.zone === zone && isAsked(call, { ...vm, project: projectOf(vm) }));
	const isOldestFirst = call.query.get("order") === "creation_date_asc";
	return page(
		call,
		"servers",
		(isOldestFirst ? found : found.reverse()).map((vm) => shown(vm, account)),
	);
}

/** The server is stopped: it gets its user data, and is switched on, by further calls. */
async function createServer(wanted: CreateServer, account: Account, zone: string): Promise<Response> {
	const type = TYPES[wanted.commercial_type];
	if (!type) return invalid("commercial_type", `unknown commercial type ${wanted.commercial_type}`);
	const image = IMAGES.find(({ id, label, arch }) => (label === wanted.image || id === wanted.image) && arch === type.arch);
	if (!image) return invalid("image", `image ${wanted.image} not found for ${type.arch}`);
	const group = wanted.security_group === undefined ? null : groupsOf(account).get(wanted.security_group);
	if (wanted.security_group !== undefined && group?.zone !== zone) return notFound("Security group", wanted.security_group);
	const local = type.volumes_constraint.max_size;
	const volumes = Object.values({ "0": { volume_type: local === 0 ? "sbs_volume" : "l_ssd" } as const, ...wanted.volumes });
	const sized = volumes.map((volume) => ({ size: IMAGE_BYTES, name: wanted.name, ...volume }));
	const total = sized.filter(({ volume_type }) => volume_type === "l_ssd").reduce((sum, { size }) => sum + size, 0);
	if (total > local) return invalid("volumes", `The total size of local-volume(s) must be equal or below ${local / 1e9}GB`);
	if ((sized[0]?.size ?? 0) < IMAGE_BYTES) return invalid("volumes", `the root volume is smaller than the image's ${IMAGE_BYTES / 1e9}GB`);
	if (account.count() >= account.limit) {
		return refuse(403, "quotas_exceeded", "Quotas exceeded for this resource", {
			details: [
				{ resource: `cp_servers_type_${wanted.commercial_type.replace("-", "_")}`, quota: account.limit, current: account.count() },
			],
		});
	}
	const { vm } = await account.create({
		provider: "scaleway",
		id: uuidOf,
		isOff: true,
		name: wanted.name,
		tags: wanted.tags,
		userData: "",
		details: {
			zone,
			project: wanted.project,
			type: wanted.commercial_type,
			image: image.id,
			group: group?.id ?? "",
			groupName: group?.name ?? "",
			hasAddress: wanted.dynamic_ip_required,
		},
	});
	for (const { name, size, volume_type } of sized) {
		createVolume(account, { name, size, volume_type, project: wanted.project, zone, server: vm.id });
	}
	return json(201, { server: shown(vm, account) });
}

function answerServer(
	call: Call,
	account: Account,
	zone: string,
	id: string,
	part: string | undefined,
	key: string | undefined,
): Promise<Response> | Response {
	const vm = account.vm(id);
	if (vm === null || vm.details.zone !== zone) return notFound("Instance server", id);
	switch (`${call.method} ${part ?? ""}`) {
		case "GET ":
			return json(200, { server: shown(vm, account) });
		case "PATCH ":
			return read(call, UpdateServer, (change) => updateServer(change, vm, account));
		case "DELETE ":
			return deleteServer(vm, account);
		case "GET user_data":
			if (key === undefined) return json(200, { user_data: vm.userData === "" ? [] : ["cloud-init"] });
			return new Response(key === "cloud-init" ? vm.userData : "", { headers: { "content-type": "text/plain" } });
		case "PATCH user_data":
			if (!call.headers.get("content-type")?.startsWith("text/plain")) return invalid("content-type", "must be text/plain");
			if (new TextEncoder().encode(call.body).length > 127_998) return invalid("user_data", "is larger than 127998 bytes");
			if (key === "cloud-init") account.setUserData(vm, call.body);
			return new Response(null, { status: 204 });
		case "POST action":
			return read(call, ServerAction, ({ action }) => act(action, vm, account, zone));
		default:
			return refuse(404, "unknown_resource", "Resource not found");
	}
}

function updateServer(change: UpdateServer, vm: VmRecord, account: Account): Response {
	const state = stateOf(vm, account);
	if (change.volumes !== undefined) {
		if (state !== "stopped") return refuse(400, "invalid_request_error", "Instance must be powered off to change local volumes");
		detach(
			vm,
			account,
			Object.values(change.volumes).map(({ id }) => id),
		);
	}
	if (change.tags !== undefined) account.retag(vm, change.tags);
	return json(200, { server: shown(account.vm(vm.id) ?? vm, account) });
}

/** Its volumes stay behind. */
function deleteServer(vm: VmRecord, account: Account): Response {
	const state = stateOf(vm, account);
	if (state === "starting" || state === "stopping") return transientState(vm.id, state);
	if (state !== "stopped") return refuse(400, "invalid_request_error", "Instance must be powered off to be deleted");
	detach(vm, account);
	account.delete(vm);
	return new Response(null, { status: 204 });
}

function act(action: string, vm: VmRecord, account: Account, zone: string): Response {
	const state = stateOf(vm, account);
	if (state === "starting" || state === "stopping") return transientState(vm.id, state);
	const wants = action === "poweron" ? "stopped" : "running";
	if (state !== wants) return refuse(400, "invalid_request_error", `server should be ${wants}`);
	const power = { poweron: "on", poweroff: "off", stop_in_place: "off", reboot: "restart" } as const;
	const task = action === "terminate" ? account.terminate(vm, action) : account.power(vm, power[action as keyof typeof power], action);
	if (task === null) return transientState(vm.id, state);
	if (action === "terminate") terminateVolumes(vm, account);
	return json(202, taskShown(task, zone, vm.id));
}

export const devAccount: DevAccount = async () => ({
	ACCESS_KEY: "SCWLOCALDEV000000000",
	SECRET_KEY: "local-dev",
	PROJECT_ID: "10ca1de0-0000-4000-8000-000000000004",
});
