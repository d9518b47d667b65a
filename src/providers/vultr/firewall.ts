import { z } from "zod";
import { normaliseCidr } from "../../values/addresses.ts";

/** What rules a deployment's firewall group at Vultr is to have. Everything may go out, which a group cannot forbid. */

export const FirewallGroup = z.object({ id: z.string(), description: z.string().nullish(), date_created: z.string() });
export type FirewallGroup = z.infer<typeof FirewallGroup>;
export const FirewallRule = z.object({
	id: z.number().int(),
	ip_type: z.string(),
	protocol: z.string(),
	port: z.string().nullish(),
	subnet: z.string(),
	subnet_size: z.number(),
	/** `cloudflare` or a load balancer's id: then the subnet does not count. */
	source: z.string().nullish(),
});

const EVERYWHERE = ["0.0.0.0/0", "::/0"];

/** A request for each rule: the port in for the CIDRs of `allow` (empty: everyone). A group holds 50. */
export function firewallRules(port: number, allow: readonly string[]) {
	return (allow.length === 0 ? EVERYWHERE : allow).map((cidr) => {
		const [subnet = "", size] = (normaliseCidr(cidr) ?? cidr).split("/");
		return { ip_type: subnet.includes(":") ? "v6" : "v4", protocol: "tcp", subnet, subnet_size: Number(size), port: String(port) };
	});
}

/** The same for two rules that admit the same, however they are spelt. */
export function ruleKey(rule: Omit<z.infer<typeof FirewallRule>, "id">): string {
	const cidr = `${rule.subnet}/${rule.subnet_size}`;
	return [rule.protocol.toLowerCase(), rule.port ?? "", normaliseCidr(cidr) ?? cidr, rule.source ?? ""].join(" ");
}
