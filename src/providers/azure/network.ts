import { z } from "zod";
import { isFailure, orNull } from "../base/failures.ts";
import { ipv4Sources, isSameSources } from "../base/sources.ts";
import { DEPLOYMENT_TAG, TAG } from "../base/tags.ts";
import { type Arm, accepted } from "./call.ts";

/**
 * What VMs of a deployment share in a location: the resource group, a virtual network with one subnet, and the network security
 * group that lets clients in. Made once, found again by name, kept as they shall be.
 */

export interface WantedNetwork {
	/** `/subscriptions/S/resourceGroups/G` */
	readonly group: string;
	readonly deployment: string;
	readonly location: string;
	/** CIDRs; empty: any address. */
	readonly allow: readonly string[];
	readonly port: number;
}

/** Networks and security groups belong to a location, and names are unique in a resource group. */
const nameOf = ({ deployment, location }: Pick<WantedNetwork, "deployment" | "location">) => `muster-${deployment}-${location}`;
const SUBNET = "proxies";
/** Private addresses that nobody but Azure's own network ever sees; room for 65,000 VMs. */
const ADDRESSES = "10.77.0.0/16";
const RULE = "proxy";

/** The ids under which a VM's network interface names them. */
export function networkIds({ group, ...wanted }: Pick<WantedNetwork, "group" | "deployment" | "location">) {
	const network = `${group}/providers/Microsoft.Network`;
	return {
		subnet: `${network}/virtualNetworks/${nameOf(wanted)}/subnets/${SUBNET}`,
		securityGroup: `${network}/networkSecurityGroups/${nameOf(wanted)}`,
	};
}

const Rule = z.object({
	name: z.string().nullish(),
	properties: z.object({
		protocol: z.string(),
		access: z.string(),
		direction: z.string(),
		priority: z.number(),
		sourceAddressPrefix: z.string().nullish(),
		sourceAddressPrefixes: z.array(z.string()).nullish(),
		sourcePortRange: z.string().nullish(),
		destinationAddressPrefix: z.string().nullish(),
		destinationPortRange: z.string().nullish(),
		destinationPortRanges: z.array(z.string()).nullish(),
	}),
});
const SecurityGroup = z.object({
	properties: z.object({ provisioningState: z.string().nullish(), securityRules: z.array(Rule).nullish() }),
});
const Network = z.object({
	properties: z.object({ provisioningState: z.string().nullish(), subnets: z.array(z.object({ name: z.string().nullish() })).nullish() }),
});

/**
 * Throws what went wrong with whichever of them. A change that somebody began a moment ago is waited for: until it is done, Azure
 * makes no VM there.
 */
export async function ensureNetwork(arm: Arm, wanted: WantedNetwork): Promise<void> {
	const { group, location, deployment } = wanted;
	const path = (type: string) => `${group}/providers/Microsoft.Network/${type}/${nameOf(wanted)}`;
	const tags = { [TAG]: "true", [DEPLOYMENT_TAG]: deployment };
	const put = async (type: string, properties: object) =>
		arm.settled(await arm.call("PUT", "network", path(type), accepted, { body: { location, tags, properties } }));

	const rule = ruleOf(wanted);
	let found: z.infer<typeof SecurityGroup> | null = null;
	try {
		found = await arm.atRest("network", path("networkSecurityGroups"), SecurityGroup);
	} catch (error) {
		if (!isFailure(error, "notFound")) throw error;
		// Only where there is none: making one takes a permission that whoever made it beforehand need not give.
		if (error.code === "ResourceGroupNotFound") await arm.call("PUT", "resources", group, accepted, { body: { location, tags } });
	}
	if (!isAsWanted(found?.properties.securityRules ?? [], rule)) await put("networkSecurityGroups", { securityRules: [rule] });

	const network = await orNull(arm.atRest("network", path("virtualNetworks"), Network));
	if (network?.properties.subnets?.some(({ name }) => name === SUBNET) !== true) {
		const subnets = [{ name: SUBNET, properties: { addressPrefix: ADDRESSES } }];
		await put("virtualNetworks", { addressSpace: { addressPrefixes: [ADDRESSES] }, subnets });
	}
}

/** The one rule. What Azure adds by itself lets nobody else in from outside, and everything out. */
function ruleOf({ allow, port }: WantedNetwork) {
	const sources = ipv4Sources("Azure", allow);
	const from: { sourceAddressPrefix?: string; sourceAddressPrefixes?: readonly string[] } =
		sources === null ? { sourceAddressPrefix: "*" } : { sourceAddressPrefixes: sources };
	return {
		name: RULE,
		properties: {
			protocol: "Tcp",
			access: "Allow",
			direction: "Inbound",
			priority: 100,
			...from,
			sourcePortRange: "*",
			destinationAddressPrefix: "*",
			destinationPortRange: String(port),
		},
	};
}

/** Whether there is this rule and no other: any more would let in somebody else. */
function isAsWanted(found: readonly z.infer<typeof Rule>[], wanted: ReturnType<typeof ruleOf>): boolean {
	const [only, ...others] = found.map(({ properties }) => properties);
	if (only === undefined || others.length > 0) return false;
	const plain = wanted.properties;
	return (
		only.protocol === plain.protocol &&
		only.access === plain.access &&
		only.direction === plain.direction &&
		(only.destinationAddressPrefix ?? "*") === plain.destinationAddressPrefix &&
		(only.sourcePortRange ?? "*") === plain.sourcePortRange &&
		isSameSources(listOf(only.destinationPortRange, only.destinationPortRanges), [plain.destinationPortRange]) &&
		isSameSources(
			listOf(only.sourceAddressPrefix, only.sourceAddressPrefixes),
			listOf(plain.sourceAddressPrefix, plain.sourceAddressPrefixes),
		)
	);
}

/** Azure has a field for one and another for several, and shows the one that is not used as empty. */
function listOf(one: string | null | undefined, several: readonly string[] | null | undefined): readonly string[] {
	return [...(one ? [one] : []), ...(several ?? [])];
}
