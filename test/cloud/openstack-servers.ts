import type { Account } from "./account.ts";
import { type Call, json } from "./dialect.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { empty, narrowed, notFound, nova, novaComplains, page, read, time } from "./openstack-answers.ts";
import { FLAVORS, IMAGES, NETWORKS } from "./openstack-catalogue.ts";
import { PROJECT } from "./openstack-identity.ts";
import { floatingOf, groupsOf } from "./openstack-network.ts";
import { Action, CreateServer, SetTags } from "./openstack-requests.ts";

/** Nova: servers, flavors and its versions. */

const MIN_VERSION = 1;
const MAX_VERSION = 95;
const MAX_PAGE = 1000;
const NO_HOST = "No valid host was found. There are not enough hosts available.";

/** What is kept of a server besides its VM, for there are servers without: those that could not be built. */
interface Record {
	readonly [key: string]: Json;
	readonly id: string;
	readonly name: string;
	readonly region: string;
	readonly tags: readonly string[];
	readonly createdAt: number;
	/** It is being built, and will not be. */
	readonly isDoomed: boolean;
	readonly details: { readonly [key: string]: Json };
}
const recordsOf = (account: Account) => account.collection<Record>("doomed-servers");

/** A UUID, as the ids of servers are. */
export const serverId = (number: number): string => `6b4d1f3a-1f84-404f-aa84-${number.toString(16).padStart(12, "0")}`;

/** The minor part of the microversion that a call asks for; null: none that there is. */
function minorOf(call: Call): number | null {
	const given =
		call.headers.get("openstack-api-version")?.match(/^compute (\S+)$/)?.[1] ?? call.headers.get("x-openstack-nova-api-version");
	if (given === null || given === undefined) return MIN_VERSION;
	if (given === "latest") return MAX_VERSION;
	const minor = Number(/^2\.(\d+)$/.exec(given)?.[1] ?? Number.NaN);
	return minor >= MIN_VERSION && minor <= MAX_VERSION ? minor : null;
}

const LIST_PARAMETERS =
	"limit marker name status tags tags-any not-tags not-tags-any flavor image ip ip6 changes-since changes-before".split(" ");

/** What paths below `/compute/v2.1` answer. */
export function answerCompute(
	call: Call,
	account: Account,
	region: string,
	parts: readonly string[],
	most: number,
): Promise<Response> | Response {
	const [collection = "", id, sub] = parts;
	const minor = minorOf(call);
	if (minor === null) {
		return nova(406, `Version is not supported by the API. Minimum is 2.${MIN_VERSION} and maximum is 2.${MAX_VERSION}.`);
	}
	const versioned = (answer: Response) => {
		answer.headers.set("openstack-api-version", `compute 2.${minor}`);
		return answer;
	};
	const answered = route();
	return answered instanceof Response ? versioned(answered) : answered.then(versioned);

	function route(): Promise<Response> | Response {
		if (collection === "") return json(200, { version: version(call) });
		if (collection === "flavors") {
			if (id === undefined || id === "detail") return page(call, "flavors", FLAVORS, MAX_PAGE);
			const flavor = FLAVORS.find((each) => each.id === id);
			return flavor ? json(200, { flavor }) : nova(404, `Flavor ${id} could not be found.`);
		}
		if (collection === "limits") return json(200, { limits: { absolute: { maxTotalInstances: account.limit }, rate: [] } });
		if (collection !== "servers") return notFound();
		if (id === undefined && call.method === "POST") {
			return read(call, CreateServer, novaComplains, ({ server }) => create(server, account, region, minor ?? 0));
		}
		if (call.method === "GET" && (id === undefined || id === "detail"))
			return list(call, account, region, minor ?? 0, Math.min(most, MAX_PAGE));
		const server = serversIn(account, region).find((each) => each.id === id);
		return server === undefined ? nova(404, `Instance ${id} could not be found.`) : answerServer(call, account, server, sub, minor ?? 0);
	}
}

