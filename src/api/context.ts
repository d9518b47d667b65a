import { OpenAPIRoute } from "chanfana";
import type { Context } from "hono";
import { type Config, readConfig } from "../config.ts";
import type { Env } from "../env.ts";

/** What the middleware leaves for the handlers. */
export interface Variables {
	requestId: string;
	config: Config;
}
export type AppEnv = { Bindings: Env; Variables: Variables };
export type AppContext = Context<AppEnv>;

/** Largest body that a route takes unless it says otherwise. */
export const MAX_BODY_BYTES = 64 * 1024;

/**
 * One route: a chanfana route whose `schema` is a constant of its module (the class is made anew for each request, and
 * a schema with it unless it is a constant) and whose `handle` answers or throws an ApiError.
 */
export abstract class Endpoint extends OpenAPIRoute<[AppContext]> {
	/** Largest body taken, in bytes. */
	static readonly maxBodyBytes: number = MAX_BODY_BYTES;
	abstract override handle(c: AppContext): Promise<Response> | Response;
}

/** Who may call a route: anyone; an agent with its own token or key, which the pool checks; or whoever has the admin key. */
export type Access = "public" | "agent" | "admin";

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
