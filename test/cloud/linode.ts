import { gunzipSync } from "node:zlib";
import type { Account } from "./account.ts";
import { type Call, type DevAccount, type Dialect, json, type Operation } from "./dialect.ts";
import type { Limits } from "./dialects.ts";
import type { VmRecord } from "./inventory.ts";
import { done, filteredTo, notFound, page, read, refuse, time } from "./linode-answers.ts";
import { IMAGES, REGIONS, TYPES } from "./linode-catalogue.ts";
import { answerFirewalls, firewallsOf } from "./linode-firewalls.ts";
import { Boot, CreateLinode, UpdateLinode } from "./linode-requests.ts";
import { bodyField, ipv6Network, localToken, maskJson } from "./requests.ts";

/**
 * Linode's API v4, the part about Linodes and firewalls. Paths, fields and limits are those of its OpenAPI document
 * (https://github.com/linode/linode-api-docs); sentences are the real ones where they are known.
 *
 * `requestsPerHour`: how often an account may call within an hour; null: the real limit of 1,600 a minute is stated and never reached.
 */
export function linode({ requestsPerHour, pageSize = Number.POSITIVE_INFINITY }: Limits): Dialect {
	const spent = new Map<string, number[]>();
	return {
		provider: "linode",
		operation: operationOf,
		account(call) {
			// What there is to be had is shown to everyone.
			if (PUBLIC.test(call.path) && !call.headers.has("authorization")) return { token: "local-nobody" };
			const token = localToken(call);
			return token === null ? refuse(401, "Invalid Token") : { token };
		},
		region(call, account) {
			const { collection, id } = partsOf(call);
			if (collection !== "linode/instances") return null;
			if (id !== undefined) return String(account.vm(id)?.details.region ?? "") || null;
			return call.method === "POST" ? bodyField(call, "region") : null;
		},
		soldOut: (call) => (operationOf(call) === "create" ? refuse(403, NO_ROOM) : null),
		handle: (call, account) => route(atMost(call, pageSize), account),
		failure(status, nowMs) {
			const answer = refuse(status, FAILURES[status] ?? "Internal server error");
			if (status === 429) for (const [name, value] of Object.entries(rate(0, nowMs + 15_000))) answer.headers.set(name, value);
			if (status === 429) answer.headers.set("retry-after", "15");
			return answer;
		},
		meter(account, nowMs) {
			if (requestsPerHour === null) return { headers: rate(1599, nowMs + 60_000), refusal: null };
			const lately = (spent.get(account.key) ?? []).filter((at) => at > nowMs - 3_600_000);
			const isSpent = lately.length >= requestsPerHour;
			spent.set(account.key, isSpent ? lately : [...lately, nowMs]);
			const resetAt = (lately[0] ?? nowMs) + 3_600_000;
			const refusal = refuse(429, "Too many requests");
			refusal.headers.set("retry-after", String(Math.ceil((resetAt - nowMs) / 1000)));
			return { headers: rate(Math.max(0, requestsPerHour - lately.length - 1), resetAt), refusal: isSpent ? refusal : null };
		},
		mask: (body) => maskJson(body, ["user_data", "root_pass"]),
	};
}

export const devAccount: DevAccount = async () => ({ ACCESS_TOKEN: "local-dev" });

const rate = (remaining: number, resetAt: number) => ({
	"x-ratelimit-limit": "1600",
	"x-ratelimit-remaining": String(remaining),
	"x-ratelimit-reset": String(Math.ceil(resetAt / 1000)),
});

const FAILURES: Readonly<Record<number, string>> = {
	400: "Bad request",
	401: "Invalid Token",
	403: "Unauthorized",
	404: "Not found",
	408: "Please try again",
	429: "Too many requests",
	503: "Service unavailable",
};

const NO_ROOM =
	"The Linode plan you chose is not currently available in the selected region. Please select another region or plan type, or contact Support for assistance.";
const BUSY = "Linode busy.";
/** https://github.com/linode/cluster-api-provider-linode: what the metadata service takes. */
const MAX_USER_DATA_BYTES = 16_384;

const PUBLIC = /^\/v4\/(regions|linode\/types)(\/|$)/;
const PATH = /^\/v4(?:beta)?\/(linode\/[a-z]+|networking\/firewalls|[a-z]+)(?:\/(.+))?$/;

function partsOf(call: Call) {
	const [, collection = "", rest] = PATH.exec(call.path) ?? [];
	// The names of images have a slash.
	if (collection === "images") return { collection, id: rest && decodeURIComponent(rest) };
	const [id, part, more] = rest?.split("/") ?? [];
	return { collection, id, part, more };
}

