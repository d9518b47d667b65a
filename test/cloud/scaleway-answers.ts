import type { z } from "zod";
import type { Account } from "./account.ts";
import { type Call, json as jsonIn } from "./dialect.ts";
import type { Task } from "./fleet.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { firstComplaint, rfc3339 } from "./requests.ts";
import { IMAGES, TYPES } from "./scaleway-catalogue.ts";
import { PageQuery } from "./scaleway-requests.ts";

/** How Scaleway's dialect answers: refusals, pages, tasks, servers. */

export const ORGANIZATION = "0a0a0a0a-0000-4000-8000-00000000c10d";

/** A JSON answer, whose type is this and no more: Scaleway's own SDK reads no other. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
	return jsonIn(status, body, { ...headers, "content-type": "application/json" });
}

export function refuse(status: number, type: string, message: string, more: object = {}): Response {
	return json(status, { type, message, ...more });
}

/** The older part of the API, which Instances are, names things in its sentence. */
export const notFound = (what: string, id: string) => refuse(404, "unknown_resource", `${what} "${id}" not found`);
export const invalid = (argument: string, help: string) =>
	refuse(400, "invalid_arguments", "invalid argument(s)", {
		details: [{ argument_name: argument, reason: "constraint", help_message: help }],
	});
export const transientState = (server: string, state: string) =>
	refuse(409, "transient_state", "resource is in a transient state", {
		resource: "instance_server",
		resource_id: server,
		current_state: state,
	});

export function read<T extends z.ZodType>(
	call: Call,
	schema: T,
	then: (body: z.output<T>) => Promise<Response> | Response,
): Promise<Response> | Response {
	let value: unknown;
	try {
		value = JSON.parse(call.body);
	} catch {
		return refuse(400, "invalid_request_error", "Body is not valid JSON");
	}
	const parsed = schema.safeParse(value);
	return parsed.success ? then(parsed.data) : invalid("body", firstComplaint(parsed.error));
}

/** One page of a list, and how much there is in all. */
export function page(call: Call, key: string, items: readonly unknown[]): Response {
	const parsed = PageQuery.safeParse(Object.fromEntries(call.query));
	if (!parsed.success) return invalid("page", firstComplaint(parsed.error));
	const { page: number, per_page: size } = parsed.data;
	const shown = items.slice((number - 1) * size, number * size);
	return json(200, { [key]: shown }, { "x-total-count": String(items.length) });
}

/** What lists are asked for: `project`, `tags` (all of them), `name` (contained). */
export function isAsked(call: Call, thing: { readonly name: string; readonly project: string; readonly tags: readonly string[] }): boolean {
	const [project, name, tags] = ["project", "name", "tags"].map((key) => call.query.get(key));
	const words = tags ? tags.split(",") : [];
	return (
		(project ?? thing.project) === thing.project && thing.name.includes(name ?? "") && words.every((word) => thing.tags.includes(word))
	);
}

/** A UUID, as ids are. */
export function uuidOf(number: number): string {
	return `5ca1e4a7-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;
}

export function taskShown(task: Task, zone: string, server: string): object {
	return {
		task: {
			id: uuidOf(task.id),
			description: `server_${task.kind}`,
			progress: task.status === "running" ? 0 : 100,
			started_at: rfc3339(task.startedAt),
			terminated_at: task.endedAt === null ? null : rfc3339(task.endedAt),
			status: { running: "pending", done: "success", failed: "failure" }[task.status],
			href_from: `/servers/${server}/action`,
			href_result: `/servers/${server}`,
			zone,
		},
	};
}

/** As the cloud names it: a server that is being switched on is off until it runs. */
export function stateOf(vm: VmRecord, account: Account): string {
	const task = account.tasks(vm).find(({ status }) => status === "running");
	if (vm.state === "active") return "running";
	if (vm.state === "new" || task?.kind === "poweron" || task?.kind === "reboot") return "starting";
	return task === undefined ? "stopped" : "stopping";
}

const ACTIONS: Readonly<Record<string, readonly string[]>> = {
	running: ["poweroff", "terminate", "reboot", "stop_in_place", "backup"],
	stopped: ["poweron", "backup"],
};

export function serverShown(vm: VmRecord, account: Account, volumes: { readonly [key: string]: Json }): object {
	const { details } = vm;
	const state = stateOf(vm, account);
	const image = IMAGES.find(({ id }) => id === details.image) ?? IMAGES[0];
	const address = {
		id: uuidOf(Number.parseInt(vm.id.slice(-12), 16) + 0x100000000),
		address: vm.address,
		gateway: "62.210.0.1",
		netmask: "32",
		family: "inet",
		dynamic: true,
		provisioning_mode: "dhcp",
		tags: [],
		ipam_id: uuidOf(Number.parseInt(vm.id.slice(-12), 16) + 0x200000000),
		state: "attached",
	};
	const hasAddress = state === "running" && details.hasAddress === true;
	const at = rfc3339(vm.createdAt);
	return {
		id: vm.id,
		name: vm.name,
		organization: ORGANIZATION,
		project: String(details.project),
		allowed_actions: ACTIONS[state] ?? [],
		tags: vm.tags,
		commercial_type: String(details.type),
		creation_date: at,
		modification_date: at,
		dynamic_ip_required: details.hasAddress === true,
		routed_ip_enabled: true,
		enable_ipv6: false,
		hostname: vm.name,
		image: {
			id: image.id,
			name: image.name,
			arch: image.arch,
			creation_date: "2025-06-02T09:00:00+00:00",
			modification_date: "2025-06-02T09:00:00+00:00",
			extra_volumes: {},
			from_server: "",
			organization: ORGANIZATION,
			public: true,
			state: "available",
			project: ORGANIZATION,
			tags: [],
			zone: String(details.zone),
		},
		protected: false,
		private_ip: null,
		public_ips: hasAddress ? [address] : [],
		...(hasAddress ? { public_ip: address } : {}),
		mac_address: "de:00:00:c1:0d:01",
		state,
		state_detail: "",
		boot_type: "local",
		volumes,
		...(details.group === "" ? {} : { security_group: { id: String(details.group), name: String(details.groupName) } }),
		maintenances: [],
		arch: TYPES[String(details.type)]?.arch ?? "x86_64",
		private_nics: [],
		zone: String(details.zone),
		admin_password_encryption_ssh_key_id: null,
		admin_password_encrypted_value: null,
		filesystems: [],
		end_of_service: false,
	};
}
