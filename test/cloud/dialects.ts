import type { Dialect } from "./dialect.ts";
import { digitalocean } from "./digitalocean.ts";
import { hetzner } from "./hetzner.ts";

/** How often an account may call, an hour; null: the real limit is stated and never reached. */
export interface Limits {
	readonly requestsPerHour: number | null;
}

/** The clouds that the local cloud speaks, one line each; each is mounted at `/<provider>`. */
export const dialects = (limits: Limits): readonly Dialect[] => [digitalocean(limits), hetzner(limits)];
