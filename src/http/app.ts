import { fromHono } from "chanfana";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { matchedRoutes } from "hono/route";
import { getPathNoStrict } from "hono/utils/url";
import manifest from "../../package.json" with { type: "json" };
import { bounded } from "../core/model/bounds.ts";
import { addEvent } from "../d1/events.ts";
import { PoolUnreachable } from "../rpc/reach.ts";
import { logError, logWarning } from "../values/log.ts";
import { Heartbeat, OpenLine, Register, RegisterAlias, Unregister, UnregisterAlias } from "./agent/agent.ts";
import { requireKey } from "./base/auth.ts";
import { boundBody, requireJson } from "./base/body.ts";
import {
	type Access,
	type AppContext,
	type AppEnv,
	admittedOrigin,
	commonHeaders,
	configOf,
	crossOriginHeaders,
	EXPOSED_HEADERS,
	hasQuery,
	type KeyHolder,
	laterOf,
	metadata,
} from "./base/context.ts";
import {
	type ApiError,
	asApiError,
	MethodNotAllowed,
	NotFound,
	NotFromEndpoint,
	ServiceUnavailable,
	ValidationError,
} from "./base/errors.ts";
import { requireKnownQuery, requireNoMisspelling } from "./base/query.ts";
import { byPut, firstVersionOf, methodsOf, type OperationClass, type Route } from "./base/routes.ts";
import { DeleteAuthentication, GetAuthentication, SetAuthentication } from "./cloudproxy/authentication.ts";
import { GetHealth } from "./cloudproxy/health.ts";
import { GetLease, LeaseProxies, ListLeases, ReleaseLease, RenewLease } from "./cloudproxy/leases.ts";
import { GetProxyAutoConfig, GetProxyList } from "./cloudproxy/lists.ts";
import { DestroyProxy, ListDestroyQueue, ListRestartQueue, RestartProxy } from "./cloudproxy/orders.ts";
import { ListOutcomes, ReportOutcomes } from "./cloudproxy/outcomes.ts";
import { GetInstance, GetProvider, ListProviders } from "./cloudproxy/providers.ts";
import { GetRandomProxy, isNavigation, ListProxies } from "./cloudproxy/proxies.ts";
import { EndRoll, GetInstanceRolling, GetProviderRolling, GetRolling, PatchRolling, RollInstance } from "./cloudproxy/rolling.ts";
import { ScaleInstance, ScaleProvider } from "./cloudproxy/scaling.ts";
import { GetConsoleState } from "./console/state.ts";
import { TestProxy } from "./console/test.ts";
import { GetDocs, GetOpenApi, GetOpenApiOfDuplicates } from "./docs.ts";
import { CheckAccount } from "./monitoring/check.ts";
import { ListDeliveries, TestDelivery } from "./monitoring/deliveries.ts";
import { ListEvents } from "./monitoring/events.ts";
import { GetHistory, GetHistoryCsv } from "./monitoring/history.ts";
import { GetMetrics } from "./monitoring/metrics.ts";
import { GetOutcomeHistory } from "./monitoring/outcomes.ts";
import { GetPlan } from "./monitoring/plan.ts";
import { ListGoneVms } from "./monitoring/vms.ts";
import { agentOrigin, rememberOrigin } from "./origin.ts";
import { Probe } from "./probe.ts";
import { adminAlone, requireCaller, requireEndpointKey } from "./reactor/access.ts";
import { finderOf, isAboutEndpoint, isImplicit } from "./reactor/addressed.ts";
import { RegisterIp, UnregisterIp } from "./reactor/addresses.ts";
import { AliasEndpoint, DeleteEndpoint, GetEndpoint, ListEndpoints, PostEndpoint, PutEndpoint } from "./reactor/endpoints.ts";
import { GetEndpointForm, GetManagerForm } from "./reactor/forms.ts";
import { GetDomain, GetInfo, GetUrl, Login, LoginByGet, Logout, LogoutByGet, SetAuthKey, SetUrl } from "./reactor/global.ts";
import { implicitRoutes } from "./reactor/implicit.ts";
import { AssociateEndpointInstance, DisassociateEndpointInstance, ListEndpointInstances } from "./reactor/instances.ts";
import { ListEndpointIps } from "./reactor/ips.ts";
import { GetEndpointLog, PostEndpointLog } from "./reactor/log.ts";
import {
	DeleteManagerConfig,
	GetActiveManager,
	GetManagerConfig,
	GetManagerLog,
	ListActiveManagers,
	ListManagerConfigs,
	PostManagerConfig,
} from "./reactor/managers.ts";
import { DeleteMetadata, GetMetadata, ListMetadata, PutMetadata, SetMetadata } from "./reactor/metadata.ts";
import { GetEndpointIpMetrics, GetEndpointMetrics, PostEndpointIpMetrics, PostEndpointMetrics } from "./reactor/metrics.ts";
import { DropEndpointSession, ListEndpointSessions, QueryEndpointSession } from "./reactor/sessions.ts";
import { GetEndpointState, PostEndpointState, PutEndpointState } from "./reactor/state.ts";
import { GetVersion } from "./reactor/version.ts";

