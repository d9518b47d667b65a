import { randomUUID } from "node:crypto";
import type { Account } from "./account.ts";
import { type Call, json } from "./dialect.ts";
import type { Json } from "./inventory.ts";
import { rfc3339 } from "./requests.ts";
import { page, read, refuse } from "./vultr-answers.ts";
import { CreateGroup, CreateRule } from "./vultr-requests.ts";

/** Firewall groups of Vultr's dialect. They are shown and checked; traffic on loopback addresses passes none. */
export interface Group {
	readonly [key: string]: Json;
	readonly id: string;
	readonly description: string;
	readonly date_created: string;
	readonly date_modified: string;
	readonly rules: readonly Rule[];
}
export type Rule = { readonly [key: string]: Json; readonly id: number };

const MAX_RULES = 50;

export const groupsOf = (account: Account) => account.collection<Group>("firewall-groups");

export function answerFirewalls(
	call: Call,
	account: Account,
	id: string | undefined,
	part: string | undefined,
	ruleId: string | undefined,
): Promise<Response> | Response {
	if (id === undefined) {
		if (call.method === "POST") return read(call, CreateGroup, ({ description }) => createGroup(description, account));
		return page(
			call,
			"firewall_groups",
			groupsOf(account)
				.all()
				.map((group) => shown(group, account)),
		);
	}
	const group = groupsOf(account).get(id);
	if (!group) return refuse(404, "Invalid firewall group.");
	switch (`${call.method} ${part ?? ""}${ruleId === undefined ? "" : "/*"}`) {
		case "GET ":
			return json(200, { firewall_group: shown(group, account) });
		case "DELETE ":
			groupsOf(account).delete(id);
			return new Response(null, { status: 204 });
		case "GET rules":
			return page(call, "firewall_rules", group.rules);
		case "POST rules":
			return read(call, CreateRule, (rule) => addRule(group, rule, account));
		case "DELETE rules/*": {
			const rules = group.rules.filter((rule) => String(rule.id) !== ruleId);
			if (rules.length === group.rules.length) return refuse(404, "Invalid firewall rule.");
			change(group, rules, account);
			return new Response(null, { status: 204 });
		}
		default:
			return refuse(404, "Invalid path.");
	}
}

/** Descriptions need not be unique: the same request again makes a second group. */
function createGroup(description: string, account: Account): Response {
	const at = rfc3339(account.now());
	const group: Group = { id: randomUUID(), description, date_created: at, date_modified: at, rules: [] };
	groupsOf(account).set(group.id, group);
	return json(201, { firewall_group: shown(group, account) });
}

function addRule(group: Group, wanted: CreateRule, account: Account): Response {
	const { ip_type, protocol, subnet, subnet_size, port = "", source = "", notes = "" } = wanted;
	const rule = { ip_type, type: ip_type, action: "accept", protocol: protocol.toLowerCase(), port, subnet, subnet_size, source, notes };
	const isSame = (other: Rule) => (Object.keys(rule) as (keyof typeof rule)[]).every((key) => key === "notes" || other[key] === rule[key]);
	if (group.rules.some(isSame)) return refuse(400, "This firewall rule is already defined.");
	if (group.rules.length >= MAX_RULES) return refuse(400, "The maximum number of rules of this firewall group is reached.");
	const numbered = { id: Math.max(0, ...group.rules.map(({ id }) => id)) + 1, ...rule };
	change(group, [...group.rules, numbered], account);
	return json(201, { firewall_rule: numbered });
}

function change(group: Group, rules: readonly Rule[], account: Account): void {
	groupsOf(account).set(group.id, { ...group, rules, date_modified: rfc3339(account.now()) });
}

function shown({ rules, ...group }: Group, account: Account): object {
	const instance_count = account.vms().filter((vm) => vm.details.group === group.id).length;
	return { ...group, instance_count, rule_count: rules.length, max_rule_count: MAX_RULES };
}
