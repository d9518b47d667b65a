import { randomUUID } from "node:crypto";
import type { z } from "zod";
import type { Account } from "./account.ts";
import { type Call, type DevAccount, type Dialect, json, type Operation } from "./dialect.ts";
import type { Limits } from "./dialects.ts";
import { findRegion, IMAGES, REGIONS, regionOf, SIZES } from "./digitalocean-catalogue.ts";
import { CreateDroplet, DropletAction, FirewallBody, PageQuery, TagBody, TagResources } from "./digitalocean-requests.ts";
import type { Task } from "./fleet.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { bodyField, firstComplaint, ipv6Network, localToken, maskJson, shortPages } from "./requests.ts";

/**
 * DigitalOcean's API v2, the part about droplets, firewalls and tags. Paths, fields and limits are those of its OpenAPI document
 * (https://github.com/digitalocean/openapi); sentences are the real ones where they are known.
 *
 * `requestsPerHour`: the account's rate limit, with a burst limit of a twentieth of it a minute (the real ones are 5,000
 * and 250); null states the real limit and never reaches it.
 */
export function digitalocean({ requestsPerHour, pageSize = Number.POSITIVE_INFINITY }: Limits): Dialect {
	const spent = new Map<string, number[]>();
	return {
		provider: "digitalocean",
		operation: operationOf,
		account(call) {
			const token = localToken(call);
			return token === null ? refuse(401, "unauthorized", "Unable to authenticate you") : { token };
		},
		region(call, account) {
			const [, id] = /^\/v2\/droplets\/([^/]+)/.exec(call.path) ?? [];
			if (id !== undefined) return String(account.vm(id)?.details.region ?? "") || null;
			return operationOf(call) === "create" ? findRegion(bodyField(call, "region") ?? ANY_REGION) : null;
		},
		soldOut: (call) => (operationOf(call) === "create" ? unprocessable("Size is not available in this region.") : null),
		handle: (call, account) => route(shortPages(call, pageSize), account),
		failure(status) {
			const [id, message] = FAILURES[status] ?? ["server_error", "Unexpected server-side error"];
			return refuse(status, id, message, status === 429 ? { "retry-after": "30" } : {});
		},
		meter(account, nowMs) {
			if (requestsPerHour === null) return { headers: rateHeaders(5000, 4999, nowMs + 3_600_000), refusal: null };
			const lately = (spent.get(account.key) ?? []).filter((at) => at > nowMs - 3_600_000);
			const burst = lately.filter((at) => at > nowMs - 60_000);
			const oldest = lately[0] ?? nowMs;
			const isSpent = lately.length >= requestsPerHour;
			const isBurst = burst.length >= requestsPerHour / 20;
			if (!isSpent && !isBurst) lately.push(nowMs);
			spent.set(account.key, lately);
			const headers = rateHeaders(requestsPerHour, Math.max(0, requestsPerHour - lately.length), oldest + 3_600_000);
			if (!isSpent && !isBurst) return { headers, refusal: null };
			// Only the burst limit says how long to wait; the hourly one leaves it to ratelimit-reset.
			const retryAfter = Math.ceil(((burst[0] ?? nowMs) + 60_000 - nowMs) / 1000);
			const refusal = refuse(429, "too_many_requests", "API Rate limit exceeded.", isBurst ? { "retry-after": String(retryAfter) } : {});
			return { headers, refusal };
		},
		mask: (body) => maskJson(body, ["user_data"]),
	};
}

const FAILURES: Readonly<Record<number, readonly [id: string, message: string]>> = {
	401: ["unauthorized", "Unable to authenticate you"],
	403: ["forbidden", "You are not authorized to perform this operation"],
	404: ["not_found", "The resource you were accessing could not be found."],
	422: ["unprocessable_entity", "creating this/these droplet(s) will exceed your droplet limit"],
	429: ["too_many_requests", "API Rate limit exceeded."],
	503: ["service_unavailable", "Service Unavailable"],
};

function refuse(status: number, id: string, message: string, headers: Readonly<Record<string, string>> = {}): Response {
	return json(status, { id, message, request_id: randomUUID() }, headers);
}

const notFound = () => refuse(404, "not_found", "The resource you were accessing could not be found.");
const unprocessable = (message: string) => refuse(422, "unprocessable_entity", message);

