import { exports } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PROVIDERS } from "../../../src/providers/index.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import { type Answer, ask, askRunning } from "./asking.ts";
import { PoolUnderTest, resetCloud } from "./harness.ts";

/*
 * CloudProxy's own API documentation as a table: each endpoint that it documents, each field of its examples and each status, asked
 * of the Worker with a real pool of two proxies behind it.
 */

const METADATA = {
	request_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
	timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
};
const IP = expect.stringMatching(/^127\.\d+\.\d+\.\d+$/);
const PROXY = {
	ip: IP,
	port: 8899,
	auth_enabled: true,
	url: expect.stringMatching(/^http:\/\/user:pass@127\.\d+\.\d+\.\d+:8899$/),
	provider: "digitalocean",
	instance: "default",
	display_name: "DigitalOcean",
	// Ours, beside CloudProxy's fields.
	region: "lon1",
	size: "s-1vcpu-512mb-10gb",
	country: "gb",
	server: expect.stringMatching(/^http:\/\/127\.\d+\.\d+\.\d+:8899$/),
	username: "user",
	password: "pass",
	socks5: expect.stringMatching(/^socks5:\/\/user:pass@127\.\d+\.\d+\.\d+:8899$/),
};
const SCALING = { min_scaling: 2, max_scaling: 3 };
const INSTANCE = {
	enabled: true,
	state: "running",
	ips: [IP, IP],
	scaling: SCALING,
	size: "s-1vcpu-512mb-10gb",
	region: "lon1",
	display_name: "DigitalOcean",
	image: "ubuntu-24-04-x64",
	api_url: expect.any(String),
	// Ours, beside CloudProxy's fields.
	cost: { hourly: 0.0119, currency: "USD", asOf: METADATA.timestamp },
	billed: 2,
	spent_this_hour: [{ amount: 0.0119, currency: "USD" }],
	max_replacements_per_hour: 6,
};
const DISABLED = expect.objectContaining({
	enabled: false,
	ips: [],
	scaling: { min_scaling: 2, max_scaling: 2 },
	display_name: expect.any(String),
	instances: { default: expect.objectContaining({ enabled: false, ips: [] }) },
});
const OTHERS = Object.keys(PROVIDERS).filter((cloud) => cloud !== "digitalocean");
const listOf = (total: number) => ({ metadata: METADATA, total, proxies: Array.from({ length: total }, () => PROXY) });
const PAGE = { ...listOf(2), version: "1.1" };
const ordered = (message: string) => ({ metadata: METADATA, message, proxy: PROXY });
const provider = (done: string) => ({
	metadata: METADATA,
	message: `Provider 'digitalocean' ${done}`,
	provider: INSTANCE,
	instances: { default: INSTANCE },
});
const instance = (done: string) => ({
	metadata: METADATA,
	message: `Provider 'digitalocean' instance 'default' ${done}`,
	provider: "digitalocean",
	instance: "default",
	config: INSTANCE,
});
const RETRIEVED = "configuration retrieved successfully";
const UPDATED = "scaling configuration updated successfully";
const fault = (error: string, detail: unknown) => ({ metadata: METADATA, error, detail });

let pool: PoolUnderTest;
beforeAll(async () => {
	await resetCloud();
	pool = await new PoolUnderTest().start();
	await askRunning(pool, "PATCH", "/providers/digitalocean", SCALING);
	await pool.untilReady(2);
	await pool.settle();
	forgetEverything();
});
afterAll(() => forgetEverything());

type Row = readonly [method: string, path: string, status: number, body: unknown, sent?: unknown];

