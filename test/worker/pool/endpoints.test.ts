import { env } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import type { Command } from "../../../src/core/model/command.ts";
import { enterPool, findEndpoint, findObject } from "../../../src/d1/directory.ts";
import { deploymentOf } from "../../../src/fleet/directory.ts";
import { deleteEndpoint } from "../../../src/fleet/endpoints.ts";
import { tend } from "../../../src/fleet/fleet.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import type { Env } from "../../../src/rpc/env.ts";
import type { CommandOutcome } from "../../../src/rpc/pool.ts";
import { readConfig } from "../../../src/settings/environment.ts";
import { ask, askRunning } from "./asking.ts";
import { PoolUnderTest, resetCloud } from "./harness.ts";

const TOKEN = "local-secret-token-of-an-endpoint";
const CONFIGURATION = {
	endpoint: { cloud: "digitalocean", weight: 3, colour: "green" },
	scaling: { min_instances: 1, max_instances: "2" },
	"cloud:digitalocean": { access_token: TOKEN, region: "nyc1" },
};
const at = (name: string) => `/v1.1/endpoints/${name}`;

beforeEach(async () => {
	await resetCloud();
	for (const table of ["settings", "names", "pools", "ready_parts", "proxies"]) await env.DB.prepare(`DELETE FROM ${table}`).run();
	forgetEverything();
});

/** The pool behind an endpoint. */
async function poolOf(name: string): Promise<PoolUnderTest> {
	const object = await findEndpoint(env.DB, name);
	if (object === null) throw new Error(`there is no endpoint ${name}`);
	return new PoolUnderTest(object, await deploymentOf(env as unknown as Env));
}

/** Asks something that a pool answers once it can be read, and lets the pool run meanwhile. */
async function change(name: string, method: string, path: string, body?: unknown) {
	return askRunning(await poolOf(name), method, path, body);
}

const faulty = async (configuration: unknown) => {
	const { status, body } = await ask("PUT", at("faulty"), configuration);
	expect(await findEndpoint(env.DB, "faulty")).toBeNull();
	return [status, body];
};