const version = (call: Call) => ({
	id: "v2.1",
	status: "CURRENT",
	version: `2.${MAX_VERSION}`,
	min_version: `2.${MIN_VERSION}`,
	updated: "2013-07-23T11:33:21Z",
	links: [{ rel: "self", href: `${call.origin}${call.fullPath.replace(/\/?$/, "/")}` }],
});
export const versions = (call: Call) =>
	json(200, { versions: [version({ ...call, fullPath: `${call.fullPath.replace(/\/?$/, "/")}v2.1` })] });

/** A server as both its VM and what is left of one that could not be built. */
interface Server {
	readonly id: string;
	readonly name: string;
	readonly tags: readonly string[];
	readonly createdAt: number;
	readonly details: { readonly [key: string]: Json };
	readonly vm: VmRecord | null;
	readonly isDoomed: boolean;
}

function serversIn(account: Account, region: string): readonly Server[] {
	const records = recordsOf(account).all();
	const vms = account.vms().map((vm) => ({ ...vm, vm, isDoomed: records.some(({ id }) => id === vm.id) }));
	const left = records
		.filter(({ id, region: its }) => its === region && !vms.some((vm) => vm.id === id))
		.map((record) => ({ ...record, vm: null }));
	return [...vms.filter(({ details }) => details.region === region), ...left];
}

async function create(wanted: CreateServer, account: Account, region: string, minor: number): Promise<Response> {
	const additional = (field: string) => novaComplains(`Additional properties are not allowed ('${field}' was unexpected)`);
	if (wanted.tags !== undefined && minor < 52) return additional("tags");
	if (wanted.networks === undefined && minor >= 37) return novaComplains("'networks' is a required property");
	const flavor = FLAVORS.find(({ id }) => id === wanted.flavorRef);
	if (!flavor) return nova(400, "Invalid flavorRef provided.");
	const [volume] = wanted.block_device_mapping_v2 ?? [];
	const imageId = volume ? volume.uuid : wanted.imageRef;
	const image = IMAGES.find(({ id }) => id === imageId);
	if (!image) return nova(400, "Invalid imageRef provided.");
	if (flavor.disk === 0 && volume?.destination_type !== "volume") {
		return nova(403, "Only volume-backed servers are allowed for flavors with zero disk.");
	}
	const network = networkOf(wanted.networks);
	if (network instanceof Response) return network;
	const groups = (wanted.security_groups ?? []).map(({ name }) => name).filter((name) => name !== "default");
	const unknown = groups.find((id) => groupsOf(account).get(id) === null);
	if (unknown !== undefined) return nova(400, `Security group ${unknown} not found.`);
	if (account.count() >= account.limit) {
		return nova(403, `Quota exceeded for instances: Requested 1, but already used ${account.count()} of ${account.limit} instances`);
	}
	const { vm } = await account.create({
		provider: "openstack",
		id: serverId,
		name: wanted.name,
		tags: wanted.tags ?? [],
		userData: Buffer.from(wanted.user_data ?? "", "base64").toString("utf8"),
		details: { region, flavor: flavor.id, image: volume ? "" : image.id, network: network.id, groups, metadata: wanted.metadata ?? {} },
	});
	if (account.failsLater) {
		const { id, name, tags, createdAt, details } = vm;
		recordsOf(account).set(id, { id, name, region, tags, createdAt, isDoomed: true, details });
	}
	const links = [{ rel: "self", href: `http://10.0.0.5/v2.1/servers/${vm.id}` }];
	const security_groups = (wanted.security_groups ?? [{ name: "default" }]).map(({ name }) => ({ name }));
	return json(202, { server: { id: vm.id, links, adminPass: `local${vm.id.slice(-6)}`, security_groups, "OS-DCF:diskConfig": "MANUAL" } });
}

