import { isFailure } from "../base/failures.ts";
import { firewallName, plainSource } from "../base/firewall.ts";
import { type Protection, ProviderError } from "../base/provider.ts";
import { DEPLOYMENT_TAG, TAG } from "../base/tags.ts";
import { type Call, filters, type Parameters } from "./api.ts";
import type { Xml } from "./xml.ts";

/** The deployment's security group: made once in the default VPC, found again by its name, kept as it shall be. */

/** One rule, one source; `as` is how the API takes it. */
interface Rule {
	readonly key: string;
	readonly as: Parameters;
}

/** Gives the group's id. What it lets out stays as it is: a new group lets everything out. */
export async function ensureGroup(call: Call, wanted: Protection): Promise<string> {
	const { deployment } = wanted.tags;
	const vpc = await call("DescribeVpcs", filters({ "is-default": "true" }), (answer) => answer.items("vpcSet")[0]?.need("vpcId"));
	if (vpc === undefined) {
		throw new ProviderError({ kind: "invalid", message: "AWS: the region has no default VPC; make one with aws ec2 create-default-vpc" });
	}
	const rules = wantedRules(wanted);
	for (let isSecondLook = false; ; isSecondLook = true) {
		const found = await find(call, deployment, vpc);
		const missing = rules.filter(({ key }) => !found?.rules.some((rule) => rule.key === key));
		const surplus = found?.rules.filter(({ key }) => !rules.some((rule) => rule.key === key)) ?? [];
		try {
			const id = found?.id ?? (await make(call, deployment, vpc));
			if (missing.length > 0) {
				await call("AuthorizeSecurityGroupIngress", { GroupId: id, IpPermissions: missing.map((rule) => rule.as) }, () => null);
			}
			if (surplus.length > 0) {
				await call("RevokeSecurityGroupIngress", { GroupId: id, IpPermissions: surplus.map((rule) => rule.as) }, () => null);
			}
			return id;
		} catch (error) {
			// Another isolate was faster: what is there now may be right.
			if (isSecondLook || !isFailure(error, "conflict", "notFound")) throw error;
		}
	}
}

function find(call: Call, deployment: string, vpc: string): Promise<{ readonly id: string; readonly rules: readonly Rule[] } | null> {
	return call("DescribeSecurityGroups", filters({ "group-name": firewallName(deployment), "vpc-id": vpc }), (answer) => {
		const group = answer.items("securityGroupInfo")[0];
		return group === undefined ? null : { id: group.need("groupId"), rules: group.items("ipPermissions").flatMap(rulesOf) };
	});
}

function make(call: Call, deployment: string, vpc: string): Promise<string> {
	const tags = [
		{ Key: TAG, Value: "true" },
		{ Key: DEPLOYMENT_TAG, Value: deployment },
	];
	const wanted = {
		GroupName: firewallName(deployment),
		GroupDescription: "The proxy port of a Muster deployment",
		VpcId: vpc,
		TagSpecification: [{ ResourceType: "security-group", Tag: tags }],
	};
	return call("CreateSecurityGroup", wanted, (answer) => answer.need("groupId"));
}

/** The proxies have no IPv6 address, so that everyone is everyone on IPv4. */
function wantedRules({ port, allow }: Protection): Rule[] {
	const protocol = { IpProtocol: "tcp", FromPort: port, ToPort: port };
	return (allow.length === 0 ? ["0.0.0.0/0"] : allow).map((cidr) => addressRule(protocol, cidr));
}

/** A permission holds one protocol and many sources of four sorts. */
function rulesOf(permission: Xml): Rule[] {
	const ports = { FromPort: permission.text("fromPort"), ToPort: permission.text("toPort") };
	const protocol = {
		IpProtocol: permission.need("ipProtocol"),
		...(ports.FromPort === null ? {} : { FromPort: Number(ports.FromPort) }),
		...(ports.ToPort === null ? {} : { ToPort: Number(ports.ToPort) }),
	};
	const other = (as: Parameters): Rule => ({ key: JSON.stringify(as), as: { ...protocol, ...as } });
	return [
		...permission.items("ipRanges").map((range) => addressRule(protocol, range.need("cidrIp"))),
		...permission.items("ipv6Ranges").map((range) => addressRule(protocol, range.need("cidrIpv6"))),
		...permission.items("groups").map((group) => other({ Groups: [{ GroupId: group.need("groupId"), UserId: group.need("userId") }] })),
		...permission.items("prefixListIds").map((list) => other({ PrefixListIds: [{ PrefixListId: list.need("prefixListId") }] })),
	];
}

function addressRule(protocol: Parameters, cidr: string): Rule {
	const plain = plainSource(cidr);
	const as = plain.includes(":") ? { Ipv6Ranges: [{ CidrIpv6: plain }] } : { IpRanges: [{ CidrIp: plain }] };
	return { key: JSON.stringify([protocol, plain]), as: { ...protocol, ...as } };
}
