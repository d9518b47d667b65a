import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { describe, expect, it } from "vitest";
import { localAccount } from "../../scripts/dev-clouds.ts";
import { devSettings, settingsAmong } from "../../scripts/dev-settings.ts";
import { differences, staleFiles, withBlocks } from "../../scripts/settings-docs.ts";
import { blocks, CLOUDS } from "../../scripts/settings-tables.ts";
import { NEW_SPEC } from "../../src/core/model/pool.ts";
import { newState } from "../../src/core/model/state.ts";
import { deriveEnvironment } from "../../src/pool/endpoint.ts";
import type { AccountTable } from "../../src/providers/base/account.ts";
import { PROVIDERS } from "../../src/providers/index.ts";
import { readEndpoint } from "../../src/settings/endpoint.ts";
import { readConfig } from "../../src/settings/environment.ts";
import { environmentSays } from "../../src/settings/pools.ts";
import { ACCOUNT, DEPLOYMENT, type DeploymentSetting, ENDPOINT, type PoolSetting, TUNING } from "../../src/settings/table.ts";
import { readSetting, readTable, type Setting, usualOf } from "../../src/values/setting.ts";

const PROJECT = join(import.meta.dirname, "../..");
const textOf = (file: string) => readFileSync(join(PROJECT, file), "utf8");
const deployment = Object.values<DeploymentSetting>(DEPLOYMENT);
const ofPools = [ACCOUNT, TUNING, ENDPOINT].flatMap((table) => Object.values<PoolSetting>(table));
const ofCloud = (cloud: (typeof CLOUDS)[number]): AccountTable => PROVIDERS[cloud]?.settings ?? {};
const all: readonly (readonly [string, Setting])[] = [
	...deployment.map((setting) => [setting.variable, setting] as const),
	...ofPools.map((setting) => [setting.at?.join(".") ?? `<PROVIDER>_${setting.variable}`, setting] as const),
	...CLOUDS.flatMap((cloud) =>
		Object.entries(ofCloud(cloud)).map(([field, setting]) => [`${cloud}_${field}`.toUpperCase(), setting] as const),
	),
];

describe("the table of settings", () => {
	it("gives no variable and no place in a configuration to two settings", () => {
		const variables = [
			...deployment.map(({ variable }) => variable),
			...ofPools.flatMap(({ variable }) => (variable ? `_${variable}` : [])),
		];
		const places = ofPools.flatMap(({ at }) => at?.join(".") ?? []);
		for (const names of [variables, places]) expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
		for (const cloud of CLOUDS) {
			const own = Object.keys(ofCloud(cloud)).map((field) => `_${field.toUpperCase()}`);
			expect(own.filter((name) => variables.includes(name))).toEqual([]);
		}
	});

	it.each(all)("has a default of %s that could be given as well, or none", (_, setting) => {
		const usual = setting.schema.safeParse(undefined).data;
		const text = typeof usual === "boolean" || typeof usual === "number" ? String(usual) : usual;
		if (typeof text === "string" && text !== "")
			expect(readSetting(setting, text)).toEqual({ value: usual, fault: null, isMissing: false });
		if (setting.example !== undefined) expect(readSetting(setting, setting.example).fault).toBeNull();
	});

	it("has a pool go by the same before it knows its settings: no default stands twice", () => {
		// How many proxies are kept is said by its settings alone.
		const { min: _min, max: _max, ...others } = TUNING;
		for (const [field, setting] of Object.entries<PoolSetting>(others))
			expect(setting.schema.parse(undefined), field).toEqual(NEW_SPEC[field as keyof typeof others]);
	});

	it.each(all)("describes %s in a line that a table takes, and says of a wrong value what it must be", (_, setting) => {
		expect(setting.is).toMatch(/^[^|\n]+[^|\n.]$/);
		const wrong = "s3cr3t-mark \u0007";
		const { fault } = readSetting(setting, (setting as PoolSetting).isList ? [wrong] : wrong);
		if (setting !== ENDPOINT.authSalt && setting !== ENDPOINT.authHash) expect(fault).toMatch(/^must /);
		if (setting.isSecret) expect(fault).not.toContain("s3cr3t");
	});

	it("calls secret what is named like a secret", () => {
		const open = all.filter(
			([name, { isSecret }]) =>
				!isSecret && !name.startsWith("ALLOW_") && /(TOKEN|SECRET|PASSWORD|_KEY|SERVICE_ACCOUNT_KEY|KEY_ID)$/.test(name),
		);
		expect(open.map(([name]) => name)).toEqual([]);
	});
});