function rateHeaders(limit: number, remaining: number, resetAtMs: number): Record<string, string> {
	return {
		"ratelimit-limit": String(limit),
		"ratelimit-remaining": String(remaining),
		"ratelimit-reset": String(Math.ceil(resetAtMs / 1000)),
	};
}

/** With a slash at its end or without. */
const PATH = /^\/v2\/([a-z]+)(?:\/([^/]+))?(?:\/([a-z]+))?(?:\/(\d+))?\/?$/;

function operationOf(call: Call): Operation {
	const [, collection, id, part] = PATH.exec(call.path) ?? [];
	if (collection === "tags" && part === "resources") return "retag";
	if (collection === "firewalls" || collection === "tags") return "firewall";
	if (collection !== "droplets") return "other";
	if (id === undefined) return call.method === "POST" ? "create" : call.query.has("name") ? "get" : "list";
	if (part === "actions") return call.method === "POST" ? "restart" : "other";
	return call.method === "DELETE" ? "delete" : "get";
}

function route(call: Call, account: Account): Promise<Response> | Response {
	const [, collection = "", id, part, partId] = PATH.exec(call.path) ?? [];
	const vm = collection === "droplets" && id !== undefined ? account.vm(id) : null;
	switch (
		`${call.method} ${collection}${id === undefined ? "" : "/*"}${part === undefined ? "" : `/${part}`}${partId === undefined ? "" : "/*"}`
	) {
		case "POST droplets":
			return read(call, CreateDroplet, (body) => createDroplet(body, account));
		case "GET droplets":
			return listDroplets(call, account);
		case "GET droplets/*":
			return vm ? json(200, { droplet: droplet(vm) }) : notFound();
		case "DELETE droplets/*":
			if (!vm) return notFound();
			account.delete(vm);
			return new Response(null, { status: 204 });
		case "POST droplets/*/actions":
			return vm ? read(call, DropletAction, (body) => act(vm, body.type, account)) : notFound();
		case "GET droplets/*/actions":
			return vm
				? page(
						call,
						"actions",
						account
							.tasks(vm)
							.toReversed()
							.map((task) => action(task, vm)),
					)
				: notFound();
		case "GET droplets/*/actions/*": {
			const task = account.task(Number(partId));
			return vm && task?.vm === vm.id ? json(200, { action: action(task, vm) }) : notFound();
		}
		case "GET actions/*": {
			const task = account.task(Number(id));
			return task ? json(200, { action: action(task, account.vm(task.vm)) }) : notFound();
		}
		case "POST firewalls":
			return read(call, FirewallBody, (body) => putFirewall(null, body, account));
		case "GET firewalls":
			return page(call, "firewalls", account.collection("firewalls").all());
		case "GET firewalls/*":
		case "PUT firewalls/*":
		case "DELETE firewalls/*":
			return answerFirewall(call, id ?? "", account);
		case "POST tags":
			return read(call, TagBody, (body) => {
				account.collection("tags").set(body.name, body.name);
				return json(201, { tag: tag(body.name, account) });
			});
		case "GET tags/*": {
			const name = decodeURIComponent(id ?? "");
			return account.collection("tags").get(name) === null ? notFound() : json(200, { tag: tag(name, account) });
		}
		case "POST tags/*/resources":
		case "DELETE tags/*/resources":
			return read(call, TagResources, ({ resources }) => {
				const name = decodeURIComponent(id ?? "");
				const vms = resources.map((resource) => account.vm(String(resource.resource_id)));
				if (account.collection("tags").get(name) === null || vms.includes(null)) return notFound();
				for (const vm of vms) {
					const others = vm?.tags.filter((each) => each !== name) ?? [];
					if (vm) account.retag(vm, call.method === "POST" ? [...others, name] : others);
				}
				return new Response(null, { status: 204 });
			});
		case "GET sizes":
			return page(call, "sizes", SIZES);
		case "GET regions":
			return page(call, "regions", Object.keys(REGIONS).map(regionOf));
		case "GET images":
			return page(call, "images", IMAGES);
		case "GET account":
			return json(200, { account: accountInfo(account) });
		default:
			return notFound();
	}
}

