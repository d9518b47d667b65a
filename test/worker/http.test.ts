import { beforeEach, describe, expect, test } from "vitest";
import { ROUTES } from "../../src/http/app.ts";
import { isImplicit } from "../../src/http/reactor/addressed.ts";
import { forgetReady } from "../../src/read-model/ready.ts";
import { ADMIN_KEY, ask, askPlainly, askWith, bodyOf, enter, failing, readyPublication, show, startAfresh } from "./helpers.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

beforeEach(startAfresh);

describe("every answer", () => {
	test("names its request in the body and in X-Request-Id, each another", async () => {
		const [first, second] = [await ask("/"), await ask("/nowhere")];
		const ids = [first, second].map((response) => response.headers.get("X-Request-Id"));
		expect(ids[0]).toMatch(UUID);
		expect(ids[0]).not.toBe(ids[1]);
		const { metadata } = await bodyOf(first);
		expect(metadata.request_id).toBe(ids[0]);
		expect(new Date(metadata.timestamp).toISOString()).toBe(metadata.timestamp);
		expect((await bodyOf(second)).metadata.request_id).toBe(ids[1]);
	});

	test("is not to be stored: it holds credentials", async () => {
		expect((await ask("/")).headers.get("Cache-Control")).toBe("no-store");
		expect((await ask("/nowhere")).headers.get("Cache-Control")).toBe("no-store");
	});

	test("is the error envelope where something is wrong", async () => {
		const response = await ask("/nowhere");
		expect(response.status).toBe(404);
		expect(await bodyOf(response)).toEqual({
			metadata: { request_id: expect.stringMatching(UUID), timestamp: expect.any(String) },
			error: "NotFound",
			detail: "There is no /nowhere here; /docs shows what there is.",
		});
	});

	test("is what the other dialect's clients read under /v1.1", async () => {
		const response = await askPlainly("/v1.1/heartbeat", { method: "POST", body: "{}" });
		expect([response.status, await response.text()]).toEqual([401, "unauthorized"]);
	});
});

describe("methods", () => {
	test("HEAD answers wherever GET does, without a body", async () => {
		for (const [method, path] of ROUTES.filter(([method, path]) => method === "get" && !path.includes(":") && path !== "/probe")) {
			const [get, head] = [await ask(path), await ask(path, { method: "HEAD" })];
			expect([head.status, await head.text()], `${method} ${path}`).toEqual([get.status, ""]);
			await get.text();
		}
	});

	test("a method that a path does not have is 405 and names those that it has", async () => {
		for (const [, path] of ROUTES.filter(([, path]) => !isImplicit(path))) {
			const response = await ask(path.replaceAll(/:\w+/g, "digitalocean"), { method: "PROPFIND" });
			expect(response.status, path).toBe(405);
			const methods = ROUTES.filter(([, other]) => other === path).map(([method]) => method.toUpperCase());
			const allowed = response.headers.get("Allow")?.split(", ") ?? [];
			for (const method of [...methods, "OPTIONS"]) expect(allowed, path).toContain(method);
			await response.text();
		}
		const response = await ask("/destroy", { method: "POST" });
		expect(response.headers.get("Allow")).toBe("GET, HEAD, DELETE, OPTIONS");
		expect(await bodyOf(response)).toMatchObject({
			error: "MethodNotAllowed",
			detail: "POST is not allowed on /destroy; allowed are GET, HEAD, DELETE, OPTIONS.",
		});
	});

	test("a trailing slash makes no difference", async () => {
		expect((await ask("/providers/")).status).toBe(200);
		expect((await ask("/providers/digitalocean/default/")).status).toBe(200);
		expect((await askPlainly("/health/")).status).toBe(200);
		expect((await askPlainly("/providers/")).status).toBe(401);
	});
});

