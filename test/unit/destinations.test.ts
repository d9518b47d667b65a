import { describe, expect, test } from "vitest";
import { PROVIDERS } from "../../src/providers/index.ts";
import { isPublicAddress } from "../../src/settings/destinations.ts";
import { readEndpoint } from "../../src/settings/endpoint.ts";
import { readConfig } from "../../src/settings/environment.ts";
import { withKeptSecrets } from "../../src/settings/kept-secrets.ts";

const ENV = { AUTH_KEY: "the-admin-key-of-the-tests", PROXY_USERNAME: "user", PROXY_PASSWORD: "pass" };
const faultsOf = (section: string, values: Record<string, string>, env: Record<string, string> = {}) => {
	const { global, addresses } = readConfig({ ...ENV, ...env });
	const configuration = { endpoint: { cloud: section.slice("cloud:".length) }, [section]: values };
	return readEndpoint(configuration, { name: "demo", global, suspending: [], addresses }).faults[section] ?? {};
};
const keyFile = (token_uri: string) =>
	JSON.stringify({
		client_email: "a@b.iam.gserviceaccount.com",
		private_key: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		token_uri,
	});

describe("an address that secrets are sent to", () => {
	test("is public where it is https and everybody's", () => {
		for (const url of [
			"https://api.digitalocean.com",
			"https://mirror.example.com:8443/do",
			"https://8.8.8.8",
			"https://[2606:4700::1111]",
		])
			expect(isPublicAddress(url), url).toBe(true);
		const hosts = [
			"localhost",
			"a.localhost",
			"metadata",
			"metadata.google.internal",
			"nas.local",
			"127.0.0.1",
			"127.1",
			"0x7f000001",
			"0",
		];
		const more = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[::1]", "[fd00::1]", "[fe80::1]"];
		for (const host of [...hosts, ...more, "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "localhost.", "nas.local."])
			expect(isPublicAddress(`https://${host}/`), host).toBe(false);
		expect(isPublicAddress("http://api.digitalocean.com"), "in clear").toBe(false);
	});

	test("is named outside the public network by the environment alone, every cloud's", () => {
		for (const [provider, { settings }] of Object.entries(PROVIDERS)) {
			for (const [field, { isAddress }] of Object.entries(settings)) {
				if (!isAddress) continue;
				const own = "http://127.0.0.1:8790/local";
				const variable = `${provider}_${field}`.toUpperCase();
				expect(faultsOf(`cloud:${provider}`, { [field]: own })[field], variable).toContain(variable);
				expect(faultsOf(`cloud:${provider}`, { [field]: own }, { [variable]: own })[field], variable).toBeUndefined();
				expect(faultsOf(`cloud:${provider}`, {}, { [variable]: own })[field], variable).toBeUndefined();
				expect(faultsOf(`cloud:${provider}`, { [field]: "http://127.0.0.1:1/" }, { [variable]: own })[field], variable).toBeDefined();
				expect(faultsOf(`cloud:${provider}`, { [field]: "https://mirror.example.com" })[field], variable).toBeUndefined();
			}
		}
	});

	test("may stand in a key file, and is held to the same", () => {
		const fault = (uri: string, env = {}) => faultsOf("cloud:gcp", { project: "p-1", service_account_key: keyFile(uri) }, env);
		expect(fault("https://oauth2.googleapis.com/token")).toEqual({});
		expect(fault("http://127.0.0.1/token")).toEqual({ service_account_key: expect.stringContaining("public https address") });
		expect(fault("http://127.0.0.1:8790/gcp/token", { GCP_API_URL: "http://127.0.0.1:8790/gcp" })).toEqual({});
	});

	test("is held to the same in the section of a cloud that is not the endpoint's", () => {
		const { global, addresses } = readConfig(ENV);
		const configuration = { "cloud:hetzner": { api_url: "http://127.0.0.1/" } };
		expect(readEndpoint(configuration, { name: "demo", global, suspending: [], addresses }).faults).toEqual({
			"cloud:hetzner": { api_url: expect.stringContaining("HETZNER_API_URL") },
		});
	});
});

describe("the mask", () => {
	const stored = (section: string, secret: string, rest: Record<string, string> = {}) => ({
		[section]: { [secret]: { sealed: "s" }, ...rest },
	});
	const faults = (section: string, secret: string, before: Record<string, string>, after: Record<string, string>, addresses = {}) =>
		withKeptSecrets({ [section]: { [secret]: "********", ...after } }, stored(section, secret, before), addresses).faults;

	test("keeps a secret only while every address and identity that it is sent to stays the same, every cloud's", () => {
		for (const [provider, { settings }] of Object.entries(PROVIDERS)) {
			const secret = Object.keys(settings).find((field) => settings[field]?.isSecret) ?? "";
			const section = `cloud:${provider}`;
			for (const [field, { isAddress, isRecipient }] of Object.entries(settings)) {
				if (!isAddress && !isRecipient) continue;
				const value = isAddress ? "https://evil.example.com" : "22222222-2222-2222-2222-222222222222";
				expect(faults(section, secret, {}, { [field]: value }), `${section} ${field}`).toEqual({
					[section]: { [secret]: expect.stringContaining(`${field} changed, so give the secret again`) },
				});
				expect(faults(section, secret, { [field]: value }, {}), `${section} ${field} taken away`).not.toEqual({});
				expect(faults(section, secret, { [field]: value }, { [field]: value }), `${section} ${field} stays`).toEqual({});
			}
			expect(faults(section, secret, {}, { size: "another" }), section).toEqual({});
		}
		const azure = Object.entries(PROVIDERS.azure?.settings ?? {});
		const kept = azure.filter(([, { isAddress, isRecipient }]) => isAddress || isRecipient).map(([field]) => field);
		expect(kept).toEqual(["tenant_id", "client_id", "api_url", "login_url"]);
	});

	test("takes the same address in another spelling, and what the deployment names where nothing is said", () => {
		const section = "cloud:digitalocean";
		expect(faults(section, "access_token", {}, { api_url: "https://api.digitalocean.com/" })).toEqual({});
		const addresses = { digitalocean: { api_url: "http://127.0.0.1:8790/digitalocean" } };
		expect(faults(section, "access_token", {}, { api_url: "http://127.0.0.1:8790/digitalocean" }, addresses)).toEqual({});
		expect(faults(section, "access_token", {}, { api_url: "https://api.digitalocean.com" }, addresses)).not.toEqual({});
	});
});