/** `auto` joins the project's own network. */
function networkOf(wanted: CreateServer["networks"]) {
	const [own] = NETWORKS.filter(({ name }) => name === "private");
	if (wanted === "none" || (Array.isArray(wanted) && wanted.length !== 1)) return nova(400, "Servers have one network here.");
	const network = Array.isArray(wanted) ? NETWORKS.find(({ id }) => id === wanted[0]?.uuid) : own;
	if (!network) return nova(400, `Network ${Array.isArray(wanted) ? wanted[0]?.uuid : ""} could not be found.`);
	if (!network.isJoined) return nova(403, `It is not allowed to create an interface on external network ${network.id}`);
	return network;
}

function list(call: Call, account: Account, region: string, minor: number, most: number): Response {
	const { query } = call;
	const unknown = [...query.keys()].find((key) => !LIST_PARAMETERS.includes(key));
	if (unknown !== undefined && minor >= 75) return nova(400, `Invalid input for query parameters ${unknown}.`);
	let pattern: RegExp;
	try {
		pattern = new RegExp(query.get("name") ?? "");
	} catch {
		return nova(400, "Invalid input for query parameters name.");
	}
	// Before they were known, tags were a parameter that nobody knew.
	const tags = minor >= 26 ? (query.get("tags")?.split(",") ?? []) : [];
	const servers = serversIn(account, region)
		.filter(({ name }) => pattern.test(name))
		.filter((server) => tags.every((tag) => server.tags.includes(tag)))
		.map((server) => shown(server, account, minor));
	const isShort = !call.path.endsWith("/detail");
	const items = narrowed(call, servers as readonly { readonly id: string }[], ["status"]);
	return page(
		call,
		"servers",
		isShort ? items.map(({ id, ...rest }) => ({ id, name: (rest as { name?: string }).name, links: [] })) : items,
		most,
	);
}

function answerServer(call: Call, account: Account, server: Server, sub: string | undefined, minor: number): Promise<Response> | Response {
	const { vm } = server;
	switch (`${call.method} ${sub ?? ""}`) {
		case "GET ":
			return json(200, { server: shown(server, account, minor) });
		case "DELETE ":
			if (vm) account.delete(vm);
			recordsOf(account).delete(server.id);
			release(server, account);
			return empty(204);
		case "GET tags":
			return json(200, { tags: server.tags });
		case "PUT tags":
			return read(call, SetTags, novaComplains, ({ tags }) => {
				if (vm) account.retag(vm, tags);
				return json(200, { tags });
			});
		case "DELETE tags":
			if (vm) account.retag(vm, []);
			return empty(204);
		case "GET os-interface":
			return json(200, { interfaceAttachments: [] });
		case "POST action":
			return read(call, Action, novaComplains, (action) => act(action, account, server));
		default:
			return notFound();
	}
}

function act(action: object, account: Account, { id, vm }: Server): Response {
	const [what = ""] = Object.keys(action);
	const cannot = (why: string) => nova(409, `Cannot '${what.replace("os-", "")}' instance ${id} while it is in ${why}`);
	if (what === "forceDelete") return empty(202);
	if (vm === null || vm.state === "new") return cannot(vm === null ? "vm_state error" : "vm_state building");
	const isSoft = "reboot" in action && /^soft$/i.test((action.reboot as { type: string }).type);
	if (isSoft && vm.state === "off" && account.tasks(vm).every(({ status }) => status !== "running")) return cannot("vm_state stopped");
	const how = what === "reboot" ? "restart" : what === "os-stop" ? "off" : "on";
	return account.power(vm, how, what) ? empty(202) : cannot("task_state reboot_started");
}

/** A floating IP is not deleted with the server: its port is gone, that is all. */
function release({ id }: Server, account: Account): void {
	for (const floating of floatingOf(account).all()) {
		if (floating.port_id === portId(id))
			floatingOf(account).set(floating.id, { ...floating, port_id: null, fixed_ip_address: null, status: "DOWN" });
	}
}

