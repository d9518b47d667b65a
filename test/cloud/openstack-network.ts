import { randomUUID } from "node:crypto";
import type { Account } from "./account.ts";
import { type Call, json } from "./dialect.ts";
import type { Json } from "./inventory.ts";
import { empty, narrowed, neutron, neutronComplains, page, read, time } from "./openstack-answers.ts";
import { NETWORKS, type Network } from "./openstack-catalogue.ts";
import { CreateFloating, CreateGroup, CreateRule, UpdateFloating } from "./openstack-requests.ts";
import { fixedAddress, portId } from "./openstack-servers.ts";

/** Neutron: networks, ports, security groups and floating IPs. Traffic on loopback addresses passes none of them. */

export interface Group {
	readonly [key: string]: Json;
	readonly id: string;
	readonly name: string;
	readonly description: string;
	readonly region: string;
	readonly created_at: string;
	readonly rules: readonly Rule[];
}
export interface Rule {
	readonly [key: string]: Json;
	readonly id: string;
	readonly direction: string;
	readonly ethertype: string;
	readonly protocol: string | null;
	readonly port_range_min: number | null;
	readonly port_range_max: number | null;
	readonly remote_ip_prefix: string | null;
}
export interface Floating {
	readonly [key: string]: Json;
	readonly id: string;
	readonly floating_ip_address: string;
	readonly floating_network_id: string;
	readonly port_id: string | null;
	readonly fixed_ip_address: string | null;
	readonly status: string;
	readonly description: string;
	readonly region: string;
}

export const groupsOf = (account: Account) => account.collection<Group>("security-groups");
export const floatingOf = (account: Account) => account.collection<Floating>("floating-ips");

const MAX_PAGE = 1000;
const MAX_RULES = 100;
const COMMON = ["id", "name", "description"];

/** What paths below `/network/v2.0` answer. */
export function answerNetwork(call: Call, account: Account, region: string, parts: readonly string[]): Promise<Response> | Response {
	const [collection = "", id] = parts;
	const { method } = call;
	const missing = (what: string) => neutron(404, `${what}NotFound`, `${what} ${id} could not be found.`);
	const several = (key: string, items: readonly { readonly id: string }[], fields: readonly string[] = []) =>
		page(call, key, narrowed(call, items, [...COMMON, ...fields]), MAX_PAGE);
	switch (`${method} ${collection}${id === undefined ? "" : "/*"}`) {
		case "GET networks":
			return several("networks", NETWORKS.map(networkShown), ["router:external", "shared"]);
		case "GET networks/*": {
			const network = NETWORKS.find((each) => each.id === id);
			return network ? json(200, { network: networkShown(network) }) : missing("Network");
		}
		case "GET ports":
			return several("ports", ports(account, region), ["device_id", "network_id"]);
		case "GET security-groups":
			return several("security_groups", groupsIn(account, region).map(groupShown));
		case "POST security-groups":
			return read(call, CreateGroup, neutronComplains, ({ security_group }) => createGroup(security_group, account, region));
		case "GET security-groups/*": {
			const group = groupsIn(account, region).find((each) => each.id === id);
			return group ? json(200, { security_group: groupShown(group) }) : missing("SecurityGroup");
		}
		case "DELETE security-groups/*": {
			if (groupsOf(account).get(id ?? "") === null) return missing("SecurityGroup");
			const isUsed = account.vms().some((vm) => (vm.details.groups as readonly string[] | undefined)?.includes(id ?? ""));
			if (isUsed) return neutron(409, "SecurityGroupInUse", `Security Group ${id} in use.`);
			groupsOf(account).delete(id ?? "");
			return empty(204);
		}
		case "GET security-group-rules":
			return several(
				"security_group_rules",
				groupsIn(account, region).flatMap((group) => rulesShown(group)),
				["security_group_id", "direction", "ethertype", "protocol"],
			);
		case "POST security-group-rules":
			return read(call, CreateRule, neutronComplains, ({ security_group_rule }) => addRule(security_group_rule, account, region));
		case "DELETE security-group-rules/*": {
			const group = groupsIn(account, region).find(({ rules }) => rules.some((rule) => rule.id === id));
			if (!group) return missing("SecurityGroupRule");
			groupsOf(account).set(group.id, { ...group, rules: group.rules.filter((rule) => rule.id !== id) });
			return empty(204);
		}
		case "GET floatingips":
			return several("floatingips", floatingIn(account, region).map(floatingShown), ["port_id", "floating_network_id", "status"]);
		case "POST floatingips":
			return read(call, CreateFloating, neutronComplains, ({ floatingip }) => createFloating(floatingip, account, region));
		case "GET floatingips/*":
		case "PUT floatingips/*":
		case "DELETE floatingips/*": {
			const floating = floatingIn(account, region).find((each) => each.id === id);
			if (!floating) return missing("FloatingIP");
			if (method === "GET") return json(200, { floatingip: floatingShown(floating) });
			if (method === "PUT") {
				return read(
					call,
					UpdateFloating,
					neutronComplains,
					({ floatingip: { port_id = floating.port_id, description = floating.description } }) => {
						const changed = { ...floating, port_id, description };
						floatingOf(account).set(floating.id, changed);
						return json(200, { floatingip: floatingShown(changed) });
					},
				);
			}
			floatingOf(account).delete(floating.id);
			return empty(204);
		}
		default:
			return neutron(404, "HTTPNotFound", "The resource could not be found.");
	}
}

const networkShown = ({ id, name, isExternal }: Network) => ({
	id,
	name,
	status: "ACTIVE",
	admin_state_up: true,
	shared: isExternal,
	"router:external": isExternal,
	subnets: [],
	is_default: false,
	description: "",
});

