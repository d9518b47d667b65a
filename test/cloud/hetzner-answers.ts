import type { z } from "zod";
import type { Account } from "./account.ts";
import { type Call, json } from "./dialect.ts";
import type { Task } from "./fleet.ts";
import { IMAGES, LOCATIONS, SERVER_TYPES } from "./hetzner-catalogue.ts";
import { PageQuery, selects } from "./hetzner-requests.ts";
import type { VmRecord } from "./inventory.ts";
import { firstComplaint, ipv6Network, rfc3339 } from "./requests.ts";

/** How Hetzner's dialect answers: refusals, pages, actions, servers. */

export function refuse(
	status: number,
	code: string,
	message: string,
	details: object | null = null,
	headers: Readonly<Record<string, string>> = {},
): Response {
	return json(status, { error: { code, message, details } }, headers);
}

export const notFound = (what: string) => refuse(404, "not_found", `${what} not found`);
/** Of a request whose JSON is right and whose fields are not. */
export const invalid = (message: string) => refuse(422, "invalid_input", message, { fields: [] });

export function read<T extends z.ZodType>(
	call: Call,
	schema: T,
	then: (body: z.output<T>) => Promise<Response> | Response,
): Promise<Response> | Response {
	let value: unknown;
	try {
		value = JSON.parse(call.body);
	} catch {
		return refuse(400, "json_error", "invalid JSON in request");
	}
	const parsed = schema.safeParse(value);
	return parsed.success ? then(parsed.data) : invalid(`invalid input: ${firstComplaint(parsed.error)}`);
}

/** A list with `name` (whole) and `label_selector`, oldest first. */
export function listOf<T>(
	call: Call,
	key: string,
	things: readonly T[],
	about: (thing: T) => { readonly name: string; readonly labels: Readonly<Record<string, string>> },
	show: (thing: T) => object,
): Response {
	const name = call.query.get("name");
	const selector = call.query.get("label_selector");
	const chosen = things.map((thing) => (selector === null ? true : selects(selector, about(thing).labels)));
	if (chosen.includes(null)) return invalid(`invalid input: label_selector '${selector}' is malformed`);
	const shown = things.filter((thing, at) => chosen[at] === true && (name === null || about(thing).name === name));
	return page(call, key, shown.map(show));
}

/** One page of a list. */
export function page(call: Call, key: string, items: readonly unknown[]): Response {
	const parsed = PageQuery.safeParse(Object.fromEntries(call.query));
	if (!parsed.success) return invalid(`invalid input: ${firstComplaint(parsed.error)}`);
	const { page: number, per_page: size } = parsed.data;
	const last = Math.max(1, Math.ceil(items.length / size));
	const pagination = {
		page: number,
		per_page: size,
		previous_page: number > 1 ? number - 1 : null,
		next_page: number < last ? number + 1 : null,
		last_page: last,
		total_entries: items.length,
	};
	return json(200, { [key]: items.slice((number - 1) * size, number * size), meta: { pagination } });
}

/** What the cloud goes on doing after it answered; a create that failed later leaves nothing but this. */
export function action(task: Task): object {
	return {
		...entry(task.id, task.kind === "create" ? "create_server" : task.kind, "server", task.vm, task.startedAt),
		status: { running: "running", done: "success", failed: "error" }[task.status],
		progress: task.status === "running" ? 50 : 100,
		finished: task.endedAt === null ? null : rfc3339(task.endedAt),
		error: task.status === "failed" ? { code: "action_failed", message: "Action failed" } : null,
	};
}

/** What was done by the time of the answer. */
export function done(account: Account, command: string, type: string, id: string): object {
	const now = account.now();
	return { ...entry(account.number(), command, type, id, now), status: "success", progress: 100, finished: rfc3339(now), error: null };
}

const entry = (id: number, command: string, type: string, resource: string, startedAt: number) => ({
	id,
	command,
	started: rfc3339(startedAt),
	resources: [{ id: Number(resource), type }],
});

/** Kept as `key=value`, since no VM of another cloud has values. */
export function labelsOf(vm: VmRecord): Record<string, string> {
	return Object.fromEntries(vm.tags.map((tag) => [tag.slice(0, tag.indexOf("=")), tag.slice(tag.indexOf("=") + 1)]));
}

/** Unlike other clouds this one knows a server's address as soon as it has accepted it. */
export function serverShown(vm: VmRecord): object {
	const type = SERVER_TYPES.find(({ name }) => name === vm.details.server_type) ?? SERVER_TYPES[0];
	const location = LOCATIONS.find(({ name }) => name === vm.details.location) ?? LOCATIONS[0];
	const firewalls = Array.isArray(vm.details.firewalls) ? vm.details.firewalls : [];
	const ipv4 = { id: Number(vm.id) + 1, ip: vm.address, blocked: false, dns_ptr: `static.${vm.address}.clients.example` };
	// Numbers of their own, as every Primary IP has one.
	const ipv6 = { id: Number(vm.id) + 2, ip: `${ipv6Network(Number(vm.id)).network}/64`, blocked: false, dns_ptr: [] };
	return {
		id: Number(vm.id),
		name: vm.name,
		status: { new: "initializing", active: "running", off: "off" }[vm.state],
		created: rfc3339(vm.createdAt),
		public_net: {
			ipv4: vm.details.hasIpv4 === false ? null : ipv4,
			ipv6: vm.details.hasIpv6 === true ? ipv6 : null,
			floating_ips: [],
			firewalls: firewalls.map((id) => ({ id, status: "applied" })),
		},
		private_net: [],
		server_type: type,
		location,
		image: IMAGES.find(({ id }) => id === vm.details.image) ?? null,
		iso: null,
		rescue_enabled: false,
		locked: vm.state === "new",
		backup_window: null,
		outgoing_traffic: 0,
		ingoing_traffic: 0,
		included_traffic: 21_990_232_555_520,
		protection: { delete: false, rebuild: false },
		labels: labelsOf(vm),
		volumes: [],
		load_balancers: [],
		primary_disk_size: type.disk,
		placement_group: null,
	};
}