const READS: readonly Row[] = [
	["GET", "/?offset=0&limit=10", 200, PAGE],
	["GET", "/", 200, PAGE],
	["GET", "/?offset=1&limit=1", 200, { ...PAGE, proxies: [PROXY] }],
	["GET", "/?offset=2", 200, { ...PAGE, proxies: [] }],
	["GET", "/random", 200, ordered("Random proxy retrieved successfully")],
	["GET", "/destroy", 200, listOf(0)],
	["GET", "/restart", 200, listOf(0)],
	// VMs of other tests' deployments may be in the account, which it then tells of.
	[
		"GET",
		"/health",
		200,
		expect.objectContaining({ status: expect.stringMatching(/^(healthy|degraded)$/), timestamp: METADATA.timestamp }),
	],
	[
		"GET",
		"/auth",
		200,
		{
			...{ metadata: METADATA, auth_enabled: true, username: "user", password: "pass" },
			auth: { username_configured: true, password_configured: true, only_host_ip: false, host_ip: null },
			...{ source: "environment", since: null, in_force: { proxies: 2, of: 2 }, notice: null },
		},
	],
	[
		"GET",
		"/providers",
		200,
		{
			metadata: METADATA,
			vms: 2,
			billed: 2,
			cost: [INSTANCE.cost],
			spent_this_hour: INSTANCE.spent_this_hour,
			removing: [],
			providers: {
				digitalocean: { ...INSTANCE, instances: { default: INSTANCE } },
				...Object.fromEntries(OTHERS.map((name) => [name, DISABLED])),
			},
		},
	],
	["GET", "/providers/digitalocean", 200, provider(RETRIEVED)],
	["GET", "/providers/digitalocean/default", 200, instance(RETRIEVED)],
];

const CHANGES: readonly Row[] = [
	["PATCH", "/providers/digitalocean", 200, provider(UPDATED), SCALING],
	["PATCH", "/providers/digitalocean/default", 200, instance(UPDATED), SCALING],
];

const FAULTS: readonly Row[] = [
	["DELETE", "/destroy?ip_address=192.0.2.200", 404, fault("NotFound", "Proxy '192.0.2.200' not found")],
	["DELETE", "/restart?ip_address=192.0.2.200", 404, fault("NotFound", "Proxy '192.0.2.200' not found")],
	["DELETE", "/destroy?ip_address=300.1.1.1", 422, fault("ValidationError", "Invalid IP address format")],
	["DELETE", "/restart?ip_address=nonsense", 422, fault("ValidationError", "Invalid IP address format")],
	["DELETE", "/destroy", 422, fault("ValidationError", expect.stringMatching(/^ip_address is required/))],
	["DELETE", "/restart", 422, fault("ValidationError", expect.stringMatching(/^ip_address is required/))],
	["GET", "/?limit=101", 422, fault("ValidationError", "limit must be a whole number from 1 to 100.")],
	["GET", "/?limit=0", 422, fault("ValidationError", "limit must be a whole number from 1 to 100.")],
	["GET", "/?offset=-1", 422, fault("ValidationError", "offset must be a whole number of at least 0.")],
	["GET", "/providers/nobody", 404, fault("NotFound", "Provider 'nobody' not found")],
	["GET", "/providers/digitalocean/none", 404, fault("NotFound", "Provider 'digitalocean' instance 'none' not found")],
	["PATCH", "/providers/nobody", 404, fault("NotFound", "Provider 'nobody' not found"), SCALING],
	["PATCH", "/providers/digitalocean/none", 404, fault("NotFound", "Provider 'digitalocean' instance 'none' not found"), SCALING],
	[
		"PATCH",
		"/providers/digitalocean",
		422,
		fault("ValidationError", "max_scaling must not be less than min_scaling."),
		{ min_scaling: 5, max_scaling: 2 },
	],
	["PATCH", "/providers/digitalocean", 422, fault("ValidationError", expect.stringContaining("max_scaling")), { min_scaling: 5 }],
	["POST", "/random", 405, fault("MethodNotAllowed", "POST is not allowed on /random; allowed are GET, HEAD, OPTIONS.")],
	["GET", "/nowhere", 404, fault("NotFound", expect.stringContaining("/nowhere"))],
];

