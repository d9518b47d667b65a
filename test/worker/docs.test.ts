import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { ROUTES } from "../../src/http/app.ts";
import { isImplicit } from "../../src/http/reactor/addressed.ts";
import type { CommandOutcome } from "../../src/rpc/pool.ts";
import { ADMIN_KEY, ask, askPlainly, askWith, bodyOf, enter, poolsAnswering, SUMMARY, startAfresh } from "./helpers.ts";

const KEY = ["header", "bearer", "query", "session"];
/** Where an operation is described: once in the first, and again in the second where it is another's at another address. */
const documentOf = async (path: string) => bodyOf(await askPlainly(isImplicit(path) ? "/openapi-duplicates.json" : "/openapi.json"));
const SCHEMES = { admin: KEY, endpoint: KEY, agent: ["agent"], public: [] };

test("the description is OpenAPI 3.1 and has every route, each with an operation of its own and who may call it", async () => {
	const response = await askPlainly("/openapi.json");
	expect(response.headers.get("Content-Type")).toMatch(/^application\/json/);
	const document = await bodyOf(response);
	expect(document.openapi).toBe("3.1.0");
	const duplicates = await documentOf("/v1.1/endpoint");
	const ids = ROUTES.map(([method, path, access]) => {
		const { paths, security } = isImplicit(path) ? duplicates : document;
		const operation = paths[path.replaceAll(/:(\w+)/g, "{$1}")]?.[method];
		expect(operation, `${method} ${path}`).toBeDefined();
		expect(operation.summary, `${method} ${path}`).toBeTruthy();
		const schemes = (operation.security ?? security).flatMap((scheme: object) => Object.keys(scheme));
		expect(schemes, `${method} ${path}`).toEqual(SCHEMES[access]);
		return operation.operationId;
	});
	expect(new Set(ids).size).toBe(ids.length);
	expect(Object.keys(document.components.securitySchemes)).toEqual(["header", "bearer", "query", "session", "agent"]);
});

test("every route has a tag that is explained, an example of whatever it takes and answers, and the errors that it may give", async () => {
	const [first, second] = [await documentOf("/"), await documentOf("/v1.1/endpoint")];
	const resolve = (node: { $ref?: string }) =>
		node.$ref === undefined ? node : first.components.schemas[node.$ref.slice("#/components/schemas/".length)];
	const hasExample = (node: { example?: unknown; schema?: { $ref?: string } }): boolean =>
		node.example !== undefined || resolve(node.schema ?? {})?.example !== undefined;
	for (const [method, path, access] of ROUTES) {
		const where = `${method} ${path}`;
		const document = isImplicit(path) ? second : first;
		const explained = document.tags.map((tag: { name: string }) => tag.name);
		const operation = document.paths[path.replaceAll(/:(\w+)/g, "{$1}")][method];
		expect(explained, where).toContain(operation.tags[0]);
		expect(operation.description, where).toBeTruthy();
		if (access === "admin" || access === "endpoint")
			expect(Object.keys(operation.responses), where).toEqual(expect.arrayContaining(["200", "401", "503"]));
		for (const parameter of operation.parameters ?? []) {
			if (parameter.required) expect(hasExample(parameter), `${where} ${parameter.name}`).toBe(true);
			else expect(parameter.description, `${where} ${parameter.name}`).toBeTruthy();
		}
		for (const content of [operation.requestBody?.content["application/json"] ?? { example: "none" }])
			expect(hasExample(content), where).toBe(true);
		for (const [status, response] of Object.entries<{ content?: Record<string, { example?: unknown }> }>(operation.responses)) {
			const content = response.content?.["application/json"];
			if (content !== undefined && !path.startsWith("/openapi")) expect(hasExample(content), `${where} ${status}`).toBe(true);
		}
	}
});

test("the headers of answers are described, and tuples are lists of so many items", async () => {
	const { paths, components } = await documentOf("/");
	const headersOf = (path: string, status: string) => Object.keys(paths[path].get.responses[status].headers);
	expect(headersOf("/random", "200")).toEqual(["X-Request-Id", "Age"]);
	expect(headersOf("/random", "503")).toEqual(["X-Request-Id", "Retry-After"]);
	expect(headersOf("/v1.1/url", "503")).toEqual(["X-Request-Id", "Retry-After"]);
	expect(headersOf("/openapi.json", "200")).toEqual(["X-Request-Id", "ETag"]);
	expect(Object.keys(components.headers)).toEqual(["X-Request-Id", "Retry-After", "Age", "ETag", "WWW-Authenticate"]);
	const log = paths["/v1.1/endpoints/{endpoint}/log"].get.responses["200"].content["application/json"].schema;
	expect(log.items).toMatchObject({ minItems: 3, maxItems: 3, items: { anyOf: expect.any(Array) } });
});

test("it is not sent again to who has it", async () => {
	for (const path of ["/openapi.json", "/openapi-duplicates.json"]) {
		const tag = (await askPlainly(path)).headers.get("ETag") ?? "";
		expect(tag).toMatch(/^"[\w-]{22}"$/);
		for (const known of [tag, `W/${tag}`, `"other", ${tag}`]) {
			const again = await askPlainly(path, { headers: { "If-None-Match": known } });
			expect([again.status, await again.text()]).toEqual([304, ""]);
		}
		expect((await askPlainly(path, { headers: { "If-None-Match": '"other"' } })).status).toBe(200);
	}
});

