import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { enterPool } from "../../src/d1/directory.ts";
import { readSettings } from "../../src/d1/settings.ts";
import { ROUTES } from "../../src/http/app.ts";
import { forgetKeys } from "../../src/http/base/auth.ts";
import { isInFirstVersion } from "../../src/http/base/routes.ts";
import { forgetOrigin } from "../../src/http/origin.ts";
import { isImplicit } from "../../src/http/reactor/addressed.ts";
import type { FleetFacts, PoolRpc } from "../../src/rpc/pool.ts";
import { ADMIN_KEY, ask, askPlainly, askWith, bodyOf, enter, ORIGIN, poolsAnswering, SUMMARY, startAfresh } from "./helpers.ts";

beforeEach(async () => {
	await startAfresh();
	forgetKeys();
	forgetOrigin();
});

/** Long enough to be taken. */
const SET_KEY = "a-key-that-was-set-over-http";
const json = (body: unknown) => ({ method: "POST", body: JSON.stringify(body) });
const withKey = (key: string) => ({ headers: { "X-Auth-Key": key } });
const setting = async (key: Parameters<typeof readSettings>[1][number]) => (await readSettings(env.DB, [key])).get(key);

/** Asks as an admin with this pool behind every object. */
const askPools = (pool: Partial<PoolRpc>, path: string, init: RequestInit = {}) =>
	askWith(poolsAnswering(pool), path, { ...init, headers: { "X-Auth-Key": ADMIN_KEY } });

describe("the admin key that is set over HTTP", () => {
	test("is stored as a hash, holds at once beside the secret, and is removed by null", async () => {
		expect((await askPlainly("/v1.1/url", withKey(SET_KEY))).status).toBe(401);
		const set = await ask("/v1.1/auth_key", json({ auth_key: SET_KEY }));
		expect([set.status, await set.text()]).toEqual([200, ""]);
		expect(await setting("auth_key_sha256")).toMatch(/^[0-9a-f]{64}$/);
		for (const key of [SET_KEY, ADMIN_KEY]) expect((await askPlainly("/v1.1/url", withKey(key))).status).toBe(200);
		expect((await ask("/v1.1/auth_key", json({ auth_key: null }))).status).toBe(200);
		expect((await askPlainly("/v1.1/url", withKey(SET_KEY))).status).toBe(401);
	});

	test("has 22 characters or more, unless ALLOW_SHORT_KEY takes fewer", async () => {
		for (const auth_key of ["bar", "x".repeat(21)]) {
			const short = await ask("/v1.1/auth_key", json({ auth_key }));
			expect([short.status, await bodyOf(short)]).toEqual([
				400,
				{ body: { auth_key: expect.stringContaining("openssl rand -base64 32") } },
			]);
		}
		expect(await setting("auth_key_sha256")).toBeUndefined();
		expect((await ask("/v1.1/auth_key", json({ auth_key: "x".repeat(22) }))).status).toBe(200);
		const allowed = await askWith({ ALLOW_SHORT_KEY: "True" }, "/v1.1/auth_key", { ...json({ auth_key: "bar" }), ...withKey(ADMIN_KEY) });
		expect(allowed.status).toBe(200);
		expect((await askPlainly("/v1.1/url", withKey("bar"))).status).toBe(200);
	});

	test("must be one that a header can carry", async () => {
		for (const auth_key of ["", " bar", "ä", 7, "x".repeat(513)])
			expect((await ask("/v1.1/auth_key", json({ auth_key }))).status).toBe(400);
		expect((await ask("/v1.1/auth_key", { method: "POST", body: "{" })).status).toBe(400);
		expect((await ask("/v1.1/auth_key")).status).toBe(405);
	});
});

