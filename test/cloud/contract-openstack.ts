import { ELSEWHERE, type Terms, type Things } from "./contract-clouds.ts";
import { NETWORKS } from "./openstack-catalogue.ts";
import type { Floating, Group } from "./openstack-network.ts";
import { serverId } from "./openstack-servers.ts";

/** What the contract suite must know of OpenStack: here with a private network, so that each server takes a floating IP. */

const PORT = 8899;
const PUBLIC = NETWORKS.find(({ name }) => name === "Ext-Net")?.id ?? "";
const SETTINGS = {
	auth_url: "http://cloud.test/openstack",
	size: "m1.tiny",
	network: "private",
	floating_network: "public",
	hourly_price: "0.0104",
	currency: "EUR",
};
// Only its dialect writes them.
const groups = (things: Things) => Object.entries(things["security-groups"] ?? {}) as [string, Group][];
const isOurs = (rule: Group["rules"][number]) => rule.direction === "ingress" && rule.port_range_min === PORT;

export const OPENSTACK_TERMS: Terms = {
	settings: { ...SETTINGS, application_credential_id: "local-contract", application_credential_secret: "local-contract-openstack" },
	refused: { ...SETTINGS, application_credential_id: "local-contract", application_credential_secret: "refused" },
	// They have joined a public network: without one they have no address, and none is given to what others made.
	theirs: (details) => ({ ...details, network: PUBLIC }),
	goneImage: { settings: { image: "Ubuntu 24.04 old" }, nearest: "Ubuntu 24.04" },
	price: { hourly: 0.0104, currency: "EUR" },
	userDataIs: "base64",
	sameName: "second",
	deleteWhileInstalling: "accepted",
	capacity: {
		status: 400,
		body: { badRequest: { code: 400, message: "No valid host was found. There are not enough hosts available." } },
		says: "No valid host was found",
	},
	quotaSays: "Quota exceeded for instances",
	revoked: { status: 401 },
	tooFast: { status: 429 },
	firewalls: (things) => groups(things).map(([, { rules }]) => rules.filter(isOurs).map((rule) => rule.remote_ip_prefix ?? "0.0.0.0/0")),
	tamper(things) {
		for (const [id, group] of groups(things)) {
			const [first] = group.rules.filter(isOurs);
			const rules = [...group.rules.filter((rule) => !isOurs(rule)), ...(first ? [{ ...first, remote_ip_prefix: ELSEWHERE }] : [])];
			things["security-groups"] = { ...things["security-groups"], [id]: { ...group, rules } };
		}
	},
	leftBehind: (things) => (Object.values(things["floating-ips"] ?? {}) as Floating[]).map(({ description }) => description),
	cloudId: serverId,
	id: (number) => `RegionOne/${serverId(number)}`,
};
