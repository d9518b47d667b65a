import type { CloudName } from "../../src/core/model/state.ts";
import { AWS_TERMS } from "./contract-aws.ts";
import { AZURE_TERMS } from "./contract-azure.ts";
import { GCP_TERMS } from "./contract-gcp.ts";
import { OPENSTACK_TERMS } from "./contract-openstack.ts";
import { SCALEWAY_TERMS } from "./contract-scaleway.ts";
import type { Json } from "./inventory.ts";
import { instanceId } from "./vultr.ts";

/** What the contract suite must know of a cloud, since clouds differ in it. */
export interface Terms {
	/** Settings of an account that the local cloud takes, `api_url` and the like left out. */
	readonly settings: Readonly<Record<string, string>>;
	/** The same with credentials that it refuses. */
	readonly refused: Readonly<Record<string, string>>;
	/** Settings that say where the cloud is; `base` is its mount at the local cloud. */
	readonly addresses?: (base: string) => Readonly<Record<string, string>>;
	/** What a VM of the usual size costs an hour, with its address. */
	readonly price: { readonly hourly: number; readonly currency: string };
	/** A setting that names an image which is there no more, and the name of what comes nearest. */
	readonly goneImage: { readonly settings: Readonly<Record<string, string>>; readonly nearest: string };
	/** How user data travels. */
	readonly userDataIs: "plain" | "base64" | "gzip";
	/** What a second create under the same name comes to: refused, the very same VM again, or a second one. */
	readonly sameName: "conflict" | "same" | "second";
	/** Whether a VM can be deleted while it is being installed; `later`: it is busy, and can be once it runs. */
	readonly deleteWhileInstalling: "accepted" | "later";
	/** How it says, at a create, that it has no room (a fault's status and body), and a part of that sentence. */
	readonly capacity: { readonly status: number; readonly body: string | Readonly<Record<string, unknown>>; readonly says: string };
	/** Part of its sentence when the account may have no more VMs. */
	readonly quotaSays: string;
	/** How it says that a token that was good is good no more, and that calls come too fast. */
	readonly revoked: { readonly status: number; readonly body?: string | Readonly<Record<string, unknown>> };
	readonly tooFast: { readonly status: number; readonly body?: string | Readonly<Record<string, unknown>> };
	/** The firewalls that the account has, each as the CIDRs that it lets in to the proxy port; null: none does so. */
	readonly firewalls: (things: Things) => (readonly string[])[];
	/** Somebody edits the firewall so that it lets in 198.51.100.0/24 alone. */
	readonly tamper: (things: Things) => void;
	/** What is billed besides VMs: volumes, addresses. Without it there is no such thing in what we speak of the cloud. */
	readonly leftBehind?: (things: Things) => readonly string[];
	/** A VM's id as the cloud makes it from a number, or from its name where that is what it goes by. */
	readonly id: (number: number, name?: string) => string;
	/** What the dialect remembers of a VM that others made, from what it remembers of one of ours; without it, the same. */
	readonly theirs?: (details: { readonly [key: string]: Json }) => { readonly [key: string]: Json };
	/** As the cloud itself has it, where our id says more (a zone). */
	readonly cloudId?: (number: number) => string;
}

/** What an account at the local cloud has besides VMs, by kind and id. */
export type Things = { [kind: string]: { [id: string]: Json } };

const PORT = "8899";
type Thing = { [key: string]: Json };
const allOf = (things: Things, kind: string) => Object.entries(things[kind] ?? {}) as [string, Thing][];
const arrayOf = (value: Json | undefined) => (Array.isArray(value) ? value : []) as readonly Thing[];
const texts = (value: Json | undefined) => (Array.isArray(value) ? value : []) as readonly string[];
/** Changes one field of every thing of a kind. */
const edit = (things: Things, kind: string, field: string, change: (value: readonly Thing[]) => readonly Json[]) => {
	for (const [id, thing] of allOf(things, kind))
		things[kind] = { ...things[kind], [id]: { ...thing, [field]: change(arrayOf(thing[field])) } };
};
export const ELSEWHERE = "198.51.100.0/24";

