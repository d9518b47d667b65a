import { ELSEWHERE, type Terms, type Things } from "./contract-clouds.ts";
import { uuidOf } from "./scaleway-answers.ts";
import type { Group } from "./scaleway-groups.ts";
import type { Volume } from "./scaleway-volumes.ts";

/** What the contract suite must know of Scaleway. */

const PORT = 8899;
const PROJECT = "11111111-2222-4333-8444-555555555555";
// Only its dialect writes them.
const groups = (things: Things) => Object.entries(things["security-groups"] ?? {}) as [string, Group][];
const isOurs = (rule: Group["rules"][number]) => rule.direction === "inbound" && rule.action === "accept" && rule.dest_port_from === PORT;

export const SCALEWAY_TERMS: Terms = {
	settings: { access_key: "SCWLOCALCLOUD0000000", secret_key: "local-contract-scaleway", project_id: PROJECT },
	refused: { access_key: "SCWLOCALCLOUD0000000", secret_key: "refused", project_id: PROJECT },
	goneImage: { settings: { image: "ubuntu_noble_old" }, nearest: "ubuntu_noble" },
	price: { hourly: 0.01768, currency: "EUR" },
	userDataIs: "plain",
	sameName: "same",
	deleteWhileInstalling: "later",
	capacity: {
		status: 412,
		body: { type: "out_of_stock", message: "resource is out of stock", resource: "DEV1-S" },
		says: "resource is out of stock",
	},
	quotaSays: "Quotas exceeded for this resource: cp_servers_type_DEV1_S",
	revoked: { status: 401 },
	tooFast: { status: 429 },
	firewalls: (things) => groups(things).map(([, { rules }]) => rules.filter(isOurs).map((rule) => String(rule.ip_range))),
	tamper(things) {
		for (const [id, group] of groups(things)) {
			const [first] = group.rules.filter(isOurs);
			const rules = [...group.rules.filter((rule) => !isOurs(rule)), ...(first ? [{ ...first, ip_range: ELSEWHERE }] : [])];
			things["security-groups"] = { ...things["security-groups"], [id]: { ...group, rules } };
		}
	},
	leftBehind: (things) => [...(Object.values(things.volumes ?? {}) as Volume[]).map(({ name }) => name), ...Object.keys(things.ips ?? {})],
	cloudId: uuidOf,
	id: (number) => `fr-par-1/${uuidOf(number)}`,
};
