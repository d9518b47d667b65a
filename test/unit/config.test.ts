import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type AccountTable, schemaOf } from "../../src/providers/base/account.ts";
import { type ProviderDefinition, ProviderError } from "../../src/providers/base/provider.ts";
import { digitalocean } from "../../src/providers/digitalocean/driver.ts";
import { PROVIDERS, type Registry } from "../../src/providers/index.ts";
import { type Config, findPool, type PoolConfig, readConfig } from "../../src/settings/environment.ts";
import type { Values } from "../../src/values/setting.ts";

const TOKEN = "dop_v1_a_secret_token";
const CREDENTIALS = { PROXY_USERNAME: "user", PROXY_PASSWORD: "a secret password" };
const OPEN = { ...CREDENTIALS, DIGITALOCEAN_ENABLED: "True", DIGITALOCEAN_ACCESS_TOKEN: TOKEN };
const OTHERS = Object.keys(PROVIDERS)
	.filter((cloud) => cloud !== "digitalocean")
	.map((cloud) => cloud.toUpperCase());
const NYC = { DIGITALOCEAN_NYC_ENABLED: "True", DIGITALOCEAN_NYC_ACCESS_TOKEN: "nyc_token" };

function pool(config: Config, name = "default"): PoolConfig {
	const found = findPool(config, "digitalocean", name);
	if (found === null) throw new Error(`no pool ${name}`);
	return found;
}
const named = (env: Record<string, unknown>) =>
	readConfig(env)
		.pools.filter(({ provider }) => provider === "digitalocean")
		.map(({ name }) => name);

describe("what is asked for nothing", () => {
	it("gives every provider's default pool, disabled, with the documented defaults", () => {
		const config = readConfig(CREDENTIALS);
		expect(config.pools.map(({ provider, name, enabled, displayName }) => [provider, name, enabled, displayName])).toEqual(
			Object.entries(PROVIDERS).map(([provider, { displayName }]) => [provider, "default", false, displayName]),
		);
		expect(config.problems).toEqual([]);
		expect(config.warnings).toEqual([expect.stringMatching(/^PROXY_PASSWORD /)]);
		expect(config.global).toEqual({
			proxyCredentials: { username: "user", password: "a secret password" },
			onlyHostIp: false,
			hostIps: [],
			hostIpGiven: null,
			authKey: null,
			allowAnonymous: false,
			allowShortKey: false,
			alertWebhook: null,
			allowInsecureUrl: false,
			publicUrl: null,
			encryptionKeys: [],
			corsOrigins: ["*"],
			plan: "free",
			agentLine: true,
			dailyRequests: 100_000,
			implicitByAddress: false,
			maxHourlyCost: null,
			ageLimitSeconds: 0,
			rolling: { enabled: false, minAvailable: 3, batchSize: 2 },
			timing: {
				intervalSeconds: 30,
				unknownTimeoutSeconds: 120,
				unregisteredTimeoutSeconds: 600,
				decommissionedTimeoutSeconds: 600,
				maxReplacementsPerHour: null,
				banCoolDownSeconds: 900,
				replaceBanned: 0,
				replaceBannedBy: [],
			},
		});
	});

	it("gives an enabled pool the documented defaults", () => {
		expect(pool(readConfig(OPEN))).toEqual({
			provider: "digitalocean",
			name: "default",
			enabledVariable: "DIGITALOCEAN_ENABLED",
			enabled: true,
			displayName: "DigitalOcean",
			endpoint: "digitalocean-default",
			settings: {
				spec: {
					min: 2,
					max: 2,
					intervalSeconds: 30,
					unknownTimeoutSeconds: 120,
					unregisteredTimeoutSeconds: 600,
					decommissionedTimeoutSeconds: 600,
					ageLimitSeconds: 0,
					rolling: { enabled: false, minAvailable: 3, batchSize: 2 },
					canProbe: true,
					twoStepRestart: false,
					billedSeconds: 60,
					maxHourlyCost: null,
					maxReplacementsPerHour: null,
					banCoolDownSeconds: 900,
					replaceBanned: 0,
					replaceBannedBy: [],
					finishesCreate: false,
					repeatsCreate: false,
					rules: [],
					statics: [],
					unresolved: [],
					rampLimit: 5,
					scaleInWindowSeconds: 300,
					places: [{ region: "lon1", size: "s-1vcpu-512mb-10gb" }],
					spread: "pack",
					maxPerPlace: null,
					fallback: null,
					fallbackAfterSeconds: 300,
					metricsSource: null,
				},
				suspended: null,
				agentUrl: null,
				credentials: { username: "user", password: "a secret password" },
				allow: [],
				fromEnvironment: true,
			},
			account: {
				access_token: TOKEN,
				size: "s-1vcpu-512mb-10gb",
				region: "lon1",
				image: "ubuntu-24-04-x64",
				api_url: "https://api.digitalocean.com",
			},
			shown: { size: "s-1vcpu-512mb-10gb", region: "lon1", image: "ubuntu-24-04-x64", api_url: "https://api.digitalocean.com" },
			problem: null,
		});
	});

	it("always shows a size and a region", () => {
		for (const { shown } of readConfig({}).pools)
			expect(shown).toMatchObject({
				size: expect.toBeOneOf([expect.any(String), null]),
				region: expect.toBeOneOf([expect.any(String), null]),
			});
	});
});