export const TERMS: Readonly<Partial<Record<CloudName, Terms>>> = {
	digitalocean: {
		settings: { access_token: "local-contract-digitalocean" },
		refused: { access_token: "dop_v1_refused" },
		price: { hourly: 0.00595, currency: "USD" },
		goneImage: { settings: { image: "ubuntu-24-04-x64-old" }, nearest: "ubuntu-24-04-x64" },
		userDataIs: "plain",
		sameName: "second",
		deleteWhileInstalling: "accepted",
		capacity: {
			status: 422,
			body: { id: "unprocessable_entity", message: "Size is not available in this region." },
			says: "Size is not available in this region.",
		},
		quotaSays: "will exceed your droplet limit",
		revoked: { status: 401 },
		tooFast: { status: 429 },
		firewalls: (things) =>
			allOf(things, "firewalls").map(([, firewall]) =>
				arrayOf(firewall.inbound_rules)
					.filter((rule) => rule.ports === PORT)
					.flatMap(({ sources }) => texts((sources as Thing).addresses)),
			),
		tamper: (things) =>
			edit(things, "firewalls", "inbound_rules", (rules) => rules.map((rule) => ({ ...rule, sources: { addresses: [ELSEWHERE] } }))),
		id: String,
	},
	aws: AWS_TERMS,
	gcp: GCP_TERMS,
	hetzner: {
		settings: { access_token: "local-contract-hetzner" },
		refused: { access_token: "refused" },
		price: { hourly: 0.0056, currency: "EUR" },
		goneImage: { settings: { image: "ubuntu-24.04-old" }, nearest: "ubuntu-24.04" },
		userDataIs: "plain",
		sameName: "conflict",
		deleteWhileInstalling: "later",
		capacity: {
			status: 412,
			body: { error: { code: "resource_unavailable", message: "error during placement (resource_unavailable)", details: null } },
			says: "error during placement",
		},
		quotaSays: "server limit exceeded",
		revoked: { status: 401 },
		tooFast: { status: 429 },
		firewalls: (things) =>
			allOf(things, "firewalls").map(([, firewall]) =>
				arrayOf(firewall.rules)
					.filter((rule) => rule.port === PORT && rule.direction === "in")
					.flatMap((rule) => texts(rule.source_ips)),
			),
		tamper: (things) => edit(things, "firewalls", "rules", (rules) => rules.map((rule) => ({ ...rule, source_ips: [ELSEWHERE] }))),
		id: String,
	},
	vultr: {
		settings: { api_token: "local-contract-vultr" },
		refused: { api_token: "refused" },
		price: { hourly: 0.00744, currency: "USD" },
		goneImage: { settings: { os_id: "22840" }, nearest: "2284" },
		userDataIs: "base64",
		sameName: "second",
		deleteWhileInstalling: "later",
		capacity: {
			status: 400,
			body: { error: "Plan is not available in the selected region.", status: 400 },
			says: "Plan is not available in the selected region.",
		},
		quotaSays: "You have reached the maximum number of active virtual machines",
		revoked: { status: 401 },
		tooFast: { status: 429 },
		firewalls: (things) =>
			allOf(things, "firewall-groups").map(([, group]) =>
				arrayOf(group.rules)
					.filter((rule) => rule.port === PORT)
					.map((rule) => `${rule.subnet}/${rule.subnet_size}`),
			),
		tamper: (things) =>
			edit(things, "firewall-groups", "rules", (rules) => [{ ...rules[0], subnet: ELSEWHERE.split("/")[0] ?? "", subnet_size: 24 }]),
		id: instanceId,
	},
	azure: AZURE_TERMS,
	scaleway: SCALEWAY_TERMS,
	linode: {
		settings: { access_token: "local-contract-linode" },
		refused: { access_token: "refused" },
		price: { hourly: 0.0075, currency: "USD" },
		goneImage: { settings: { image: "linode/ubuntu24.04-old" }, nearest: "linode/ubuntu24.04" },
		userDataIs: "gzip",
		sameName: "conflict",
		deleteWhileInstalling: "accepted",
		capacity: {
			status: 403,
			body: { errors: [{ reason: "The Linode plan you chose is not currently available in the selected region." }] },
			says: "not currently available in the selected region",
		},
		quotaSays: "Account Limit reached",
		revoked: { status: 401 },
		tooFast: { status: 429 },
		firewalls: (things) =>
			allOf(things, "firewalls").map(([, { rules }]) =>
				arrayOf((rules as Thing).inbound)
					.filter(({ ports, action }) => ports === PORT && action === "ACCEPT")
					.flatMap(({ addresses }) => [...texts((addresses as Thing).ipv4), ...texts((addresses as Thing).ipv6)]),
			),
		tamper(things) {
			const tampered = (rules: Thing) => arrayOf(rules.inbound).map((rule) => ({ ...rule, addresses: { ipv4: [ELSEWHERE] } }));
			for (const [id, firewall] of allOf(things, "firewalls")) {
				const rules = firewall.rules as Thing;
				things.firewalls = { ...things.firewalls, [id]: { ...firewall, rules: { ...rules, inbound: tampered(rules) } } };
			}
		},
		id: String,
	},
	openstack: OPENSTACK_TERMS,
};
