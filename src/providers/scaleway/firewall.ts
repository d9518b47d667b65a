import { z } from "zod";
import { agreedId, firewallName, ipv4Sources, plainSource } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
import { type Protection, ProviderError } from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";
import { DEPLOYMENT_TAG, TAG } from "../base/tags.ts";

/** A deployment's security group at Scaleway, and its rules. It drops what no rule lets in, and lets everything out. */

const SecurityGroup = z.object({
	id: z.string(),
	name: z.string(),
	creation_date: z.string().nullish(),
	inbound_default_policy: z.string().nullish(),
});
type SecurityGroup = z.infer<typeof SecurityGroup>;

const GroupRule = z.object({
	protocol: z.string(),
	direction: z.string(),
	action: z.string(),
	ip_range: z.string(),
	dest_port_from: z.number().nullish(),
	dest_port_to: z.number().nullish(),
	/** False for those that Scaleway puts into every group (no mail from new accounts). */
	editable: z.boolean().nullish(),
});
type GroupRule = z.infer<typeof GroupRule>;

interface GroupPlace {
	readonly zone: string;
	readonly project_id: string;
}

/** Gives its id. */
export async function ensureGroup(rest: Rest, place: GroupPlace, { tags: { deployment }, port, allow }: Protection): Promise<string> {
	const { zone, project_id } = place;
	const path = `/instance/v1/zones/${zone}/security_groups`;
	const body = groupBody(deployment, project_id, [TAG, `${DEPLOYMENT_TAG}:${deployment}`]);
	const query = new URLSearchParams({ project: project_id, name: body.name });
	const look = async () => {
		const found = await rest.all(`${path}?${query}`, "security_groups", SecurityGroup);
		const age = ({ creation_date, id }: SecurityGroup) => `${creation_date} ${id}`;
		const oldest = found.filter(({ name }) => name === body.name).sort((a, b) => (age(a) < age(b) ? -1 : 1))[0];
		if (oldest !== undefined && oldest.inbound_default_policy !== "drop") {
			const message = `Scaleway: security group ${oldest.id} lets in what no rule names; set its inbound default policy to drop`;
			throw new ProviderError({ kind: "invalid", message });
		}
		return oldest?.id ?? null;
	};
	const make = async () => {
		const { security_group } = await rest.call("POST", path, json(z.object({ security_group: SecurityGroup })), { body });
		return security_group.id;
	};
	const id = await agreedId(look, make, (surplus) => rest.call("DELETE", `${path}/${surplus}`, ignored));
	const rules = groupRules(port, allow);
	const found = await rest.all(`${path}/${id}/rules`, "rules", GroupRule);
	if (!areAsWanted(found, rules)) await rest.call("PUT", `${path}/${id}/rules`, ignored, { body: { rules } });
	return id;
}

/** The request of a group; names need not be unique. */
function groupBody(deployment: string, project: string, tags: readonly string[]) {
	return {
		name: firewallName(deployment),
		description: "The proxy port of a Muster deployment",
		project,
		tags,
		stateful: true,
		inbound_default_policy: "drop",
		outbound_default_policy: "accept",
	};
}

/** A rule for each IPv4 network of `allow` (empty: everyone). Throws where it names none. */
function groupRules(port: number, allow: readonly string[]) {
	return (ipv4Sources("Scaleway", allow) ?? ["0.0.0.0/0"]).map((ip_range) => ({
		protocol: "TCP",
		direction: "inbound",
		action: "accept",
		ip_range,
		dest_port_from: port,
	}));
}

/** Whether the rules that may be changed are those, however they are spelt and in whatever order. */
function areAsWanted(found: readonly GroupRule[], wanted: ReturnType<typeof groupRules>): boolean {
	return plain(found.filter(({ editable }) => editable !== false)) === plain(wanted);
}

function plain(rules: readonly GroupRule[]): string {
	const keys = rules.map(({ protocol, direction, action, ip_range, dest_port_from, dest_port_to }) => {
		const last = dest_port_to === dest_port_from ? null : (dest_port_to ?? null);
		return JSON.stringify([protocol, direction, action, plainSource(ip_range), dest_port_from ?? null, last]);
	});
	return [...new Set(keys)].sort().join();
}
