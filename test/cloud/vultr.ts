import type { Account } from "./account.ts";
import { type Call, type DevAccount, type Dialect, json, type Operation } from "./dialect.ts";
import type { Limits } from "./dialects.ts";
import type { VmRecord } from "./inventory.ts";
import { bodyField, ipv6Network, localToken, maskJson, rfc3339, shortPages } from "./requests.ts";
import { page, read, refuse } from "./vultr-answers.ts";
import { PLANS, REGIONS, SYSTEMS } from "./vultr-catalogue.ts";
import { answerFirewalls, groupsOf } from "./vultr-firewalls.ts";
import { CreateInstance, UpdateInstance } from "./vultr-requests.ts";

/**
 * Vultr's API v2, the part about instances and firewall groups. Paths, fields and limits are those of its OpenAPI document
 * (https://www.vultr.com/api/); sentences are the real ones where they are known.
 *
 * `requestsPerHour`: how often an account may call within an hour. The real limit is 30 calls a second and stated in no header; null: none.
 */
export function vultr({ requestsPerHour, pageSize = Number.POSITIVE_INFINITY }: Limits): Dialect {
	const spent = new Map<string, number[]>();
	const deleted: Deleted = new Map();
	return {
		provider: "vultr",
		operation: operationOf,
		account(call) {
			const token = localToken(call);
			return token === null ? refuse(401, "Invalid API token.") : { token };
		},
		region(call, account) {
			const [, collection, id] = PATH.exec(call.path) ?? [];
			if (collection !== "instances") return null;
			if (id !== undefined) return String(account.vm(id)?.details.region ?? "") || null;
			return call.method === "POST" ? bodyField(call, "region") : null;
		},
		soldOut: (call) => (operationOf(call) === "create" ? refuse(400, NO_ROOM) : null),
		handle: (call, account) => route(shortPages(call, pageSize), account, deleted),
		failure: (status) => refuse(status, FAILURES[status] ?? "Internal server error"),
		meter(account, nowMs) {
			if (requestsPerHour === null) return { headers: {}, refusal: null };
			const lately = (spent.get(account.key) ?? []).filter((at) => at > nowMs - 3_600_000);
			const isSpent = lately.length >= requestsPerHour;
			spent.set(account.key, isSpent ? lately : [...lately, nowMs]);
			return { headers: {}, refusal: isSpent ? refuse(429, "Rate limit exceeded.") : null };
		},
		// An instance gets a password, which the answer to its create tells.
		mask: (body) => maskJson(body, ["user_data", "default_password"]),
	};
}

const FAILURES: Readonly<Record<number, string>> = {
	400: "Bad request.",
	401: "Invalid API token.",
	403: "Forbidden.",
	404: "Not found.",
	429: "Rate limit exceeded.",
	503: "Service unavailable.",
};

/** When each instance that was deleted lately was: for a while it is not there any more, and still being destroyed. */
type Deleted = Map<string, number>;
const DESTRUCTION_MS = 5000;

const NO_ROOM = "Plan is not available in the selected region.";
const LOCKED = "Server is currently locked";

const PATH = /^\/v2\/([a-z-]+)(?:\/([^/]+))?(?:\/([a-z]+))?(?:\/([^/]+))?$/;

function operationOf(call: Call): Operation {
	const [, collection, id, part] = PATH.exec(call.path) ?? [];
	if (collection === "firewalls") return "firewall";
	if (collection !== "instances") return "other";
	if (id === undefined) return call.method === "POST" ? "create" : call.query.has("label") ? "get" : "list";
	if (part !== undefined) return "restart";
	if (call.method === "PATCH") return "retag";
	return call.method === "DELETE" ? "delete" : "get";
}

function route(call: Call, account: Account, deleted: Deleted): Promise<Response> | Response {
	const [, collection = "", id, part, partId] = PATH.exec(call.path) ?? [];
	if (collection === "firewalls") return answerFirewalls(call, account, id, part, partId);
	if (collection === "instances" && id !== undefined) return answerInstance(call, id, part, account, deleted);
	switch (`${call.method} ${collection}${id === undefined ? "" : "/*"}`) {
		case "POST instances":
			return read(call, CreateInstance, (body) => createInstance(body, account));
		case "GET instances":
			return listInstances(call, account);
		case "GET plans":
			return page(call, "plans", PLANS);
		// Whole machines, of which there are none here; who lists what he can rent asks for them as well.
		case "GET plans-metal":
			return page(call, "plans_metal", []);
		case "GET bare-metals":
			return page(call, "bare_metals", []);
		case "GET regions":
			return page(call, "regions", REGIONS);
		case "GET os":
			return page(call, "os", SYSTEMS);
		case "GET account":
			return json(200, {
				account: {
					name: "Local cloud",
					email: "local@example.com",
					acls: ["subscriptions_view", "subscriptions", "provisioning", "firewall"],
					balance: -100,
					pending_charges: 0,
					last_payment_date: "2026-01-01T00:00:00+00:00",
					last_payment_amount: -100,
				},
			});
		default:
			return refuse(404, "Invalid path.");
	}
}