describe("settings of the whole deployment", () => {
	it.each<[Record<string, unknown>, object]>([
		[{ AGE_LIMIT: "3600" }, { ageLimitSeconds: 3600 }],
		[
			{ ROLLING_DEPLOYMENT: "yes", ROLLING_MIN_AVAILABLE: "0", ROLLING_BATCH_SIZE: "5" },
			{ rolling: { enabled: true, minAvailable: 0, batchSize: 5 } },
		],
		[{ PLAN: "paid" }, { plan: "paid", dailyRequests: 333_333 }],
		[{ IMPLICIT_BY_ADDRESS: "1" }, { implicitByAddress: true }],
		[{ ALLOW_ANONYMOUS: true }, { allowAnonymous: true }],
		[{ PUBLIC_URL: "https://muster.example.com/" }, { publicUrl: "https://muster.example.com" }],
		[{ PUBLIC_URL: "http://localhost:8787" }, { publicUrl: "http://localhost:8787" }],
		[{ PUBLIC_URL: "http://[::1]:8787" }, { publicUrl: "http://[::1]:8787" }],
		[{ PUBLIC_URL: "http://127.9.9.9" }, { publicUrl: "http://127.9.9.9" }],
		[{ PUBLIC_URL: "http://muster.example.com", ALLOW_INSECURE_URL: "True" }, { publicUrl: "http://muster.example.com" }],
		[
			{ AUTH_KEY: "a".repeat(22), ALLOW_ANONYMOUS: "True" },
			{ authKey: "a".repeat(22), allowAnonymous: false },
		],
		[{ ENCRYPTION_KEY: `${"n".repeat(32)}, ${"o".repeat(32)}` }, { encryptionKeys: ["n".repeat(32), "o".repeat(32)] }],
		[
			{ CORS_ORIGINS: "https://app.example.com, http://localhost:3000/" },
			{ corsOrigins: ["https://app.example.com", "http://localhost:3000"] },
		],
		[
			{ INTERVAL: 5, UNREGISTERED_TIMEOUT: "20" },
			{ timing: expect.objectContaining({ intervalSeconds: 5, unregisteredTimeoutSeconds: 20 }) },
		],
		[{ PROXY_PASSWORD: ` "p@ss: wörd%' ` }, { proxyCredentials: { username: "user", password: ` "p@ss: wörd%' ` } }],
		[{ HOST_IP: "192.0.2.1" }, { onlyHostIp: false, hostIps: ["192.0.2.1/32"], hostIpGiven: "192.0.2.1" }],
		[
			{ AGE_LIMIT: "", PLAN: " ", AUTH_KEY: "" },
			{ ageLimitSeconds: 0, plan: "free", authKey: null },
		],
	])("reads %j", (env, expected) => {
		const config = readConfig({ ...OPEN, ...env });
		expect(config.global).toMatchObject(expected);
		expect(config.problems).toEqual([]);
		expect(pool(config).problem).toBeNull();
	});

	it.each(["True", "true", "TRUE", "1", "yes", "Yes"])("takes %s for true", (text) => {
		expect(readConfig({ ...OPEN, ROLLING_DEPLOYMENT: text }).global.rolling.enabled).toBe(true);
	});
	it.each(["False", "false", "0", "no", "NO"])("takes %s for false", (text) => {
		expect(pool(readConfig({ ...OPEN, DIGITALOCEAN_ENABLED: text }))).toMatchObject({ enabled: false, problem: null });
	});

	it("restricts proxies to addresses, each in its one spelling, and then does not probe", () => {
		const env = { ONLY_HOST_IP: "True", HOST_IP: "192.0.2.77/24, 2001:DB8:0::1,::ffff:198.51.100.4,192.0.2.5/24, ::ffff:203.0.113.9/120" };
		const config = readConfig({ ...OPEN, ...env, PROXY_USERNAME: "", PROXY_PASSWORD: "" });
		const allow = ["192.0.2.0/24", "2001:db8::1/128", "198.51.100.4/32", "203.0.113.0/24"];
		expect(config.global).toMatchObject({ onlyHostIp: true, hostIps: allow, hostIpGiven: env.HOST_IP, proxyCredentials: null });
		expect(pool(config).settings).toMatchObject({ suspended: null, credentials: null, allow, spec: { canProbe: false } });
	});

	it.each<[Record<string, unknown>, string]>([
		[{ PROXY_USERNAME: undefined, PROXY_PASSWORD: undefined }, "Anyone could use the proxies: set PROXY_USERNAME and PROXY_PASSWORD"],
		[{ PROXY_USERNAME: undefined }, "PROXY_USERNAME and PROXY_PASSWORD must be set together"],
		[{ PROXY_PASSWORD: "" }, "PROXY_USERNAME and PROXY_PASSWORD must be set together"],
		[{ PROXY_PASSWORD: "line\nbreak" }, "PROXY_PASSWORD must be 1 to 255 bytes of printable characters"],
		[{ PROXY_PASSWORD: "ö".repeat(128) }, "PROXY_PASSWORD must be 1 to 255 bytes"],
		[{ ONLY_HOST_IP: "True" }, "ONLY_HOST_IP needs HOST_IP"],
		[{ ONLY_HOST_IP: "maybe" }, "ONLY_HOST_IP must be True"],
		[
			{ ONLY_HOST_IP: "True", HOST_IP: "192.0.2.1, 0300.1.1.1" },
			"HOST_IP must be IPv4 or IPv6 addresses or CIDRs, comma-separated, such as 192.0.2.1 or 2001:db8::/32: number 2 is none",
		],
		[{ ONLY_HOST_IP: "True", HOST_IP: "192.0.2.1/33" }, "HOST_IP must be"],
		[{ ONLY_HOST_IP: "True", HOST_IP: "1.2.3" }, "HOST_IP must be"],
		[{ ONLY_HOST_IP: "True", HOST_IP: "fe80::1%eth0" }, "HOST_IP must be"],
		[{ PROXY_USERNAME: "", PROXY_PASSWORD: "", ONLY_HOST_IP: "True", HOST_IP: "10.0.0.1,0.0.0.0/0" }, "Anyone could use the proxies"],
		[{ PROXY_USERNAME: "", PROXY_PASSWORD: "", HOST_IP: "10.0.0.1" }, "Anyone could use the proxies"],
		[{ AGE_LIMIT: "-1" }, "AGE_LIMIT must be a whole number of seconds from 0 to 315,360,000"],
		[{ INTERVAL: "0" }, "INTERVAL must be a whole number of seconds from 1 to 3,600"],
		[{ UNKNOWN_TIMEOUT: "1e3" }, "UNKNOWN_TIMEOUT must be"],
		[{ ROLLING_BATCH_SIZE: "0" }, "ROLLING_BATCH_SIZE must be a whole number from 1 to 10,000"],
		[{ PUBLIC_URL: "muster.example.com" }, "PUBLIC_URL must be http(s)://host[:port]"],
		[{ PUBLIC_URL: "https://muster.example.com/path" }, "PUBLIC_URL must be"],
		[{ PUBLIC_URL: "https://user@muster.example.com" }, "PUBLIC_URL must be"],
		[{ PUBLIC_URL: "http://host:99999" }, "PUBLIC_URL must be"],
		[{ PUBLIC_URL: "http://muster.example.com" }, "PUBLIC_URL must be https: over plain http every key would travel in clear"],
		[{ PUBLIC_URL: "http://192.0.2.1:8787" }, "PUBLIC_URL must be https"],
		[{ PUBLIC_URL: "http://127.0.0.1.example.com" }, "PUBLIC_URL must be https"],
	])("suspends every pool on %j", (env, sentence) => {
		const config = readConfig({ ...OPEN, ...NYC, ...env });
		for (const name of ["default", "nyc"]) {
			expect(pool(config, name)).toMatchObject({ enabled: true, problem: expect.stringContaining(sentence) });
			expect(pool(config, name).settings.suspended).toBe(pool(config, name).problem);
		}
		expect(config.problems.filter((problem) => problem.includes(sentence))).toHaveLength(1);
	});

	it.each<[Record<string, unknown>, string, object]>([
		[{ AUTH_KEY: "correct horse" }, "AUTH_KEY must be 22 to 512 printable ASCII characters without spaces", { authKey: null }],
		[{ AUTH_KEY: "a".repeat(21), ALLOW_ANONYMOUS: "True" }, "AUTH_KEY must be", { authKey: null, allowAnonymous: false }],
		[{ ALLOW_ANONYMOUS: "ture" }, "ALLOW_ANONYMOUS must be", { allowAnonymous: false }],
		[{ ENCRYPTION_KEY: `${"n".repeat(32)},short` }, "Each key of ENCRYPTION_KEY", { encryptionKeys: ["n".repeat(32)] }],
		[{ CORS_ORIGINS: "app.example.com" }, "CORS_ORIGINS must be", { corsOrigins: [] }],
		[{ CORS_ORIGINS: "https://app.example.com/path" }, "CORS_ORIGINS must be", { corsOrigins: [] }],
		[{ PLAN: "enterprise" }, "PLAN must be free or paid", { plan: "free", dailyRequests: 100_000 }],
		[{ HOST_IP: "nonsense" }, "HOST_IP must be", { hostIps: [] }],
	])("tells of %j, takes the safe reading and lets the pools run", (env, sentence, expected) => {
		const config = readConfig({ ...OPEN, ...env });
		expect(config.problems).toEqual([expect.stringContaining(sentence)]);
		expect(config.global).toMatchObject(expected);
		expect(pool(config).problem).toBeNull();
	});
});