function operationOf(call: Call): Operation {
	const { collection, id, part } = partsOf(call);
	if (collection === "networking/firewalls") return "firewall";
	if (collection !== "linode/instances") return "other";
	if (id === undefined) return call.method === "POST" ? "create" : filteredTo(call, "label") !== null ? "get" : "list";
	if (part !== undefined) return call.method === "POST" ? "restart" : "other";
	if (call.method === "PUT") return "retag";
	return call.method === "DELETE" ? "delete" : "get";
}

/** The call as if the cloud gave no more than this on a page, which only its own answer says. */
function atMost(call: Call, pageSize: number): Call {
	if (pageSize === Number.POSITIVE_INFINITY) return call;
	const query = new URLSearchParams(call.query);
	query.set("most", String(pageSize));
	return { ...call, query };
}

function route(call: Call, account: Account): Promise<Response> | Response {
	const { collection, id, part, more } = partsOf(call);
	if (collection === "networking/firewalls") return answerFirewalls(call, account, id, part, more);
	if (collection === "linode/instances" && id !== undefined) return answerLinode(call, id, part, account);
	const one = (items: readonly { readonly id: string }[]) => {
		const found = items.find((item) => item.id === id);
		return found ? json(200, found) : notFound();
	};
	switch (`${call.method} ${collection}${id === undefined ? "" : "/*"}${part === undefined ? "" : `/${part}`}`) {
		case "POST linode/instances":
			return read(call, CreateLinode, (wanted) => createLinode(wanted, account));
		case "GET linode/instances":
			return page(call, account.vms().map(shown), ["id", "label", "tags", "region", "group", "ipv4"]);
		case "GET linode/types":
			return page(call, TYPES, ["id", "label", "class", "vcpus", "memory"]);
		case "GET linode/types/*":
			return one(TYPES);
		case "GET images":
			return page(call, IMAGES, ["id", "label", "vendor", "is_public", "deprecated"]);
		case "GET images/*":
			return one(IMAGES);
		case "GET regions":
			return page(call, REGIONS, ["id", "label", "country"]);
		case "GET regions/*":
			// Some plans alone are listed: of others it says nothing.
			return id === "availability" ? page(call, [], []) : one(REGIONS);
		case "GET regions/*/availability":
			return json(200, [{ region: id, plan: "g6-dedicated-2", available: true }]);
		case "GET account/*":
			return id === "settings" ? json(200, ACCOUNT_SETTINGS) : notFound();
		case "GET profile":
			return json(200, { username: "local", email: "local@example.com", restricted: false, uid: 1, timezone: "GMT" });
		default:
			return notFound();
	}
}

const ACCOUNT_SETTINGS = {
	backups_enabled: false,
	longview_subscription: null,
	managed: false,
	network_helper: true,
	object_storage: "disabled",
	interfaces_for_new_linodes: "legacy_config_default_but_linode_allowed",
	maintenance_policy: "linode/migrate",
};

async function createLinode(wanted: CreateLinode, account: Account): Promise<Response> {
	const region = REGIONS.find(({ id }) => id === wanted.region);
	if (!region) return refuse(400, "region is not valid", "region");
	const type = TYPES.find(({ id }) => id === wanted.type);
	if (!type) return refuse(400, "A valid plan type by that ID was not found", "type");
	const image = IMAGES.find(({ id }) => id === wanted.image);
	if (!image) return refuse(400, "image is not valid", "image");
	const { root_pass, authorized_keys = [], authorized_users = [] } = wanted;
	if (root_pass === undefined && authorized_keys.length + authorized_users.length === 0)
		return refuse(400, "Must provide valid root_pass, authorized_keys, or authorized_users", "root_pass");
	const firewall = firewallOf(wanted, account);
	if (firewall instanceof Response) return firewall;
	const userData = Buffer.from(wanted.metadata?.user_data ?? "", "base64");
	if (userData.length > 0) {
		if (!region.capabilities.includes("Metadata")) return refuse(400, "Metadata is not available in this region", "metadata.user_data");
		if (!image.capabilities.includes("cloud-init")) return refuse(400, "This image does not support cloud-init", "metadata.user_data");
		if (userData.length > MAX_USER_DATA_BYTES) return refuse(400, "user_data is too long", "metadata.user_data");
	}
	const label = wanted.label ?? `linode${account.number()}`;
	if (account.hasName(label)) return refuse(400, "Label must be unique", "label");
	if (account.count() >= account.limit) return refuse(400, "Account Limit reached. Please open a support ticket.");
	const { vm } = await account.create({
		provider: "linode",
		id: String,
		name: label,
		tags: wanted.tags,
		userData: unpacked(userData),
		...(wanted.booted === false ? { isOff: true } : {}),
		details: {
			region: region.id,
			type: type.id,
			image: image.id,
			interfaces: wanted.interface_generation ?? "legacy_config",
			firewall,
			hasUserData: userData.length > 0,
		},
	});
	return json(200, shown(vm));
}

