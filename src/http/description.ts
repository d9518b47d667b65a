import { isInFirstVersion } from "./base/routes.ts";
import { isImplicit } from "./reactor/addressed.ts";

// What no single route says of itself: how callers prove who they are, what every answer carries, and which addresses are others' again.

const TAGS: Readonly<Record<string, string>> = {
	Proxies: "Get proxies, destroy and restart single ones.",
	Outcomes: "What sites make of the proxies, as clients report it.",
	Leases: "Proxies that one client has for itself.",
	Providers: "What each cloud account keeps, and how much of it.",
	"Rolling deployments": "How proxies that grow old are replaced.",
	Monitoring: "How pools fared and fare, for charts, bills and alerts.",
	Health: "Whether the deployment works, and how its proxies are protected.",
	Console: "What the page for people, at `/ui/`, is shown.",
	Documentation: "This description.",
	Agents: "What the proxies themselves call.",
	Endpoints: "Pools as the other dialect, Reactor's, sees them.",
	Instances: "The VMs of an endpoint.",
	Sessions: "The connections that are open through an endpoint's proxies.",
	Managers: "What looks after each pool, in that dialect: here the pool itself.",
	Global: "What holds for the whole deployment, in that dialect.",
};

const HEADERS = {
	"X-Request-Id": { description: "The request's id, which the log names.", schema: { type: "string", format: "uuid" } },
	"Retry-After": { description: "Seconds after which it is worth another try.", schema: { type: "integer", minimum: 1 } },
	Age: {
		description: "Seconds by which what is shown is older than it may be, while the database does not answer; not there otherwise.",
		schema: { type: "integer", minimum: 0 },
	},
	ETag: { description: "Changes when what is answered does; `If-None-Match` with it is answered 304.", schema: { type: "string" } },
	"WWW-Authenticate": { description: "That a key is needed.", schema: { type: "string" } },
} as const;
type Header = keyof typeof HEADERS;

/** Operations that show what was read from the database, and may have to show what was read a while ago. */
const AGED = ["listProxies", "getRandomProxy", "getProxyList", "getProxyAutoConfig", "listProviders", "getProvider", "getInstance"];
const TAGGED = ["getOpenApi", "getOpenApiOfDuplicates", "getProxyList", "getProxyAutoConfig"];

interface Operation {
	readonly operationId?: string;
	readonly tags?: readonly string[];
	readonly responses?: Readonly<Record<string, object>>;
}
type Item = Readonly<Record<string, Operation>>;
interface Generated {
	readonly info?: { readonly description?: string };
	readonly components?: { readonly schemas?: Readonly<Record<string, object>> };
	readonly paths?: Readonly<Record<string, Item>>;
}

/** Where the second description is. */
export const DUPLICATES = "/openapi-duplicates.json";

/** The API: each operation once. */
export function describeApi(generated: Generated): object {
	const paths = Object.entries(generated.paths ?? {}).filter(([path]) => !isImplicit(path));
	const more = `The routes of a caller's own endpoint and those of Reactor's version 1.0, which are others of these again, are described in [${DUPLICATES}](${DUPLICATES}).`;
	// chanfana trims the root's path to nothing.
	return whole(
		generated,
		paths.map(([path, item]) => [path === "" ? "/" : path, item] as const),
		more,
	);
}

/** The same operations at other addresses: of the caller's own endpoint, and where version 1.0 of Reactor's dialect had them. */
export function describeDuplicates(generated: Generated): object {
	const paths = Object.entries(generated.paths ?? {});
	const first = paths.filter(([path]) => isInFirstVersion(path)).map(([path, item]) => inFirstVersion(path, item));
	return whole(
		generated,
		[...paths.filter(([path]) => isImplicit(path)), ...first],
		"What is described in [/openapi.json](/openapi.json), at other addresses.",
	);
}

