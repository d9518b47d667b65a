import { env } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Command } from "../../src/core/model/command.ts";
import { removePool } from "../../src/d1/directory.ts";
import { ROUTES } from "../../src/http/app.ts";
import { forgetKeys } from "../../src/http/base/auth.ts";
import { isImplicit } from "../../src/http/reactor/addressed.ts";
import { forgetEndpointKeys } from "../../src/http/reactor/endpoint-keys.ts";
import type { CommandOutcome, PoolRpc, PoolStatus } from "../../src/rpc/pool.ts";
import { ADMIN_KEY, askWith, bodyOf, enter, poolsAnswering, publicationOf, rowOf, SUMMARY, show, startAfresh } from "./helpers.ts";

const ADDRESS = "192.0.2.1";
const ROLLING = { isRolling: false } as unknown as PoolStatus["rolling"];
const STATUS: PoolStatus = {
	run: "running",
	active: [ADDRESS, "2001:db8::1"],
	connections: 3,
	registered: [ADDRESS, "192.0.2.2"],
	rolling: ROLLING,
};
const ENDPOINT_KEY = "the-key-of-the-endpoint";
const KEY_OF = (object: string) => `${object}.abcdefgh.${"k".repeat(43)}`;

let object: string;
beforeEach(async () => {
	await startAfresh();
	forgetKeys();
	forgetEndpointKeys();
	object = await enter();
	await show(publicationOf(object, { proxies: [rowOf("abcdefgh", { address: ADDRESS })] }));
});

/** The pool as far as these routes ask it: the VM key of its one proxy is KEY_OF(object), its own ENDPOINT_KEY. */
function pool(changes: Partial<PoolRpc> = {}): Partial<PoolRpc> {
	return {
		status: async () => STATUS,
		opens: async (key) => key === ENDPOINT_KEY,
		configuration: async () => ({ endpoint: {} }),
		proves: async ({ key, address }) => key === KEY_OF(object) && address === ADDRESS,
		command: async () => ({ ok: false, error: "notFound", message: "" }),
		...changes,
	};
}

const get = (path: string, from: string, headers: Record<string, string> = {}, settings: Record<string, unknown> = {}) =>
	askWith({ ...poolsAnswering(pool()), ...settings }, path, { headers: { "CF-Connecting-IP": from, ...headers } });
const textOf = async (response: Response) => [response.status, await response.text()];
const NOT_FROM = [401, "Must query from endpoint ip."];
const REFUSED = [401, "unauthorized"];