/** To add a route, write its class and name it here. */
const NAMED_ROUTES: readonly Route[] = [
	["get", "/", "admin", ListProxies],
	["get", "/random", "admin", GetRandomProxy],
	["get", "/proxies.txt", "admin", GetProxyList],
	["get", "/proxy.pac", "admin", GetProxyAutoConfig],
	["post", "/report", "admin", ReportOutcomes],
	["get", "/outcomes", "admin", ListOutcomes],
	["post", "/leases", "admin", LeaseProxies],
	["get", "/leases", "admin", ListLeases],
	["get", "/leases/:lease", "admin", GetLease],
	["patch", "/leases/:lease", "admin", RenewLease],
	["delete", "/leases/:lease", "admin", ReleaseLease],
	["get", "/destroy", "admin", ListDestroyQueue],
	["delete", "/destroy", "admin", DestroyProxy],
	["get", "/restart", "admin", ListRestartQueue],
	["delete", "/restart", "admin", RestartProxy],
	["get", "/providers", "admin", ListProviders],
	["get", "/providers/:provider", "admin", GetProvider],
	["patch", "/providers/:provider", "admin", ScaleProvider],
	["get", "/providers/:provider/:instance", "admin", GetInstance],
	["patch", "/providers/:provider/:instance", "admin", ScaleInstance],
	["get", "/providers/:provider/:instance/plan", "admin", GetPlan],
	["post", "/providers/:provider/:instance/check", "admin", CheckAccount],
	["get", "/rolling", "admin", GetRolling],
	["patch", "/rolling", "admin", PatchRolling],
	["get", "/rolling/:provider", "admin", GetProviderRolling],
	["get", "/rolling/:provider/:instance", "admin", GetInstanceRolling],
	["post", "/rolling/:provider/:instance", "admin", RollInstance],
	["delete", "/rolling/:provider/:instance", "admin", EndRoll],
	["get", "/auth", "admin", GetAuthentication],
	["put", "/auth", "admin", SetAuthentication],
	["delete", "/auth", "admin", DeleteAuthentication],
	["get", "/ui/state", "admin", GetConsoleState],
	["post", "/ui/test", "admin", TestProxy],
	["get", "/history", "admin", GetHistory],
	["get", "/history.csv", "admin", GetHistoryCsv],
	["get", "/history/vms", "admin", ListGoneVms],
	["get", "/history/outcomes", "admin", GetOutcomeHistory],
	["get", "/events", "admin", ListEvents],
	["get", "/metrics", "admin", GetMetrics],
	["get", "/deliveries", "admin", ListDeliveries],
	["post", "/deliveries/test", "admin", TestDelivery],
	["get", "/health", "public", GetHealth],
	["get", "/probe", "public", Probe],
	["get", "/docs", "public", GetDocs],
	["get", "/openapi.json", "public", GetOpenApi],
	["get", "/openapi-duplicates.json", "public", GetOpenApiOfDuplicates],
	["post", "/register", "agent", RegisterAlias],
	["post", "/unregister", "agent", UnregisterAlias],
	["post", "/v1.1/register", "agent", Register],
	["put", "/v1.1/register", "agent", byPut(Register)],
	["post", "/v1.1/unregister", "agent", Unregister],
	["put", "/v1.1/unregister", "agent", byPut(Unregister)],
	["post", "/v1.1/heartbeat", "agent", Heartbeat],
	["get", "/v1.1/agent", "agent", OpenLine],
	["post", "/v1.1/register/:ip", "endpoint", RegisterIp],
	["put", "/v1.1/register/:ip", "endpoint", byPut(RegisterIp)],
	["post", "/v1.1/unregister/:ip", "endpoint", UnregisterIp],
	["put", "/v1.1/unregister/:ip", "endpoint", byPut(UnregisterIp)],
	["get", "/endpoint", "admin", GetEndpointForm],
	["get", "/manager", "admin", GetManagerForm],
	["get", "/v1.1", "admin", GetVersion],
	["get", "/v1.0/domain", "admin", GetDomain],
	["post", "/v1.1/auth_key", "admin", SetAuthKey],
	["post", "/v1.1/login", "public", Login],
	["get", "/v1.1/login", "public", LoginByGet],
	["post", "/v1.1/logout", "public", Logout],
	["get", "/v1.1/logout", "public", LogoutByGet],
	["get", "/v1.1/url", "admin", GetUrl],
	["post", "/v1.1/url", "admin", SetUrl],
	["get", "/v1.1/info", "admin", GetInfo],
	["get", "/v1.1/managers/configs", "admin", ListManagerConfigs],
	["get", "/v1.1/managers/configs/:manager", "admin", GetManagerConfig],
	["post", "/v1.1/managers/configs/:manager", "admin", PostManagerConfig],
	["put", "/v1.1/managers/configs/:manager", "admin", byPut(PostManagerConfig)],
	["delete", "/v1.1/managers/configs/:manager", "admin", DeleteManagerConfig],
	["get", "/v1.1/managers/active", "admin", ListActiveManagers],
	["get", "/v1.1/managers/active/:manager", "admin", GetActiveManager],
	["get", "/v1.1/managers/log/:manager", "admin", GetManagerLog],
	["get", "/v1.1/endpoints", "admin", ListEndpoints],
	["get", "/v1.1/endpoints/:endpoint", "admin", GetEndpoint],
	["put", "/v1.1/endpoints/:endpoint", "admin", PutEndpoint],
	["post", "/v1.1/endpoints/:endpoint", "admin", PostEndpoint],
	["delete", "/v1.1/endpoints/:endpoint", "admin", DeleteEndpoint],
	["post", "/v1.1/endpoints/:endpoint/alias", "admin", AliasEndpoint],
	["put", "/v1.1/endpoints/:endpoint/alias", "admin", byPut(AliasEndpoint)],
	["get", "/v1.1/endpoints/:endpoint/metadata", "endpoint", ListMetadata],
	["get", "/v1.1/endpoints/:endpoint/metadata/:key", "endpoint", GetMetadata],
	["post", "/v1.1/endpoints/:endpoint/metadata/:key", "endpoint", SetMetadata],
	["put", "/v1.1/endpoints/:endpoint/metadata/:key", "endpoint", PutMetadata],
	["delete", "/v1.1/endpoints/:endpoint/metadata/:key", "endpoint", DeleteMetadata],
	["get", "/v1.1/endpoints/:endpoint/state", "endpoint", GetEndpointState],
	["post", "/v1.1/endpoints/:endpoint/state", "endpoint", PostEndpointState],
	["put", "/v1.1/endpoints/:endpoint/state", "endpoint", PutEndpointState],
	["get", "/v1.1/endpoints/:endpoint/ips", "endpoint", ListEndpointIps],
	["get", "/v1.1/endpoints/:endpoint/log", "endpoint", GetEndpointLog],
	["post", "/v1.1/endpoints/:endpoint/log", "endpoint", PostEndpointLog],
	["put", "/v1.1/endpoints/:endpoint/log", "endpoint", byPut(PostEndpointLog)],
	["get", "/v1.1/endpoints/:endpoint/metrics", "endpoint", GetEndpointMetrics],
	["post", "/v1.1/endpoints/:endpoint/metrics", "endpoint", PostEndpointMetrics],
	["put", "/v1.1/endpoints/:endpoint/metrics", "endpoint", byPut(PostEndpointMetrics)],
	["get", "/v1.1/endpoints/:endpoint/metrics/:ip", "endpoint", GetEndpointIpMetrics],
	["post", "/v1.1/endpoints/:endpoint/metrics/:ip", "endpoint", PostEndpointIpMetrics],
	["put", "/v1.1/endpoints/:endpoint/metrics/:ip", "endpoint", byPut(PostEndpointIpMetrics)],
	["get", "/v1.1/endpoints/:endpoint/instances", "endpoint", ListEndpointInstances],
	["post", "/v1.1/endpoints/:endpoint/instances/:instance", "admin", AssociateEndpointInstance],
	["put", "/v1.1/endpoints/:endpoint/instances/:instance", "admin", byPut(AssociateEndpointInstance)],
	["delete", "/v1.1/endpoints/:endpoint/instances/:instance", "admin", DisassociateEndpointInstance],
	["get", "/v1.1/endpoints/:endpoint/sessions", "endpoint", ListEndpointSessions],
	["get", "/v1.1/endpoints/:endpoint/sessions/:session", "endpoint", QueryEndpointSession],
	["delete", "/v1.1/endpoints/:endpoint/sessions/:session", "endpoint", DropEndpointSession],
];

