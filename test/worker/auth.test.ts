import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { readSettings, writeSetting } from "../../src/d1/settings.ts";
import { ROUTES } from "../../src/http/app.ts";
import { FAILED_KEYS_WINDOW_MS, FailedKeys, forgetKeys, MAX_FAILED_KEYS } from "../../src/http/base/auth.ts";
import { forgetOrigin, isPreview } from "../../src/http/origin.ts";
import { isImplicit } from "../../src/http/reactor/addressed.ts";
import { ADMIN_KEY, askPlainly, askWith, bodyOf, enter, failing, poolsAnswering, startAfresh } from "./helpers.ts";

const WITHOUT_KEY = { AUTH_KEY: undefined };
const from = (address: string, headers: Record<string, string> = {}) => ({ headers: { "CF-Connecting-IP": address, ...headers } });

async function sha256(text: string): Promise<string> {
	const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
	return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

beforeEach(async () => {
	await startAfresh();
	forgetKeys();
	forgetOrigin();
});

describe("a deployment with a key", () => {
	test("takes it in each of its places", async () => {
		for (const [path, headers] of [
			["/", { "X-Auth-Key": ADMIN_KEY }],
			["/", { Authorization: `Bearer ${ADMIN_KEY}` }],
			["/", { Authorization: `bearer ${ADMIN_KEY}` }],
			[`/?auth_key=${encodeURIComponent(ADMIN_KEY)}`, {}],
		] as const)
			expect((await askPlainly(path, { headers })).status, JSON.stringify(headers)).toBe(200);
	});

	test("refuses every admin route without it, unknown paths and methods included, and keeps the key to itself", async () => {
		// An address that is no proxy's is told so on the routes that are about the caller's own endpoint: reactor-access.test.ts.
		const closed = ROUTES.filter(([, path, access]) => (access === "admin" || access === "endpoint") && !isImplicit(path));
		const admin = closed.map(([method, path]) => [method.toUpperCase(), path]);
		for (const [method, path] of [...admin, ["GET", "/nowhere"], ["POST", "/random"], ["GET", "/docs/nowhere"]]) {
			for (const headers of [{}, { "X-Auth-Key": "wrong" }] as Record<string, string>[]) {
				forgetKeys();
				const response = await askPlainly(path as string, { method: method as string, headers });
				const text = await response.text();
				expect(response.status, `${method} ${path}`).toBe(401);
				if (/^\/v1\.[01]\b/.test(path ?? "")) expect(text).toBe("unauthorized");
				else expect(JSON.parse(text)).toMatchObject({ error: "Unauthorized" });
				expect(response.headers.get("WWW-Authenticate")).toBe('Bearer realm="muster"');
				expect(text).not.toContain(ADMIN_KEY);
			}
		}
	});

	test("answers the public routes without it", async () => {
		for (const path of ["/health", "/docs", "/openapi.json", "/probe?nonce=1"]) expect((await askPlainly(path)).status, path).toBe(200);
	});

	test("is not opened by ALLOW_ANONYMOUS", async () => {
		expect((await askWith({ ALLOW_ANONYMOUS: "True" }, "/")).status).toBe(401);
	});

	test("checks its secret without D1", async () => {
		const response = await askWith({ DB: failing() }, "/v1.1", { headers: { "X-Auth-Key": ADMIN_KEY } });
		expect(response.status).toBe(200);
		expect((await askWith({ DB: failing() }, "/v1.1")).status, "no key").toBe(401);
		expect((await askWith({ DB: failing() }, "/v1.1", { headers: { "X-Auth-Key": "wrong" } })).status, "cannot tell").toBe(503);
	});
});

describe("a deployment without a key", () => {
	test("is closed, and says how to set one", async () => {
		for (const path of ["/", "/random", "/providers", "/nowhere"]) {
			const response = await askWith(WITHOUT_KEY, path);
			expect(response.status, path).toBe(503);
			expect((await bodyOf(response)).detail).toContain("npx wrangler secret put AUTH_KEY");
		}
		for (const path of ["/health", "/docs", "/openapi.json", "/probe?nonce=1"])
			expect((await askWith(WITHOUT_KEY, path)).status, path).toBe(200);
	});

	test("is open where ALLOW_ANONYMOUS says so, until a key is set", async () => {
		const settings = { ...WITHOUT_KEY, ALLOW_ANONYMOUS: "True" };
		expect((await askWith(settings, "/")).status).toBe(200);
		await writeSetting(env.DB, "auth_key_sha256", await sha256("set by the API"));
		forgetKeys();
		expect((await askWith(settings, "/")).status).toBe(401);
		expect((await askWith(settings, "/", { headers: { "X-Auth-Key": "set by the API" } })).status).toBe(200);
	});

	test("a key too weak to count leaves it closed", async () => {
		expect((await askWith({ AUTH_KEY: "short", ALLOW_ANONYMOUS: "True" }, "/", { headers: { "X-Auth-Key": "short" } })).status).toBe(503);
	});

	test("lets nobody in while D1 cannot say whether a key was set", async () => {
		expect((await askWith({ ...WITHOUT_KEY, ALLOW_ANONYMOUS: "True", DB: failing() }, "/")).status).toBe(503);
	});
});

describe("failed keys", () => {
	test("after ten in a minute a wrong one has to wait; a right one never, nor anybody elsewhere", async () => {
		const wrong = from("192.0.2.7", { "X-Auth-Key": "wrong" });
		for (let attempt = 0; attempt < MAX_FAILED_KEYS; attempt++) expect((await askPlainly("/", wrong)).status).toBe(401);
		const limited = await askPlainly("/", wrong);
		expect(limited.status).toBe(429);
		expect(Number(limited.headers.get("Retry-After"))).toBeGreaterThan(0);
		expect(Number(limited.headers.get("Retry-After"))).toBeLessThanOrEqual(60);
		expect(await bodyOf(limited)).toMatchObject({ error: "TooManyRequests" });
		expect((await askPlainly("/", from("192.0.2.7", { "X-Auth-Key": ADMIN_KEY }))).status, "the right one").toBe(200);
		expect((await askPlainly("/", wrong)).status, "still").toBe(429);
		expect((await askPlainly("/", from("192.0.2.7", { "X-Auth-Key": "mistyped" }))).status, "another's slip").toBe(401);
		expect((await askPlainly("/", from("192.0.2.8", { "X-Auth-Key": "wrong" }))).status).toBe(401);
		expect((await askPlainly("/health", from("192.0.2.7"))).status).toBe(200);
	});

	test("who guesses with many keys is slowed, and the right key passes from there too", async () => {
		const guess = async (key: string) => (await askPlainly("/", from("192.0.2.7", { "X-Auth-Key": key }))).status;
		for (let attempt = 0; attempt < MAX_FAILED_KEYS; attempt++) expect(await guess(`guess ${attempt}`)).toBe(401);
		expect([await guess("another guess"), await guess("one more")]).toEqual([429, 429]);
		expect(await guess(ADMIN_KEY)).toBe(200);
	});

	test("requests without a key count for nothing", async () => {
		for (let attempt = 0; attempt < MAX_FAILED_KEYS + 2; attempt++) expect((await askPlainly("/", from("192.0.2.7"))).status).toBe(401);
	});

	test("a minute later the address is heard again; a /64 is one address", () => {
		const failed = new FailedKeys();
		for (let attempt = 0; attempt < MAX_FAILED_KEYS; attempt++) failed.count(`2001:db8::${attempt}`, "digest", 1_000 + attempt);
		expect(failed.waitSeconds("2001:db8:0:0:ffff::1", "digest", 31_000)).toBe(30);
		expect(failed.waitSeconds("2001:db8:0:0:ffff::1", "another", 31_000)).toBe(0);
		expect(failed.waitSeconds("2001:db8:0:1::1", "digest", 31_000)).toBe(0);
		expect(failed.waitSeconds("2001:db8::1", "digest", 1_000 + FAILED_KEYS_WINDOW_MS)).toBe(0);
	});
});

describe("the address that agents call", () => {
	const key = { headers: { "X-Auth-Key": ADMIN_KEY } };
	const origin = async () => (await readSettings(env.DB, ["origin"])).get("origin");

	test("is the https origin of the first request with a valid key, and the pools are told at once", async () => {
		const tick = vi.fn(async () => ({ provider: "digitalocean" }) as const);
		await enter();
		for (const [url, init] of [
			["http://plain.test/", key],
			["https://nokey.test/health", {}],
			["https://wrong.test/", { headers: { "X-Auth-Key": "wrong" } }],
			["https://0123abcd-muster.account.workers.dev/", key],
		] as const)
			await askWith(poolsAnswering({ tick }), url, init);
		expect(await origin()).toBeUndefined();
		await askWith(poolsAnswering({ tick }), "https://first.test/", key);
		await askWith(poolsAnswering({ tick }), "https://second.test/", key);
		expect(await origin()).toBe("https://first.test");
		const facts = { agentUrl: "https://first.test", rolling: null, credentials: null, proxies: 0, intervals: {} };
		expect(tick.mock.calls).toEqual([[facts, { is: "there", version: 0 }]]);
	});

	test("is not remembered where PUBLIC_URL names it", async () => {
		await askWith({ PUBLIC_URL: "https://public.test" }, "https://first.test/", key);
		expect(await origin()).toBeUndefined();
	});

	test("a version's own host is a preview, a Worker's is not", () => {
		expect(isPreview("1a2b3c4d-muster.account.workers.dev")).toBe(true);
		expect(isPreview("muster.account.workers.dev")).toBe(false);
		expect(isPreview("my-muster.account.workers.dev")).toBe(false);
		expect(isPreview("1a2b3c4d-muster.example.com")).toBe(false);
	});
});