test("its examples can be tried as they stand: none is refused for what it is", async () => {
	await startAfresh();
	await enter();
	const { paths } = await documentOf("/");
	const done: CommandOutcome = { ok: true, summary: SUMMARY, addresses: [] };
	const pools = poolsAnswering({
		command: async () => done,
		configuration: async () => ({}),
		reconfigure: async () => ({ ok: true, provider: "digitalocean" }),
		start: async () => undefined,
		status: async () => null,
		tick: async () => ({ provider: "digitalocean" }),
		setMetadata: async () => ({ ok: true }),
	});
	const refused: string[] = [];
	for (const [method, path, access] of ROUTES) {
		if (isImplicit(path) || access === "agent") continue;
		const operation = paths[path.replaceAll(/:(\w+)/g, "{$1}")][method];
		const examples = (operation.parameters ?? []).map(
			(parameter: { name: string; in: string; example?: unknown; schema: { example?: unknown } }) => ({
				...parameter,
				example: parameter.example ?? parameter.schema.example,
			}),
		);
		// One that is there is changed, and its secret kept: the example has to make one.
		let url = path === "/v1.1/endpoints/:endpoint" && method !== "get" && method !== "delete" ? `/v1.1/endpoints/new-by-${method}` : path;
		const query = new URLSearchParams();
		for (const { name, in: where, example } of examples) {
			if (where === "path") url = url.replace(`:${name}`, encodeURIComponent(String(example)));
			else if (example !== undefined) query.set(name, String(example));
		}
		for (const [type, { schema, example }] of Object.entries<{ schema?: { example?: unknown }; example?: unknown }>(
			operation.requestBody?.content ?? { "": {} },
		)) {
			const given = example ?? schema?.example;
			const form = type.includes("urlencoded") ? new URLSearchParams(given as Record<string, string>).toString() : null;
			const body = type === "" ? null : (form ?? (type === "text/plain" ? String(given) : JSON.stringify(given)));
			const settings = { ...pools, ENCRYPTION_KEY: "the-encryption-key-of-the-tests", PUBLIC_URL: "https://muster.test" };
			const headers = { "X-Auth-Key": ADMIN_KEY, ...(type && { "Content-Type": type }) };
			const { status } = await askWith(settings, query.size > 0 ? `${url}?${query}` : url, { method: method.toUpperCase(), body, headers });
			if ([400, 401, 403, 413, 415, 422, 500].includes(status)) refused.push(`${method} ${url} ${type}: ${status}`);
		}
	}
	expect(refused).toEqual([]);
});

test("its answers hold what it says they hold", async () => {
	const document = await bodyOf(await askPlainly("/openapi.json"));
	const answer = await bodyOf(await ask("/"));
	const { ProxyPage, ProxyList } = document.components.schemas;
	const fields = [ProxyList, ...ProxyPage.allOf].flatMap((part) => Object.keys(part.properties ?? {}));
	expect(Object.keys(answer).sort()).toEqual(fields.sort());
	expect(document.components.schemas.Proxy.required).toContain("url");
	const body = document.paths["/providers/{provider}"].patch.requestBody;
	expect(body).toMatchObject({ required: true, content: { "application/json": { schema: { required: ["min_scaling", "max_scaling"] } } } });
});

test("the page has nothing of another origin, nothing inline, and a policy that says so", async () => {
	const response = await askPlainly("/docs");
	expect(response.headers.get("Content-Type")).toMatch(/^text\/html/);
	const policy = response.headers.get("Content-Security-Policy") ?? "";
	expect(policy).toContain("default-src 'none'");
	expect(policy).not.toMatch(/unsafe|https?:|\*/);
	const page = await response.text();
	expect(page).not.toMatch(/https?:\/\/|<style|style=|\son\w+=|<script>/);
});

test("every file that the page names is one of our assets", async () => {
	const page = await (await askPlainly("/docs")).text();
	const files = [...page.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)].map((match) => match[1] as string);
	expect(files.length).toBeGreaterThanOrEqual(4);
	for (const file of files) {
		const response = await env.ASSETS.fetch(`https://muster.test${file}`);
		expect(response.status, file).toBe(200);
		await response.arrayBuffer();
	}
	expect(await (await env.ASSETS.fetch("https://muster.test/docs/assets/start.js")).text()).toContain('url: "/openapi.json"');
});

test("the gateway is one of our assets, as one script without packages", async () => {
	const response = await env.ASSETS.fetch("https://muster.test/gateway.mjs");
	expect(response.headers.get("Content-Type")).toContain("javascript");
	const imports = [...(await response.text()).matchAll(/^import .* from "([^"]+)";$/gm)].map(([, name]) => name ?? "");
	expect(imports.length).toBeGreaterThan(3);
	expect(imports.filter((name) => !name.startsWith("node:"))).toEqual([]);
});

test("/probe answers its nonce as text", async () => {
	const response = await askPlainly("/probe?nonce=Ab-9_");
	expect([response.headers.get("Content-Type"), await response.text()]).toEqual([expect.stringMatching(/^text\/plain/), "Ab-9_"]);
});
