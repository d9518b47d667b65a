import type { Account } from "./account.ts";
import type { Call } from "./dialect.ts";
import type { Json } from "./inventory.ts";
import { rfc3339 } from "./requests.ts";
import { isAsked, json, notFound, ORGANIZATION, page, read, refuse, uuidOf } from "./scaleway-answers.ts";
import { CreateGroup, GroupRule, SetRules } from "./scaleway-requests.ts";

/** Security groups of Scaleway's dialect. They are shown and checked; traffic on loopback addresses passes none. */
export interface Group {
	readonly [key: string]: Json;
	readonly id: string;
	readonly name: string;
	readonly zone: string;
	readonly project: string;
	readonly tags: readonly string[];
	readonly rules: readonly Rule[];
}
export type Rule = { readonly [key: string]: Json; readonly id: string; readonly editable: boolean };

export const groupsOf = (account: Account) => account.collection<Group>("security-groups");

export function answerGroups(
	call: Call,
	account: Account,
	zone: string,
	id: string | undefined,
	part: string | undefined,
	ruleId: string | undefined,
): Promise<Response> | Response {
	if (id === undefined) {
		if (call.method === "POST") return read(call, CreateGroup, (wanted) => createGroup(wanted, account, zone));
		const found = groupsOf(account)
			.all()
			.filter((group) => group.zone === zone && isAsked(call, group));
		return page(
			call,
			"security_groups",
			found.map((group) => shown(group, account)),
		);
	}
	const group = groupsOf(account).get(id);
	if (group?.zone !== zone) return notFound("Security group", id);
	const change = (rules: readonly Rule[]) => groupsOf(account).set(id, { ...group, rules });
	switch (`${call.method} ${part ?? ""}${ruleId === undefined ? "" : "/*"}`) {
		case "GET ":
			return json(200, { security_group: shown(group, account) });
		case "DELETE ":
			if (serversOf(group, account).length > 0) return refuse(409, "conflict", "Group is in use. You cannot delete it.");
			groupsOf(account).delete(id);
			return new Response(null, { status: 204 });
		case "GET rules":
			return page(call, "rules", group.rules);
		case "POST rules":
			return read(call, GroupRule, (wanted) => {
				const rule = ruleOf(wanted, group.rules.length + 1, account, zone);
				change([...group.rules, rule]);
				return json(201, { rule });
			});
		case "PUT rules":
			// Those that are not named are gone, those that may not be changed excepted.
			return read(call, SetRules, ({ rules }) => {
				const made = rules.map((wanted, at) => ruleOf(wanted, at + 1, account, zone));
				const all = [...group.rules.filter(({ editable }) => !editable), ...made];
				change(all);
				return json(200, { rules: all });
			});
		case "DELETE rules/*": {
			const rules = group.rules.filter((rule) => rule.id !== ruleId);
			if (rules.length === group.rules.length) return notFound("Security group rule", String(ruleId));
			change(rules);
			return new Response(null, { status: 204 });
		}
		default:
			return refuse(404, "unknown_resource", "Resource not found");
	}
}

/** Names need not be unique: the same request again makes a second group. */
function createGroup(wanted: CreateGroup, account: Account, zone: string): Response {
	const at = rfc3339(account.now());
	// What every group has unless its owner may send mail.
	const mail = [25, 465, 587].map((port, index) =>
		ruleOf(
			{ protocol: "TCP", direction: "outbound", action: "drop", ip_range: "0.0.0.0/0", dest_port_from: port, editable: false },
			index + 1,
			account,
			zone,
		),
	);
	const group: Group = {
		id: uuidOf(account.number()),
		...wanted,
		organization: ORGANIZATION,
		project_default: false,
		organization_default: false,
		creation_date: at,
		modification_date: at,
		state: "available",
		zone,
		rules: wanted.enable_default_security ? mail : [],
	};
	groupsOf(account).set(group.id, group);
	return json(201, { security_group: shown(group, account) });
}

function ruleOf(wanted: GroupRule, position: number, account: Account, zone: string): Rule {
	const { protocol, direction, action, ip_range, dest_port_from, dest_port_to, editable } = wanted;
	return {
		id: wanted.id ?? uuidOf(account.number()),
		protocol,
		direction,
		action,
		ip_range,
		dest_port_from: dest_port_from ?? null,
		dest_port_to: dest_port_to ?? null,
		position: wanted.position ?? position,
		editable: editable ?? true,
		zone,
	};
}

function shown({ rules: _, ...group }: Group, account: Account): object {
	return { ...group, servers: serversOf(group, account) };
}

const serversOf = ({ id }: { readonly id: Json | undefined }, account: Account) =>
	account
		.vms()
		.filter((vm) => vm.details.group === id)
		.map((vm) => ({ id: vm.id, name: vm.name }));