/** The id of the firewall that the Linode is made behind, null where there is none; where it is named depends on the kind of interfaces. */
function firewallOf({ interface_generation, interfaces, firewall_id }: CreateLinode, account: Account): number | null | Response {
	const isLinode = interface_generation === "linode";
	if (isLinode && firewall_id !== undefined)
		return refuse(400, "firewall_id must be given for each interface of a Linode with Linode interfaces", "firewall_id");
	if (isLinode && interfaces?.some((each) => each.firewall_id === undefined || each.firewall_id === null))
		return refuse(400, "No default firewall is set for this account", "interfaces");
	if (!isLinode && interfaces !== undefined) return refuse(400, "interfaces must have a purpose", "interfaces");
	const id = isLinode ? interfaces?.[0]?.firewall_id : firewall_id;
	if (id === undefined || id === null || id === -1) return null;
	return firewallsOf(account).get(String(id)) ? id : refuse(400, "Firewall does not exist", "firewall_id");
}

/** As cloud-init reads them: gzipped or not. */
const unpacked = (userData: Buffer) => (userData[0] === 0x1f && userData[1] === 0x8b ? gunzipSync(userData) : userData).toString("utf8");

function answerLinode(call: Call, id: string, part: string | undefined, account: Account): Promise<Response> | Response {
	const vm = account.vm(id);
	if (!vm) return notFound();
	const power = (how: "restart" | "off" | "on") => (account.power(vm, how, part ?? "") ? done() : refuse(400, BUSY));
	switch (`${call.method} ${part ?? ""}`) {
		case "GET ":
			return json(200, shown(vm));
		case "PUT ":
			return read(call, UpdateLinode, ({ tags }) => {
				if (tags !== undefined) account.retag(vm, tags);
				return json(200, shown(account.vm(id) ?? vm));
			});
		case "DELETE ":
			account.delete(vm);
			return done();
		case "GET firewalls": {
			const firewall = firewallsOf(account).get(String(vm.details.firewall));
			return page(call, firewall ? [firewall] : [], []);
		}
		case "POST reboot":
			return vm.state === "off" && account.tasks(vm).every(({ status }) => status !== "running")
				? refuse(400, "Linode is not running")
				: read(call, Boot, () => power("restart"));
		case "POST boot":
			return read(call, Boot, () => power("on"));
		case "POST shutdown":
			return power("off");
		default:
			return notFound();
	}
}

const STATUS: Readonly<Record<VmRecord["state"], string>> = { new: "provisioning", active: "running", off: "offline" };

function shown(vm: VmRecord): object {
	const type = TYPES.find(({ id }) => id === vm.details.type) ?? TYPES[0];
	return {
		id: Number(vm.id),
		label: vm.name,
		group: "",
		status: STATUS[vm.state],
		created: time(vm.createdAt),
		updated: time(vm.createdAt),
		type: type.id,
		ipv4: [vm.address],
		ipv6: `${ipv6Network(Number(vm.id)).address}/128`,
		image: vm.details.image,
		region: vm.details.region,
		site_type: "core",
		specs: { disk: type.disk, memory: type.memory, vcpus: type.vcpus, gpus: 0, transfer: type.transfer },
		alerts: { cpu: 90, network_in: 10, network_out: 10, transfer_quota: 80, io: 10_000 },
		backups: { enabled: false, available: false, schedule: { day: null, window: null }, last_successful: null },
		hypervisor: "kvm",
		watchdog_enabled: true,
		tags: vm.tags,
		host_uuid: "3a3ddd59d9a78bb8de041391075df44de62bfec8",
		has_user_data: vm.details.hasUserData,
		placement_group: null,
		disk_encryption: "enabled",
		lke_cluster_id: null,
		capabilities: ["Block Storage Encryption"],
		interface_generation: vm.details.interfaces,
		maintenance_policy: "linode/migrate",
	};
}
