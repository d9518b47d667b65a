import { exports } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forgetKeys } from "../../../src/http/base/auth.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import { bindings, PoolUnderTest, resetCloud } from "./harness.ts";

/*
 * Reactor's API reference, from its first line to its last: each call as its examples make it, with the data that they send and the
 * result that they show, asked of the Worker. `demo` is the endpoint of its examples, without any instance; `fleet` is a pool with
 * two real proxies behind it, so that the lists which are empty there hold something.
 */

const JSON_HEADERS = { "Content-Type": "application/json", Accept: "application/json" };
const UUID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const IP = expect.stringMatching(/^127\.\d+\.\d+\.\d+$/);
const ENTRY = [expect.any(Number), expect.stringMatching(/^(INFO|WARNING|ERROR)$/), expect.any(String)];
const VM = expect.stringMatching(/^\d+$/);
const CLIENT = "198.51.100.7:50123";
const NONE = "";

let pool: PoolUnderTest;
/** The addresses of the fleet's proxies, and the VM key of the first. */
let addresses: readonly string[] = [];
let keyOfFirst = "";

beforeAll(async () => {
	await resetCloud();
	forgetKeys();
	pool = await new PoolUnderTest().start();
	await pool.stub.command({ do: "scale", min: 2, max: 3 });
	await pool.untilReady(2);
	await pool.settle();
	for (const key of pool.keys.values()) {
		const body = { active: 1, metrics: { requests: 2.5 }, sessions: [CLIENT], credentials: 1 };
		await pool.stub.heartbeat({ key, address: "", body: addresses.length === 0 ? body : { ...body, active: 0, sessions: [] } });
		if (addresses.length === 0) keyOfFirst = key;
		const { proxies } = await pool.state();
		addresses = [...addresses, proxies.get(key.split(".")[1] ?? "")?.address ?? ""];
	}
	await pool.settle();
	expect(await curl("POST", "/v1.1/endpoints/demo", "{}")).toEqual([200, NONE]);
	expect(await curl("POST", "/v1.1/endpoints/digitalocean-default/alias", '"fleet"')).toEqual([200, NONE]);
});
afterAll(() => {
	forgetKeys();
	forgetEverything();
});

/** What `curl -H "Content-Type: application/json" -H "Accept: application/json" -X METHOD PATH --data DATA` gets: status, and JSON or text. */
async function curl(method: string, path: string, data?: string, headers: Record<string, string> = {}): Promise<[number, unknown]> {
	let answer: Response | null = null;
	const init = { method, headers: { ...JSON_HEADERS, ...headers }, ...(data === undefined ? {} : { body: data }) };
	const asked = exports.default.fetch(new Request(`https://muster.test${path}`, init)).then((given: Response) => {
		answer = given;
		return given;
	});
	// The fleet's alarm runs meanwhile, as it does by itself outside of tests.
	await pool.until(() => answer !== null, `an answer to ${method} ${path}`);
	const response = await asked;
	const text = await response.text();
	const isJson = response.headers.get("Content-Type")?.startsWith("application/json") ?? false;
	return [response.status, isJson && text !== "" ? JSON.parse(text) : text];
}

/** Heading of the reference, method, path, data, result. A path with a function in its place is known only then. */
type Row = readonly [heading: string, method: string, path: string | (() => string), data: string | undefined, result: unknown];
const at = (path: () => string) => path;

const GLOBAL: readonly Row[] = [
	["API version", "GET", "/", undefined, expect.objectContaining({ version: "1.1" })],
	["API version", "GET", "/v1.1/", undefined, { version: "1.1" }],
	["Get URL", "GET", "/v1.1/url", undefined, { url: "https://muster.test" }],
	["Set URL", "POST", "/v1.1/url", '{"url": "http://example.com"}', NONE],
	["Get URL", "GET", "/v1.1/url", undefined, { url: "http://example.com" }],
	["Set URL", "POST", "/v1.1/url", '{"url": null}', NONE],
	["Get Global Info", "GET", "/v1.1/info", undefined, { active: 1, instances: 2, endpoints: { PAUSED: 1, RUNNING: 2 }, managers: 2 }],
	["Register IP", "POST", "/v1.1/register", undefined, NONE],
	["Register IP", "POST", "/v1.1/register/127.0.0.1", undefined, NONE],
	["Unregister IP", "POST", "/v1.1/unregister", undefined, NONE],
	["Unregister IP", "POST", "/v1.1/unregister/127.0.0.1", undefined, NONE],
];

