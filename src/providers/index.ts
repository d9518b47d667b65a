import { aws } from "./aws/driver.ts";
import { azure } from "./azure/driver.ts";
import type { ProviderDefinition } from "./base/provider.ts";
import { digitalocean } from "./digitalocean/driver.ts";
import { gcp } from "./gcp/driver.ts";
import { hetzner } from "./hetzner/driver.ts";
import { linode } from "./linode/driver.ts";
import { openstack } from "./openstack/driver.ts";
import { scaleway } from "./scaleway/driver.ts";
import { vultr } from "./vultr/driver.ts";

/** Drivers by the name of their cloud. */
export type Registry = Readonly<Record<string, ProviderDefinition>>;

/** The clouds that Muster can drive, in the order in which they are listed. A further one is its folder and its line here. */
export const PROVIDERS: Registry = {
	digitalocean,
	aws,
	gcp,
	hetzner,
	vultr,
	azure,
	scaleway,
	linode,
	openstack,
};

/** Every cloud's name as an operator reads it, by the name that settings and routes have. */
export const CLOUD_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
	Object.entries(PROVIDERS).map(([name, { displayName }]) => [name, displayName]),
);

/** Clouds, and what pools without one are listed under. */
export const PROVIDER_NAMES: Readonly<Record<string, string>> = { ...CLOUD_NAMES, static: "Static" };

/** Every country that some cloud has a region in (ISO 3166-1 alpha-2, in lower case). */
export const COUNTRIES: ReadonlySet<string> = new Set(Object.values(PROVIDERS).flatMap(({ countries }) => countries.codes));

/** The country of a provider's region; null where it is not known. */
export function countryOf(provider: string, region: unknown): string | null {
	return typeof region === "string" ? (PROVIDERS[provider]?.countries.of(region) ?? null) : null;
}

/** Whether some cloud has a region (zone, location) of that name. */
export function isRegion(region: string): boolean {
	return Object.values(PROVIDERS).some(({ countries }) => countries.of(region) !== null);
}