describe("a pool's own settings", () => {
	it.each<[Record<string, unknown>, object]>([
		[
			{ DIGITALOCEAN_MIN_SCALING: "1", DIGITALOCEAN_MAX_SCALING: "40" },
			{ min: 1, max: 40 },
		],
		[{ DIGITALOCEAN_MAX_SCALING: "10000" }, { min: 2, max: 10_000 }],
		[
			{ DIGITALOCEAN_MIN_SCALING: 0, DIGITALOCEAN_MAX_SCALING: 0 },
			{ min: 0, max: 0 },
		],
		[{ ROLLING_BATCH_SIZE: "7" }, { rolling: { enabled: false, minAvailable: 3, batchSize: 7 } }],
		[{ DIGITALOCEAN_MIN_SCALING: "5" }, { min: 5, max: 5 }],
		[{ DIGITALOCEAN_MAX_SCALING: "1" }, { min: 1, max: 1 }],
		[{ UNKNOWN_TIMEOUT: "60" }, { unknownTimeoutSeconds: 60 }],
		[{ UNKNOWN_TIMEOUT: "60", DIGITALOCEAN_UNKNOWN_TIMEOUT: "90" }, { unknownTimeoutSeconds: 90 }],
		[
			{ DIGITALOCEAN_INTERVAL: "2", DIGITALOCEAN_DECOMMISSIONED_TIMEOUT: "3" },
			{ intervalSeconds: 2, decommissionedTimeoutSeconds: 3 },
		],
		[{ AGE_LIMIT: "86400" }, { ageLimitSeconds: 86_400 }],
	])("reads %j", (env, expected) => {
		const { settings, problem } = pool(readConfig({ ...OPEN, ...env }));
		expect([settings.spec, problem]).toEqual([expect.objectContaining(expected), null]);
	});

	it("reads the provider's own", () => {
		const env = {
			DIGITALOCEAN_SIZE: " s-2vcpu-2gb ",
			DIGITALOCEAN_REGION: "nyc",
			DIGITALOCEAN_IMAGE: "63663980",
			DIGITALOCEAN_API_URL: "http://localhost:8790/digitalocean/",
			DIGITALOCEAN_DISPLAY_NAME: "Cheap ones",
		};
		const { account, displayName, shown } = pool(readConfig({ ...OPEN, ...env }));
		expect(account).toMatchObject({ size: "s-2vcpu-2gb", region: "nyc", image: "63663980", api_url: "http://localhost:8790/digitalocean" });
		expect(shown).toMatchObject({ size: "s-2vcpu-2gb", region: "nyc" });
		expect(displayName).toBe("Cheap ones");
	});

	it.each<[Record<string, unknown>, string]>([
		[{ DIGITALOCEAN_MIN_SCALING: "two" }, "DIGITALOCEAN_MIN_SCALING must be a whole number from 0 to 10,000"],
		[{ DIGITALOCEAN_MIN_SCALING: "-1" }, "DIGITALOCEAN_MIN_SCALING must be"],
		[{ DIGITALOCEAN_MIN_SCALING: "1.5" }, "DIGITALOCEAN_MIN_SCALING must be"],
		[{ DIGITALOCEAN_MAX_SCALING: "10001" }, "DIGITALOCEAN_MAX_SCALING must be"],
		[
			{ DIGITALOCEAN_MIN_SCALING: "3", DIGITALOCEAN_MAX_SCALING: "2" },
			"DIGITALOCEAN_MAX_SCALING must not be less than DIGITALOCEAN_MIN_SCALING",
		],
		[{ DIGITALOCEAN_UNKNOWN_TIMEOUT: "0" }, "DIGITALOCEAN_UNKNOWN_TIMEOUT must be a whole number of seconds from 1 to 86,400"],
		[{ DIGITALOCEAN_REGION: "London 1" }, "DIGITALOCEAN_REGION must be a slug such as lon1"],
		[{ DIGITALOCEAN_API_URL: "api.digitalocean.com" }, "DIGITALOCEAN_API_URL must be an http(s) address"],
		[{ DIGITALOCEAN_API_URL: "https://user:pass@api.digitalocean.com" }, "DIGITALOCEAN_API_URL must be an http(s) address"],
		[{ DIGITALOCEAN_DISPLAY_NAME: "x".repeat(101) }, "DIGITALOCEAN_DISPLAY_NAME must be up to 100 printable characters"],
		[{ DIGITALOCEAN_ACCESS_TOKEN: "" }, "DIGITALOCEAN_ACCESS_TOKEN is missing: it must be an API token"],
		[{ DIGITALOCEAN_ACCESS_TOKEN: "two words" }, "DIGITALOCEAN_ACCESS_TOKEN must be an API token"],
		[{ DIGITALOCEAN_ENABLED: "ture" }, "DIGITALOCEAN_ENABLED must be True, true, 1 or yes, or False, false, 0 or no"],
		[
			{ DIGITALOCEAN_DEFAULT_SIZE: "s-1vcpu-1gb", DIGITALOCEAN_SIZE: "s-1vcpu-1gb" },
			"DIGITALOCEAN_DEFAULT_SIZE and DIGITALOCEAN_SIZE are two spellings",
		],
	])("suspends that pool alone on %j", (env, sentence) => {
		const config = readConfig({
			...OPEN,
			...NYC,
			DIGITALOCEAN_NYC_SIZE: "s-1vcpu-2gb",
			DIGITALOCEAN_NYC_REGION: "nyc1",
			DIGITALOCEAN_NYC_API_URL: "https://api.digitalocean.com",
			DIGITALOCEAN_NYC_MIN_SCALING: "1",
			DIGITALOCEAN_NYC_MAX_SCALING: "1",
			DIGITALOCEAN_NYC_UNKNOWN_TIMEOUT: "9",
			...env,
		});
		expect(pool(config)).toMatchObject({
			enabled: true,
			problem: expect.stringContaining(sentence),
			settings: { suspended: expect.stringContaining(sentence) },
		});
		expect(pool(config, "nyc")).toMatchObject({ enabled: true, problem: null, settings: { suspended: null } });
		expect(config.problems).toEqual([expect.stringContaining(sentence)]);
	});

	it("keeps the account of a pool that is suspended for something else, so that its VMs can be seen and deleted", () => {
		expect(pool(readConfig({ ...OPEN, DIGITALOCEAN_REGION: "?" })).account).toMatchObject({ access_token: TOKEN, region: "lon1" });
		expect(pool(readConfig({ ...OPEN, DIGITALOCEAN_ENABLED: "False" })).account).toMatchObject({ access_token: TOKEN });
		expect(pool(readConfig({ ...OPEN, DIGITALOCEAN_ACCESS_TOKEN: "" })).account).toBeNull();
	});

	it("finds no fault with what is not enabled", () => {
		const config = readConfig({
			...CREDENTIALS,
			DIGITALOCEAN_MIN_SCALING: "x",
			DIGITALOCEAN_NYC_ENABLED: "False",
			DIGITALOCEAN_NYC_REGION: "?",
		});
		expect([config.problems, pool(config).problem, pool(config).settings.suspended]).toEqual([[], null, null]);
	});

	it.each(OTHERS)("cannot enable %s where it has no driver, and says so", (provider) => {
		const env = { ...OPEN, [`${provider}_ENABLED`]: "True", [`${provider}_SECOND_ENABLED`]: "True" };
		const config = readConfig(env, { digitalocean });
		const sentences = config.problems.join("\n");
		expect(sentences).toMatch(new RegExp(`^${provider}_ENABLED: \\w+ cannot be driven by this version, only DigitalOcean$`, "m"));
		expect(config.pools.filter((found) => found.provider === provider.toLowerCase()).map(({ enabled }) => enabled)).toEqual([false, false]);
		expect(pool(config).problem).toBeNull();
	});

	it("repeats no value in a sentence, a secret's least of all", () => {
		const mark = "s3cr3t-mark";
		const names = ["ENABLED", "ACCESS_TOKEN", "SIZE", "REGION", "IMAGE", "API_URL", "MIN_SCALING", "DISPLAY_NAME", "INTERVAL"];
		const global = [
			"PROXY_USERNAME",
			"PROXY_PASSWORD",
			"HOST_IP",
			"ONLY_HOST_IP",
			"AUTH_KEY",
			"ENCRYPTION_KEY",
			"PUBLIC_URL",
			"CORS_ORIGINS",
			"PLAN",
			"AGE_LIMIT",
			"INTERVAL",
		];
		const env = Object.fromEntries([...names.map((name) => `DIGITALOCEAN_${name}`), ...global].map((name) => [name, `${mark} \u0007`]));
		const config = readConfig(env);
		expect(config.problems.length).toBeGreaterThan(15);
		expect(JSON.stringify([config.problems, config.pools.map(({ problem, shown }) => [problem, shown])])).not.toContain(mark);
	});
});