/** Every route, those of the calling proxy's own endpoint among them. */
export const ROUTES: readonly Route[] = [...NAMED_ROUTES, ...implicitRoutes(NAMED_ROUTES)];

/** The routes at each path, one for each of its methods. */
const ROUTES_AT = Map.groupBy(ROUTES, ([, path]) => path);
const inFirstVersion = firstVersionOf(ROUTES);

/** Where the console is, which is static files alone (scripts/assets.ts puts them there). */
const CONSOLE = "/ui/";
const PREFLIGHT_SECONDS = 86_400;
const POOL_RETRY_SECONDS = 5;

/** The Worker's HTTP side. */
export const app = new Hono<AppEnv>({
	getPath: (request) => {
		const path = getPathNoStrict(request);
		return path.startsWith("/v1.0/") ? inFirstVersion(path) : path;
	},
});

app.use(async (c, next) => {
	c.set("requestId", crypto.randomUUID());
	c.set("config", configOf(c.env));
	await next();
	if (c.res === c.get("dressed")) return;
	// On the answer itself: `c.header` makes a new answer for each.
	const { headers } = c.res;
	if (c.req.method === "OPTIONS") headers.set("Allow", methodsOf(routesHere(c)).join(", "));
	else for (const [name, value] of Object.entries(crossOriginHeaders(c))) headers[name === "Vary" ? "append" : "set"](name, value);
	for (const [name, value] of Object.entries(commonHeaders(c)))
		if (name !== "Cache-Control" || !headers.has(name)) headers.set(name, value);
});

