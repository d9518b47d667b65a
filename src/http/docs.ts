import { z } from "zod";
import { type AppContext, Endpoint } from "./base/context.ts";
import { isInFirstVersion } from "./base/routes.ts";

/** Where the static assets of the documentation are (scripts/assets.ts puts them there). */
export const DOCS_ASSETS = "/docs/assets";

// Nothing but our own files: no inline script or style, no other origin, no framing.
const POLICY = [
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"img-src 'self' data:",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
].join("; ");

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Muster API</title>
<link rel="icon" href="${DOCS_ASSETS}/favicon-32x32.png">
<link rel="stylesheet" href="${DOCS_ASSETS}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; the description itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="${DOCS_ASSETS}/swagger-ui-bundle.js"></script>
<script src="${DOCS_ASSETS}/start.js"></script>
</body>
</html>
`;

const pageSchema = {
	operationId: "getDocumentation",
	tags: ["Documentation"],
	summary: "This page",
	security: [],
	responses: { 200: { description: "Swagger UI.", content: { "text/html": { schema: z.string() } } } },
};
const documentSchema = {
	operationId: "getOpenApi",
	tags: ["Documentation"],
	summary: "Describe the API (OpenAPI 3.1)",
	security: [],
	responses: { 200: { description: "The description.", content: { "application/json": { schema: z.looseObject({}) } } } },
};

/** `GET /docs`: Swagger UI from our own assets. */
export class GetDocs extends Endpoint {
	override schema = pageSchema;
	handle(c: AppContext): Response {
		return c.html(PAGE, 200, { "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "max-age=300" });
	}
}

/** Made at the first request of an isolate: it takes some ten milliseconds. */
let document: string | null = null;

/** `GET /openapi.json` */
export class GetOpenApi extends Endpoint {
	override schema = documentSchema;
	handle(c: AppContext): Response {
		document ??= JSON.stringify(describe(this.params.router.getGeneratedSchema()));
		return c.body(document, 200, { "Content-Type": "application/json", "Cache-Control": "max-age=300" });
	}
}

const TAGS: Readonly<Record<string, string>> = {
	Proxies: "Get proxies, destroy and restart single ones.",
	Providers: "What each cloud account keeps, and how much of it.",
	"Rolling deployments": "How proxies that grow old are replaced.",
	Health: "Whether the deployment works, and how its proxies are protected.",
	Documentation: "This description.",
	Agents: "What the proxies themselves call.",
	Endpoints: "Pools as the other dialect, Reactor's, sees them.",
	Instances: "The VMs of an endpoint.",
	Sessions: "The connections that are open through an endpoint's proxies.",
	Managers: "What looks after each pool, in that dialect: here the pool itself.",
	Global: "What holds for the whole deployment, in that dialect.",
};

/** Adds how callers prove who they are, which no single route says, and gives the root its path, which chanfana trims to nothing. */
function describe(generated: object): object {
	const { components, info, paths, ...rest } = generated as { components?: object; info?: object; paths?: Record<string, object> };
	const key = "The admin key; on the routes of one endpoint also that endpoint's own";
	const header = { type: "apiKey", in: "header", name: "X-Auth-Key", description: `${key}.` };
	const bearer = { type: "http", scheme: "bearer", description: `${key}.` };
	const query = { type: "apiKey", in: "query", name: "auth_key", description: `${key}, where nothing else will do: URLs are logged.` };
	const session = { type: "apiKey", in: "cookie", name: "__Host-muster", description: "What POST /v1.1/login gives to a browser." };
	const agent = { type: "http", scheme: "bearer", description: "A boot token, or a VM's own key." };
	const used = new Set(
		Object.values(paths ?? {}).flatMap((item) => Object.values(item).flatMap(({ tags }: { tags?: string[] }) => tags ?? [])),
	);
	return {
		...rest,
		info: { ...info, license: { name: "MIT", identifier: "MIT" } },
		servers: [{ url: "/", description: "This deployment." }],
		tags: [...used].map((name) => ({ name, ...(TAGS[name] ? { description: TAGS[name] } : {}) })),
		paths: Object.fromEntries([
			...Object.entries(paths ?? {}).map(([path, item]) => [path === "" ? "/" : path, item]),
			...Object.entries(paths ?? {}).flatMap(([path, item]) => (isInFirstVersion(path) ? [inFirstVersion(path, item)] : [])),
		]),
		components: { ...components, securitySchemes: { header, bearer, query, session, agent } },
		security: [{ header: [] }, { bearer: [] }, { query: [] }, { session: [] }],
	};
}

/** The same operations at the path that version 1.0 of Reactor's dialect had them at. */
function inFirstVersion(path: string, item: object): readonly [string, object] {
	const operations = Object.entries(item).map(([method, operation]: [string, { operationId?: string }]) => [
		method,
		{ ...operation, operationId: `${operation.operationId}InFirstVersion`, deprecated: true },
	]);
	return [path.replace("/v1.1/", "/v1.0/"), Object.fromEntries(operations)];
}