function read<T extends z.ZodType>(
	call: Call,
	schema: T,
	then: (body: z.output<T>) => Promise<Response> | Response,
): Promise<Response> | Response {
	if (!call.headers.get("content-type")?.startsWith("application/json"))
		return refuse(415, "unsupported_media_type", "The Content-Type of the request must be application/json.");
	let value: unknown;
	try {
		value = JSON.parse(call.body);
	} catch {
		return refuse(400, "bad_request", "The request body is not valid JSON.");
	}
	const parsed = schema.safeParse(value);
	return parsed.success ? then(parsed.data) : unprocessable(firstComplaint(parsed.error));
}

/** A droplet that names no region goes anywhere. */
const ANY_REGION = "nyc";

async function createDroplet(wanted: CreateDroplet, account: Account): Promise<Response> {
	const region = findRegion(wanted.region ?? ANY_REGION);
	if (region === null) return unprocessable("You specified an invalid region for Droplet creation.");
	if (!SIZES.some((size) => size.slug === wanted.size)) return unprocessable("You specified an invalid size for Droplet creation.");
	const image = IMAGES.find((candidate) => candidate.slug === wanted.image || candidate.id === wanted.image);
	if (!image) return unprocessable("You specified an invalid image for Droplet creation.");
	if (account.count() >= account.limit) return unprocessable("creating this/these droplet(s) will exceed your droplet limit");
	const { vm, task } = await account.create({
		provider: "digitalocean",
		id: String,
		name: wanted.name,
		tags: wanted.tags ?? [],
		userData: wanted.user_data ?? "",
		details: { region, size: wanted.size, image: image.slug, hasIpv6: wanted.ipv6 ?? false },
	});
	// A tag that does not exist is made by the create that uses it.
	for (const name of wanted.tags ?? []) account.collection("tags").set(name, name);
	const links = { actions: [{ id: task.id, rel: "create", href: `https://api.digitalocean.com/v2/actions/${task.id}` }] };
	return json(202, { droplet: droplet(vm), links });
}

function listDroplets(call: Call, account: Account): Response {
	const tagName = call.query.get("tag_name");
	const name = call.query.get("name");
	if (tagName !== null && name !== null) return unprocessable("tag_name cannot be used together with name");
	const shown = account
		.vms()
		.filter((vm) => tagName === null || vm.tags.some((each) => each.toLowerCase() === tagName.toLowerCase()))
		.filter((vm) => name === null || vm.name.toLowerCase() === name.toLowerCase());
	return page(call, "droplets", shown.map(droplet));
}

function act(vm: VmRecord, type: z.infer<typeof DropletAction>["type"], account: Account): Response {
	if (vm.state === "off" && type !== "power_on") return unprocessable("Droplet is currently powered off.");
	if (vm.state === "active" && type === "power_on") return unprocessable("Droplet is already powered on.");
	const power = type === "reboot" || type === "power_cycle" ? "restart" : type === "power_on" ? "on" : "off";
	const task = account.power(vm, power, type);
	return task ? json(201, { action: action(task, vm) }) : unprocessable("Droplet already has a pending event.");
}

/** One page of a list, with links as the real API gives them: absolute, to its own host, and only where there is such a page. */
function page(call: Call, key: string, items: readonly unknown[]): Response {
	const parsed = PageQuery.safeParse(Object.fromEntries(call.query));
	if (!parsed.success) return unprocessable(firstComplaint(parsed.error));
	const { page: number, per_page: size } = parsed.data;
	const last = Math.max(1, Math.ceil(items.length / size));
	const link = (to: number) => {
		const query = new URLSearchParams(call.query);
		query.set("page", String(to));
		query.set("per_page", String(size));
		return `https://api.digitalocean.com${call.path}?${query}`;
	};
	const pages = {
		...(number > 1 ? { first: link(1), prev: link(number - 1) } : {}),
		...(number < last ? { next: link(number + 1), last: link(last) } : {}),
	};
	return json(200, {
		[key]: items.slice((number - 1) * size, number * size),
		links: Object.keys(pages).length === 0 ? {} : { pages },
		meta: { total: items.length },
	});
}