describe("several accounts", () => {
	it.each<[string, Record<string, string>, string[]]>([
		["PROVIDER_NAME_VAR", NYC, ["default", "nyc"]],
		[
			"PROVIDER_INSTANCE_NAME_VAR",
			{ DIGITALOCEAN_INSTANCE_NYC_ENABLED: "1", DIGITALOCEAN_INSTANCE_NYC_ACCESS_TOKEN: "t" },
			["default", "nyc"],
		],
		["lower and mixed case", { DIGITALOCEAN_nYc_ENABLED: "1", DIGITALOCEAN_NYC_ACCESS_TOKEN: "t" }, ["default", "nyc"]],
		[
			"names of several words",
			{ DIGITALOCEAN_SECOND_ACCOUNT_ENABLED: "1", "DIGITALOCEAN_third-account_ENABLED": "1" },
			["default", "second_account", "third-account"],
		],
		["a name that is a setting's word", { DIGITALOCEAN_ACCESS_ENABLED: "1", DIGITALOCEAN_ACCESS_ACCESS_TOKEN: "t" }, ["default", "access"]],
		["a name that is a setting", { DIGITALOCEAN_INTERVAL_ENABLED: "1", DIGITALOCEAN_INTERVAL_INTERVAL: "3" }, ["default", "interval"]],
		[
			"an account called instance",
			{ DIGITALOCEAN_INSTANCE_ENABLED: "1", DIGITALOCEAN_INSTANCE_ACCESS_TOKEN: "t" },
			["default", "instance"],
		],
		["a disabled one", { DIGITALOCEAN_NYC_ENABLED: "False", DIGITALOCEAN_NYC_ACCESS_TOKEN: "t" }, ["default"]],
		["one without _ENABLED", { DIGITALOCEAN_NYC_ACCESS_TOKEN: "t" }, ["default"]],
		["one whose _ENABLED cannot be read", { DIGITALOCEAN_NYC_ENABLED: "on" }, ["default", "nyc"]],
		[
			"the default's other spellings",
			{ DIGITALOCEAN_DEFAULT_REGION: "fra1", DIGITALOCEAN_INSTANCE_DEFAULT_SIZE: "s-1vcpu-1gb" },
			["default"],
		],
	])("knows %s", (_, env, names) => {
		expect(named({ ...OPEN, ...env })).toEqual(names);
	});

	it("gives each its own settings in either spelling", () => {
		for (const prefix of ["DIGITALOCEAN_ACCESS_", "DIGITALOCEAN_INSTANCE_ACCESS_"]) {
			const own = { ENABLED: "yes", ACCESS_TOKEN: "other", REGION: "ams3", MAX_SCALING: "9", UNKNOWN_TIMEOUT: "7", DISPLAY_NAME: "Second" };
			const env = Object.fromEntries(Object.entries(own).map(([name, text]) => [prefix + name, text]));
			expect(pool(readConfig({ ...OPEN, ...env }), "access")).toMatchObject({
				endpoint: "digitalocean-access",
				displayName: "Second",
				account: { access_token: "other", region: "ams3" },
				settings: { spec: { min: 2, max: 9, unknownTimeoutSeconds: 7 } },
				problem: null,
			});
			expect(pool(readConfig({ ...OPEN, ...env }))).toMatchObject({ account: { access_token: TOKEN, region: "lon1" } });
		}
	});

	it("reads the default account by its name as well", () => {
		const env = { ...CREDENTIALS, DIGITALOCEAN_DEFAULT_ENABLED: "True", DIGITALOCEAN_INSTANCE_DEFAULT_ACCESS_TOKEN: TOKEN };
		expect(pool(readConfig(env))).toMatchObject({ enabled: true, account: { access_token: TOKEN }, problem: null });
	});

	it("copies what is unset from the default account, but no secret and no display name", () => {
		const shared = {
			DIGITALOCEAN_SIZE: "s-4vcpu-8gb",
			DIGITALOCEAN_MAX_SCALING: "20",
			DIGITALOCEAN_INTERVAL: "11",
			DIGITALOCEAN_DISPLAY_NAME: "Mine",
		};
		const copied = pool(readConfig({ ...OPEN, ...shared, ...NYC }), "nyc");
		expect(copied).toMatchObject({ displayName: "DigitalOcean nyc", account: { size: "s-4vcpu-8gb", access_token: "nyc_token" } });
		expect(copied.settings.spec).toMatchObject({ max: 20, intervalSeconds: 11 });
		const without = pool(readConfig({ ...OPEN, DIGITALOCEAN_NYC_ENABLED: "True" }), "nyc");
		expect(without).toMatchObject({
			account: null,
			problem: expect.stringContaining("DIGITALOCEAN_NYC_ACCESS_TOKEN is missing (secrets are not copied"),
		});
		expect(pool(readConfig({ ...OPEN, DIGITALOCEAN_INSTANCE_NYC_ENABLED: "1" }), "nyc").problem).toContain(
			"DIGITALOCEAN_INSTANCE_NYC_ACCESS_TOKEN is missing",
		);
	});

	it("lets a bound that is copied or unset follow the one that the account states", () => {
		const shared = { DIGITALOCEAN_MIN_SCALING: "3", DIGITALOCEAN_MAX_SCALING: "4" };
		const scaling = (env: object) => pool(readConfig({ ...OPEN, ...NYC, ...env }), "nyc").settings.spec;
		expect(scaling({ ...shared, DIGITALOCEAN_NYC_MIN_SCALING: "6" })).toMatchObject({ min: 6, max: 6 });
		expect(scaling({ ...shared, DIGITALOCEAN_NYC_MAX_SCALING: "1" })).toMatchObject({ min: 1, max: 1 });
		expect(scaling({ DIGITALOCEAN_MIN_SCALING: "5" })).toMatchObject({ min: 5, max: 5 });
	});

	it("suspends an account that both spellings name, and says which variables", () => {
		const config = readConfig({ ...OPEN, ...NYC, DIGITALOCEAN_INSTANCE_NYC_ENABLED: "True" });
		expect(pool(config, "nyc").problem).toBe(
			"DIGITALOCEAN_INSTANCE_NYC_ENABLED and DIGITALOCEAN_NYC_ENABLED are two spellings of one setting: keep one",
		);
		expect(pool(config).problem).toBeNull();
		expect(named({ ...OPEN, ...NYC, DIGITALOCEAN_INSTANCE_NYC_ENABLED: "True" })).toEqual(["default", "nyc"]);
	});

	it("tells of a name that cannot be one", () => {
		const config = readConfig({ ...OPEN, DIGITALOCEAN__NYC_ENABLED: "True", [`DIGITALOCEAN_${"X".repeat(41)}_ENABLED`]: "True" });
		expect(config.problems).toHaveLength(2);
		expect(config.pools.filter(({ enabled }) => enabled)).toHaveLength(1);
	});

	it("keeps the credentials of an account that was switched off, for the pool that is being emptied", () => {
		const config = readConfig({ ...OPEN, DIGITALOCEAN_NYC_ACCESS_TOKEN: "nyc_token" });
		expect(config.pools.some(({ name }) => name === "nyc")).toBe(false);
		expect(findPool(config, "digitalocean", "nyc")).toMatchObject({
			enabled: false,
			account: { access_token: "nyc_token" },
			problem: null,
		});
		expect(findPool(config, "digitalocean", "never heard of")).toBeNull();
	});

	it("passes over bindings and foreign variables", () => {
		const foreign = {
			DB: {},
			POOL: { get: () => null },
			DIGITALOCEAN_FOO: "bar",
			DIGITALOCEAN_TOKEN: "x",
			PATH: "/bin",
			AWS_SESSION_TOKEN: "x",
		};
		expect(readConfig({ ...OPEN, ...foreign })).toEqual(readConfig(OPEN));
	});
});