describe("an endpoint", () => {
	test("is made paused, launches nothing until it is started, and is shown by both dialects", async () => {
		const made = await ask("PUT", at("demo"), CONFIGURATION);
		expect([made.status, made.body]).toEqual([200, ""]);
		expect((await ask("GET", "/v1.1/endpoints")).body).toEqual(["demo"]);
		expect((await ask("GET", `${at("demo")}/state`)).body).toMatchObject({ state: "PAUSED", active: [] });
		const pool = await poolOf("demo");
		await pool.settle();
		expect(await pool.vms()).toEqual([]);

		expect((await change("demo", "POST", `${at("demo")}/state`, { action: "start" })).status).toBe(200);
		await pool.untilReady(1);
		await pool.settle();
		forgetEverything();
		const shown = await ask("GET", "/providers/digitalocean/demo");
		expect(shown.body.config).toMatchObject({
			enabled: true,
			region: "nyc1",
			scaling: { min_scaling: 1, max_scaling: 2 },
			display_name: "DigitalOcean demo",
		});
		expect(shown.body.config.ips).toHaveLength(1);
		expect((await ask("GET", "/random")).body.proxy).toMatchObject({ provider: "digitalocean", instance: "demo" });
		expect((await ask("GET", "/v1.1/info")).body).toEqual({ active: 0, instances: 1, managers: 1, endpoints: { RUNNING: 1 } });
	});

	test("whose rules go by posted metrics asks for a VM as soon as more is posted than they allow, not at its next turn", async () => {
		const scaling = { min_instances: 1, max_instances: 3, rules: ["jobs <= 10"] };
		expect((await ask("PUT", at("demo"), { ...CONFIGURATION, scaling })).status).toBe(200);
		await change("demo", "POST", `${at("demo")}/state`, { action: "start" });
		const pool = await poolOf("demo");
		await pool.untilReady(1);
		await pool.settle();
		// From here no time passes.
		await pool.setClock(await pool.inside((inside) => inside.now()));
		for (const [jobs, vms] of [
			[10, 1],
			[11, 2],
		] as const) {
			expect((await ask("POST", `${at("demo")}/metrics`, { jobs: [1, jobs] })).status).toBe(200);
			await pool.settle();
			expect((await pool.vms()).length, String(jobs)).toBe(vms);
		}
	});

	test("answers its configuration as it was given, unknown keys kept, the secret masked; the mask keeps the secret", async () => {
		await ask("PUT", at("demo"), CONFIGURATION);
		const masked = { ...CONFIGURATION, "cloud:digitalocean": { access_token: "********", region: "nyc1" } };
		expect((await ask("GET", at("demo"))).body).toEqual(masked);
		const pool = await poolOf("demo");
		const account = (await pool.state()).account;
		const longer = { ...masked, scaling: { min_instances: 0, max_instances: 4 } };
		expect((await change("demo", "POST", at("demo"), longer)).status).toBe(200);
		expect((await ask("GET", at("demo"))).body).toEqual(longer);
		const after = await pool.state();
		expect([after.spec.min, after.spec.max, after.account]).toEqual([0, 4, account]);
		const other = { ...longer, "cloud:digitalocean": { access_token: "another-token", region: "nyc1" } };
		expect((await change("demo", "POST", at("demo"), other)).status).toBe(200);
		expect((await pool.state()).account).not.toBe(account);
	});

	test("has its secret given again where it would be sent elsewhere; only the environment names addresses that are not public", async () => {
		await ask("PUT", at("demo"), CONFIGURATION);
		const pool = await poolOf("demo");
		const before = await pool.state();
		const moved = (api_url: string, access_token = "********") => ({
			...CONFIGURATION,
			"cloud:digitalocean": { access_token, region: "nyc1", api_url },
		});
		const refused = await ask("POST", at("demo"), moved("https://evil.example.com"));
		expect([refused.status, refused.body]).toEqual([
			400,
			{ "cloud:digitalocean": { access_token: expect.stringContaining("api_url changed, so give the secret again") } },
		]);
		const inside = await ask("POST", at("demo"), moved("http://169.254.169.254/", "another-token"));
		expect([inside.status, inside.body]).toEqual([
			400,
			{ "cloud:digitalocean": { api_url: expect.stringContaining("DIGITALOCEAN_API_URL") } },
		]);
		expect((await pool.state()).account).toBe(before.account);
		// The one that the deployment names, and had all the while.
		expect((await change("demo", "POST", at("demo"), moved("http://cloud.test/digitalocean"))).status).toBe(200);
		expect((await pool.state()).account).toBe(before.account);
		expect((await change("demo", "POST", at("demo"), moved("https://mirror.example.com", "another-token"))).status).toBe(200);
		expect((await ask("POST", at("demo"), CONFIGURATION)).status, "with the secret").toBe(200);
	});

	test("keeps its secret nowhere in clear: not in its storage, not in the database, not in an answer", async () => {
		await ask("PUT", at("demo"), CONFIGURATION);
		const pool = await poolOf("demo");
		await pool.settle();
		const stored = await pool.inside((_pool, ctx) => {
			const tables = ctx.storage.sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'").toArray();
			const own = tables.filter(({ name }) => !name.startsWith("_cf"));
			return JSON.stringify(own.map(({ name }) => ctx.storage.sql.exec(`SELECT * FROM ${name}`).toArray()));
		});
		expect(stored).toContain("sealed");
		const tables = ["settings", "pools", "names", "ready_parts", "proxies", "logs"];
		const database = JSON.stringify(
			await Promise.all(tables.map(async (table) => (await env.DB.prepare(`SELECT * FROM ${table}`).all()).results)),
		);
		const answers = await Promise.all(
			[at("demo"), `${at("demo")}/log`, "/providers", "/health", "/v1.1/managers/active"].map(async (path) =>
				JSON.stringify((await ask("GET", path)).body),
			),
		);
		for (const text of [stored, database, ...answers]) expect(text).not.toContain(TOKEN);
	});

	test("goes on under a new key while the old one is still there, and then without it", async () => {
		await ask("PUT", at("demo"), CONFIGURATION);
		const pool = await poolOf("demo");
		const account = (await pool.state()).account;
		const facts = { agentUrl: "https://muster.test", rolling: null, proxies: 0 };
		const withKeys = async (ENCRYPTION_KEY: string) => {
			await pool.inside((inside) => {
				inside.env = { ...inside.env, ENCRYPTION_KEY };
			});
			await pool.stub.tick(facts);
			return pool.state();
		};
		const old = "the-encryption-key-of-the-tests";
		const fresh = "another-encryption-key-of-the-tests";
		expect((await withKeys(`${fresh},${old}`)).account).toBe(account);
		expect(await withKeys(fresh)).toMatchObject({ account, suspended: null });
		const lost = await withKeys(old);
		expect(lost.suspended).toContain("ENCRYPTION_KEY lacks the key");
		expect(lost.account, "its last good settings").toBe(account);
		expect(await withKeys(fresh)).toMatchObject({ suspended: null });
	});

	test("takes INI text, as it is and in a JSON string", async () => {
		const ini = "[endpoint]\nweight = 2\n[scaling]\nrules = 2<=active<4,\n\t1 <= requests\nmax_instances: 5\n";
		expect((await ask("PUT", at("one"), ini)).status).toBe(200);
		const expected = { endpoint: { weight: "2" }, scaling: { rules: "2<=active<4,\n1 <= requests", max_instances: "5" } };
		expect((await ask("GET", at("one"))).body).toEqual(expected);
		expect((await (await poolOf("one")).state()).spec).toMatchObject({ rules: ["2<=active<4", "1 <= requests"], max: 5 });
		const response = await (await import("cloudflare:workers")).exports.default.fetch(
			new Request(`https://muster.test${at("two")}`, {
				method: "PUT",
				body: ini,
				headers: { "Content-Type": "application/x-www-form-urlencoded" },
			}),
		);
		expect([response.status, await response.text()]).toEqual([200, ""]);
		expect((await ask("GET", at("two"))).body).toEqual(expected);
		expect((await ask("PUT", at("three"), "nonsense")).status).toBe(400);
		expect((await ask("PUT", at("four"), [1])).status).toBe(400);
	});

	test("without a cloud is a pool of static backends", async () => {
		expect((await ask("PUT", at("empty"), {})).status).toBe(200);
		const configuration = { endpoint: { static_instances: ["192.0.2.1", "192.0.2.2:3128"] } };
		expect((await change("empty", "POST", at("empty"), configuration)).status).toBe(200);
		const { pool, spec } = await (await poolOf("empty")).state();
		expect(pool.provider).toBe("static");
		expect(spec.statics).toEqual([
			{ address: "192.0.2.1", port: 8899, access: "", mark: "" },
			{ address: "192.0.2.2", port: 3128, access: "", mark: "" },
		]);
	});

	test("names each fault under its section and key, and is not made", async () => {
		expect(await faulty({ scaling: { min_instances: 3, rules: ["foo == 4"] }, manager: { interval: 0 } })).toEqual([
			400,
			{
				scaling: {
					min_instances: expect.stringContaining("max_instances"),
					max_instances: expect.stringContaining("min_instances"),
					rules: expect.stringContaining("2 <= active < 4"),
				},
				manager: { interval: expect.stringContaining("whole number") },
			},
		]);
		expect(await faulty({ endpoint: { cloud: "digitalocean", unknown_timeout: "soon", static_instances: "nowhere" } })).toEqual([
			400,
			{
				endpoint: { unknown_timeout: expect.any(String), static_instances: expect.any(String) },
				"cloud:digitalocean": { access_token: expect.stringContaining("is missing") },
			},
		]);
		expect(await faulty({ endpoint: { cloud: "mars", auth_algo: "rot13" } })).toEqual([
			400,
			{ endpoint: { cloud: expect.stringContaining("digitalocean"), auth_algo: expect.stringContaining("sha1") } },
		]);
		expect(await faulty({ endpoint: { loadbalancer: "f5" } })).toEqual([
			400,
			{ endpoint: { loadbalancer: "must be one of dnsmasq, haproxy, nginx, none, rdp, tcp" } },
		]);
		const masked = { ...CONFIGURATION, "cloud:digitalocean": { access_token: "********" } };
		expect(await faulty(masked)).toEqual([400, { "cloud:digitalocean": { access_token: expect.stringContaining("mask") } }]);
	});

	test("is made once: PUT of a name that is there is 409, POST changes it; names are unique, and stand in URLs", async () => {
		expect((await ask("POST", at("demo"), {})).status).toBe(200);
		expect((await ask("PUT", at("demo"), {})).status).toBe(409);
		expect((await ask("PUT", at("digitalocean-default"), {})).status, "the environment's").toBe(409);
		expect((await ask("PUT", at("default"), CONFIGURATION)).status, "digitalocean/default").toBe(409);
		expect((await ask("PUT", at("a%20b"), {})).status).toBe(400);
		expect((await ask("GET", at("nowhere"))).status).toBe(404);
		expect((await ask("PATCH", at("demo"), {})).status).toBe(405);
	});

	test("changes its cloud while it has no VM, and not while it has one", async () => {
		await ask("PUT", at("demo"), {});
		expect((await change("demo", "POST", at("demo"), CONFIGURATION)).status).toBe(200);
		const object = (await findEndpoint(env.DB, "demo")) ?? "";
		expect((await findObject(env.DB, object))?.provider).toBe("digitalocean");
		await change("demo", "POST", `${at("demo")}/state`, { action: "start" });
		await (await poolOf("demo")).untilReady(1);
		expect((await ask("POST", at("demo"), {})).status).toBe(409);
		expect((await ask("GET", at("demo"))).body.endpoint.cloud, "as before").toBe("digitalocean");
	});

	test("keeps bounds that are PATCHed, as part of its configuration", async () => {
		await ask("PUT", at("demo"), CONFIGURATION);
		expect((await change("demo", "PATCH", "/providers/digitalocean/demo", { min_scaling: 2, max_scaling: 7 })).status).toBe(200);
		const pool = await poolOf("demo");
		await pool.settle();
		expect((await pool.state()).spec).toMatchObject({ min: 2, max: 7 });
		expect((await ask("GET", at("demo"))).body.scaling).toEqual({ min_instances: 2, max_instances: 7 });
	});

	test("an alias shares everything; a name that is taken is 409, an unknown source 404", async () => {
		await ask("PUT", at("demo"), { scaling: { max_instances: 4 } });
		await ask("PUT", at("other"), {});
		expect((await ask("POST", `${at("demo")}/alias`, "again")).status).toBe(200);
		expect((await ask("GET", at("again"))).body).toEqual({ scaling: { max_instances: 4 } });
		expect((await ask("GET", "/v1.1/endpoints")).body).toEqual(["again", "demo", "other"]);
		expect((await ask("POST", `${at("demo")}/alias`, "other")).status).toBe(409);
		expect((await ask("POST", `${at("demo")}/alias`, "digitalocean-default")).status).toBe(409);
		expect((await ask("POST", `${at("nowhere")}/alias`, "new")).status).toBe(404);
		expect((await ask("POST", `${at("demo")}/alias`, "a b")).status).toBe(400);
		expect((await ask("DELETE", at("demo"))).status).toBe(200);
		expect((await ask("GET", "/v1.1/endpoints")).body).toEqual(["again", "other"]);
		expect((await ask("GET", `${at("again")}/state`)).body.state).toBe("PAUSED");
	});

	test("deleted by its last name it is emptied and forgotten, and its name is free at once", async () => {
		await ask("PUT", at("demo"), CONFIGURATION);
		const pool = await poolOf("demo");
		await change("demo", "POST", `${at("demo")}/state`, { action: "start" });
		await pool.untilReady(1);
		expect((await change("demo", "DELETE", at("demo"))).status).toBe(200);
		expect((await ask("GET", "/v1.1/endpoints")).body).toEqual([]);
		expect((await ask("DELETE", at("demo"))).status).toBe(404);
		expect((await ask("PUT", at("demo"), CONFIGURATION)).status).toBe(200);
		expect((await poolOf("demo")).object).not.toBe(pool.object);
		await pool.advance(120, 30);
		expect((await pool.state()).run).toBe("removing");
		await pool.until(
			async (state) => [...state.proxies.values()].every(({ phase }) => phase.at === "deleting"),
			"its proxies on their way out",
		);
	});

	test("deleted with ?keep=true its VMs run on, and are not its own any more", async () => {
		await ask("PUT", at("demo"), CONFIGURATION);
		const pool = await poolOf("demo");
		await change("demo", "POST", `${at("demo")}/state`, { action: "start" });
		await pool.untilReady(1);
		expect((await ask("DELETE", `${at("demo")}?keep=perhaps`)).status).toBe(400);
		expect((await change("demo", "DELETE", `${at("demo")}?keep=true`)).status).toBe(200);
		await pool.until((state) => state.proxies.size === 0, "its VM let go");
		expect(await pool.vms()).toHaveLength(1);
	});

	test("that somebody starts while it is being deleted is deleted all the same", async () => {
		const bindings = env as unknown as Env;
		const { object, deployment, stub } = new PoolUnderTest();
		const initial = { object, provider: "static", name: "demo", incarnation: Date.now(), source: "api" } as const;
		await enterPool(env.DB, { ...initial, endpoint: "demo" });
		const facts = { agentUrl: null, rolling: null, proxies: 0 };
		const outcomes: CommandOutcome[] = [];
		const command = async (order: Command) => {
			const outcome = await stub.command(order);
			// Whoever made it found its row before that went.
			if (outcomes.push(outcome) === 1) await stub.start({ ...initial, deployment, facts }, {});
			return outcome;
		};
		const POOL = { idFromString: (text: string) => text, get: () => ({ command }) };
		const deleting = deleteEndpoint({ ...bindings, POOL } as unknown as Env, readConfig(bindings), object, "demo", false, Date.now());
		expect(await deleting).toEqual({ ok: true });
		expect(outcomes).toMatchObject([
			{ ok: false, error: "notFound" },
			{ ok: true, summary: { run: "removing" } },
		]);
	});

	test("whose start was lost is finished by asking again, and taken away by cron", async () => {
		const lost = async (name: string) => {
			const object = env.POOL.newUniqueId().toString();
			await env.DB.batch([
				env.DB.prepare("INSERT INTO pools (object, provider, name, incarnation, source) VALUES (?, 'static', ?, ?, 'api')").bind(
					object,
					name,
					Date.now(),
				),
				env.DB.prepare("INSERT INTO names (name, object) VALUES (?, ?)").bind(name, object),
			]);
			return object;
		};
		const object = await lost("demo");
		expect((await ask("GET", at("demo"))).status).toBe(404);
		expect((await ask("PUT", at("demo"), { scaling: { max_instances: 9 } })).status).toBe(200);
		expect((await poolOf("demo")).object).toBe(object);
		expect((await ask("PUT", at("demo"), {})).status).toBe(409);
		await lost("gone");
		await tend(env as unknown as Env, Date.now());
		expect(await findEndpoint(env.DB, "gone"), "it may be under way").not.toBeNull();
		await tend(env as unknown as Env, Date.now() + 180_000);
		expect(await findEndpoint(env.DB, "gone")).toBeNull();
		expect(await findEndpoint(env.DB, "demo")).toBe(object);
	});
});

