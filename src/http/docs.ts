import { z } from "zod";
import { type AppContext, Operation } from "./base/context.ts";
import { isHeld, tagOf } from "./base/etag.ts";
import { describeApi, describeDuplicates } from "./description.ts";

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
	description: "Everything here can be tried on it, with a key.",
	security: [],
	responses: { 200: { description: "Swagger UI.", content: { "text/html": { schema: z.string() } } } },
};
const documentResponses = {
	200: { description: "The description.", content: { "application/json": { schema: z.looseObject({}) } } },
	304: { description: "It is what the caller has." },
};
const documentSchema = {
	operationId: "getOpenApi",
	tags: ["Documentation"],
	summary: "Describe the API (OpenAPI 3.1)",
	description: "Both dialects, each operation once.",
	security: [],
	responses: documentResponses,
};
const duplicatesSchema = {
	operationId: "getOpenApiOfDuplicates",
	tags: ["Documentation"],
	summary: "Describe what the API has a second time (OpenAPI 3.1)",
	description: "The routes of a caller's own endpoint, and those of version 1.0 of Reactor's dialect.",
	security: [],
	responses: documentResponses,
};

/** `GET /docs`: Swagger UI from our own assets. */
export class GetDocs extends Operation {
	override schema = pageSchema;
	handle(c: AppContext): Response {
		return c.html(PAGE, 200, { "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "max-age=300" });
	}
}

/** Made at the first request of an isolate: each takes some ten milliseconds. */
const documents = new Map<string, { readonly text: string; readonly tag: string }>();

/** `GET /openapi.json` */
export class GetOpenApi extends Operation {
	override schema = documentSchema;
	handle(c: AppContext): Promise<Response> {
		return answer(c, "api", () => describeApi(this.params.router.getGeneratedSchema()));
	}
}

/** `GET /openapi-duplicates.json` */
export class GetOpenApiOfDuplicates extends Operation {
	override schema = duplicatesSchema;
	handle(c: AppContext): Promise<Response> {
		return answer(c, "duplicates", () => describeDuplicates(this.params.router.getGeneratedSchema()));
	}
}

async function answer(c: AppContext, name: string, describe: () => object): Promise<Response> {
	let document = documents.get(name);
	if (document === undefined) {
		const text = JSON.stringify(describe());
		document = { text, tag: await tagOf(text) };
		documents.set(name, document);
	}
	const headers = { ETag: document.tag, "Cache-Control": "max-age=300" };
	if (isHeld(c, document.tag)) return c.body(null, 304, headers);
	return c.body(document.text, 200, { ...headers, "Content-Type": "application/json" });
}