describe("bounds on cost", () => {
	it("are an amount for every currency, or one for each that is named, and an amount for a pool", () => {
		const read = (text: string) => readConfig({ ...OPEN, MAX_HOURLY_COST: text }).global.maxHourlyCost;
		expect([read("0.5"), read("0"), read("0.5 USD, 0.25EUR"), read("")]).toEqual([0.5, 0, { USD: 0.5, EUR: 0.25 }, null]);
		const config = readConfig({
			...OPEN,
			DIGITALOCEAN_MAX_HOURLY_COST: "0.02",
			DIGITALOCEAN_NYC_ENABLED: "True",
			DIGITALOCEAN_NYC_ACCESS_TOKEN: "t",
		});
		expect(config.pools.filter(({ enabled }) => enabled).map(({ settings }) => settings.spec.maxHourlyCost)).toEqual([0.02, 0.02]);
	});

	it.each(["cheap", "-1", "1e3", "0.5 USD 0.2 EUR", "0.5 USD, 0.2 USD", "0.5 dollars", "1,5"])(
		"suspend the pools when they cannot be read: %s",
		(text) => {
			const config = readConfig({ ...OPEN, MAX_HOURLY_COST: text });
			expect(pool(config).problem).toMatch(/^MAX_HOURLY_COST must be an amount of money an hour/);
			expect(pool(readConfig({ ...OPEN, DIGITALOCEAN_MAX_HOURLY_COST: text })).problem).toMatch(
				/^DIGITALOCEAN_MAX_HOURLY_COST must be an amount/,
			);
		},
	);
});

