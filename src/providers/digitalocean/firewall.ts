import { z } from "zod";
import { isFailure, orNull } from "../base/failures.ts";
import { EVERYWHERE, firewallName, isSameSources } from "../base/firewall.ts";
import { ignored } from "../base/http.ts";
import type { Protection } from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";
import { DEPLOYMENT_TAG } from "../base/tags.ts";

/** A deployment's firewall at DigitalOcean: one, on the deployment's tag. */

const Rule = z.object({ protocol: z.string(), ports: z.string().nullish() });
const Addresses = z.looseObject({ addresses: z.array(z.string()).nullish() });
const Firewall = z.object({
	id: z.string(),
	name: z.string(),
	tags: z.array(z.string()).nullish(),
	inbound_rules: z.array(Rule.extend({ sources: Addresses.nullish() })).nullish(),
	outbound_rules: z.array(Rule.extend({ destinations: Addresses.nullish() })).nullish(),
});
type Firewall = z.infer<typeof Firewall>;

/** The firewall's tag does not exist before the first droplet does. */
export class TagMissing extends Error {}

/** Makes it, or mends it. Throws {@link TagMissing} where it must wait for its tag, which `mayMakeTag` lets it make. */
export async function makeFirewall(rest: Rest, { tags: { deployment }, port, allow }: Protection, mayMakeTag: boolean): Promise<void> {
	const tag = `${DEPLOYMENT_TAG}:${deployment}`;
	const body = firewallBody(firewallName(deployment), tag, port, allow);
	const look = async () => (await rest.all("/v2/firewalls", "firewalls", Firewall)).find(({ name }) => name === body.name);
	const isRight = (firewall: Firewall | undefined) => firewall !== undefined && isAsWanted(firewall, body);
	const found = await look();
	if (isRight(found)) return;

	const put = () =>
		found === undefined
			? rest.call("POST", "/v2/firewalls", ignored, { body })
			: rest.call("PUT", `/v2/firewalls/${encodeURIComponent(found.id)}`, ignored, { body });
	try {
		await put();
	} catch (error) {
		// Another isolate was faster.
		if (isFailure(error, "conflict") && found === undefined && isRight(await look())) return;
		// The words that refuse a tag are documented nowhere: whether there is such a tag is what counts.
		if (!isFailure(error, "invalid", "notFound") || (await hasTag(rest, tag))) throw error;
		if (!mayMakeTag) throw new TagMissing();
		await rest.call("POST", "/v2/tags", ignored, { body: { name: tag } });
		await put();
	}
}

export async function hasTag(rest: Rest, tag: string): Promise<boolean> {
	const read = () => true;
	return (await orNull(rest.call("GET", `/v2/tags/${encodeURIComponent(tag)}`, read))) !== null;
}

/**
 * The request that makes or mends it: on the tag, the port in for the CIDRs of `allow` (empty: everyone), TCP and UDP out.
 * All ports are named as a range, because the API has refused the "0" that it documents for them; ICMP, for which only "0" is
 * documented, is left out for the same reason: nothing here sends any, and replies to it need no rule.
 * https://github.com/digitalocean/godo/issues/149, https://github.com/digitalocean/doctl/pull/278
 */
function firewallBody(name: string, tag: string, port: number, allow: readonly string[]) {
	const addresses = allow.length === 0 ? EVERYWHERE : allow;
	return {
		name,
		tags: [tag],
		inbound_rules: [{ protocol: "tcp", ports: String(port), sources: { addresses } }],
		outbound_rules: ["tcp", "udp"].map((protocol) => ({ protocol, ports: "1-65535", destinations: { addresses: EVERYWHERE } })),
	};
}

/** Inbound exactly what is wanted; outbound at least. */
function isAsWanted(firewall: Firewall, wanted: ReturnType<typeof firewallBody>): boolean {
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
	return isSameSources(addresses ?? [], wanted);
}

/** The API gives back "0" for what was put in as "all". */
const isAllPorts = (ports: string | null | undefined) => ["0", "all", "1-65535"].includes(ports ?? "");