const MANAGERS: readonly Row[] = [
	["Create or Set Manager Configuration", "POST", "/v1.1/managers/configs/127.0.0.1", "{}", NONE],
	["List Manager Configurations", "GET", "/v1.1/managers/configs", undefined, ["127.0.0.1"]],
	["Get Manager Configuration", "GET", "/v1.1/managers/configs/127.0.0.1", undefined, {}],
	["Delete Manager Configuration", "DELETE", "/v1.1/managers/configs/127.0.0.1", undefined, NONE],
	["List Manager Configurations", "GET", "/v1.1/managers/configs", undefined, []],
	["List Active Managers", "GET", "/v1.1/managers/active", undefined, [UUID, UUID]],
	[
		"Get Manager Info",
		"GET",
		at(() => `/v1.1/managers/active/${uuidOf(pool.object)}`),
		undefined,
		expect.objectContaining({ name: "digitalocean-default", clouds: ["digitalocean"], loadbalancers: [], keys: [] }),
	],
	["Get Manager Info", "GET", "/v1.1/managers/active/6eaeca66-4992-4353-896c-915897e5f92b", undefined, null],
	["Get Manager Log", "GET", "/v1.1/managers/log/127.0.0.1", undefined, []],
	["Get Manager Log", "GET", "/v1.1/managers/log/digitalocean-default", undefined, expect.arrayContaining([ENTRY])],
];

const ENDPOINTS: readonly Row[] = [
	["List Endpoints", "GET", "/v1.1/endpoints", undefined, ["demo", "digitalocean-default", "fleet"]],
	["Get Endpoint Configuration", "GET", "/v1.1/endpoints/demo", undefined, {}],
	[
		"Get Endpoint Configuration",
		"GET",
		"/v1.1/endpoints/fleet",
		undefined,
		expect.objectContaining({
			endpoint: expect.objectContaining({ cloud: "digitalocean" }),
			scaling: {
				rules: [],
				spread: "pack",
				fallback_after: 300,
				replace_banned: 0,
				replace_banned_by: [],
				min_instances: 2,
				max_instances: 3,
			},
			"cloud:digitalocean": expect.objectContaining({ access_token: "********" }),
		}),
	],
	["Create or Set Endpoint Configuration", "POST", "/v1.1/endpoints/demo", "{}", NONE],
	["Create Endpoint Alias", "POST", "/v1.1/endpoints/demo/alias", '"new_name"', NONE],
	["Get Endpoint Configuration", "GET", "/v1.1/endpoints/new_name", undefined, {}],
	["Delete Endpoint", "DELETE", "/v1.1/endpoints/new_name", undefined, NONE],
	["List Endpoints", "GET", "/v1.1/endpoints", undefined, ["demo", "digitalocean-default", "fleet"]],
];