/** Each server has one, as soon as there is a host for it. */
function ports(account: Account, region: string) {
	return account
		.vms()
		.filter(({ details }) => details.region === region)
		.map(({ id, details }) => ({
			id: portId(id),
			name: "",
			description: "",
			device_id: id,
			device_owner: "compute:nova",
			network_id: String(details.network),
			status: "ACTIVE",
			fixed_ips: [{ ip_address: fixedAddress(id), subnet_id: String(details.network) }],
			security_groups: details.groups ?? [],
		}));
}

const groupsIn = (account: Account, region: string) =>
	groupsOf(account)
		.all()
		.filter((group) => group.region === region);
const rulesShown = ({ id, rules }: Group) => rules.map((rule) => ({ ...rule, security_group_id: id }));
const groupShown = (group: Group) => {
	const { region: _, rules: __, ...rest } = group;
	return { ...rest, id: group.id, stateful: true, shared: false, tags: [], security_group_rules: rulesShown(group) };
};

/** Names need not be unique: the same request again makes a second group. All may go out, and nothing come in. */
function createGroup({ name, description }: { name: string; description: string }, account: Account, region: string): Response {
	const out = (ethertype: string): Rule => ({
		id: randomUUID(),
		direction: "egress",
		ethertype,
		protocol: null,
		port_range_min: null,
		port_range_max: null,
		remote_ip_prefix: null,
		remote_group_id: null,
		description: "",
	});
	const group: Group = {
		id: randomUUID(),
		name,
		description,
		region,
		// To the second, but for two made within one: their order is that of their ids then.
		created_at: time(account.now()),
		rules: [out("IPv4"), out("IPv6")],
	};
	groupsOf(account).set(group.id, group);
	return json(201, { security_group: groupShown(group) });
}

function addRule({ security_group_id, ...wanted }: CreateRule, account: Account, region: string): Response {
	const group = groupsIn(account, region).find(({ id }) => id === security_group_id);
	if (!group) return neutron(404, "SecurityGroupNotFound", `Security group ${security_group_id} does not exist`);
	const { direction, ethertype, protocol = null, port_range_min = null, port_range_max = null, remote_ip_prefix = null } = wanted;
	if (remote_ip_prefix !== null && remote_ip_prefix.includes(":") !== (ethertype === "IPv6")) {
		return neutron(400, "SecurityGroupRuleParameterConflict", `Conflicting value ethertype ${ethertype} for CIDR ${remote_ip_prefix}`);
	}
	const rule = {
		direction,
		ethertype,
		protocol: protocol?.toLowerCase() ?? null,
		port_range_min,
		port_range_max,
		remote_ip_prefix,
		remote_group_id: wanted.remote_group_id ?? null,
		description: wanted.description ?? "",
	};
	const isSame = (other: Rule) =>
		(Object.keys(rule) as (keyof typeof rule)[]).every((key) => key === "description" || other[key] === rule[key]);
	const same = group.rules.find(isSame);
	if (same) return neutron(409, "SecurityGroupRuleExists", `Security group rule already exists. Rule id is ${same.id}.`);
	if (group.rules.length >= MAX_RULES) return neutron(409, "OverQuota", "Quota exceeded for resources: ['security_group_rule'].");
	const made: Rule = { id: randomUUID(), ...rule };
	groupsOf(account).set(group.id, { ...group, rules: [...group.rules, made] });
	return json(201, { security_group_rule: { ...made, security_group_id: group.id } });
}

const floatingIn = (account: Account, region: string) =>
	floatingOf(account)
		.all()
		.filter((floating) => floating.region === region);
const floatingShown = ({ region: _, ...floating }: Floating) => ({ ...floating, id: floating.id, router_id: null, tags: [] });

/** On a server's port it is the address that the server really has here. */
function createFloating(
	{
		floating_network_id,
		port_id = null,
		description = "",
	}: { floating_network_id: string; port_id?: string | null | undefined; description?: string | undefined },
	account: Account,
	region: string,
): Response {
	const from = NETWORKS.find(({ id }) => id === floating_network_id);
	if (!from?.isExternal)
		return neutron(400, "BadRequest", `Bad floatingip request: Network ${floating_network_id} is not a valid external network.`);
	const vm = account.vms().find(({ id }) => portId(id) === port_id);
	if (port_id !== null && !vm) return neutron(404, "PortNotFound", `Port ${port_id} could not be found.`);
	const network = NETWORKS.find(({ id }) => id === vm?.details.network);
	if (network && !network.hasRouter) {
		const sentence = `External network ${floating_network_id} is not reachable from subnet ${network.id}.`;
		return neutron(404, "ExternalGatewayForFloatingIPNotFound", sentence);
	}
	const taken = floatingIn(account, region).find((other) => port_id !== null && other.port_id === port_id);
	if (taken) {
		const sentence = `Cannot associate floating IP ${taken.floating_ip_address} with port ${port_id}: it already has one.`;
		return neutron(409, "FloatingIPPortAlreadyAssociated", sentence);
	}
	const floating: Floating = {
		id: randomUUID(),
		floating_ip_address: vm?.address ?? `203.0.113.${account.number() % 250}`,
		floating_network_id,
		port_id,
		fixed_ip_address: vm ? fixedAddress(vm.id) : null,
		status: vm ? "ACTIVE" : "DOWN",
		description,
		region,
	};
	floatingOf(account).set(floating.id, floating);
	return json(201, { floatingip: floatingShown(floating) });
}
