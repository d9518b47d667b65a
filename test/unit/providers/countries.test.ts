import { expect, test } from "vitest";
import { COUNTRIES, countryOf, PROVIDERS } from "../../../src/providers/index.ts";

test("every cloud says in which country its regions are, as ISO 3166 spells it", () => {
	const names = new Intl.DisplayNames(["en"], { type: "region", fallback: "none" });
	for (const [name, { countries }] of Object.entries(PROVIDERS)) expect(countries.codes.length, name).toBeGreaterThan(0);
	for (const code of COUNTRIES) {
		expect(code).toMatch(/^[a-z]{2}$/);
		expect(names.of(code.toUpperCase()), code).toBeDefined();
	}
});

test("a region's country is found however it is written, and a zone's by its region", () => {
	for (const [provider, region, country] of [
		["digitalocean", "fra1", "de"],
		["digitalocean", "NYC3", "us"],
		["aws", "us-east-1", "us"],
		["aws", "eu-west-2", "gb"],
		["aws", "ap-southeast-2a", "au"],
		["gcp", "europe-west3-a", "de"],
		["gcp", "us-central1", "us"],
		["hetzner", "hel1", "fi"],
		["vultr", "ewr", "us"],
		["azure", "uksouth", "gb"],
		["scaleway", "nl-ams-1", "nl"],
	] as const)
		expect(countryOf(provider, region), `${provider} ${region}`).toBe(country);
	for (const [provider, region] of [
		["digitalocean", "mars1"],
		["aws", "us-east-1-bue-1a"],
		["static", "fra1"],
		["hetzner", null],
	] as const)
		expect(countryOf(provider, region), `${provider} ${region}`).toBeNull();
});

test("what every cloud's settings name unless they say otherwise has a country", () => {
	// An OpenStack's regions are called as each cloud likes.
	for (const [name, definition] of Object.entries(PROVIDERS).filter(([cloud]) => cloud !== "openstack")) {
		const usual = Object.fromEntries(
			Object.entries(definition.settings).flatMap(([field, { schema }]) => {
				const parsed = schema.safeParse(undefined);
				return parsed.success ? [[field, parsed.data]] : [];
			}),
		);
		expect(countryOf(name, definition.shown(usual).region), name).not.toBeNull();
	}
});