/** Under both names of each: that of an endpoint, and, asked from one of its proxies, none. */
const OF_ONE_ENDPOINT: readonly (readonly [
	heading: string,
	method: string,
	path: string,
	data: string | undefined,
	demo: unknown,
	fleet: unknown,
])[] = [
	["List Endpoint IPs", "GET", "/ips", undefined, [], [IP, IP]],
	["Get Endpoint Log", "GET", "/log", undefined, expect.any(Array), expect.arrayContaining([ENTRY])],
	["Get Endpoint Log", "GET", "/log?since=4102444800.000000", undefined, [], []],
	["Get Endpoint Metrics", "GET", "/metrics", undefined, {}, { active: 0.5, requests: 2.5 }],
	["Get Endpoint IP Metrics", "GET", "/metrics/127.0.0.1", undefined, {}, {}],
	["Set Endpoint IP Metrics", "POST", "/metrics/127.0.0.1", '{"metric": [1.0, 7.2]}', NONE, NONE],
	[
		"Get Endpoint State",
		"GET",
		"/state",
		undefined,
		{ active: [], state: "PAUSED", manager: UUID },
		{ active: [expect.stringMatching(/^127\.\d+\.\d+\.\d+:8899$/)], state: "RUNNING", manager: UUID },
	],
	["List Endpoint Sessions", "GET", "/sessions", undefined, {}, { [CLIENT]: expect.stringMatching(/^127\.\d+\.\d+\.\d+:8899$/) }],
	["Query Endpoint Session", "GET", "/sessions/127.0.0.1:38743", undefined, null, null],
	["Query Endpoint Session", "GET", `/sessions/${CLIENT}`, undefined, null, expect.stringMatching(/^127\.\d+\.\d+\.\d+:8899$/)],
	["Drop Endpoint Session", "DELETE", "/sessions/127.0.0.1:38273", undefined, NONE, NONE],
	["List Endpoint Instances", "GET", "/instances", undefined, [], [VM, VM]],
	[
		"List Endpoint Instances",
		"GET",
		"/instances?state=all",
		undefined,
		{ active: [], decommissioned: [], errored: [], discarded: [] },
		{ active: [VM, VM], decommissioned: [], errored: [], discarded: [] },
	],
];

function walk(rows: readonly Row[]): void {
	for (const [heading, method, path, data, result] of rows)
		test(`${heading}: ${method} ${typeof path === "string" ? path : path.toString().replace(/^.*`(.*)`.*$/, "$1")}`, async () => {
			expect(await curl(method, typeof path === "string" ? path : path(), data)).toEqual([200, result]);
		});
}

describe("Reactor's API reference, global settings", () => walk(GLOBAL));
describe("Reactor's API reference, managers", () => walk(MANAGERS));
describe("Reactor's API reference, endpoints", () => {
	walk(ENDPOINTS);

	for (const [heading, method, path, data, demo, fleet] of OF_ONE_ENDPOINT)
		test(`${heading}: ${method} ${path}, of an endpoint by name and of the caller's`, async () => {
			expect(await curl(method, `/v1.1/endpoints/demo${path}`, data)).toEqual([200, demo]);
			expect(await curl(method, `/v1.1/endpoints/fleet${path}`, data)).toEqual([200, fleet]);
			const from = { "CF-Connecting-IP": addresses[0] ?? "", "X-Auth-Key": keyOfFirst };
			const own = await curl(method, `/v1.1/endpoint${path}`, data, from);
			// What a proxy posts is its own.
			expect(own).toEqual([200, fleet]);
			expect(await curl(method, `/v1.1/endpoint${path}`, data)).toEqual([401, "Must query from endpoint ip."]);
		});

	test("Set Endpoint IP Metrics: POST /v1.1/endpoint/metrics sets the caller's own, which count at once", async () => {
		const [first = "", second = ""] = addresses;
		const from = { "CF-Connecting-IP": first };
		expect(await curl("POST", "/v1.1/endpoint/metrics", '{"metric": [1.0, 7.2]}', from)).toEqual([200, NONE]);
		expect(await curl("POST", `/v1.1/endpoints/fleet/metrics/${second}`, '{"metric": [3, 2]}')).toEqual([200, NONE]);
		expect(await curl("GET", `/v1.1/endpoints/fleet/metrics/${first}`)).toEqual([
			200,
			{ active: [1, 1], requests: [1, 2.5], metric: [1, 7.2] },
		]);
		expect(await curl("GET", "/v1.1/endpoints/fleet/metrics")).toEqual([200, { active: 0.5, requests: 2.5, metric: (7.2 + 6) / 4 }]);
	});

	for (const path of ["/v1.1/endpoints/fleet/instances", "/v1.1/endpoint/instances"])
		test(`Associate and Disassociate Endpoint Instance: POST and DELETE ${path}/{id}`, async () => {
			const from = { "CF-Connecting-IP": addresses[0] ?? "" };
			const id = await makeDroplet();
			const ids = (await curl("GET", path, undefined, from))[1] as string[];
			expect(await curl("POST", `${path}/${id}`, undefined, from)).toEqual([200, NONE]);
			expect(await curl("GET", path, undefined, from)).toEqual([200, expect.arrayContaining([...ids, id])]);
			expect((await droplet(id)).tags).toContain("muster");
			expect((await curl("POST", `${path}/${id}`, undefined, from))[0], "twice").toBe(409);
			expect(await curl("DELETE", `${path}/${id}`, undefined, from)).toEqual([200, NONE]);
			expect(await curl("GET", path, undefined, from)).toEqual([200, ids]);
			expect((await droplet(id)).tags).toEqual(["theirs"]);
			expect((await curl("POST", `${path}/93818249`, undefined, from))[0], "no such VM").toBe(404);
			expect((await curl("DELETE", `${path}/93818249`, undefined, from))[0], "not the pool's").toBe(404);
		});

	test("Delete Endpoint: DELETE /v1.1/endpoints/demo", async () => {
		expect(await curl("DELETE", "/v1.1/endpoints/demo")).toEqual([200, NONE]);
		expect(await curl("GET", "/v1.1/endpoints")).toEqual([200, ["digitalocean-default", "fleet"]]);
		expect((await curl("GET", "/v1.1/endpoints/demo"))[0]).toBe(404);
	});
});

