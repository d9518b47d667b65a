import type { Account } from "./account.ts";
import { type Call, type DevAccount, type Dialect, json, type Operation } from "./dialect.ts";
import type { Limits } from "./dialects.ts";
import { action, done, invalid, labelsOf, listOf, notFound, page, read, refuse, serverShown } from "./hetzner-answers.ts";
import { findImage, IMAGES, LOCATIONS, PRICING, SERVER_TYPES } from "./hetzner-catalogue.ts";
import { answerFirewall, createFirewall, type Firewall, firewallShown } from "./hetzner-firewalls.ts";
import { CreateFirewall, CreateServer, UpdateServer } from "./hetzner-requests.ts";
import type { VmRecord } from "./inventory.ts";
import { wordsOf } from "./labels.ts";
import { bodyField, localToken, maskJson, shortPages } from "./requests.ts";

/**
 * Hetzner Cloud's API v1, the part about servers and firewalls. Paths, fields, codes and limits are those of its OpenAPI document
 * (https://docs.hetzner.cloud/cloud.spec.json); sentences are the real ones where they are known.
 *
 * `requestsPerHour`: the account's rate limit (the real one is 3,600), refilled steadily; null states the real limit and never reaches it.
 */
export function hetzner({ requestsPerHour, pageSize = Number.POSITIVE_INFINITY }: Limits): Dialect {
	const buckets = new Map<string, { left: number; atMs: number }>();
	return {
		provider: "hetzner",
		operation: operationOf,
		account(call) {
			const token = localToken(call);
			return token === null ? refuse(401, "unauthorized", "unable to authenticate") : { token };
		},
		region(call, account) {
			const id = serverOf(call);
			if (id !== null) return String(account.vm(id)?.details.location ?? "") || null;
			return isCreate(call) ? (locationOf(bodyField(call, "location") ?? undefined)?.name ?? null) : null;
		},
		soldOut: (call) => (isCreate(call) ? refuse(412, "resource_unavailable", "error during placement (resource_unavailable)") : null),
		handle: (call, account) => route(shortPages(call, pageSize), account),
		failure(status, nowMs) {
			const [code, message] = FAILURES[status] ?? ["server_error", "Internal Server Error"];
			return refuse(status, code, message, null, status === 429 ? rateHeaders(3600, 0, nowMs + 3_600_000) : {});
		},
		meter(account, nowMs) {
			if (requestsPerHour === null) return { headers: rateHeaders(3600, 3599, nowMs + 1000), refusal: null };
			const perMs = requestsPerHour / 3_600_000;
			const last = buckets.get(account.key) ?? { left: requestsPerHour, atMs: nowMs };
			const held = Math.min(requestsPerHour, last.left + (nowMs - last.atMs) * perMs);
			const isSpent = held < 1;
			const left = isSpent ? held : held - 1;
			buckets.set(account.key, { left, atMs: nowMs });
			// The reset is when the bucket will be full, however soon there is something in it again.
			const headers = rateHeaders(requestsPerHour, Math.floor(left), nowMs + (requestsPerHour - left) / perMs);
			const sentence = `limit of ${requestsPerHour} requests per hour reached`;
			return { headers, refusal: isSpent ? refuse(429, "rate_limit_exceeded", sentence) : null };
		},
		// A server that is made without an SSH key gets a password, which the answer tells.
		mask: (body) => maskJson(body, ["user_data", "root_password"]),
	};
}

const FAILURES: Readonly<Record<number, readonly [code: string, message: string]>> = {
	400: ["json_error", "invalid JSON in request"],
	401: ["unauthorized", "unable to authenticate"],
	403: ["forbidden", "insufficient permissions for this request"],
	404: ["not_found", "resource not found"],
	409: ["conflict", "resource was changed during this request, please retry"],
	412: ["resource_unavailable", "error during placement"],
	422: ["invalid_input", "invalid input"],
	423: ["locked", "cannot perform operation because server is locked"],
	429: ["rate_limit_exceeded", "limit of 3600 requests per hour reached"],
	503: ["unavailable", "service is temporarily unavailable"],
	504: ["timeout", "request timed out"],
};

function rateHeaders(limit: number, remaining: number, resetAtMs: number): Record<string, string> {
	return {
		"ratelimit-limit": String(limit),
		"ratelimit-remaining": String(remaining),
		"ratelimit-reset": String(Math.ceil(resetAtMs / 1000)),
	};
}

const PATH = /^\/v1\/([a-z_]+)(?:\/([^/]+))?(?:\/actions\/([a-z_]+))?$/;

const isCreate = (call: Call) => operationOf(call) === "create";
const serverOf = ({ path }: Call) => /^\/v1\/servers\/([^/]+)/.exec(path)?.[1] ?? null;

function operationOf(call: Call): Operation {
	const [, collection, id, action] = PATH.exec(call.path) ?? [];
	if (collection === "firewalls") return "firewall";
	if (collection !== "servers") return "other";
	if (id === undefined) return call.method === "POST" ? "create" : call.query.has("name") ? "get" : "list";
	if (action !== undefined) return "restart";
	if (call.method === "PUT") return "retag";
	return call.method === "DELETE" ? "delete" : "get";
}

