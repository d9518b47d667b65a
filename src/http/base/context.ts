import { OpenAPIRoute } from "chanfana";
import type { Context } from "hono";
import type { Later } from "../../d1/database.ts";
import type { Env } from "../../rpc/env.ts";
import { type Config, readConfig } from "../../settings/environment.ts";

/** What the middleware leaves for the handlers. */
export interface Variables {
	requestId: string;
	config: Config;
	/** The endpoint that the request is about, looked up when it is first asked for; not there where it is about none. */
	addressed: (() => Promise<Addressed | null>) | undefined;
	/** Whose key let the request in; not there on a route that asks for none. */
	holder: KeyHolder | undefined;
	/** The answer that was made with the headers of all answers at once. */
	dressed: Response | undefined;
}

/**
 * Whose key a request carries: the operator's, that of the endpoint which the request is about, that of the proxy that asks (or its address
 * alone, where that is to do), or nobody's in a deployment declared open.
 */
export type KeyHolder = "admin" | "endpoint" | "proxy" | "nobody";

/** An endpoint that a request is about. */
export interface Addressed {
	/** Its name, as the request has it; one of its names where the request has none. */
	readonly name: string;
	/** The pool's object. */
	readonly object: string;
	/** The address that the request came from where this says which endpoint it is about: that of one of its proxies. Else null. */
	readonly caller: string | null;
}
export type AppEnv = { Bindings: Env; Variables: Variables };
export type AppContext = Context<AppEnv>;

/** Largest body that a route takes unless it says otherwise. */
export const MAX_BODY_BYTES = 64 * 1024;

/**
 * One route: a chanfana route whose `schema` is a constant of its module (the class is made anew for each request, and
 * a schema with it unless it is a constant) and whose `handle` answers or throws an ApiError.
 */
export abstract class Operation extends OpenAPIRoute<[AppContext]> {
	/** Largest body taken, in bytes. */
	static readonly maxBodyBytes: number = MAX_BODY_BYTES;
	/** Its body may be text that is not JSON: the handler reads it. */
	static readonly takesText: boolean = false;
	/** Of an endpoint's routes: a proxy's own key opens it too, where it is about the caller's endpoint. */
	static readonly opensToProxies: boolean = false;
	/** What it changes is an event that says whose key ordered it. */
	static readonly isOrder: boolean = false;
	/** Needs no key, and yet must be asked for nothing that it does not know. */
	static readonly refusesUnknownQuery: boolean = false;
	abstract override handle(c: AppContext): Promise<Response> | Response;
}

/**
 * Who may call a route: anyone; an agent with its own token or key, which the pool checks; whoever has the admin key; or, of an
 * endpoint's routes, whoever has the admin key or that endpoint's own.
 */
export type Access = "public" | "agent" | "admin" | "endpoint";

const configs = new WeakMap<object, Config>();

/** The deployment's settings, read once for each environment that the platform hands in. */
export function configOf(env: Env): Config {
	let config = configs.get(env);
	if (!config) {
		config = readConfig(env);
		configs.set(env, config);
	}
	return config;
}

/** Whether a request asks for anything in its query. */
export function hasQuery(c: AppContext): boolean {
	return c.req.url.includes("?");
}

/** `metadata` of every answer at the root. */
export function metadata(c: AppContext): { request_id: string; timestamp: string } {
	return { request_id: c.get("requestId"), timestamp: new Date().toISOString() };
}

/** What pages of other sites may read of an answer, beside what all may. */
export const EXPOSED_HEADERS = ["X-Request-Id", "Retry-After", "Age", "Allow", "ETag", "Warning"];
const EXPOSED_HEADERS_TEXT = EXPOSED_HEADERS.join(",");

/** Whose pages may call: `*`, or the caller's own origin where that is among CORS_ORIGINS. Null: not the caller's. */
export function admittedOrigin(c: AppContext): string | null {
	const { corsOrigins } = c.get("config").global;
	if (corsOrigins.includes("*")) return "*";
	const origin = c.req.header("Origin");
	return origin !== undefined && corsOrigins.includes(origin) ? origin : null;
}

/** Lets pages of that origin read an answer (https://fetch.spec.whatwg.org/#http-cors-protocol). */
export function crossOriginHeaders(c: AppContext): Readonly<Record<string, string>> {
	const origin = admittedOrigin(c);
	return {
		...(origin === null ? {} : { "Access-Control-Allow-Origin": origin }),
		...(origin === "*" ? {} : { Vary: "Origin" }),
		"Access-Control-Expose-Headers": EXPOSED_HEADERS_TEXT,
	};
}

/** What every answer carries besides. It holds credentials and is out of date in a second. */
export function commonHeaders(c: AppContext) {
	return { "X-Request-Id": c.get("requestId"), "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" };
}

/** 200 with a text, for the routes that are asked the most: to set each header on an answer that is there takes longer than to make it. */
export function textAnswer(c: AppContext, text: string, type: string, ageMs: number | null, more: Readonly<Record<string, string>> = {}) {
	const age = ageMs === null ? {} : { Age: ageOf(ageMs) };
	const answer = new Response(text, { headers: { ...crossOriginHeaders(c), ...commonHeaders(c), "Content-Type": type, ...age, ...more } });
	c.set("dressed", answer);
	return answer;
}

/** RFC 9111, Age: whole seconds. */
function ageOf(ageMs: number): string {
	return String(Math.ceil(ageMs / 1_000));
}

/** States how old the data in an answer is, where D1 fails and it is older than promised. */
export function stateAge(c: AppContext, ageMs: number | null): void {
	if (ageMs !== null) c.header("Age", ageOf(ageMs));
}

/** Lets work go on once the answer is out. */
export function laterOf(c: AppContext): Later {
	return (work) => c.executionCtx.waitUntil(work);
}