// The question that browsers ask first, without a key. Before each route this would make two answers of every one: there `crossOriginHeaders` do.
app.options(
	"*",
	cors({
		origin: (_, c: AppContext) => admittedOrigin(c),
		allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
		exposeHeaders: EXPOSED_HEADERS,
		maxAge: PREFLIGHT_SECONDS,
	}),
);

app.get("/", (c, next) => (isNavigation(c) ? Promise.resolve(c.redirect(CONSOLE, 302)) : next()));

const router = fromHono(app, {
	docs_url: null,
	redoc_url: null,
	openapi_url: null,
	openapiVersion: "3.1",
	passthroughErrors: true,
	generateOperationIds: false,
	schema: {
		info: {
			title: "Muster",
			version: manifest.version,
			description: "A fleet of forward proxies on small cloud VMs. What is read may be one second old.",
		},
	},
});
// Who may not come in learns neither what there is nor what there is not.
for (const route of ROUTES) {
	const [method, path, access, endpoint] = route;
	const letPass = doorOf(route);
	const judge = queryJudgeOf(route);
	app.on(method.toUpperCase(), path, async (c, next) => {
		await letPass(c);
		if (judge !== null && hasQuery(c)) judge(c);
		if (c.req.raw.body !== null) await checkBody(c, access, endpoint);
		await next();
		if (endpoint.isOrder && c.res.ok) laterOf(c)(noteOrder(c));
	});
	router[method](path, endpoint);
}
for (const [path, routes] of ROUTES_AT) {
	const letPass = doorOf(routes[0]);
	app.all(path, async (c) => {
		await letPass(c);
		throw new MethodNotAllowed(c.req.method, c.req.path, methodsOf(routes));
	});
}
const letPassToNone = doorOf(undefined);
app.all("*", async (c) => {
	await letPassToNone(c);
	throw new NotFound(`There is no ${c.req.path} here; /docs shows what there is.`);
});

app.onError((thrown, c) => {
	const error =
		thrown instanceof PoolUnreachable ? new ServiceUnavailable(`${thrown.message} Try again.`, POOL_RETRY_SECONDS) : asApiError(thrown);
	// The query, which may hold a key, is left out.
	if (error !== thrown && error.status >= 500) logError(`${c.get("requestId")} ${c.req.method} ${c.req.path}`, thrown);
	return errorAnswer(c, error);
});