describe("a further provider", () => {
	const settings = {
		access_token: { schema: z.string("a token"), isSecret: true, alsoSpelt: ["api_token"], is: "a token" },
		zone: { schema: z.string().default("ewr"), is: "a zone" },
		plan: { schema: z.string().optional(), is: "a plan" },
	} satisfies AccountTable;
	const vultr: ProviderDefinition<Values<typeof settings>> = {
		displayName: "Vultr!",
		countries: { codes: [], of: () => null },
		settings,
		schema: schemaOf(settings),
		shown: ({ zone, plan }) => ({ region: zone ?? null, size: plan ?? null }),
		absence: { lookup: "name", isImmediate: false, repeat: "second" },
		leavesBehind: "nothing",
		twoStepRestart: true,
		billedSeconds: 60,
		create: () => {
			throw new ProviderError({ kind: "invalid", message: "not asked for here" });
		},
	};
	const registry: Registry = { vultr };
	const read = (definition: Registry["vultr"], env: Record<string, string>) =>
		readConfig({ ...CREDENTIALS, VULTR_ENABLED: "True", ...env }, definition === undefined ? {} : { vultr: definition });

	it("shows no secret even where its definition would show all that it is given", () => {
		const [shown] = read({ ...vultr, shown: (all) => ({ ...(all as object) }) }, { VULTR_API_TOKEN: "t" }).pools.flatMap((found) =>
			found.provider === "vultr" ? [found.shown] : [],
		);
		expect(shown).toMatchObject({ zone: "ewr", size: null, region: null });
		expect(shown).not.toHaveProperty("access_token");
	});

	it("may have settings that end alike: the longest that fits is meant", () => {
		const keys = {
			key: { schema: z.string().default("-"), is: "a key" },
			access_key: { schema: z.string().default("-"), is: "another" },
		} satisfies AccountTable;
		const alike: ProviderDefinition<Values<typeof keys>> = {
			...vultr,
			settings: keys,
			schema: schemaOf(keys),
			shown: () => ({}),
			create: () => {
				throw new ProviderError({ kind: "invalid", message: "not asked for here" });
			},
		};
		const env = { VULTR_B_ENABLED: "1", VULTR_B_ACCESS_KEY: "long", VULTR_B_KEY: "short", VULTR_ACCESS_KEY: "default's" };
		const config = read(alike, env);
		expect(findPool(config, "vultr", "b")?.account).toEqual({ key: "short", access_key: "long" });
		expect(findPool(config, "vultr", "default")?.account).toEqual({ key: "-", access_key: "default's" });
		expect(findPool(config, "vultr", "b_access")).toBeNull();
	});

	it("needs its definition and nothing else", () => {
		const env = {
			...CREDENTIALS,
			VULTR_ENABLED: "True",
			VULTR_API_TOKEN: "t",
			VULTR_ZONE: "lhr",
			VULTR_B_ENABLED: "1",
			VULTR_B_API_TOKEN: "u",
		};
		const config = readConfig(env, registry);
		expect(config.problems).toEqual([]);
		expect(config.pools.filter(({ enabled }) => enabled)).toMatchObject([
			{
				name: "default",
				displayName: "Vultr!",
				account: { access_token: "t", zone: "lhr" },
				shown: { region: "lhr", size: null },
				settings: { spec: { twoStepRestart: true } },
			},
			{ name: "b", account: { access_token: "u", zone: "lhr" } },
		]);
	});
});
