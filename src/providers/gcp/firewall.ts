import { z } from "zod";
import { ipv4Sources, isSameSources } from "../base/sources.ts";

/** What a deployment's firewall rule at GCP is to be, and whether the one that is there is that. */

export const Firewall = z.object({
	direction: z.string().nullish(),
	disabled: z.boolean().nullish(),
	sourceRanges: z.array(z.string()).nullish(),
	sourceTags: z.array(z.string()).nullish(),
	sourceServiceAccounts: z.array(z.string()).nullish(),
	targetTags: z.array(z.string()).nullish(),
	allowed: z.array(z.object({ IPProtocol: z.string(), ports: z.array(z.string()).nullish() })).nullish(),
});
export type Firewall = z.infer<typeof Firewall>;

/**
 * The request that makes or mends it. A rule takes IPv4 or IPv6 ranges, not both, and without any it lets everyone in; the
 * proxies have IPv4 addresses only, so that IPv6 ranges have no use here. Throws where none is left.
 */
export function firewallBody(name: string, port: number, allow: readonly string[]) {
	const sourceRanges = ipv4Sources("GCP", allow) ?? ["0.0.0.0/0"];
	return {
		name,
		network: "global/networks/default",
		direction: "INGRESS",
		disabled: false,
		sourceRanges,
		sourceTags: [],
		sourceServiceAccounts: [],
		targetTags: [name],
		allowed: [{ IPProtocol: "tcp", ports: [String(port)] }],
	};
}

export function isAsWanted(firewall: Firewall, wanted: ReturnType<typeof firewallBody>): boolean {
	const ports = (list: Firewall["allowed"]) =>
		JSON.stringify((list ?? []).map((rule) => [rule.IPProtocol.toLowerCase(), rule.ports ?? []]));
	// Sources of other sorts beside the ranges would admit more.
	const others = [...(firewall.sourceTags ?? []), ...(firewall.sourceServiceAccounts ?? [])];
	return (
		firewall.direction === wanted.direction &&
		firewall.disabled !== true &&
		others.length === 0 &&
		isSameSources(firewall.sourceRanges ?? [], wanted.sourceRanges) &&
		isSameSources(firewall.targetTags ?? [], wanted.targetTags) &&
		ports(firewall.allowed) === ports(wanted.allowed)
	);
}