async function createInstance(wanted: CreateInstance, account: Account): Promise<Response> {
	const region = REGIONS.find(({ id }) => id === wanted.region);
	if (!region) return refuse(400, "Invalid region.");
	const plan = PLANS.find(({ id }) => id === wanted.plan);
	if (!plan) return refuse(400, "Invalid plan chosen.");
	if (!plan.locations.includes(region.id)) return refuse(400, NO_ROOM);
	const system = SYSTEMS.find(({ id }) => id === wanted.os_id);
	if (!system) return refuse(400, "Invalid OS chosen.");
	const group = wanted.firewall_group_id ?? "";
	if (group !== "" && groupsOf(account).get(group) === null) return refuse(400, "Invalid firewall group.");
	if (account.count() >= account.limit)
		return refuse(400, "Server add failed: You have reached the maximum number of active virtual machines for this account.");
	const { vm } = await account.create({
		provider: "vultr",
		id: instanceId,
		name: wanted.label,
		tags: wanted.tags,
		userData: Buffer.from(wanted.user_data, "base64").toString("utf8"),
		details: {
			region: region.id,
			plan: plan.id,
			os: system.id,
			group,
			hostname: wanted.hostname ?? wanted.label,
			hasIpv6: wanted.enable_ipv6 ?? false,
		},
	});
	return json(202, { instance: { ...instance(vm), default_password: `local${vm.id.slice(-6)}Pw` } });
}

/** A UUID, as the ids of instances are. */
export function instanceId(number: number): string {
	return `4f0f12e5-1f84-404f-aa84-${number.toString(16).padStart(12, "0")}`;
}

function listInstances(call: Call, account: Account): Response {
	const { query } = call;
	const isAsked = (name: string, found: string) => (query.get(name) ?? found) === found;
	const shown = account
		.vms()
		.filter((vm) => isAsked("label", vm.name) && isAsked("region", String(vm.details.region)) && isAsked("main_ip", addressOf(vm)))
		.filter((vm) => query.get("tag") === null || vm.tags.includes(query.get("tag") ?? ""));
	return page(call, "instances", shown.map(instance));
}

function answerInstance(
	call: Call,
	id: string,
	part: string | undefined,
	account: Account,
	deleted: Deleted,
): Promise<Response> | Response {
	const vm = account.vm(id);
	const key = `${account.key}/${id}`;
	if (!vm) {
		const isGoing = account.now() - (deleted.get(key) ?? Number.NEGATIVE_INFINITY) < DESTRUCTION_MS;
		if (isGoing && call.method === "DELETE") return refuse(500, "Unable to destroy server: This server is already pending destruction.");
		return refuse(404, "Instance not found.");
	}
	const isLocked = account.tasks(vm).some(({ status }) => status === "running");
	const power = (how: "restart" | "off" | "on") => {
		if (!account.power(vm, how, part ?? "")) return refuse(500, `Unable to ${part} server: ${LOCKED}`);
		return new Response(null, { status: 204 });
	};
	switch (`${call.method} ${part ?? ""}`) {
		case "GET ":
			return json(200, { instance: instance(vm) });
		case "PATCH ":
			return read(call, UpdateInstance, ({ tags }) => {
				if (tags !== undefined) account.retag(vm, tags);
				return json(202, { instance: instance(account.vm(id) ?? vm) });
			});
		case "DELETE ":
			// Said with a 500, though nothing is wrong but the moment.
			if (isLocked) return refuse(500, `Unable to destroy server: Unable to remove VM: ${LOCKED}`);
			account.delete(vm);
			deleted.set(key, account.now());
			return new Response(null, { status: 204 });
		case "POST reboot":
			return power("restart");
		case "POST halt":
			return power("off");
		case "POST start":
			return power("on");
		default:
			return refuse(404, "Invalid path.");
	}
}

/** Not known before the instance is active. */
const addressOf = (vm: VmRecord) => (vm.state === "new" ? "0.0.0.0" : vm.address);

function instance(vm: VmRecord): object {
	const plan = PLANS.find(({ id }) => id === vm.details.plan) ?? PLANS[0];
	const system = SYSTEMS.find(({ id }) => id === vm.details.os) ?? SYSTEMS[0];
	const hasIpv6 = vm.state !== "new" && vm.details.hasIpv6 === true;
	const v6 = ipv6Network(Number.parseInt(vm.id.slice(-8), 16));
	return {
		id: vm.id,
		os: system.name,
		ram: plan.ram,
		disk: plan.disk,
		main_ip: addressOf(vm),
		vcpu_count: plan.vcpu_count,
		region: String(vm.details.region),
		plan: plan.id,
		date_created: rfc3339(vm.createdAt),
		status: vm.state === "new" ? "pending" : "active",
		allowed_bandwidth: plan.bandwidth,
		netmask_v4: vm.state === "new" ? "" : "255.255.254.0",
		gateway_v4: vm.state === "new" ? "0.0.0.0" : "127.79.0.1",
		power_status: vm.state === "off" ? "stopped" : "running",
		server_status: vm.state === "new" ? "none" : "ok",
		v6_network: hasIpv6 ? v6.network : "",
		v6_main_ip: hasIpv6 ? v6.address : "",
		v6_network_size: hasIpv6 ? v6.size : 0,
		label: vm.name,
		internal_ip: "",
		kvm: "",
		hostname: String(vm.details.hostname),
		tag: vm.tags[0] ?? "",
		tags: vm.tags,
		os_id: system.id,
		app_id: 0,
		image_id: "",
		firewall_group_id: String(vm.details.group),
		features: vm.details.hasIpv6 === true ? ["ipv6"] : [],
	};
}

export const devAccount: DevAccount = async () => ({ API_TOKEN: "local-dev" });