describe("an endpoint's own key", () => {
	test("is known by its hash, whatever the algorithm", async () => {
		for (const [algorithm, given] of [
			["sha1", {}],
			["md5", { auth_algo: "md5" }],
			["sha512", { auth_algo: "SHA512" }],
		] as const) {
			const auth_hash = createHash(algorithm).update("salt-of-it key-of-it").digest("hex");
			await ask("POST", at("demo"), { endpoint: { auth_hash, auth_salt: "salt-of-it ", ...given } });
			const { stub } = await poolOf("demo");
			expect(await stub.opens("key-of-it"), algorithm).toBe(true);
			expect(await stub.opens("key-of-its"), algorithm).toBe(false);
		}
		await ask("POST", at("demo"), {});
		expect(await (await poolOf("demo")).stub.opens("key-of-it")).toBe(false);
	});
});

describe("metadata", () => {
	test("is kept by key, any JSON, and null where nothing is", async () => {
		await ask("PUT", at("demo"), {});
		const path = `${at("demo")}/metadata`;
		expect((await ask("GET", path)).body).toEqual([]);
		expect((await ask("GET", `${path}/owner`)).body).toBeNull();
		expect((await ask("POST", `${path}/owner`, { team: ["a", 1] })).status).toBe(200);
		expect((await ask("PUT", `${path}/note`, "text")).status).toBe(200);
		expect((await ask("GET", path)).body).toEqual(["note", "owner"]);
		expect((await ask("GET", `${path}/owner`)).body).toEqual({ team: ["a", 1] });
		expect((await ask("DELETE", `${path}/owner`)).status).toBe(200);
		expect((await ask("GET", `${path}/owner`)).body).toBeNull();
		expect((await ask("GET", `${at("nowhere")}/metadata`)).status).toBe(404);
		expect((await ask("PUT", `${path}/large`, "x".repeat(20_000))).status).toBe(413);
	});
});

