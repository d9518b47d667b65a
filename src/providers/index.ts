import type { CloudName, ProviderName } from "../pool/core/state.ts";
import { aws } from "./aws.ts";
import { azure } from "./azure.ts";
import { digitalocean } from "./digitalocean.ts";
import { gcp } from "./gcp.ts";
import { hetzner } from "./hetzner.ts";
import type { ProviderDefinition } from "./provider.ts";
import { scaleway } from "./scaleway.ts";
import { vultr } from "./vultr.ts";

/** The clouds that Muster can drive. A further one is its file and one line here. */
export const PROVIDERS: Registry = {
	digitalocean,
	aws,
	gcp,
	hetzner,
	vultr,
	azure,
	scaleway,
};

/** Every cloud that Muster knows by name, in the order in which they are listed. Without a driver it is listed and cannot be enabled. */
export const CLOUD_NAMES: Readonly<Record<CloudName, string>> = {
	digitalocean: "DigitalOcean",
	aws: "AWS",
	gcp: "GCP",
	hetzner: "Hetzner",
	vultr: "Vultr",
	azure: "Azure",
	scaleway: "Scaleway",
};

/** Clouds, and what pools without one are listed under. */
export const PROVIDER_NAMES: Readonly<Record<ProviderName, string>> = { ...CLOUD_NAMES, static: "Static" };

export type Registry = Readonly<Partial<Record<CloudName, ProviderDefinition>>>;
