import type { Account } from "./account.ts";
import { idOf, matches } from "./aws-catalogue.ts";
import type { IpPermissions } from "./aws-requests.ts";
import { answer, refuse, type XmlValue } from "./aws-xml.ts";
import type { Json } from "./inventory.ts";

/** Security groups of an account's default networks, one network a region. */

/** One protocol, one source. */
interface Rule {
	readonly [key: string]: Json;
	readonly protocol: string;
	readonly from: number | null;
	readonly to: number | null;
	readonly sort: "cidrIp" | "cidrIpv6" | "groupId" | "prefixListId";
	readonly source: string;
}
export interface Group {
	readonly [key: string]: Json;
	readonly id: string;
	readonly name: string;
	readonly description: string;
	readonly region: string;
	readonly vpc: string;
	readonly rules: readonly Rule[];
	readonly tags: { readonly [key: string]: string };
}

/** The group that each network comes with, as it is until somebody changes it. */
export function defaultGroup(account: Account, region: string): Group {
	const vpc = vpcOf(account, region);
	const id = idOf("sg", `${account.key}/${region}/default`);
	const rules: readonly Rule[] = [{ protocol: "-1", from: null, to: null, sort: "groupId", source: id }];
	const unchanged: Group = { id, name: "default", description: "default VPC security group", region, vpc, rules, tags: {} };
	return groupsOf(account).get(id) ?? unchanged;
}

/** All of a region. */
function groupsIn(account: Account, region: string): readonly Group[] {
	const first = defaultGroup(account, region);
	const others = groupsOf(account).all();
	return [first, ...others.filter((group) => group.region === region && group.id !== first.id)];
}

/** Null: that region has no such group. */
export function groupIn(account: Account, region: string, id: string): Group | null {
	return groupsIn(account, region).find((group) => group.id === id) ?? null;
}

/** Null: that region has no group of that name. */
export function groupNamed(account: Account, region: string, name: string): Group | null {
	return groupsIn(account, region).find((group) => group.name === name) ?? null;
}

/** A group has at most so many rules that let in. */
const MAX_RULES = 60;
export const OWNER = "123456789012";

export const vpcOf = (account: Account, region: string) => idOf("vpc", `${account.key}/${region}`);
export const groupsOf = (account: Account) => account.collection<Group>("security-groups");

export function describeVpcs(account: Account, region: string, filters: Filters): Response {
	const vpc = { vpcId: vpcOf(account, region), ownerId: OWNER, state: "available", cidrBlock: "172.31.0.0/16", isDefault: true };
	const isAsked = filters.every(({ Name, Value }) => Name === "is-default" && Value.includes("true"));
	return answer("DescribeVpcs", { vpcSet: isAsked ? [{ ...vpc, dhcpOptionsId: "default", instanceTenancy: "default" }] : [] });
}

export type Filters = readonly { readonly Name: string; readonly Value: readonly string[] }[];

export interface GroupsWanted {
	readonly GroupId?: readonly string[] | undefined;
	readonly GroupName?: readonly string[] | undefined;
	readonly Filter?: Filters | undefined;
}

export function describeGroups(account: Account, region: string, { GroupId, GroupName, Filter: filters = [] }: GroupsWanted): Response {
	const absent =
		GroupId?.find((id) => groupIn(account, region, id) === null) ?? GroupName?.find((name) => !groupNamed(account, region, name));
	if (absent !== undefined) return refuse(400, "InvalidGroup.NotFound", `The security group '${absent}' does not exist`);
	const values: Readonly<Record<string, (group: Group) => string>> = {
		"group-name": (group) => group.name,
		"vpc-id": (group) => group.vpc,
		"group-id": (group) => group.id,
	};
	const unknown = filters.find(({ Name }) => values[Name] === undefined);
	if (unknown) return refuse(400, "InvalidParameterValue", `The filter '${unknown.Name}' is invalid`);
	const shown = groupsIn(account, region)
		.filter(({ id, name }) => (GroupId?.includes(id) ?? true) && (GroupName?.includes(name) ?? true))
		.filter((group) => filters.every(({ Name, Value }) => Value.some((value) => matches(value, values[Name]?.(group) ?? ""))));
	return answer("DescribeSecurityGroups", { securityGroupInfo: shown.map(show) });
}

