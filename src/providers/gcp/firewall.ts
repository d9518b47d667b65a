import { z } from "zod";
import { isFailure, orNull } from "../base/failures.ts";
import { firewallName, ipv4Sources, isSameSources } from "../base/firewall.ts";
import { json } from "../base/http.ts";
import type { Protection } from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";
import { assertSucceeded, Operation, settled } from "./api.ts";

/** A deployment's firewall rule at GCP: made once, found again by its name, kept as it shall be. */

const Firewall = z.object({
	direction: z.string().nullish(),
	disabled: z.boolean().nullish(),
	sourceRanges: z.array(z.string()).nullish(),
	sourceTags: z.array(z.string()).nullish(),
	sourceServiceAccounts: z.array(z.string()).nullish(),
	targetTags: z.array(z.string()).nullish(),
	allowed: z.array(z.object({ IPProtocol: z.string(), ports: z.array(z.string()).nullish() })).nullish(),
});
type Firewall = z.infer<typeof Firewall>;

export async function ensureFirewall(rest: Rest, { tags, port, allow }: Protection): Promise<void> {
	const body = firewallBody(firewallName(tags.deployment), port, allow);
	const path = "/global/firewalls";
	const look = () => orNull(rest.call("GET", `${path}/${body.name}`, json(Firewall)));
	const found = await look();
	if (found !== null && isAsWanted(found, body)) return;
	try {
		const operation =
			found === null
				? await rest.call("POST", path, json(Operation), { body })
				: await rest.call("PATCH", `${path}/${body.name}`, json(Operation), { body });
		assertSucceeded(await settled(rest, "/global", operation));
	} catch (error) {
		// Another isolate was faster.
		const now = isFailure(error, "conflict") ? await look() : null;
		if (now === null || !isAsWanted(now, body)) throw error;
	}
}

/**
 * The request that makes or mends it. A rule takes IPv4 or IPv6 ranges, not both, and without any it lets everyone in; the
 * proxies have IPv4 addresses only, so that IPv6 ranges have no use here. Throws where none is left.
 */
function firewallBody(name: string, port: number, allow: readonly string[]) {
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

function isAsWanted(firewall: Firewall, wanted: ReturnType<typeof firewallBody>): boolean {
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