describe("the address that agents call", () => {
	test("is what was set, else PUBLIC_URL, else nothing; the pools are told at once", async () => {
		const tick = vi.fn(async (_facts: FleetFacts) => ({ provider: "digitalocean" }) as const);
		await enter();
		expect(await bodyOf(await askPools({ tick }, "/v1.1/url"))).toEqual({ url: null });
		const set = await askPools({ tick }, "/v1.1/url", json({ url: "https://example.com/" }));
		expect([set.status, await set.text()]).toEqual([200, ""]);
		expect(tick.mock.lastCall?.[0]).toMatchObject({ agentUrl: "https://example.com" });
		expect(await bodyOf(await ask("/v1.1/url"))).toEqual({ url: "https://example.com" });
		expect((await askPools({ tick }, "/v1.1/url", json({ url: null }))).status).toBe(200);
		const publicly = await askWith({ PUBLIC_URL: "https://public.test" }, "/v1.1/url", withKey(ADMIN_KEY));
		expect(await bodyOf(publicly)).toEqual({ url: "https://public.test" });
	});

	test("is not plain http, where keys would travel in clear, but on the machine itself or where that is allowed", async () => {
		for (const url of ["http://example.com", "http://192.168.1.2:8787", "http://localhost.example.com"]) {
			const refused = await ask("/v1.1/url", json({ url }));
			expect([refused.status, await bodyOf(refused)], url).toEqual([
				400,
				{ body: { url: expect.stringContaining("ALLOW_INSECURE_URL=True") } },
			]);
		}
		expect(await setting("url")).toBeUndefined();
		for (const url of ["http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787"])
			expect((await ask("/v1.1/url", json({ url }))).status, url).toBe(200);
		const init = { ...json({ url: "http://example.com" }), ...withKey(ADMIN_KEY) };
		expect((await askWith({ ALLOW_INSECURE_URL: "True" }, "/v1.1/url", init)).status).toBe(200);
		expect(await setting("url")).toBe("http://example.com");
	});

	test("is an http(s) origin, and nothing else", async () => {
		for (const url of ["example.com", "ftp://example.com", "https://example.com/path", "https://user@example.com", 7, ""]) {
			const response = await ask("/v1.1/url", json({ url }));
			expect([response.status, Object.keys(await bodyOf(response))], String(url)).toEqual([400, ["body"]]);
		}
	});
});