export function createGroup(
	account: Account,
	region: string,
	wanted: { readonly name: string; readonly description: string; readonly vpc: string; readonly tags: { readonly [key: string]: string } },
): Response {
	if (wanted.vpc !== vpcOf(account, region)) {
		return refuse(400, "InvalidVpcID.NotFound", `The vpc ID '${wanted.vpc}' does not exist`);
	}
	if (!/^[a-zA-Z0-9 ._\-:/()#,@[\]+=&;{}!$*]+$/.test(wanted.name)) {
		return refuse(
			400,
			"InvalidParameterValue",
			`Value (${wanted.name}) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.`,
		);
	}
	if (groupNamed(account, region, wanted.name)) {
		return refuse(400, "InvalidGroup.Duplicate", `The security group '${wanted.name}' already exists for VPC '${wanted.vpc}'`);
	}
	const id = idOf("sg", `${account.key}/${account.number()}`);
	groupsOf(account).set(id, { id, region, rules: [], ...wanted });
	return answer("CreateSecurityGroup", { return: true, groupId: id, tagSet: tagSet(wanted.tags) });
}

export function changeIngress(account: Account, region: string, action: string, id: string, permissions: IpPermissions): Response {
	const group = groupIn(account, region, id);
	if (!group) return refuse(400, "InvalidGroup.NotFound", `The security group '${id}' does not exist`);
	const named = permissions.flatMap(rulesOf);
	const isIn = (rule: Rule) => group.rules.some((other) => JSON.stringify(other) === JSON.stringify(rule));
	const words = (rule: Rule) => `peer: ${rule.source}, ${rule.protocol.toUpperCase()}, from port: ${rule.from}, to port: ${rule.to}, ALLOW`;
	if (action === "AuthorizeSecurityGroupIngress") {
		const twice = named.find(isIn);
		if (twice) return refuse(400, "InvalidPermission.Duplicate", `the specified rule "${words(twice)}" already exists`);
		if (group.rules.length + named.length > MAX_RULES) {
			return refuse(400, "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.");
		}
		groupsOf(account).set(id, { ...group, rules: [...group.rules, ...named] });
		return answer(action, { return: true });
	}
	if (!named.every(isIn)) return refuse(400, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.");
	const isNamed = (rule: Rule) => named.some((other) => JSON.stringify(other) === JSON.stringify(rule));
	groupsOf(account).set(id, { ...group, rules: group.rules.filter((rule) => !isNamed(rule)) });
	return answer(action, { return: true });
}

function rulesOf(permission: IpPermissions[number]): Rule[] {
	const { IpProtocol: protocol, FromPort: from = null, ToPort: to = null } = permission;
	const rule = (sort: Rule["sort"], source: string): Rule => ({ protocol, from, to, sort, source });
	return [
		...(permission.IpRanges ?? []).map((range) => rule("cidrIp", range.CidrIp)),
		...(permission.Ipv6Ranges ?? []).map((range) => rule("cidrIpv6", range.CidrIpv6)),
		...(permission.Groups ?? []).map((group) => rule("groupId", group.GroupId)),
		...(permission.PrefixListIds ?? []).map((list) => rule("prefixListId", list.PrefixListId)),
	];
}

function show(group: Group): XmlValue {
	const permissions = new Map<string, readonly Rule[]>();
	for (const rule of group.rules) {
		const key = JSON.stringify([rule.protocol, rule.from, rule.to]);
		permissions.set(key, [...(permissions.get(key) ?? []), rule]);
	}
	return {
		ownerId: OWNER,
		groupId: group.id,
		groupName: group.name,
		groupDescription: group.description,
		vpcId: group.vpc,
		ipPermissions: [...permissions.values()].map((rules) => ({
			ipProtocol: rules[0]?.protocol,
			fromPort: rules[0]?.from,
			toPort: rules[0]?.to,
			groups: rules.filter(({ sort }) => sort === "groupId").map(({ source }) => ({ userId: OWNER, groupId: source })),
			ipRanges: rules.filter(({ sort }) => sort === "cidrIp").map(({ source }) => ({ cidrIp: source })),
			ipv6Ranges: rules.filter(({ sort }) => sort === "cidrIpv6").map(({ source }) => ({ cidrIpv6: source })),
			prefixListIds: rules.filter(({ sort }) => sort === "prefixListId").map(({ source }) => ({ prefixListId: source })),
		})),
		ipPermissionsEgress: [{ ipProtocol: "-1", groups: [], ipRanges: [{ cidrIp: "0.0.0.0/0" }], ipv6Ranges: [], prefixListIds: [] }],
		tagSet: tagSet(group.tags),
	};
}

export function tagSet(tags: { readonly [key: string]: string }): XmlValue {
	return Object.entries(tags).map(([key, value]) => ({ key, value }));
}