describe("the documentation and .dev.vars.example", () => {
	it("say of every setting what the table says (npm run settings)", () => {
		expect(staleFiles().flatMap(({ says }) => says)).toEqual([]);
	});

	it("are told by file, line and text where they do not", () => {
		const wanted = blocks().get("README.md") ?? {};
		const right = textOf("README.md");
		const at = right.split("\n").findIndex((line) => line.startsWith("| `AGE_LIMIT` "));
		const wrong = right.replace("| `AGE_LIMIT` | `0` ", "| `AGE_LIMIT` | `7` ");
		expect(withBlocks("README.md", wrong, wanted)).toBe(right);
		expect(differences("README.md", wrong, right)).toEqual([
			expect.stringMatching(new RegExp(`^README\\.md:${at + 1} is stale: \\| \`AGE_LIMIT\` \\| \`7\``)),
			expect.stringMatching(new RegExp(`^README\\.md:${at + 1} should be: \\| \`AGE_LIMIT\` \\| \`0\``)),
		]);
		const without = right.replace("<!-- settings: pool", "<!-- set: pool");
		expect(() => withBlocks("README.md", without, wanted)).toThrow("README.md: 'end of settings' ends nothing.");
		expect(() => withBlocks("README.md", "", wanted)).toThrow("README.md has no mark for the settings: deployment, pool, clouds.");
	});

	it("can be used: .dev.vars.example, every comment sign before a setting taken off, has no fault but for what is required and missing", () => {
		const text = textOf(".dev.vars.example").replace(/^#([A-Z_]+=)/gm, "$1");
		const env = parseEnv(text);
		for (const cloud of CLOUDS) expect(env).toHaveProperty(`${cloud.toUpperCase()}_ENABLED`);
		const { problems } = readConfig({ ...env, ...Object.fromEntries(CLOUDS.map((cloud) => [`${cloud.toUpperCase()}_ENABLED`, "True"])) });
		const faults = problems.filter((problem) => !problem.includes("is missing") && !problem.startsWith("Anyone could use the proxies"));
		expect(faults).toEqual([]);
	});

	it("state no other default where they compare with CloudProxy's", () => {
		const rows = [...textOf("docs/cloudproxy.md").matchAll(/^\| (`[^|]+) \| ([^|]+) \| (?:the same|`)/gm)];
		expect(rows.length).toBeGreaterThan(4);
		const usual = new Map(
			[...deployment, ...ofPools].map((setting) => {
				const value = setting.schema.safeParse(undefined).data;
				const prefix = deployment.some((one) => one === setting) ? "" : "<PROVIDER>_";
				return [`${prefix}${setting.variable}`, typeof value === "boolean" ? (value ? "True" : "False") : String(value ?? "")];
			}),
		);
		for (const [, names = "", defaults = ""] of rows) {
			const variables = [...names.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => (name.startsWith("_") ? `<PROVIDER>${name}` : name));
			const stated = [...defaults.matchAll(/`([^`]+)`/g)].map(([, text]) => text);
			expect(variables.filter((name) => !usual.has(name))).toEqual([]);
			if (stated.length > 0) expect(stated, names).toEqual(variables.map((name) => usual.get(name)));
		}
	});
});

describe("the settings of npm run dev", () => {
	const local = { port: 8787, cloudPort: 8790, encryptionKey: "e".repeat(32), clouds: CLOUDS };

	it("pass on every setting that is given, and nothing else", () => {
		const given = Object.fromEntries([...deployment.map(({ variable }) => variable), "SCALEWAY_B_ZONE"].map((name) => [name, "x"]));
		expect(settingsAmong({ ...given, PATH: "/bin", HOST_IP: "" })).toEqual(
			Object.fromEntries(Object.entries(given).filter(([name]) => name !== "HOST_IP")),
		);
	});

	it("run every cloud at the local one, with an account that lacks nothing and no address elsewhere", async () => {
		const { pools, problems } = readConfig(await devSettings({}, local));
		expect(problems).toEqual([]);
		expect(pools.map(({ provider, enabled, account }) => [provider, enabled, account !== null])).toEqual(
			CLOUDS.map((cloud) => [cloud, true, true]),
		);
		for (const cloud of CLOUDS) {
			const addresses = Object.entries(ofCloud(cloud)).flatMap(([field, { isAddress }]) => (isAddress ? [field] : []));
			const pool = pools.find(({ provider }) => provider === cloud);
			expect(addresses.flatMap((field) => [field, ...(ofCloud(cloud)[field]?.alsoSpelt ?? [])])).toContain("api_url");
			for (const field of addresses) expect(pool?.account).toHaveProperty(field, `http://127.0.0.1:8790/${cloud}`);
		}
	});

	it("name settings of the table for the local accounts", async () => {
		for (const cloud of CLOUDS) {
			const fields = Object.keys(await localAccount(cloud, "http://127.0.0.1")).map((name) => name.toLowerCase());
			expect(fields.filter((field) => !Object.hasOwn(ofCloud(cloud), field))).toEqual([]);
		}
	});

	it("send what is made over the API to the local cloud too, sign-in and all", async () => {
		const { global, addresses } = readConfig(await devSettings({}, local));
		const section = Object.fromEntries(
			Object.entries(await localAccount("azure", "http://127.0.0.1")).map(([name, text]) => [name.toLowerCase(), text]),
		);
		const made = readEndpoint(
			{ endpoint: { cloud: "azure" }, "cloud:azure": section },
			{ name: "made", global, suspending: [], addresses },
		);
		expect(made.faults).toEqual({});
		expect(made.account).toMatchObject({ api_url: "http://127.0.0.1:8790/azure", login_url: "http://127.0.0.1:8790/azure" });
	});
});

it("what the environment says of a pool has the places that an endpoint's configuration has for it", () => {
	const env = { HETZNER_MAX_HOURLY_COST: "0.2", HETZNER_INTERVAL: "7", UNKNOWN_TIMEOUT: "8" };
	const pool = readConfig(env).pools.find(({ provider }) => provider === "hetzner");
	expect(pool && environmentSays(pool)).toMatchObject({
		manager: { interval: 7 },
		scaling: { max_hourly_cost: 0.2 },
		endpoint: { unknown_timeout: 8, unregistered_timeout: 600, decommissioned_timeout: 600 },
	});
});

it("what was posted for a pool of the environment holds, its bound on cost too, until the environment says something else", () => {
	const poolOf = (env: Record<string, string>) => {
		const pool = readConfig(env).pools.find(({ provider }) => provider === "hetzner");
		if (pool === undefined) throw new Error("no such pool");
		return pool;
	};
	const before = poolOf({ HETZNER_MAX_HOURLY_COST: "0.2", HETZNER_INTERVAL: "7" });
	const configuration = { scaling: { max_hourly_cost: "0.05", ramp_limit: 2 }, manager: { interval: 9 } };
	const stored = { configuration, environment: environmentSays(before), intervalSeconds: null };
	const specOf = (env: Record<string, string>) => deriveEnvironment(stored, poolOf(env)).settings.spec;
	expect(deriveEnvironment(null, before).settings.spec).toMatchObject({ maxHourlyCost: 0.2, intervalSeconds: 7, rampLimit: 5 });
	expect(deriveEnvironment(stored, before).settings.spec).toMatchObject({ maxHourlyCost: 0.05, intervalSeconds: 9, rampLimit: 2 });
	expect(specOf({ HETZNER_MAX_HOURLY_COST: "0.3", HETZNER_INTERVAL: "7" })).toMatchObject({ maxHourlyCost: 0.3, intervalSeconds: 9 });
	expect(specOf({ HETZNER_INTERVAL: "8" })).toMatchObject({ maxHourlyCost: 0.05, intervalSeconds: 8, rampLimit: 2 });
});

it("a pool that is not configured yet, and one stored before a setting was there, have the table's defaults", () => {
	const { spec } = newState({ object: "o", provider: "static", name: "n", deployment: "d", incarnation: 0, tag: "t" }, 0);
	// Its bounds are 0: it launches nothing.
	const { min: _min, max: _max, ...rest } = TUNING;
	const usual = readTable(rest, (setting: Setting) => usualOf(setting));
	expect(spec).toMatchObject(usual);
});