/** At the root the envelope, under /v1.1 what that dialect's clients read. */
function errorAnswer(c: AppContext, error: ApiError): Response {
	if (!isReactor(c.req.path)) {
		const body = { metadata: metadata(c), error: error.name, detail: error.message };
		return c.json(body, error.status, error.headers);
	}
	if (error.status === 401) return c.text(error instanceof NotFromEndpoint ? error.message : "unauthorized", 401, error.headers);
	if (error instanceof ValidationError) {
		const sections = Map.groupBy(error.issues, (issue) => issue.section);
		const faults = [...sections].map(([section, issues]) => [
			section,
			Object.fromEntries(issues.map((issue) => [issue.field, issue.message])),
		]);
		return c.json(Object.fromEntries(faults), 400);
	}
	return c.text(error.message, error.status, error.headers);
}

/** What lets a request to this route pass, or to none, if it has the key that it needs. */
function doorOf(route: Route | undefined): (c: AppContext) => Promise<void> {
	const [, pattern = "", access = "admin", endpoint] = route ?? [];
	if (access !== "admin" && access !== "endpoint") return async () => {};
	const [isFromCaller, isOfEndpoint] = [isImplicit(pattern), isAboutEndpoint(pattern)];
	return async (c) => {
		if (isOfEndpoint) c.set("addressed", finderOf(c, isFromCaller));
		const opensToProxies = endpoint?.opensToProxies ?? false;
		const holder = isFromCaller
			? await requireCaller(c, { isAdminOnly: access === "admin", opensToProxies })
			: await namedHolder(c, access);
		c.set("holder", holder);
		const isOriginWanted = !agentOrigin.isKnown && c.get("config").global.publicUrl === null;
		if (holder === "admin" && isOriginWanted) c.executionCtx.waitUntil(rememberOrigin(c));
	};
}

function namedHolder(c: AppContext, access: "admin" | "endpoint"): Promise<KeyHolder> {
	return access === "endpoint" ? requireEndpointKey(c) : requireKey(c, (given) => adminAlone(c, given));
}

/** Tells who ordered what, by the name of the key. The query, which may hold a key, is left out. */
async function noteOrder(c: AppContext): Promise<void> {
	const actor = c.get("holder") ?? "nobody";
	const { provider, instance = "default" } = c.req.param() as Record<string, string>;
	const text = bounded(`${c.req.method} ${c.req.path} by ${actor}`);
	const pool = provider === undefined ? "" : `${provider}/${instance}`;
	try {
		await addEvent(c.env.DB, { at: Date.now(), pool, severity: "INFO", kind: "order", proxy: "", text, actor });
	} catch (error) {
		logWarning(`an order is not among the events: ${text}`, error);
	}
}

async function checkBody(c: AppContext, access: Access, { maxBodyBytes, takesText }: OperationClass): Promise<void> {
	await boundBody(c, maxBodyBytes);
	// It says nothing that a DELETE asks for, and pages and clients of both dialects send one nevertheless.
	if (c.req.method === "DELETE") return;
	// An agent's routes look at its token first, and their other callers may send what they like. Reactor's clients name odd types.
	if (access !== "agent" && !takesText) await requireJson(c, !isReactor(c.req.path));
}

/** What refuses query parameters of a route that it does not know; null: all are taken. Pages are asked for with all kinds of things. */
function queryJudgeOf([, path, access, endpoint]: Route): ((c: AppContext) => void) | null {
	const known = queryOf(endpoint);
	if (endpoint.refusesUnknownQuery || (access === "admin" && !isReactor(path))) return (c) => requireKnownQuery(c, known);
	return access === "agent" || access === "public" ? null : (c) => requireNoMisspelling(c, known);
}

/** The names of a route's query parameters. */
function queryOf(endpoint: OperationClass): readonly string[] {
	const { query } = new endpoint({} as never).getSchema().request ?? {};
	return Object.keys(query?.shape ?? {});
}

/** The routes at a request's path, whatever its method. */
function routesHere(c: AppContext): readonly Route[] {
	return matchedRoutes(c).flatMap(({ path }) => ROUTES_AT.get(path) ?? []);
}

function isReactor(path: string): boolean {
	return /^\/v1\.[01](\/|$)/.test(path);
}