describe("a session of the web page", () => {
	const login = async (auth_key = ADMIN_KEY) => askPlainly("/v1.1/login", json({ auth_key }));
	const cookieOf = (response: Response) => response.headers.get("Set-Cookie") ?? "";
	const sessionOf = async () => cookieOf(await login()).split(";")[0] ?? "";

	test("is a cookie that scripts cannot read and other sites cannot use, without the key in it", async () => {
		const response = await login();
		expect([response.status, await response.text()]).toEqual([200, ""]);
		const cookie = cookieOf(response);
		expect(cookie).toMatch(/^__Host-muster=\d+\.[\w-]{43}; /);
		for (const attribute of ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"]) expect(cookie).toContain(attribute);
		expect(cookie).not.toContain(ADMIN_KEY);
		expect(cookieOf(await askPlainly("/v1.1/logout", { method: "POST" }))).toMatch(/^__Host-muster=; .*Max-Age=0/);
	});

	test("stands for the key, but changes nothing at the wish of another site's page", async () => {
		const Cookie = await sessionOf();
		const post = (headers: Record<string, string>) =>
			askPlainly("/v1.1/auth_key", { ...json({ auth_key: SET_KEY }), headers: { Cookie, ...headers } });
		expect((await askPlainly("/providers", { headers: { Cookie } })).status).toBe(200);
		for (const headers of [
			{},
			{ Origin: "https://evil.test" },
			{ "Sec-Fetch-Site": "same-site", Origin: "https://a.muster.test" },
		] as Record<string, string>[])
			expect((await post(headers)).status, JSON.stringify(headers)).toBe(401);
		expect((await askPlainly("/providers", { headers: { Cookie, "Sec-Fetch-Site": "cross-site" } })).status).toBe(401);
		expect(await setting("auth_key_sha256")).toBeUndefined();
		for (const headers of [{ Origin: ORIGIN }, { "Sec-Fetch-Site": "same-origin" }] as Record<string, string>[])
			expect((await post(headers)).status).toBe(200);
	});

	test("cannot be forged, ends with its time, and with the key that it was begun with", async () => {
		const [name = "", value = ""] = (await sessionOf()).split("=");
		const [until, proof] = value.split(".");
		for (const forged of [`${Number(until) + 1}.${proof}`, `${until}.${"A".repeat(43)}`, "nonsense", ""])
			expect((await askPlainly("/providers", { headers: { Cookie: `${name}=${forged}` } })).status).toBe(401);
		const another = await askWith({ AUTH_KEY: "another-admin-key-of-the-tests" }, "/providers", {
			headers: { Cookie: `${name}=${value}` },
		});
		expect(another.status).toBe(401);
		vi.useFakeTimers({ now: Date.now() + 12 * 3_600_000 + 1_000, toFake: ["Date"] });
		const late = await askPlainly("/providers", { headers: { Cookie: `${name}=${value}` } });
		vi.useRealTimers();
		expect(late.status).toBe(401);
	});

	test("is refused to a wrong key, which has to wait after ten of them; the right one begins it", async () => {
		const from = { "CF-Connecting-IP": "192.0.2.77" };
		const attempt = (auth_key: string) => askPlainly("/v1.1/login", { ...json({ auth_key }), headers: from });
		for (let count = 0; count < 10; count++) expect([401, ""]).toEqual([(await attempt("wrong")).status, cookieOf(await attempt(""))]);
		expect((await attempt("wrong")).status).toBe(429);
		expect((await attempt(ADMIN_KEY)).status).toBe(200);
	});

	test("is begun with the key in any of its places, by GET and POST, and ended by both", async () => {
		const form = new FormData();
		form.set("auth_key", ADMIN_KEY);
		const ways: readonly (readonly [string, RequestInit])[] = [
			["", { headers: { "X-Auth-Key": ADMIN_KEY } }],
			[`?auth_key=${encodeURIComponent(ADMIN_KEY)}`, {}],
			["", { headers: { Authorization: `Bearer ${ADMIN_KEY}` } }],
			["", { method: "POST", headers: { "X-Auth-Key": ADMIN_KEY } }],
			[`?auth_key=${encodeURIComponent(ADMIN_KEY)}`, { method: "POST" }],
			["", json({ auth_key: ADMIN_KEY })],
			["", { ...json({ auth_key: ADMIN_KEY }), headers: { "Content-Type": "application/json" } }],
			["", { method: "POST", body: new URLSearchParams({ auth_key: ADMIN_KEY }) }],
			["", { method: "POST", body: form }],
		];
		for (const [query, init] of ways) {
			const response = await askPlainly(`/v1.1/login${query}`, init);
			expect(response.status, JSON.stringify(init)).toBe(200);
			const Cookie = cookieOf(response).split(";")[0] ?? "";
			expect((await askPlainly("/providers", { headers: { Cookie } })).status, JSON.stringify(init)).toBe(200);
		}
		for (const init of [
			{},
			{ method: "POST" },
			json({}),
			json({ auth_key: "" }),
			{ method: "POST", body: new URLSearchParams({ a: "b" }) },
		])
			expect((await askPlainly("/v1.1/login", init)).status).toBe(401);
		expect((await askPlainly("/v1.1/login", { method: "POST", body: "{" })).status).toBe(400);
		expect((await askPlainly("/v1.1/login", json({ auth_key: 7 }))).status).toBe(400);
		for (const method of ["GET", "POST"])
			expect(cookieOf(await askPlainly("/v1.1/logout", { method }))).toMatch(/^__Host-muster=; .*Max-Age=0/);
	});

	test("that is good is left as it is by a login with an empty key", async () => {
		const Cookie = await sessionOf();
		const headers = { Cookie, "Sec-Fetch-Site": "same-origin" };
		for (const init of [{ headers }, { ...json({ auth_key: "" }), headers }]) {
			const again = await askPlainly("/v1.1/login", init);
			expect([again.status, cookieOf(again)]).toEqual([200, ""]);
		}
		expect((await askPlainly("/providers", { headers })).status).toBe(200);
	});

	test("of a key that was set over HTTP ends when that is removed", async () => {
		await ask("/v1.1/auth_key", json({ auth_key: SET_KEY }));
		const Cookie = cookieOf(await login(SET_KEY)).split(";")[0] ?? "";
		expect((await askPlainly("/providers", { headers: { Cookie } })).status).toBe(200);
		await ask("/v1.1/auth_key", json({ auth_key: null }));
		expect((await askPlainly("/providers", { headers: { Cookie } })).status).toBe(401);
	});
});

describe("managers", () => {
	const configs = "/v1.1/managers/configs";

	test("have configurations by name, which pools learn at once, their own before the default's", async () => {
		const tick = vi.fn(async (_facts: FleetFacts) => ({ provider: "digitalocean" }) as const);
		await enter();
		expect(await bodyOf(await ask(configs))).toEqual([]);
		const set = await askPools({ tick }, `${configs}/default`, json({ manager: { interval: 20 }, other: { kept: true } }));
		expect([set.status, await set.text()]).toEqual([200, ""]);
		expect(tick.mock.lastCall?.[0].intervals).toEqual({ default: 20 });
		await askPools({ tick }, `${configs}/digitalocean-default`, { method: "POST", body: "[manager]\ninterval = 5\n" });
		expect(tick.mock.lastCall?.[0].intervals).toEqual({ default: 20, "digitalocean-default": 5 });
		expect(await bodyOf(await ask(configs))).toEqual(["default", "digitalocean-default"]);
		expect(await bodyOf(await ask(`${configs}/default`))).toEqual({ manager: { interval: 20 }, other: { kept: true } });
		expect((await askPools({ tick }, `${configs}/default`, { method: "DELETE" })).status).toBe(200);
		expect(tick.mock.lastCall?.[0].intervals).toEqual({ "digitalocean-default": 5 });
		expect((await ask(`${configs}/default`)).status).toBe(404);
		expect((await ask(`${configs}/default`, { method: "DELETE" })).status).toBe(404);
	});

	test("with a fault are not stored; their secrets are, encrypted", async () => {
		const wrong = await ask(`${configs}/default`, json({ manager: { interval: 0 } }));
		expect([wrong.status, await bodyOf(wrong)]).toEqual([
			400,
			{ manager: { interval: expect.stringContaining("whole number of seconds") } },
		]);
		expect((await ask(`${configs}/a%20b`, json({}))).status).toBe(400);
		const secret = { nova: { password: "hunter2" } };
		const refused = await ask(`${configs}/default`, json(secret));
		expect([refused.status, await bodyOf(refused)]).toEqual([400, { nova: { password: expect.stringContaining("ENCRYPTION_KEY") } }]);
		const keyed = { ENCRYPTION_KEY: "the-encryption-key-of-the-tests" };
		expect((await askWith(keyed, `${configs}/default`, { ...json(secret), ...withKey(ADMIN_KEY) })).status).toBe(200);
		expect(await setting("manager:default")).not.toContain("hunter2");
		expect(await bodyOf(await ask(`${configs}/default`))).toEqual({ nova: { password: "********" } });
	});

	test("at work are the pools themselves", async () => {
		const object = await enter();
		const [uuid] = await bodyOf(await ask("/v1.1/managers/active"));
		expect(uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
		expect(uuid.replaceAll("-", "")).toBe(object.slice(0, 32));
		expect(await bodyOf(await ask(`/v1.1/managers/active/${uuid}`))).toEqual({
			name: "digitalocean-default",
			keys: [],
			clouds: ["digitalocean"],
			loadbalancers: [],
			endpoints: ["digitalocean-default"],
		});
		expect(await bodyOf(await ask("/v1.1/managers/active/6eaeca66-4992-4353-896c-915897e5f92b"))).toBeNull();
		await env.DB.prepare("INSERT INTO logs (object, seq, at, severity, text) VALUES (?, 1, 1500, 'INFO', 'started')").bind(object).run();
		expect(await bodyOf(await ask("/v1.1/managers/log/digitalocean-default"))).toEqual([[1.5, "INFO", "started"]]);
		expect(await bodyOf(await ask("/v1.1/managers/log/digitalocean-default?since=1.5"))).toEqual([]);
		expect(await bodyOf(await ask("/v1.1/managers/log/nowhere"))).toEqual([]);
		await env.DB.prepare("UPDATE names SET name = 'renamed' WHERE object = ?").bind(object).run();
		expect(await bodyOf(await ask(`/v1.1/managers/active/${uuid}`))).toMatchObject({ name: "renamed", endpoints: ["renamed"] });
		expect(await bodyOf(await ask("/v1.1/managers/log/renamed"))).toEqual([[1.5, "INFO", "started"]]);
	});
});

describe("Reactor's page", () => {
	/** What the page does between a form and a configuration (reactor/admin/assets/conf.js): what is no field, or empty, is lost. */
	const saved = (form: Record<string, Record<string, { type: string; description: string }>>, configuration: Record<string, object>) => {
		const fields = Object.entries(configuration).flatMap(([section, values]) =>
			Object.entries(values).map(([key, value]) => {
				const field = form[section]?.[key];
				expect(field?.description, `${section}.${key}`).toBeTypeOf("string");
				const text = field?.type === "list" ? (Array.isArray(value) ? value : String(value).split(",")) : String(value);
				return [section, key, field?.type === "hidden" ? value : text] as const;
			}),
		);
		const sections = Object.groupBy(fields, ([section]) => section);
		return Object.fromEntries(
			Object.entries(sections).map(([section, of = []]) => [section, Object.fromEntries(of.map(([, key, value]) => [key, value]))]),
		);
	};

	test("finds a field for whatever a configuration holds, so that saving there loses nothing", async () => {
		const configuration = {
			endpoint: { cloud: "digitalocean", weight: "3", colour: ["green", 7], static_instances: ["192.0.2.1"] },
			scaling: { rules: "2<=active,cpu<0.8", max_instances: "4" },
			"cloud:digitalocean": { access_token: "********", region: "nyc1", extra: true },
			nova: { user: "me" },
		};
		await enter();
		const form = await bodyOf(await askPools({ configuration: async () => configuration }, "/endpoint"));
		expect(saved(form, configuration)).toEqual({
			...configuration,
			scaling: { ...configuration.scaling, rules: ["2<=active", "cpu<0.8"] },
		});
		expect(form.scaling.ramp_limit).toEqual({
			type: "string",
			label: "ramp limit",
			description: expect.any(String),
			order: 4,
			default: "5",
		});
		expect(Object.keys(form)).toEqual(expect.arrayContaining(["endpoint", "scaling", "manager", "cloud:azure", "nova"]));
		await ask("/v1.1/managers/configs/default", json({ manager: { interval: 20 }, other: { kept: [1] } }));
		expect(saved(await bodyOf(await ask("/manager")), { manager: { interval: "20" }, other: { kept: [1] } })).toEqual({
			manager: { interval: "20" },
			other: { kept: [1] },
		});
		for (const path of ["/endpoint", "/manager"]) expect((await askPlainly(path)).status).toBe(401);
	});

	test("puts what others post", async () => {
		const puts = ROUTES.filter(([method, path]) => method === "put" && !isImplicit(path)).map(([, path]) => path);
		for (const path of [
			"endpoints/:endpoint/alias",
			"endpoints/:endpoint/metrics",
			"endpoints/:endpoint/metrics/:ip",
			"endpoints/:endpoint/log",
		])
			expect(puts).toContain(`/v1.1/${path}`);
		const put = (path: string, body: unknown) => ask(path, { ...json(body), method: "PUT" });
		expect((await put("/v1.1/managers/configs/default", { manager: { interval: 20 } })).status).toBe(200);
		expect(await bodyOf(await ask("/v1.1/managers/configs/default"))).toEqual({ manager: { interval: 20 } });
		for (const path of ["register", "unregister", "register/192.0.2.99", "unregister/192.0.2.99"])
			expect((await ask(`/v1.1/${path}`, { method: "PUT" })).status, path).toBe(200);
		await enter();
		const command = vi.fn(async () => ({ ok: true, summary: SUMMARY, addresses: [] }) as const);
		const order = (path: string, body?: unknown) =>
			askPools({ command }, `/v1.1/endpoints/digitalocean-default/${path}`, {
				method: "PUT",
				body: body === undefined ? null : JSON.stringify(body),
			});
		expect((await order("log", "text")).status).toBe(200);
		expect((await order("metrics", { a: 1 })).status).toBe(200);
		expect((await order("metrics/192.0.2.1", { a: 1 })).status).toBe(200);
		expect((await order("instances/7")).status).toBe(200);
		expect((await order("alias", "another")).status).toBe(200);
		expect(command.mock.calls.map(([order]: readonly unknown[]) => (order as { do: string }).do)).toEqual([
			"log",
			"metrics",
			"metrics",
			"adopt",
		]);
	});
});

describe("version 1.0", () => {
	test("has the routes that it had, and none of the later ones", async () => {
		await enterPool(env.DB, {
			object: env.POOL.newUniqueId().toString(),
			provider: "static",
			name: "info",
			endpoint: "info",
			incarnation: 1,
			source: "api",
		});
		expect(await bodyOf(await ask("/v1.0/endpoints"))).toEqual(["info"]);
		expect(await bodyOf(await ask("/v1.0/domain"))).toEqual({ domain: null });
		expect((await ask("/v1.1/domain")).status).toBe(404);
		for (const path of ["url", "info", "managers/log/info", "endpoints/info/log", "endpoints/info/metadata", "endpoints/info/sessions"]) {
			expect((await ask(`/v1.0/${path}`)).status, path).toBe(404);
		}
		expect((await askPlainly("/v1.0/endpoints")).status).toBe(401);
		expect(await (await askPlainly("/v1.0/endpoints")).text()).toBe("unauthorized");
		expect((await ask("/v1.0/endpoints", { method: "DELETE" })).status).toBe(405);
		expect(
			(await ask("/v1.0/endpoints/info/", json({ scaling: { min_instances: "x" } }))).status,
			"an endpoint named as a later route",
		).not.toBe(404);
	});

	test("is described", async () => {
		const { paths } = await bodyOf(await askPlainly("/openapi-duplicates.json"));
		for (const [method, path] of ROUTES.filter(([, path]) => isInFirstVersion(path)))
			expect(paths[path.replace("/v1.1/", "/v1.0/").replaceAll(/:(\w+)/g, "{$1}")]?.[method], path).toBeDefined();
		expect(paths["/v1.0/url"]).toBeUndefined();
	});
});

describe("a configuration with a secret", () => {
	const secret = { endpoint: { cloud: "digitalocean" }, "cloud:digitalocean": { access_token: "a-secret-token" } };

	test("is refused where the deployment has no ENCRYPTION_KEY, and nothing is made", async () => {
		const response = await ask("/v1.1/endpoints/demo", { ...json(secret), method: "PUT" });
		expect([response.status, await bodyOf(response)]).toEqual([
			400,
			{ "cloud:digitalocean": { access_token: expect.stringContaining("npx wrangler secret put ENCRYPTION_KEY") } },
		]);
		expect(await bodyOf(await ask("/v1.1/endpoints"))).toEqual([]);
	});
});