describe("a route that names no endpoint", () => {
	test("is about the endpoint of the proxy that asks, and takes that proxy's key, the endpoint's or the admin's in each place", async () => {
		for (const key of [KEY_OF(object), ENDPOINT_KEY, ADMIN_KEY])
			for (const [path, headers] of [
				["/v1.1/endpoint/ips", { "X-Auth-Key": key }],
				["/v1.1/endpoint/ips", { Authorization: `Bearer ${key}` }],
				[`/v1.1/endpoint/ips/?auth_key=${encodeURIComponent(key)}`, {}],
			] as const) {
				const response = await get(path, ADDRESS, headers);
				expect([response.status, await bodyOf(response)], path).toEqual([200, STATUS.registered]);
			}
		const state = await bodyOf(await get("/v1.1/endpoint/state", ADDRESS, { "X-Auth-Key": KEY_OF(object) }));
		expect(state).toMatchObject({ state: "RUNNING", active: [`${ADDRESS}:8899`, "[2001:db8::1]:8899"] });
	});

	test("must be asked from a proxy's address, whatever the key; no header that a client could forge makes it one", async () => {
		for (const headers of [{}, { "X-Auth-Key": ADMIN_KEY }, { "X-Auth-Key": KEY_OF(object) }, { "X-Auth-Key": "wrong" }] as const) {
			expect(await textOf(await get("/v1.1/endpoint/ips", "192.0.2.9", { ...headers, "X-Forwarded-For": ADDRESS }))).toEqual(NOT_FROM);
			expect(await textOf(await get("/v1.1/endpoint/state", "", { ...headers, "X-Real-IP": ADDRESS }))).toEqual(NOT_FROM);
		}
	});

	test("is refused to an address alone, to another proxy's key and to a made-up one", async () => {
		expect(await textOf(await get("/v1.1/endpoint/ips", ADDRESS))).toEqual(REFUSED);
		for (const key of ["wrong", KEY_OF(env.POOL.newUniqueId().toString()), `${KEY_OF(object).slice(0, -1)}x`])
			expect(await textOf(await get("/v1.1/endpoint/ips", ADDRESS, { "X-Auth-Key": key })), key).toEqual(REFUSED);
	});

	test("with IMPLICIT_BY_ADDRESS the address alone opens what is read, and nothing else", async () => {
		const settings = { IMPLICIT_BY_ADDRESS: "True" };
		expect((await get("/v1.1/endpoint/ips", ADDRESS, {}, settings)).status).toBe(200);
		expect(await textOf(await get("/v1.1/endpoint/ips", "192.0.2.9", {}, settings))).toEqual(NOT_FROM);
		expect(await textOf(await get("/v1.1/endpoint/ips", ADDRESS, { "X-Auth-Key": "wrong" }, settings))).toEqual(REFUSED);
		const command = vi.fn(pool().command as PoolRpc["command"]);
		const stop = (headers: Record<string, string>) =>
			askWith({ ...poolsAnswering(pool({ command })), ...settings }, "/v1.1/endpoint/state", {
				method: "POST",
				body: JSON.stringify({ action: "stop" }),
				headers: { "CF-Connecting-IP": ADDRESS, ...headers },
			});
		expect(await textOf(await stop({}))).toEqual(REFUSED);
		expect((await stop({ "X-Auth-Key": KEY_OF(object) })).status).toBe(403);
		expect(command).not.toHaveBeenCalled();
		await stop({ "X-Auth-Key": ENDPOINT_KEY });
		expect(command).toHaveBeenCalledWith({ do: "run", run: "stopped" });
	});

	test("opens to a proxy's own key what is its own, and nothing else; the endpoint's key opens the rest", async () => {
		const session = "198.51.100.7:50123";
		const command = vi.fn(async (_command: Command): Promise<CommandOutcome> => ({ ok: true, summary: SUMMARY, addresses: [] }));
		const whole = pool({
			command,
			metrics: async () => ({ averages: {}, byAddress: {}, reporting: 0, missing: 0, isUnused: false }),
			sessions: async () => ({ [session]: `${ADDRESS}:8899`, "198.51.100.8:1": "192.0.2.2:8899" }),
			instances: async () => ({ active: [], decommissioned: [], errored: [], discarded: [], places: {} }),
			metadataKeys: async () => [],
			metadata: async () => null,
			setMetadata: async () => ({ ok: true }),
		});
		const open = ["get ips", "get state", "get metrics", "get metrics/:ip", "post metrics", "post metrics/:ip"];
		const opened = [...open, "get sessions", "get sessions/:session", "delete sessions/:session"].sort();
		const bodies: Record<string, unknown> = { state: { action: "stop" }, log: "text", alias: "name" };
		const asked = async (key: string, settings: Record<string, unknown> = {}) => {
			const passed: string[] = [];
			for (const [method, path] of ROUTES.filter(([, path]) => isImplicit(path))) {
				const name = path.replace(/^\/v1\.1\/endpoint\/?/, "");
				const body = method === "post" || method === "put" ? JSON.stringify(bodies[name] ?? {}) : null;
				const headers = { "CF-Connecting-IP": ADDRESS, "Content-Type": "application/json", ...(key && { "X-Auth-Key": key }) };
				const at = path.replace(":ip", ADDRESS).replace(":session", encodeURIComponent(session)).replace(/:\w+/g, "thing");
				const { status } = await askWith({ ...poolsAnswering(whole), ...settings }, at, { method: method.toUpperCase(), body, headers });
				if (status < 300) passed.push(`${method} ${name}`);
				else expect(status, `${method} ${name}`).toBe(key === "" ? 401 : 403);
			}
			return passed.filter((route) => !route.startsWith("put metrics")).sort();
		};
		expect(await asked(KEY_OF(object))).toEqual(opened);
		const orders = command.mock.calls.map(([order]) => order.do);
		expect(new Set(orders)).toEqual(new Set(["metrics", "drop"]));
		const read = opened.filter((route) => route.startsWith("get "));
		expect(await asked("", { IMPLICIT_BY_ADDRESS: "True" }), "the address alone").toEqual(read);
		command.mockClear();
		expect(await asked(ENDPOINT_KEY)).toEqual(
			expect.arrayContaining([...opened, "get log", "get instances", "post state", "get metadata"]),
		);
		expect(command).toHaveBeenCalledWith({ do: "run", run: "stopped" });
	});

	test("lists a proxy's own sessions to its key, and closes no other's; weights that it posts are bounded", async () => {
		const command = vi.fn(async (_command: Command): Promise<CommandOutcome> => ({ ok: true, summary: SUMMARY, addresses: [] }));
		const [own, others] = ["198.51.100.7:50123", "198.51.100.8:1"];
		const settings = poolsAnswering(pool({ command, sessions: async () => ({ [own]: `${ADDRESS}:8899`, [others]: "192.0.2.2:8899" }) }));
		const askAs = (key: string, path: string, init: RequestInit = {}) =>
			askWith(settings, `/v1.1/endpoint/${path}`, { ...init, headers: { "CF-Connecting-IP": ADDRESS, "X-Auth-Key": key } });
		const proxys = KEY_OF(object);
		expect(await bodyOf(await askAs(proxys, "sessions"))).toEqual({ [own]: `${ADDRESS}:8899` });
		expect(await bodyOf(await askAs(proxys, `sessions/${others}`))).toBeNull();
		expect(Object.keys(await bodyOf(await askAs(ENDPOINT_KEY, "sessions")))).toEqual([own, others]);
		expect((await askAs(proxys, `sessions/${others}`, { method: "DELETE" })).status).toBe(403);
		expect(command).not.toHaveBeenCalled();
		expect((await askAs(proxys, `sessions/${own}`, { method: "DELETE" })).status).toBe(200);
		expect(command).toHaveBeenLastCalledWith({ do: "drop", session: own, address: ADDRESS });
		expect((await askAs(ENDPOINT_KEY, `sessions/${others}`, { method: "DELETE" })).status).toBe(200);
		expect(command).toHaveBeenLastCalledWith({ do: "drop", session: others });
		command.mockClear();
		const metrics = (key: string, body: string) => askAs(key, "metrics", { method: "POST", body });
		const heavy = await metrics(proxys, '{"load": [1e300, 1]}');
		expect([heavy.status, await bodyOf(heavy)]).toEqual([
			400,
			{ body: { load: expect.stringContaining("must not weigh more than 1000") } },
		]);
		expect((await metrics(proxys, '{"load": [1, 1e400]}')).status).toBe(400);
		expect(command).not.toHaveBeenCalled();
		expect((await metrics(proxys, '{"load": [1000, 1]}')).status).toBe(200);
		expect((await metrics(ENDPOINT_KEY, '{"load": [1e300, 1]}')).status).toBe(200);
	});

	test("IMPLICIT_BY_ADDRESS opens nothing of an endpoint that has a key of its own", async () => {
		const configuration = async () => ({ endpoint: { auth_hash: "********" } });
		const settings = { IMPLICIT_BY_ADDRESS: "True", ...poolsAnswering(pool({ configuration })) };
		expect(await textOf(await get("/v1.1/endpoint/ips", ADDRESS, {}, settings))).toEqual(REFUSED);
		expect((await get("/v1.1/endpoint/ips", ADDRESS, { "X-Auth-Key": ENDPOINT_KEY }, settings)).status).toBe(200);
	});

	test("wrong keys from one address are limited, whatever route they are tried on", async () => {
		for (let attempt = 0; attempt < 10; attempt++)
			await get(attempt % 2 ? "/v1.1/endpoint/ips" : "/v1.1/endpoints/digitalocean-default/ips", ADDRESS, { "X-Auth-Key": "wrong" });
		expect((await get("/v1.1/endpoint/ips", ADDRESS, { "X-Auth-Key": "wrong" })).status).toBe(429);
		for (const key of [KEY_OF(object), ENDPOINT_KEY, ADMIN_KEY])
			expect((await get("/v1.1/endpoint/ips", ADDRESS, { "X-Auth-Key": key })).status, "a right one").toBe(200);
		expect((await get("/", ADDRESS, { "X-Auth-Key": ADMIN_KEY })).status).toBe(200);
	});

	test("an address that a cloud gave to another VM is that of the younger proxy; a removed endpoint has none", async () => {
		const other = await enter("second");
		await show(publicationOf(other, { proxies: [rowOf("ijklmnop", { address: ADDRESS, createdAt: 2 })] }));
		const asked: string[] = [];
		const ask = (id: DurableObjectId) => {
			asked.push(id.toString());
			return pool();
		};
		const POOL = { ...(poolsAnswering(pool()).POOL as object), get: ask };
		// Otherwise the pools are told the first origin.
		const settings = { POOL, PUBLIC_URL: "https://muster.test" };
		const init = { headers: { "CF-Connecting-IP": ADDRESS, "X-Auth-Key": ADMIN_KEY } };
		await askWith(settings, "/v1.1/endpoint/ips", init);
		expect(asked).toEqual([other]);
		await removePool(env.DB, other, 1);
		await askWith(settings, "/v1.1/endpoint/ips", init);
		expect(asked).toEqual([other, object]);
		await removePool(env.DB, object, 1);
		expect(await textOf(await askWith(settings, "/v1.1/endpoint/ips", init))).toEqual(NOT_FROM);
	});

	test("a closed deployment stays closed to proxies", async () => {
		expect((await get("/v1.1/endpoint/ips", ADDRESS, { "X-Auth-Key": KEY_OF(object) }, { AUTH_KEY: undefined })).status).toBe(503);
	});

	test("there is one for each that names one", () => {
		const withoutName = (path: string) => path.replace("/v1.1/endpoints/:endpoint", "/v1.1/endpoint");
		const named = ROUTES.filter(
			([method, path]) => path.startsWith("/v1.1/endpoints/:endpoint") && `${method} ${path}` !== "put /v1.1/endpoints/:endpoint",
		);
		const implicit = ROUTES.filter(([, path]) => isImplicit(path) && path.startsWith("/v1.1"));
		expect(implicit.map(([method, path, access]) => [method, path, access])).toEqual(
			named.map(([method, path, access]) => [method, withoutName(path), access]),
		);
	});
});

