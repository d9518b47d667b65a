import { aws } from "./aws.ts";
import { azure } from "./azure.ts";
import type { Dialect } from "./dialect.ts";
import { digitalocean } from "./digitalocean.ts";
import { gcp } from "./gcp.ts";
import { hetzner } from "./hetzner.ts";
import { linode } from "./linode.ts";
import { openstack } from "./openstack.ts";
import { scaleway } from "./scaleway.ts";
import { vultr } from "./vultr.ts";

export interface Limits {
	/** How often an account may call, an hour; null: the real limit is stated and never reached. */
	readonly requestsPerHour: number | null;
	/** The most that a page holds, whatever is asked for; without it, as much as at the real cloud. */
	readonly pageSize?: number;
}

/** The clouds that the local cloud speaks, one line each; each is mounted at `/<provider>`. */
export const dialects = (limits: Limits): readonly Dialect[] => [
	digitalocean(limits),
	aws(limits),
	gcp(limits),
	hetzner(limits),
	vultr(limits),
	azure(limits),
	scaleway(limits),
	linode(limits),
	openstack(limits),
];
