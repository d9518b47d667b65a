import { z } from "zod";
import { normaliseCidr } from "../../values/addresses.ts";

/** What a deployment's firewall at Hetzner is to be, and whether the one that is there is that. */

const EVERYWHERE = ["0.0.0.0/0", "::/0"];
/** What one rule may name. https://docs.hetzner.cloud/reference/cloud#firewalls */
const MAX_SOURCES_A_RULE = 100;

const Rule = z.object({
	direction: z.string(),
	protocol: z.string(),
	port: z.string().nullish(),
	source_ips: z.array(z.string()).nullish(),
});
export const Firewall = z.object({ id: z.number().int(), name: z.string(), rules: z.array(Rule).nullish() });
export type Firewall = z.infer<typeof Firewall>;

/** The port in for the CIDRs of `allow` (empty: everyone). Without a rule for it everything may go out. */
export function firewallRules(port: number, allow: readonly string[]) {
	const sources = allow.length === 0 ? EVERYWHERE : allow;
	const rules = [];
	for (let at = 0; at < sources.length; at += MAX_SOURCES_A_RULE) {
		const source_ips = sources.slice(at, at + MAX_SOURCES_A_RULE);
		rules.push({ direction: "in", protocol: "tcp", port: String(port), source_ips });
	}
	return rules;
}

/** Lets in exactly what it shall, however that is spread over rules, and says nothing of what goes out. */
export function isAsWanted(firewall: Firewall, wanted: ReturnType<typeof firewallRules>): boolean {
	return plain(firewall.rules ?? []) === plain(wanted);
}

function plain(rules: readonly z.infer<typeof Rule>[]): string {
	const admitted = rules.flatMap(({ direction, protocol, port, source_ips }) =>
		// A rule out names no source; it counts as one of its own, since it forbids all else.
		(source_ips?.length ? source_ips : [""]).map((source) => [direction, protocol, port, normaliseCidr(source) ?? source].join(" ")),
	);
	return [...new Set(admitted)].sort().join();
}