test("Reactor's API reference, authentication: a key that is set is required, as a header or as a parameter", async () => {
	expect(await curl("POST", "/v1.1/auth_key", '{"auth_key": "bar"}')).toEqual([200, NONE]);
	expect(await curl("GET", "/v1.1/endpoints")).toEqual([401, "unauthorized"]);
	const listed = [200, expect.arrayContaining(["fleet"])];
	expect(await curl("GET", "/v1.1/endpoints", undefined, { "X-Auth-Key": "bar" })).toEqual(listed);
	expect(await curl("GET", "/v1.1/endpoints?auth_key=bar")).toEqual(listed);
	// On the routes of the caller's own endpoint it does, or the proxy's own.
	const from = { "CF-Connecting-IP": addresses[0] ?? "" };
	expect(await curl("GET", "/v1.1/endpoint/ips", undefined, from)).toEqual([401, "unauthorized"]);
	for (const key of ["bar", keyOfFirst])
		expect(await curl("GET", "/v1.1/endpoint/ips", undefined, { ...from, "X-Auth-Key": key })).toEqual([200, [IP, IP]]);
	const [, keyOfSecond = ""] = pool.keys.values();
	for (const key of [keyOfSecond, `${keyOfFirst.slice(0, -1)}x`])
		expect(await curl("GET", "/v1.1/endpoint/ips", undefined, { ...from, "X-Auth-Key": key }), "another's").toEqual([401, "unauthorized"]);
	const { DB } = bindings;
	expect(await DB.prepare("SELECT 1 FROM settings WHERE value LIKE '%bar%'").first()).toBeNull();
	expect(await curl("POST", "/v1.1/auth_key", '{"auth_key": null}', { "X-Auth-Key": "bar" })).toEqual([200, NONE]);
	expect(await curl("GET", "/v1.1/endpoints")).toEqual(listed);
});

const DROPLETS = "http://cloud.test/digitalocean/v2/droplets";
const AS_POOL = { headers: { Authorization: "Bearer local-pool-tests", "Content-Type": "application/json" } };

/** A VM that somebody else made in the fleet's account. */
async function makeDroplet(): Promise<string> {
	const wish = { name: "theirs", region: "lon1", size: "s-1vcpu-512mb-10gb", image: "ubuntu-24-04-x64", tags: ["theirs"] };
	const answer = await fetch(DROPLETS, { ...AS_POOL, method: "POST", body: JSON.stringify(wish) });
	return String(((await answer.json()) as { droplet: { id: number } }).droplet.id);
}

async function droplet(id: string): Promise<{ tags: string[] }> {
	return ((await (await fetch(`${DROPLETS}/${id}`, AS_POOL)).json()) as { droplet: { tags: string[] } }).droplet;
}

function uuidOf(object: string): string {
	return object.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