function expectAnswer({ status, headers, body }: Answer, [, , wanted, shape]: Row): void {
	expect(body).toEqual(shape);
	expect(status).toBe(wanted);
	if (body.metadata) expect(headers.get("X-Request-Id")).toBe(body.metadata.request_id);
}

describe("CloudProxy's documented API", () => {
	for (const row of READS) {
		const [method, path, status] = row;
		test(`${method} ${path} is ${status}, also with a slash at its end and a key in its query; HEAD has the same status`, async () => {
			expectAnswer(await ask(method, path), row);
			const [place = "", query = ""] = path.split("?");
			expectAnswer(await ask(method, `${place === "/" ? place : `${place}/`}?${query}&auth_key=any`), row);
			expect((await ask("HEAD", path)).status).toBe(status);
		});
	}

	for (const row of CHANGES) {
		const [method, path, status, , body] = row;
		test(`${method} ${path} is ${status}`, async () => expectAnswer(await askRunning(pool, method, path, body), row));
	}

	for (const row of FAULTS) {
		const [method, path, status, , body] = row;
		const sent = body === undefined ? "" : ` with ${JSON.stringify(body)}`;
		test(`${method} ${path}${sent} is ${status}`, async () => expectAnswer(await ask(method, path, body), row));
	}

	test("a body that is not JSON is 400", async () => {
		const request = new Request("https://muster.test/providers/digitalocean", {
			method: "PATCH",
			body: "min_scaling=2",
			headers: { "Content-Type": "application/json" },
		});
		const response = await exports.default.fetch(request);
		expect([response.status, await response.json()]).toEqual([400, fault("BadRequest", "The body is not JSON.")]);
	});

	test("DELETE /restart schedules a proxy, which leaves the list for the queue and is answered about again", async () => {
		const { ip } = (await ask("GET", "/random")).body.proxy;
		const first = await askRunning(pool, "DELETE", `/restart?ip_address=${ip}`);
		expect(first.body).toEqual({ ...ordered("Proxy scheduled for restart"), proxy: { ...PROXY, ip } });
		const queue = (await ask("GET", "/restart")).body;
		expect(queue).toEqual(queue.total === 0 ? listOf(0) : listOf(1));
		expect((await ask("GET", "/")).body.proxies.map((proxy: { ip: string }) => proxy.ip)).not.toContain(ip);
		expect((await askRunning(pool, "DELETE", `/restart?ip_address=${ip}`)).status).toBe(200);
	});

	test("DELETE /destroy schedules a proxy, which leaves the list for good", async () => {
		const { ip } = (await ask("GET", "/random")).body.proxy;
		const first = await askRunning(pool, "DELETE", `/destroy?ip_address=${ip}`);
		expect(first.body).toEqual({ ...ordered("Proxy scheduled for deletion"), proxy: { ...PROXY, ip } });
		for (const proxy of (await ask("GET", "/destroy")).body.proxies) expect(proxy).toEqual({ ...PROXY, ip });
		expect((await ask("GET", "/")).body.proxies.map((proxy: { ip: string }) => proxy.ip)).not.toContain(ip);
	});

	test("/random is 503 with a time to come back while the service starts, and 404 once it has none", async () => {
		const fresh = await new PoolUnderTest().start();
		forgetEverything();
		const starting = await ask("GET", "/random");
		expectAnswer(starting, ["", "", 503, fault("ServiceUnavailable", "The pools are starting; no proxy is ready yet.")]);
		expect(Number(starting.headers.get("Retry-After"))).toBeGreaterThan(0);
		await askRunning(fresh, "PATCH", "/providers/digitalocean", { min_scaling: 0, max_scaling: 0 });
		await fresh.until((state) => state.reconciledAt !== null && state.proxies.size === 0, "an empty pool that has read its inventory");
		await fresh.settle();
		forgetEverything();
		expectAnswer(await ask("GET", "/random"), [
			"",
			"",
			404,
			fault("NotFound", "No proxies available: digitalocean/default (lon1) keeps no proxies"),
		]);
	});
});
