import { z } from "zod";
import { isFailure, orNull } from "../base/failures.ts";
import { agreedId, EVERYWHERE, firewallName, plainSource } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
import type { Protection } from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";

/** A deployment's security group at Neutron, and its rules. Names need not be unique. https://docs.openstack.org/api-ref/network/v2/#security-groups-security-groups */

const Group = z.object({ id: z.string(), name: z.string(), created_at: z.string().nullish() });
type Group = z.infer<typeof Group>;
const Rule = z.object({
	id: z.string(),
	direction: z.string(),
	ethertype: z.string(),
	protocol: z.string().nullish(),
	port_range_min: z.number().nullish(),
	port_range_max: z.number().nullish(),
	remote_ip_prefix: z.string().nullish(),
	remote_group_id: z.string().nullish(),
	remote_address_group_id: z.string().nullish(),
});
type Rule = z.infer<typeof Rule>;

const GROUPS = "/security-groups";
const RULES = "/security-group-rules";

/** Gives its id. */
export async function ensureGroup(network: Rest, { tags, port, allow }: Protection): Promise<string> {
	const id = await agreedId(
		() => oldestGroup(network, tags.deployment),
		() => makeGroup(network, tags.deployment),
		(surplus) => network.call("DELETE", `${GROUPS}/${encodeURIComponent(surplus)}`, ignored),
	);
	const found = await network.all(`${RULES}?security_group_id=${encodeURIComponent(id)}`, "security_group_rules", Rule);
	const wanted = new Map(rulesFor(port, allow).map((rule) => [keyOf(rule), rule]));
	const kept = new Set<string>();
	for (const rule of found) {
		const key = keyOf(rule);
		if (wanted.has(key) && !kept.has(key)) kept.add(key);
		// What goes out is as the cloud makes it for every group: everything.
		else if (rule.direction === "ingress") await orNull(network.call("DELETE", `${RULES}/${encodeURIComponent(rule.id)}`, ignored));
	}
	for (const [key, rule] of wanted) if (!kept.has(key)) await makeRule(network, id, rule);
	return id;
}

async function makeRule(network: Rest, security_group_id: string, rule: ReturnType<typeof rulesFor>[number]): Promise<void> {
	try {
		await network.call("POST", RULES, ignored, { body: { security_group_rule: { security_group_id, ...rule } } });
	} catch (error) {
		// Another isolate was faster.
		if (!isFailure(error, "conflict")) throw error;
	}
}

async function oldestGroup(network: Rest, deployment: string): Promise<string | null> {
	const name = firewallName(deployment);
	const groups = await network.all(`${GROUPS}?name=${encodeURIComponent(name)}`, "security_groups", Group);
	const age = ({ created_at, id }: Group) => `${created_at ?? ""} ${id}`;
	return groups.filter((group) => group.name === name).sort((a, b) => (age(a) < age(b) ? -1 : 1))[0]?.id ?? null;
}

async function makeGroup(network: Rest, deployment: string): Promise<string> {
	const security_group = { name: firewallName(deployment), description: "Muster's proxies" };
	const made = await network.call("POST", GROUPS, json(z.object({ security_group: Group })), { body: { security_group } });
	return made.security_group.id;
}

/** The port in for the CIDRs of `allow` (empty: everyone), and everything out. */
function rulesFor(port: number, allow: readonly string[]) {
	const incoming = (allow.length === 0 ? EVERYWHERE : allow).map((cidr) => ({
		direction: "ingress",
		ethertype: cidr.includes(":") ? "IPv6" : "IPv4",
		protocol: "tcp",
		port_range_min: port,
		port_range_max: port,
		remote_ip_prefix: plainSource(cidr),
	}));
	return [...incoming, { direction: "egress", ethertype: "IPv4" }];
}

/** The same for two rules that admit the same: one without a network admits every address of its kind. */
function keyOf(rule: Partial<Rule>): string {
	const { direction, ethertype = "", protocol, port_range_min, port_range_max, remote_ip_prefix, ...rest } = rule;
	const anywhere = ethertype === "IPv6" ? "::/0" : "0.0.0.0/0";
	const source = remote_ip_prefix ? plainSource(remote_ip_prefix) : anywhere;
	const group = rest.remote_group_id ?? rest.remote_address_group_id ?? "";
	return [direction, ethertype, protocol ?? "", port_range_min ?? "", port_range_max ?? "", source, group].join(" ");
}