function droplet(vm: VmRecord): object {
	const region = String(vm.details.region);
	const size = SIZES.find((candidate) => candidate.slug === vm.details.size) ?? SIZES[0];
	const image = IMAGES.find((candidate) => candidate.slug === vm.details.image) ?? IMAGES[1];
	const [, , third, fourth] = vm.address.split(".");
	const v6 = ipv6Network(Number(vm.id));
	return {
		id: Number(vm.id),
		name: vm.name,
		memory: size.memory,
		vcpus: size.vcpus,
		disk: size.disk,
		locked: vm.state === "new",
		status: vm.state,
		kernel: null,
		created_at: rfc3339(vm.createdAt),
		features: vm.details.hasIpv6 === true ? ["ipv6"] : [],
		backup_ids: [],
		next_backup_window: null,
		snapshot_ids: [],
		image,
		volume_ids: [],
		size,
		size_slug: size.slug,
		networks: {
			v4:
				vm.state === "new"
					? []
					: [
							{ ip_address: `10.106.${third}.${fourth}`, netmask: "255.255.240.0", gateway: "10.106.0.1", type: "private" },
							{ ip_address: vm.address, netmask: "255.255.0.0", gateway: "127.77.0.1", type: "public" },
						],
			v6:
				vm.state === "new" || vm.details.hasIpv6 !== true
					? []
					: [{ ip_address: v6.address, netmask: v6.size, gateway: `${v6.network}ffff`, type: "public" }],
		},
		region: regionOf(region),
		tags: vm.tags,
		vpc_uuid: "5a4981aa-9653-4bd1-bef5-d6bff52042e4",
	};
}

function action(task: Task, vm: VmRecord | null): object {
	const region = String(vm?.details.region ?? "nyc1");
	return {
		id: task.id,
		status: { running: "in-progress", done: "completed", failed: "errored" }[task.status],
		type: task.kind,
		started_at: rfc3339(task.startedAt),
		completed_at: task.endedAt === null ? null : rfc3339(task.endedAt),
		resource_id: Number(task.vm),
		resource_type: "droplet",
		region: regionOf(region),
		region_slug: region,
	};
}

interface Firewall {
	readonly [key: string]: Json;
	readonly id: string;
	readonly name: string;
}

function answerFirewall(call: Call, id: string, account: Account): Promise<Response> | Response {
	const firewalls = account.collection<Firewall>("firewalls");
	const firewall = firewalls.get(id);
	if (!firewall) return notFound();
	if (call.method === "PUT") return read(call, FirewallBody, (body) => putFirewall(firewall, body, account));
	if (call.method === "GET") return json(200, { firewall });
	firewalls.delete(id);
	return new Response(null, { status: 204 });
}

/** Makes a firewall, or replaces one whole: what a PUT leaves out is gone. */
function putFirewall(existing: Firewall | null, body: FirewallBody, account: Account): Response {
	const firewalls = account.collection<Firewall>("firewalls");
	if (firewalls.all().some((other) => other.name === body.name && other.id !== existing?.id))
		return refuse(409, "conflict", "duplicate name");
	const unknown = body.tags?.find((name) => account.collection("tags").get(name) === null);
	// Unlike a droplet's, a firewall's tags must exist.
	if (unknown !== undefined) return unprocessable(`tag ${unknown} does not exist`);
	const firewall: Firewall = {
		id: existing?.id ?? randomUUID(),
		status: "succeeded",
		created_at: existing?.created_at ?? rfc3339(account.now()),
		pending_changes: [],
		name: body.name,
		droplet_ids: body.droplet_ids ?? [],
		tags: body.tags ?? [],
		inbound_rules: JSON.parse(JSON.stringify(body.inbound_rules ?? [])) as Json,
		outbound_rules: JSON.parse(JSON.stringify(body.outbound_rules ?? [])) as Json,
	};
	firewalls.set(firewall.id, firewall);
	return json(existing ? 200 : 202, { firewall });
}

function tag(name: string, account: Account): object {
	const count = account.vms().filter((vm) => vm.tags.includes(name)).length;
	return { name, resources: { count, droplets: { count } } };
}

function accountInfo(account: Account): object {
	return {
		droplet_limit: account.limit,
		floating_ip_limit: 3,
		email: "local@example.com",
		name: "Local cloud",
		uuid: `local-${account.key.slice(0, 32)}`,
		email_verified: true,
		status: "active",
		status_message: "",
	};
}

/** To the second, as the real API writes times. */
function rfc3339(ms: number): string {
	return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

export const devAccount: DevAccount = async () => ({ ACCESS_TOKEN: "local-dev" });