function whole(generated: Generated, paths: readonly (readonly [string, Item])[], more: string): object {
	const { components, info, paths: _, ...rest } = generated;
	const described = paths.map(([path, item]) => [path, mapped(item, withHeaders)] as const);
	const used = new Set(described.flatMap(([, item]) => Object.values(item).flatMap(({ tags = [] }) => tags)));
	const named = JSON.stringify(described);
	const headers = Object.entries(HEADERS).filter(([name]) => named.includes(`"#/components/headers/${name}"`));
	return withItems({
		...rest,
		info: {
			...info,
			description: [info?.description, more].filter((text) => text !== undefined).join("\n\n"),
			contact: { name: "Whoever runs this deployment" },
			license: { name: "MIT", identifier: "MIT" },
		},
		servers: [{ url: "/", description: "This deployment." }],
		tags: [...used].map((name) => ({ name, ...(TAGS[name] ? { description: TAGS[name] } : {}) })),
		paths: Object.fromEntries(described),
		components: {
			schemas: usedSchemas(components?.schemas ?? {}, named),
			headers: Object.fromEntries(headers),
			securitySchemes: SCHEMES,
		},
		security: [{ header: [] }, { bearer: [] }, { query: [] }, { session: [] }],
	});
}

const KEY = "The admin key; on the routes of one endpoint also that endpoint's own";
const SCHEMES = {
	header: { type: "apiKey", in: "header", name: "X-Auth-Key", description: `${KEY}.` },
	bearer: { type: "http", scheme: "bearer", description: `${KEY}.` },
	query: { type: "apiKey", in: "query", name: "auth_key", description: `${KEY}, where nothing else will do: URLs are logged.` },
	session: { type: "apiKey", in: "cookie", name: "__Host-muster", description: "What POST /v1.1/login gives to a browser." },
	agent: { type: "http", scheme: "bearer", description: "A boot token, or a VM's own key." },
};

function withHeaders(operation: Operation): Operation {
	const responses = Object.entries(operation.responses ?? {}).map(([status, response]) => {
		const names: Header[] = ["X-Request-Id"];
		const { operationId = "" } = operation;
		if (status === "429" || status === "503") names.push("Retry-After");
		if (status === "401") names.push("WWW-Authenticate");
		if (status === "200" && AGED.includes(operationId)) names.push("Age");
		if ((status === "200" || status === "304") && TAGGED.includes(operationId)) names.push("ETag");
		const headers = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
		return [status, { ...response, headers }] as const;
	});
	return { ...operation, responses: Object.fromEntries(responses) };
}

/** The same operations at the path that version 1.0 of Reactor's dialect had them at. */
function inFirstVersion(path: string, item: Item): readonly [string, Item] {
	const renamed = mapped(item, (operation) => ({
		...operation,
		operationId: `${operation.operationId}InFirstVersion`,
		deprecated: true,
	}));
	return [path.replace("/v1.1/", "/v1.0/"), renamed];
}

function mapped(item: Item, change: (operation: Operation) => Operation): Item {
	return Object.fromEntries(Object.entries(item).map(([method, operation]) => [method, change(operation)]));
}

/** The schemas that these operations name, and those that they name in turn. */
function usedSchemas(schemas: Readonly<Record<string, object>>, text: string): Record<string, object> {
	const used: Record<string, object> = {};
	const waiting = [text];
	for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
		for (const [, name = ""] of next.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
			const schema = schemas[name];
			if (schema === undefined || Object.hasOwn(used, name)) continue;
			used[name] = schema;
			waiting.push(JSON.stringify(schema));
		}
	}
	return Object.fromEntries(Object.entries(schemas).filter(([name]) => Object.hasOwn(used, name)));
}

/** Tuples say what each of their items is; tools that read `items` alone are told what any of them is, and how many there are. */
function withItems<T>(node: T): T {
	if (Array.isArray(node)) return node.map(withItems) as T;
	if (node === null || typeof node !== "object") return node;
	const changed = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, withItems(value)]));
	const { prefixItems, items } = changed;
	if (!Array.isArray(prefixItems) || items) return changed as T;
	const kinds = [...new Map(prefixItems.map((item) => [JSON.stringify(item), item])).values()];
	const any = kinds.length === 1 ? kinds[0] : { anyOf: kinds };
	return { ...changed, items: any, minItems: prefixItems.length, maxItems: prefixItems.length } as T;
}
