import type { z } from "zod";
import type { Account } from "./account.ts";
import { begin, refuse, resourceNotFound } from "./azure-answers.ts";
import { isSame, LOCATIONS, type Place } from "./azure-catalogue.ts";
import type { GroupBody, NetworkBody, SecurityGroupBody } from "./azure-requests.ts";
import { type Call, json } from "./dialect.ts";
import type { Json } from "./inventory.ts";
import type { Labels } from "./labels.ts";

/** Resource groups, virtual networks and network security groups. */

interface Group {
	readonly [key: string]: Json;
	readonly name: string;
	readonly location: string;
	readonly tags: Labels;
}
export interface Thing {
	readonly [key: string]: Json;
	readonly id: string;
	readonly name: string;
	readonly location: string;
	readonly tags: Labels;
	/** A change goes on until then. */
	readonly settledAt: number;
	readonly properties: { readonly [key: string]: Json };
}

const SETTLE_MS = 300;
export const SECURITY_GROUP = "Microsoft.Network/networkSecurityGroups";
export const NETWORK = "Microsoft.Network/virtualNetworks";
export type ThingType = typeof SECURITY_GROUP | typeof NETWORK;
const KINDS = { [SECURITY_GROUP]: "security-groups", [NETWORK]: "networks" } as const;

const groupsOf = (account: Account) => account.collection<Group>("groups");
const groupKey = ({ subscription, group }: Place) => `${subscription}/${group}`.toLowerCase();
const thingsOf = (account: Account, type: ThingType) => account.collection<Thing>(KINDS[type]);
const idOf = ({ subscription, group }: Place, type: string, name: string) =>
	`/subscriptions/${subscription}/resourceGroups/${group}/providers/${type}/${name}`;

/** Null: it exists. */
export function groupComplaint(account: Account, place: Place): Response | null {
	const found = groupsOf(account).get(groupKey(place));
	return found ? null : refuse(404, "ResourceGroupNotFound", `Resource group '${place.group}' could not be found.`);
}

export function getGroup(account: Account, place: Place): Response {
	return groupComplaint(account, place) ?? json(200, shownGroup(account, place));
}

export function putGroup(account: Account, place: Place, { location, tags }: z.infer<typeof GroupBody>): Response {
	const known = groupsOf(account).get(groupKey(place));
	if (!LOCATIONS.includes(location))
		return refuse(400, "LocationNotAvailableForResourceGroup", `The provided location '${location}' is not available for resource group.`);
	if (known && known.location !== location)
		return refuse(
			409,
			"InvalidResourceGroupLocation",
			`Invalid resource group location '${location}'. The Resource group already exists in location '${known.location}'.`,
		);
	groupsOf(account).set(groupKey(place), { name: place.group, location, tags });
	return json(known ? 200 : 201, shownGroup(account, place));
}

function shownGroup(account: Account, place: Place): object {
	const found = groupsOf(account).get(groupKey(place));
	const id = `/subscriptions/${place.subscription}/resourceGroups/${place.group}`;
	return { id, type: "Microsoft.Resources/resourceGroups", ...found, properties: { provisioningState: "Succeeded" } };
}

export function get(account: Account, place: Place, type: ThingType, name: string): Response {
	const found = thingsOf(account, type).get(idOf(place, type, name).toLowerCase());
	return found ? json(200, shown(found, type, account)) : resourceNotFound(type, name, place.group);
}

export function put(
	call: Call,
	account: Account,
	place: Place,
	type: ThingType,
	name: string,
	body: z.infer<typeof SecurityGroupBody> | z.infer<typeof NetworkBody>,
): Response {
	const id = idOf(place, type, name);
	const things = thingsOf(account, type);
	const known = things.get(id.toLowerCase());
	const { location, tags } = body;
	if (!LOCATIONS.includes(location))
		return refuse(
			400,
			"LocationNotAvailableForResourceType",
			`The provided location '${location}' is not available for resource type '${type}'.`,
		);
	if (known && known.location !== location)
		return refuse(
			409,
			"InvalidResourceLocation",
			`The resource '${name}' already exists in location '${known.location}' in resource group '${place.group}'. A resource with the same name cannot be created in location '${location}'.`,
		);
	const properties = JSON.parse(JSON.stringify(body.properties)) as Thing["properties"];
	const thing: Thing = { id, name, location, tags, settledAt: account.now() + SETTLE_MS, properties };
	things.set(id.toLowerCase(), thing);
	const where = {
		subscription: place.subscription,
		namespace: "Microsoft.Network",
		location,
		version: call.query.get("api-version") ?? "",
	};
	return json(known ? 200 : 201, shown(thing, type, account), begin(call, account, where, { afterMs: SETTLE_MS }));
}

/** What Azure shows has every field, those that were not given as well. */
function shown({ settledAt, properties, ...thing }: Thing, type: ThingType, account: Account): object {
	const provisioningState = account.now() < settledAt ? "Updating" : "Succeeded";
	const children = (kind: "securityRules" | "subnets", more: object) => {
		const list = (properties[kind] ?? []) as readonly { readonly name: string; readonly properties: object }[];
		return list.map((one) => ({
			...one,
			id: `${thing.id}/${kind}/${one.name}`,
			type: `${type}/${kind}`,
			properties: { provisioningState, ...more, ...one.properties },
		}));
	};
	const unused = { sourceAddressPrefixes: [], destinationAddressPrefixes: [], sourcePortRanges: [], destinationPortRanges: [] };
	const own =
		type === NETWORK
			? { subnets: children("subnets", {}) }
			: { securityRules: children("securityRules", unused), defaultSecurityRules: [] };
	return { ...thing, type, properties: { ...properties, ...own, provisioningState } };
}

/** What is wrong with the network that a VM shall be in; null: nothing. */
export function networkComplaint(
	account: Account,
	location: string,
	referrer: string,
	subnet: string,
	securityGroup: string | null,
): Response | null {
	const [, network = "", name = ""] = /^(.+)\/subnets\/([^/]+)$/.exec(subnet) ?? [];
	const found = thingsOf(account, NETWORK).get(network.toLowerCase());
	const subnets = (found?.properties.subnets ?? []) as readonly { readonly name: string }[];
	const isThere = found?.location === location && subnets.some((one) => isSame(one.name, name));
	if (!isThere) return missing(subnet, referrer);
	const group = securityGroup === null ? null : thingsOf(account, SECURITY_GROUP).get(securityGroup.toLowerCase());
	if (securityGroup !== null && group?.location !== location) return missing(securityGroup, referrer);
	const busy = [found, group].find((thing) => thing && account.now() < thing.settledAt);
	if (!busy) return null;
	return refuse(
		409,
		"ReferencedResourceNotProvisioned",
		`Cannot proceed with operation since resource ${busy.id} used by resource ${referrer} is not in Succeeded state. Resource is in Updating state.`,
	);
}

function missing(id: string, referrer: string): Response {
	return refuse(
		400,
		"InvalidResourceReference",
		`Resource ${id} referenced by resource ${referrer} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.`,
	);
}