/** The id of a server's one port. */
export const portId = (server: string): string => server.replace(/^6b4d/, "b0a7");

const number = (id: string) => Number.parseInt(id.slice(-8), 16);
/** In the network that nobody outside reaches. */
export const fixedAddress = (id: string): string => `10.77.${(number(id) >> 8) & 255}.${number(id) & 255}`;

function shown(server: Server, account: Account, minor: number): object {
	const { id, name, details, vm, isDoomed } = server;
	const flavor = FLAVORS.find((each) => each.id === details.flavor) ?? FLAVORS[0];
	const isRebooting = vm?.state === "off" && account.tasks(vm).some((task) => task.status === "running");
	const status = vm === null ? "ERROR" : vm.state === "new" ? "BUILD" : isRebooting ? "REBOOT" : vm.state === "off" ? "SHUTOFF" : "ACTIVE";
	const task = status === "BUILD" ? (isDoomed ? "scheduling" : "spawning") : isRebooting ? "rebooting" : null;
	const sizes = {
		vcpus: flavor.vcpus,
		ram: flavor.ram,
		disk: flavor.disk,
		ephemeral: 0,
		swap: 0,
		original_name: flavor.name,
		extra_specs: {},
	};
	return {
		id,
		name,
		status,
		created: time(server.createdAt),
		updated: time(server.createdAt),
		tenant_id: PROJECT,
		user_id: "0a0e0000000040008000000000000002",
		hostId: "",
		accessIPv4: "",
		accessIPv6: "",
		addresses: status === "BUILD" || vm === null ? {} : addresses(server, vm, account),
		metadata: details.metadata ?? {},
		...(minor >= 26 ? { tags: server.tags, locked: false } : {}),
		image: details.image === "" ? "" : { id: details.image, links: [] },
		flavor: minor >= 47 ? sizes : { id: flavor.id, links: [] },
		key_name: null,
		config_drive: "",
		progress: status === "ACTIVE" ? 100 : 0,
		links: [{ rel: "self", href: `http://10.0.0.5/v2.1/servers/${id}` }],
		security_groups: [{ name: "default" }],
		"OS-DCF:diskConfig": "MANUAL",
		"OS-EXT-AZ:availability_zone": "nova",
		"OS-EXT-STS:task_state": task,
		"OS-EXT-STS:vm_state": vm === null ? "error" : status === "BUILD" ? "building" : status === "SHUTOFF" ? "stopped" : "active",
		"OS-EXT-STS:power_state": status === "ACTIVE" ? 1 : status === "SHUTOFF" ? 4 : 0,
		"OS-SRV-USG:launched_at": null,
		"OS-SRV-USG:terminated_at": null,
		"os-extended-volumes:volumes_attached": [],
		...(vm === null ? { fault: { code: 500, created: time(server.createdAt), message: NO_HOST } } : {}),
	};
}

/** IPv6 first, as it happens; on a private network the public address is the floating one. */
function addresses({ id, details }: Server, vm: VmRecord, account: Account): object {
	const network = NETWORKS.find((each) => each.id === details.network) ?? NETWORKS[1];
	const mac = { "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01" };
	const address = (addr: string, version: 4 | 6, type: "fixed" | "floating") => ({ addr, version, "OS-EXT-IPS:type": type, ...mac });
	const v6 = address(`2001:db8:77::${number(id).toString(16).slice(-4)}`, 6, "fixed");
	if (network.isExternal) return { [network.name]: [v6, address(vm.address, 4, "fixed")] };
	const floating = floatingOf(account)
		.all()
		.filter(({ port_id }) => port_id === portId(id));
	return {
		[network.name]: [
			address(fixedAddress(id), 4, "fixed"),
			...floating.map(({ floating_ip_address }) => address(floating_ip_address, 4, "floating")),
		],
	};
}
