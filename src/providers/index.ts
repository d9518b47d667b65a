import type { CloudName, ProviderName } from "../core/model/state.ts";
import { aws } from "./aws/driver.ts";
import { azure } from "./azure/driver.ts";
import type { ProviderDefinition } from "./base/provider.ts";
import { digitalocean } from "./digitalocean/driver.ts";
import { gcp } from "./gcp/driver.ts";
import { hetzner } from "./hetzner/driver.ts";
import { scaleway } from "./scaleway/driver.ts";
import { vultr } from "./vultr/driver.ts";

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