describe("other origins", () => {
	test("any may ask, with any header and method, without a key for the question itself", async () => {
		const headers = {
			Origin: "https://app.test",
			"Access-Control-Request-Method": "PATCH",
			"Access-Control-Request-Headers": "x-auth-key, x-a",
		};
		const preflight = await askPlainly("/providers/digitalocean", { method: "OPTIONS", headers });
		expect(preflight.status).toBe(204);
		expect(preflight.headers.get("Access-Control-Allow-Origin")).toBe("*");
		expect(preflight.headers.get("Access-Control-Allow-Methods")).toContain("PATCH");
		expect(preflight.headers.get("Access-Control-Allow-Headers")).toBe("x-auth-key,x-a");
		expect(preflight.headers.get("Access-Control-Allow-Credentials")).toBeNull();
		for (const response of [await ask("/", { headers }), await askPlainly("/", { headers })])
			expect(response.headers.get("Access-Control-Allow-Origin"), String(response.status)).toBe("*");
	});

	test("CORS_ORIGINS narrows them", async () => {
		const settings = { CORS_ORIGINS: "https://a.test,https://b.test" };
		const allowed = async (origin: string) =>
			(await askWith(settings, "/health", { headers: { Origin: origin } })).headers.get("Access-Control-Allow-Origin");
		expect(await allowed("https://b.test")).toBe("https://b.test");
		expect(await allowed("https://c.test")).toBeNull();
		// What a cache in between keeps for one origin is not for another.
		expect((await askWith(settings, "/health")).headers.get("Vary")).toBe("Origin");
		expect((await askPlainly("/health")).headers.get("Vary")).toBeNull();
		const preflight = await askWith(settings, "/providers", { method: "OPTIONS", headers: { Origin: "https://c.test" } });
		expect([preflight.status, preflight.headers.get("Access-Control-Allow-Origin")]).toEqual([204, null]);
	});
});

describe("a browser at /", () => {
	const PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

	test("is sent to the console, whoever it is", async () => {
		for (const headers of [
			{ Accept: PAGE, "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate" },
			{ Accept: PAGE, "Sec-Fetch-Mode": "navigate" },
			{ "Sec-Fetch-Dest": "document" },
		] as Record<string, string>[]) {
			const response = await askPlainly("/", { headers });
			expect([response.status, response.headers.get("Location")], JSON.stringify(headers)).toEqual([302, "/ui/"]);
		}
	});

	test("and a program is not, though it asks for a page as Scrapy and Java do, nor a page's script", async () => {
		const java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
		for (const Accept of [PAGE, java, "*/*", "application/json", "application/json, text/html;q=0.5", ""])
			expect((await ask("/", { headers: { Accept } })).status, Accept).toBe(200);
		expect((await ask("/", { headers: { Accept: PAGE, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty" } })).status).toBe(200);
	});
});

describe("while D1 fails", () => {
	const key = { headers: { "X-Auth-Key": ADMIN_KEY } };

	test("/random and / serve the last snapshot and say how old it is", async () => {
		await show(readyPublication(await enter(), 3));
		expect((await ask("/random")).headers.get("Age")).toBeNull();
		for (const path of ["/random", "/"]) {
			forgetReady();
			const response = await askWith({ DB: failing() }, path, key);
			expect(response.status).toBe(200);
			expect(Number(response.headers.get("Age"))).toBeGreaterThanOrEqual(0);
			expect(response.headers.has("Age")).toBe(true);
			await response.text();
		}
	});

	test("what needs it is 503, says so and when to come back", async () => {
		for (const [method, path] of [
			["GET", "/random"],
			["GET", "/providers"],
			["GET", "/destroy"],
			["DELETE", "/restart?ip_address=192.0.2.1"],
		]) {
			const response = await askWith({ DB: failing() }, path as string, { ...key, method: method as string });
			expect(response.status, path).toBe(503);
			expect(response.headers.get("Retry-After")).toBe("5");
			expect(await bodyOf(response)).toMatchObject({ error: "ServiceUnavailable", detail: "The database does not answer. Try again." });
		}
	});
});
