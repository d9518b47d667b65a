import { z } from "zod";
import { normaliseCidr } from "../../values/addresses.ts";
import { ipv4Sources } from "../base/sources.ts";

/** What rules a deployment's security group at Scaleway is to have. It drops what no rule lets in, and lets everything out. */

export const SecurityGroup = z.object({
	id: z.string(),
	name: z.string(),
	creation_date: z.string().nullish(),
	inbound_default_policy: z.string().nullish(),
});
export type SecurityGroup = z.infer<typeof SecurityGroup>;

export const GroupRule = z.object({
	protocol: z.string(),
	direction: z.string(),
	action: z.string(),
	ip_range: z.string(),
	dest_port_from: z.number().nullish(),
	dest_port_to: z.number().nullish(),
	/** False for those that Scaleway puts into every group (no mail from new accounts). */
	editable: z.boolean().nullish(),
});
export type GroupRule = z.infer<typeof GroupRule>;

/** The request of a group; names need not be unique. */
export function groupBody(deployment: string, project: string, tags: readonly string[]) {
	return {
		name: `muster-${deployment}`,
		description: "The proxy port of a Muster deployment",
		project,
		tags,
		stateful: true,
		inbound_default_policy: "drop",
		outbound_default_policy: "accept",
	};
}

/** A rule for each IPv4 network of `allow` (empty: everyone). Throws where it names none. */
export function groupRules(port: number, allow: readonly string[]) {
	return (ipv4Sources("Scaleway", allow) ?? ["0.0.0.0/0"]).map((ip_range) => ({
		protocol: "TCP",
		direction: "inbound",
		action: "accept",
		ip_range,
		dest_port_from: port,
	}));
}

/** Whether the rules that may be changed are those, however they are spelt and in whatever order. */
export function areAsWanted(found: readonly GroupRule[], wanted: ReturnType<typeof groupRules>): boolean {
	return plain(found.filter(({ editable }) => editable !== false)) === plain(wanted);
}

function plain(rules: readonly GroupRule[]): string {
	const keys = rules.map(({ protocol, direction, action, ip_range, dest_port_from, dest_port_to }) => {
		const last = dest_port_to === dest_port_from ? null : (dest_port_to ?? null);
		return JSON.stringify([protocol, direction, action, normaliseCidr(ip_range) ?? ip_range, dest_port_from ?? null, last]);
	});
	return [...new Set(keys)].sort().join();
}
