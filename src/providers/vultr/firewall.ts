import { z } from "zod";
import { isFailure, orNull } from "../base/failures.ts";
import { agreedId, EVERYWHERE, firewallName, plainSource } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
import type { Protection } from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";

/** A deployment's firewall group at Vultr, and its rules. Everything may go out, which a group cannot forbid. */

const FirewallGroup = z.object({ id: z.string(), description: z.string().nullish(), date_created: z.string() });
type FirewallGroup = z.infer<typeof FirewallGroup>;
const FirewallRule = z.object({
	id: z.number().int(),
	ip_type: z.string(),
	protocol: z.string(),
	port: z.string().nullish(),
	subnet: z.string(),
	subnet_size: z.number(),
	/** `cloudflare` or a load balancer's id: then the subnet does not count. */
	source: z.string().nullish(),
});

/** Gives its id. */
export async function ensureGroup(rest: Rest, { tags, port, allow }: Protection): Promise<string> {
	const id = await agreedId(
		() => oldestGroup(rest, tags.deployment),
		() => makeGroup(rest, tags.deployment),
		(surplus) => rest.call("DELETE", `/v2/firewalls/${encodeURIComponent(surplus)}`, ignored),
	);
	const rules = `/v2/firewalls/${encodeURIComponent(id)}/rules`;
	const found = await rest.all(rules, "firewall_rules", FirewallRule);
	const wanted = new Map(firewallRules(port, allow).map((rule) => [ruleKey(rule), rule]));
	const kept = new Set<string>();
	for (const rule of found) {
		const key = ruleKey(rule);
		// One that is there twice is surplus the second time. What is too much goes first, so that the rest finds room.
		if (wanted.has(key) && !kept.has(key)) kept.add(key);
		else await orNull(rest.call("DELETE", `${rules}/${rule.id}`, ignored));
	}
	for (const [key, body] of wanted) if (!kept.has(key)) await makeRule(rest, rules, body);
	return id;
}

async function makeRule(rest: Rest, rules: string, body: ReturnType<typeof firewallRules>[number]): Promise<void> {
	try {
		await rest.call("POST", rules, ignored, { body });
	} catch (error) {
		// Another isolate was faster.
		if (!isFailure(error, "conflict")) throw error;
	}
}

/** The oldest group of that description. */
async function oldestGroup(rest: Rest, deployment: string): Promise<string | null> {
	const groups = await rest.all("/v2/firewalls", "firewall_groups", FirewallGroup);
	const ours = groups.filter(({ description }) => description === firewallName(deployment));
	const age = ({ date_created, id }: FirewallGroup) => `${date_created} ${id}`;
	return ours.sort((a, b) => (age(a) < age(b) ? -1 : 1))[0]?.id ?? null;
}

async function makeGroup(rest: Rest, deployment: string): Promise<string> {
	const read = json(z.object({ firewall_group: FirewallGroup }));
	const made = await rest.call("POST", "/v2/firewalls", read, { body: { description: firewallName(deployment) } });
	return made.firewall_group.id;
}

/** A request for each rule: the port in for the CIDRs of `allow` (empty: everyone). A group holds 50. */
function firewallRules(port: number, allow: readonly string[]) {
	return (allow.length === 0 ? EVERYWHERE : allow).map((cidr) => {
		const [subnet = "", size] = plainSource(cidr).split("/");
		return { ip_type: subnet.includes(":") ? "v6" : "v4", protocol: "tcp", subnet, subnet_size: Number(size), port: String(port) };
	});
}

/** The same for two rules that admit the same, however they are spelt. */
function ruleKey(rule: Omit<z.infer<typeof FirewallRule>, "id">): string {
	const cidr = `${rule.subnet}/${rule.subnet_size}`;
	return [rule.protocol.toLowerCase(), rule.port ?? "", plainSource(cidr), rule.source ?? ""].join(" ");
}
