import { z } from "zod";
import { normaliseCidr } from "../../values/addresses.ts";

/** What a deployment's firewall at DigitalOcean is to be, and whether the one that is there is that. */

const EVERYWHERE = ["0.0.0.0/0", "::/0"];

const Rule = z.object({ protocol: z.string(), ports: z.string().nullish() });
const Addresses = z.looseObject({ addresses: z.array(z.string()).nullish() });
export const Firewall = z.object({
	id: z.string(),
	name: z.string(),
	tags: z.array(z.string()).nullish(),
	inbound_rules: z.array(Rule.extend({ sources: Addresses.nullish() })).nullish(),
	outbound_rules: z.array(Rule.extend({ destinations: Addresses.nullish() })).nullish(),
});
export type Firewall = z.infer<typeof Firewall>;

/**
 * The request that makes or mends it: on the tag, the port in for the CIDRs of `allow` (empty: everyone), TCP and UDP out.
 * All ports are named as a range, because the API has refused the "0" that it documents for them; ICMP, for which only "0" is
 * documented, is left out for the same reason: nothing here sends any, and replies to it need no rule.
 * https://github.com/digitalocean/godo/issues/149, https://github.com/digitalocean/doctl/pull/278
 */
export function firewallBody(name: string, tag: string, port: number, allow: readonly string[]) {
	const addresses = allow.length === 0 ? EVERYWHERE : allow;
	return {
		name,
		tags: [tag],
		inbound_rules: [{ protocol: "tcp", ports: String(port), sources: { addresses } }],
		outbound_rules: ["tcp", "udp"].map((protocol) => ({ protocol, ports: "1-65535", destinations: { addresses: EVERYWHERE } })),
	};
}

/** Inbound exactly what is wanted; outbound at least. */
export function isAsWanted(firewall: Firewall, wanted: ReturnType<typeof firewallBody>): boolean {
	const inbound = firewall.inbound_rules ?? [];
	const outbound = firewall.outbound_rules ?? [];
	return (
		wanted.tags.every((tag) => firewall.tags?.includes(tag)) &&
		inbound.length === wanted.inbound_rules.length &&
		wanted.inbound_rules.every(({ protocol, ports, sources }) =>
			inbound.some((rule) => rule.protocol === protocol && rule.ports === ports && namesOnly(rule.sources, sources.addresses)),
		) &&
		wanted.outbound_rules.every(({ protocol, destinations }) =>
			outbound.some((rule) => rule.protocol === protocol && isAllPorts(rule.ports) && namesOnly(rule.destinations, destinations.addresses)),
		)
	);
}

/** These addresses and nothing else: droplets, load balancers or tags beside them would admit more. */
function namesOnly(from: z.infer<typeof Addresses> | null | undefined, wanted: readonly string[]): boolean {
	const { addresses, ...others } = from ?? {};
	if (Object.values(others).some((value) => Array.isArray(value) && value.length > 0)) return false;
	const plain = (list: readonly string[]) => [...new Set(list.map((text) => normaliseCidr(text) ?? text))].sort().join();
	return plain(addresses ?? []) === plain(wanted);
}

/** The API gives back "0" for what was put in as "all". */
const isAllPorts = (ports: string | null | undefined) => ["0", "all", "1-65535"].includes(ports ?? "");