describe("an endpoint of the environment", () => {
	const DEFAULT = at("digitalocean-default");
	const start = async () => {
		const pool = await new PoolUnderTest().start();
		await pool.settle();
		return pool;
	};
	const GENERATED = {
		endpoint: {
			cloud: "digitalocean",
			unknown_timeout: 120,
			unregistered_timeout: 600,
			decommissioned_timeout: 600,
			ban_cool_down: 900,
		},
		scaling: {
			min_instances: 1,
			max_instances: 3,
			rules: [],
			spread: "pack",
			fallback_after: 300,
			replace_banned: 0,
			replace_banned_by: [],
		},
		manager: { interval: 30 },
		"cloud:digitalocean": {
			access_token: "********",
			size: "s-1vcpu-512mb-10gb",
			region: "lon1",
			image: "ubuntu-24-04-x64",
			api_url: "http://cloud.test/digitalocean",
		},
	};

	test("shows what the environment comes to, its secrets masked", async () => {
		await start();
		expect((await ask("GET", DEFAULT)).body).toEqual(GENERATED);
	});

	test("takes other scaling and time-outs, which hold over a crash, until the environment's own change", async () => {
		const pool = await start();
		const given = {
			...GENERATED,
			endpoint: { ...GENERATED.endpoint, unknown_timeout: 60, metrics_source: "demo" },
			scaling: {
				min_instances: 0,
				max_instances: 5,
				rules: ["2<=active<=4"],
				spread: "even",
				fallback_after: 300,
				ramp_limit: 2,
				replace_banned: 0,
				replace_banned_by: ["shop.example", "maps.example"],
			},
			manager: { interval: 10 },
		};
		expect((await askRunning(pool, "POST", DEFAULT, given)).status).toBe(200);
		expect((await ask("GET", DEFAULT)).body).toEqual(given);
		await pool.crash();
		const spec = {
			min: 0,
			max: 5,
			rules: ["2<=active<=4"],
			rampLimit: 2,
			unknownTimeoutSeconds: 60,
			intervalSeconds: 10,
			metricsSource: "demo",
		};
		expect((await pool.state()).spec).toMatchObject(spec);
		const facts = { agentUrl: "https://muster.test", rolling: null, proxies: 0 };
		const says = async (settings: Record<string, string>) => {
			await pool.inside((inside) => {
				inside.env = { ...inside.env, ...settings };
			});
			await pool.stub.tick(facts);
			return (await pool.state()).spec;
		};
		expect(await says({}), "nothing else").toMatchObject(spec);
		expect(await says({ UNKNOWN_TIMEOUT: "90" })).toMatchObject({ ...spec, unknownTimeoutSeconds: 90 });
		expect(await says({ DIGITALOCEAN_MAX_SCALING: "4" })).toMatchObject({ ...spec, unknownTimeoutSeconds: 90, min: 1, max: 4 });
	});

	test("keeps its cloud, and is deleted in the environment", async () => {
		await start();
		for (const change of [
			{ endpoint: { cloud: "hetzner" } },
			{ "cloud:digitalocean": { region: "nyc1" } },
			{ "cloud:digitalocean": { access_token: "another-token" } },
			{ "cloud:hetzner": { location: "nbg1" } },
		])
			expect((await ask("POST", DEFAULT, change)).status, JSON.stringify(change)).toBe(409);
		const deleted = await ask("DELETE", DEFAULT);
		expect([deleted.status, deleted.body]).toEqual([409, expect.stringContaining("DIGITALOCEAN_ENABLED")]);
		expect((await ask("POST", `${DEFAULT}/alias`, "mine")).status).toBe(200);
		expect((await ask("DELETE", at("mine"))).status, "an alias").toBe(200);
		expect((await ask("GET", DEFAULT)).body).toEqual(GENERATED);
		const faults = await ask("POST", DEFAULT, { scaling: { min_instances: 4, max_instances: 2 } });
		expect([faults.status, Object.keys(faults.body.scaling)]).toEqual([400, ["min_instances", "max_instances"]]);
	});

	test("is looked at as often as its manager's configuration says, at once, and as before when that goes", async () => {
		const pool = await start();
		const interval = async () => (await pool.state()).spec.intervalSeconds;
		await ask("POST", "/v1.1/managers/configs/default", { manager: { interval: 20 } });
		expect(await interval()).toBe(20);
		await ask("POST", `${DEFAULT}/alias`, "constructor");
		expect(await interval()).toBe(20);
		await ask("POST", "/v1.1/managers/configs/constructor", { manager: { interval: 10 } });
		expect(await interval(), "by a further name").toBe(10);
		await ask("POST", "/v1.1/managers/configs/digitalocean-default", { manager: { interval: 5 } });
		expect(await interval()).toBe(5);
		await pool.crash();
		await pool.settle();
		expect(await interval(), "it is stored").toBe(5);
		await ask("DELETE", "/v1.1/managers/configs/digitalocean-default");
		expect(await interval()).toBe(10);
		await ask("DELETE", "/v1.1/managers/configs/constructor");
		expect(await interval()).toBe(20);
		await ask("DELETE", "/v1.1/managers/configs/default");
		expect(await interval()).toBe(30);
	});
});