describe("an endpoint's routes", () => {
	const named = (name: string, headers: Record<string, string> = { "X-Auth-Key": ADMIN_KEY }) =>
		get(`/v1.1/endpoints/${name}/ips`, "198.51.100.1", headers);

	test("take the endpoint's own key, and that of no other", async () => {
		for (const headers of [{ "X-Auth-Key": ENDPOINT_KEY }, { Authorization: `Bearer ${ENDPOINT_KEY}` }] as Record<string, string>[])
			expect((await named("digitalocean-default", headers)).status).toBe(200);
		expect((await get(`/v1.1/endpoints/digitalocean-default/ips?auth_key=${encodeURIComponent(ENDPOINT_KEY)}`, "")).status).toBe(200);
		const opens = vi.fn(async () => false);
		const other = await get(
			"/v1.1/endpoints/digitalocean-default/ips",
			"",
			{ "X-Auth-Key": ENDPOINT_KEY },
			poolsAnswering(pool({ opens })),
		);
		expect([await textOf(other), opens.mock.calls]).toEqual([REFUSED, [[ENDPOINT_KEY]]]);
	});

	test("what is the admin's is not the endpoint's: 403, however often, which counts as no failure; a made-up key is told nothing", async () => {
		const auth_hash = createHash("sha1").update(ENDPOINT_KEY).digest("hex");
		const configuration = vi.fn(async () => ({ endpoint: { auth_hash } }));
		const settings = poolsAnswering(pool({ configuration }));
		const status = async (path: string, key: string) => (await get(path, "198.51.100.1", { "X-Auth-Key": key }, settings)).status;
		for (let turn = 0; turn < 4; turn++)
			for (const path of ["/random", "/v1.1", "/v1.1/endpoints", "/v1.1/endpoints/digitalocean-default"])
				expect(await status(path, ENDPOINT_KEY), path).toBe(403);
		expect(await status("/v1.1/endpoints/digitalocean-default/ips", ENDPOINT_KEY)).toBe(200);
		for (let attempt = 0; attempt < 10; attempt++) expect(await status("/random", `made up ${attempt}`)).toBe(401);
		expect(await status("/random", "one more")).toBe(429);
		expect(configuration, "not for each key").toHaveBeenCalledTimes(1);
		expect((await get("/random", ADDRESS, { "X-Auth-Key": KEY_OF(object) }, settings)).status, "a proxy's").toBe(403);
	});

	test("are closed to another endpoint's key: 403, however often, which counts as no failure, whether or not there is such an endpoint", async () => {
		const auth_hash = createHash("sha1").update("another endpoint's").digest("hex");
		const settings = poolsAnswering(pool({ opens: async () => false, configuration: async () => ({ endpoint: { auth_hash } }) }));
		const ask = async (name: string, key: string, from = "198.51.100.1") =>
			(await get(`/v1.1/endpoints/${name}/ips`, from, { "X-Auth-Key": key }, settings)).status;
		for (let turn = 0; turn < 12; turn++) expect(await ask("digitalocean-default", "another endpoint's")).toBe(403);
		expect(await ask("nowhere", "another endpoint's")).toBe(403);
		expect((await get("/v1.1/endpoint/ips", ADDRESS, { "X-Auth-Key": "another endpoint's" }, settings)).status).toBe(403);
		for (let attempt = 0; attempt < 10; attempt++) expect(await ask("digitalocean-default", `made up ${attempt}`)).toBe(401);
		expect(await ask("digitalocean-default", "one more")).toBe(429);
	});

	test("take the admin key, and names as URLs write them", async () => {
		expect((await named("digitalocean-default")).status).toBe(200);
		expect((await named("%64igitalocean%2Ddefault")).status).toBe(200);
		expect(await textOf(await named("nowhere"))).toEqual([404, 'There is no endpoint "nowhere".']);
		expect(await textOf(await named("%zz"))).toEqual([404, 'There is no endpoint "%zz".']);
	});

	test("are refused to a proxy's own key, which opens what is its own only", async () => {
		expect(await textOf(await named("digitalocean-default", { "X-Auth-Key": KEY_OF(object) }))).toEqual(REFUSED);
	});

	test("neither those that exist nor those that do not are told apart without a key", async () => {
		for (const name of ["digitalocean-default", "nowhere"]) {
			expect(await textOf(await named(name, {}))).toEqual(REFUSED);
			expect(await textOf(await named(name, { "X-Auth-Key": "wrong" }))).toEqual(REFUSED);
		}
	});
});

test("the dialect's version is at its root", async () => {
	for (const path of ["/v1.1", "/v1.1/"]) {
		const response = await get(path, ADDRESS, { "X-Auth-Key": ADMIN_KEY });
		expect([response.status, await bodyOf(response)]).toEqual([200, { version: "1.1" }]);
	}
});

test("its clients may send any content type, or none", async () => {
	const command = vi.fn(pool().command as PoolRpc["command"]);
	for (const type of ["text/plain", "application/x-www-form-urlencoded", "text/html; charset=UTF-8", ""])
		await askWith(poolsAnswering(pool({ command })), "/v1.1/endpoints/digitalocean-default/state", {
			method: "POST",
			body: new TextEncoder().encode('{"action": "start"}'),
			headers: { "X-Auth-Key": ADMIN_KEY, ...(type && { "Content-Type": type }) },
		});
	expect(command).toHaveBeenCalledTimes(4);
});
