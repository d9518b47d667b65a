import { z } from "zod";
import { isFailure } from "../base/failures.ts";
import { EVERYWHERE, firewallName, plainSource } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
import type { Protection } from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";
import { TAG } from "../base/tags.ts";
import { filteredBy } from "./api.ts";

/** A deployment's Cloud Firewall at Linode: made once, found again by its label, which is unique, and kept as it shall be. */

const PATH = "/v4/networking/firewalls";
/** What one rule may name. https://techdocs.akamai.com/linode-api/reference/post-firewalls */
const MAX_NETWORKS_A_RULE = 255;

const Networks = z.array(z.string()).nullish();
const Rule = z.object({
	action: z.string().optional(),
	protocol: z.string().optional(),
	ports: z.string().nullish(),
	addresses: z.object({ ipv4: Networks, ipv6: Networks }).nullish(),
	/** A set of rules kept elsewhere. */
	ruleset: z.number().nullish(),
});
type Rule = z.infer<typeof Rule>;
const Rules = z.object({
	inbound: z.array(Rule).nullish(),
	inbound_policy: z.string(),
	outbound: z.array(z.unknown()).nullish(),
	outbound_policy: z.string(),
});
type Rules = z.infer<typeof Rules>;
const Firewall = z.object({ id: z.number().int(), label: z.string(), status: z.string(), rules: Rules });

/** Gives its id. */
export async function ensureFirewall(rest: Rest, { tags, port, allow }: Protection): Promise<number> {
	const label = firewallName(tags.deployment);
	const rules = rulesFor(port, allow);
	const look = async () => (await rest.all(PATH, "data", Firewall, filteredBy({ label }))).find((firewall) => firewall.label === label);
	const found = await look();
	if (found === undefined) {
		try {
			return (await rest.call("POST", PATH, json(Firewall), { body: { label, rules, tags: [TAG] } })).id;
		} catch (error) {
			// Another isolate was faster.
			const other = isFailure(error, "conflict") ? await look() : undefined;
			if (other !== undefined && isAsWanted(other.rules, rules)) return other.id;
			throw error;
		}
	}
	const path = `${PATH}/${found.id}`;
	if (!isAsWanted(found.rules, rules)) await rest.call("PUT", `${path}/rules`, ignored, { body: rules });
	// One that is disabled protects nothing.
	if (found.status !== "enabled") await rest.call("PUT", path, ignored, { body: { status: "enabled" } });
	return found.id;
}

/** The port in for the CIDRs of `allow` (empty: everyone), and everything out. A list without networks is refused, so there is none. */
function rulesFor(port: number, allow: readonly string[]) {
	const sources = allow.length === 0 ? EVERYWHERE : allow;
	const inbound = [];
	for (let at = 0; at < sources.length; at += MAX_NETWORKS_A_RULE) {
		const some = sources.slice(at, at + MAX_NETWORKS_A_RULE);
		const [ipv4, ipv6] = [some.filter((cidr) => !cidr.includes(":")), some.filter((cidr) => cidr.includes(":"))];
		const addresses = { ...(ipv4.length > 0 && { ipv4 }), ...(ipv6.length > 0 && { ipv6 }) };
		inbound.push({ action: "ACCEPT", protocol: "TCP", ports: String(port), addresses });
	}
	return { inbound, inbound_policy: "DROP", outbound: [], outbound_policy: "ACCEPT" };
}

/** Lets in exactly what it shall, however that is spread over rules, and everything out. */
function isAsWanted(found: Rules, wanted: Rules): boolean {
	const isOpenOutwards = found.outbound_policy === "ACCEPT" && (found.outbound ?? []).length === 0;
	return isOpenOutwards && found.inbound_policy === "DROP" && plain(found.inbound ?? []) === plain(wanted.inbound ?? []);
}

function plain(rules: readonly Rule[]): string {
	const admitted = rules.flatMap(({ action, protocol, ports, addresses, ruleset }) =>
		[...(addresses?.ipv4 ?? []), ...(addresses?.ipv6 ?? []), ...(ruleset == null ? [] : [`set ${ruleset}`])].map((source) =>
			[action, protocol, ports, plainSource(source)].join(" "),
		),
	);
	return [...new Set(admitted)].sort().join();
}
