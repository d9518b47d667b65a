import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { ROUTES } from "../../src/http/app.ts";
import { ask, askPlainly, bodyOf } from "./helpers.ts";

const KEY = ["header", "bearer", "query", "session"];
const SCHEMES = { admin: KEY, endpoint: KEY, agent: ["agent"], public: [] };

test("the description is OpenAPI 3.1 and has every route, each with an operation of its own and who may call it", async () => {
	const response = await askPlainly("/openapi.json");
	expect(response.headers.get("Content-Type")).toMatch(/^application\/json/);
	const document = await bodyOf(response);
	expect(document.openapi).toBe("3.1.0");
	const ids = ROUTES.map(([method, path, access]) => {
		const operation = document.paths[path.replaceAll(/:(\w+)/g, "{$1}")]?.[method];
		expect(operation, `${method} ${path}`).toBeDefined();
		expect(operation.summary, `${method} ${path}`).toBeTruthy();
		const schemes = (operation.security ?? document.security).flatMap((scheme: object) => Object.keys(scheme));
		expect(schemes, `${method} ${path}`).toEqual(SCHEMES[access]);
		return operation.operationId;
	});
	expect(new Set(ids).size).toBe(ids.length);
	expect(Object.keys(document.components.securitySchemes)).toEqual(["header", "bearer", "query", "session", "agent"]);
});

test("every route has a tag that is explained, an example of whatever it takes and answers, and the errors that it may give", async () => {
	const document = await bodyOf(await askPlainly("/openapi.json"));
	const resolve = (node: { $ref?: string }) =>
		node.$ref === undefined ? node : document.components.schemas[node.$ref.slice("#/components/schemas/".length)];
	const hasExample = (node: { example?: unknown; schema?: { $ref?: string } }): boolean =>
		node.example !== undefined || resolve(node.schema ?? {})?.example !== undefined;
	const explained = document.tags.map((tag: { name: string }) => tag.name);
	for (const [method, path, access] of ROUTES) {
		const where = `${method} ${path}`;
		const operation = document.paths[path.replaceAll(/:(\w+)/g, "{$1}")][method];
		expect(explained, where).toContain(operation.tags[0]);
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
			if (content !== undefined && path !== "/openapi.json") expect(hasExample(content), `${where} ${status}`).toBe(true);
		}
	}
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

test("/probe answers its nonce as text", async () => {
	const response = await askPlainly("/probe?nonce=Ab-9_");
	expect([response.headers.get("Content-Type"), await response.text()]).toEqual([expect.stringMatching(/^text\/plain/), "Ab-9_"]);
});