function route(call: Call, account: Account): Promise<Response> | Response {
	const [, collection = "", id, act] = PATH.exec(call.path) ?? [];
	if (collection === "servers" && id !== undefined) return answerServer(call, id, act, account);
	if (collection === "firewalls" && id !== undefined) return answerFirewall(call, id, act, account);
	switch (`${call.method} ${collection}${id === undefined ? "" : "/*"}`) {
		case "POST servers":
			return read(call, CreateServer, (body) => createServer(body, account));
		case "GET servers":
			return listOf(call, "servers", account.vms(), (vm) => ({ name: vm.name, labels: labelsOf(vm) }), serverShown);
		case "POST firewalls":
			return read(call, CreateFirewall, (body) => createFirewall(body, account));
		case "GET firewalls":
			return listOf(
				call,
				"firewalls",
				account.collection<Firewall>("firewalls").all(),
				(firewall) => firewall,
				(firewall) => firewallShown(firewall, account),
			);
		case "GET actions": {
			// Of those that are asked for; a list of all there were is not kept any more.
			const tasks = call.query.getAll("id").map((each) => account.task(Number(each)));
			return page(call, "actions", tasks.filter((task) => task !== null).map(action));
		}
		case "GET actions/*": {
			const task = account.task(Number(id));
			return task ? json(200, { action: action(task) }) : notFound("action");
		}
		case "GET server_types":
			return page(call, "server_types", SERVER_TYPES.filter(hasName(call)));
		case "GET locations":
			return page(call, "locations", LOCATIONS.filter(hasName(call)));
		case "GET images":
			return page(
				call,
				"images",
				IMAGES.filter(hasName(call)).filter(({ architecture }) => (call.query.get("architecture") ?? architecture) === architecture),
			);
		case "GET pricing":
			return json(200, { pricing: PRICING });
		default:
			return notFound("resource");
	}
}

/** By name or number; a server that names none goes where there is room. */
const locationOf = (wanted = "fsn1") => LOCATIONS.find(({ id, name }) => name === wanted || String(id) === wanted);

async function createServer(wanted: CreateServer, account: Account): Promise<Response> {
	const type = SERVER_TYPES.find(({ id, name }) => name === wanted.server_type || String(id) === wanted.server_type);
	if (!type) return notFound(`server type ${wanted.server_type}`);
	const location = locationOf(wanted.location);
	if (!location) return invalid(`invalid input: location ${wanted.location} not found`);
	if (!type.locations.some(({ id }) => id === location.id)) return invalid("unsupported location for server type");
	const image = findImage(wanted.image, type.architecture);
	if (!image) return notFound(`image ${wanted.image}`);
	const firewalls = (wanted.firewalls ?? []).map(({ firewall }) => firewall);
	const missing = firewalls.find((firewall) => account.collection("firewalls").get(String(firewall)) === null);
	if (missing !== undefined) return notFound(`firewall with ID '${missing}'`);
	if (account.hasName(wanted.name)) return refuse(409, "uniqueness_error", "server name is already used", { fields: [{ name: "name" }] });
	if (account.count() >= account.limit)
		return refuse(403, "resource_limit_exceeded", "server limit exceeded", { limits: [{ name: "server_limit" }] });
	const { vm, task } = await account.create({
		provider: "hetzner",
		id: String,
		name: wanted.name,
		tags: Object.entries(wanted.labels).map(([key, value]) => `${key}=${value}`),
		userData: wanted.user_data ?? "",
		details: {
			server_type: type.name,
			location: location.name,
			image: image.id,
			firewalls,
			hasIpv4: wanted.public_net.enable_ipv4,
			hasIpv6: wanted.public_net.enable_ipv6,
		},
	});
	const hasKey = (wanted.ssh_keys ?? []).length > 0;
	return json(201, {
		server: serverShown(vm),
		action: action(task),
		next_actions: [],
		root_password: hasKey ? null : `local${task.id.toString(36)}Pw`,
	});
}

function answerServer(call: Call, id: string, act: string | undefined, account: Account): Promise<Response> | Response {
	const vm = account.vm(id);
	if (!vm) return notFound(`server with ID '${id}'`);
	const isLocked = account.tasks(vm).some(({ status }) => status === "running");
	switch (`${call.method} ${act ?? ""}`) {
		case "GET ":
			return json(200, { server: serverShown(vm) });
		case "PUT ":
			return read(call, UpdateServer, ({ labels }) => {
				if (labels !== undefined) account.retag(vm, wordsOf(labels));
				return json(200, { server: serverShown(account.vm(id) ?? vm) });
			});
		case "DELETE ":
			if (isLocked) return refuse(423, "locked", "cannot perform operation because server is locked");
			account.delete(vm);
			return json(200, { action: done(account, "delete_server", "server", vm.id) });
		case "POST reboot":
		case "POST reset":
		case "POST poweron":
		case "POST poweroff":
			return power(vm, String(act), account);
		default:
			return notFound("resource");
	}
}

function power(vm: VmRecord, act: string, account: Account): Response {
	// A reset is a button on the machine; a reboot asks the system that runs on it.
	if (act === "reboot" && vm.state === "off") return refuse(422, "invalid_server_status", "server is not running");
	const task = account.power(vm, act === "poweron" ? "on" : act === "poweroff" ? "off" : "restart", `${act}_server`);
	return task ? json(201, { action: action(task) }) : refuse(423, "locked", "cannot perform operation because server is locked");
}

const hasName = (call: Call) => (each: { readonly name: string | null }) => [null, each.name].includes(call.query.get("name"));

export const devAccount: DevAccount = async () => ({ ACCESS_TOKEN: "local-dev" });
