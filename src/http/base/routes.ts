import type { OpenAPIRoute, OpenAPIRouteSchema } from "chanfana";
import { TrieRouter } from "hono/router/trie-router";
import type { Access, AppContext } from "./context.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** A row of the route table: `:name` in a path stands for one segment. */
export type Route = readonly [method: Method, path: string, access: Access, endpoint: OperationClass];
/** A class made from `Operation`. */
export type OperationClass = typeof OpenAPIRoute<[AppContext]> & {
	readonly maxBodyBytes: number;
	readonly takesText: boolean;
	readonly isOrder: boolean;
	readonly refusesUnknownQuery: boolean;
	readonly opensToProxies: boolean;
};

/** The same handler where a client puts what others post: Reactor took both. */
export function byPut(base: OperationClass): OperationClass {
	let schema: OpenAPIRouteSchema | null = null;
	return class extends base {
		override getSchema(): OpenAPIRouteSchema {
			if (schema === null) {
				const posted = super.getSchema();
				schema = { ...posted, operationId: `${posted.operationId}ByPut` };
			}
			return schema;
		}
	};
}

/** What version 1.0 of Reactor's dialect did not have. */
const NEW_IN_1_1 = ["url", "info", "alias", "log", "sessions", "instances", "metadata", "login", "logout", "heartbeat", "agent"];

/** Whether version 1.0 of that dialect had the routes at this pattern of version 1.1. */
export function isInFirstVersion(pattern: string): boolean {
	return pattern.startsWith("/v1.1/") && !pattern.split("/").some((part) => NEW_IN_1_1.includes(part));
}

/** Tells at which path a path of version 1.0 is answered: that of version 1.1 where the routes were the same; any other as it is. */
export function firstVersionOf(routes: readonly Route[]): (path: string) => string {
	const router = new TrieRouter<string>();
	for (const [, pattern] of routes) if (isInFirstVersion(pattern)) router.add("ALL", pattern, pattern);
	return (path) => {
		const current = path.replace("/v1.0/", "/v1.1/");
		return router.match("ALL", current)[0].length > 0 ? current : path;
	};
}

/** The methods that these rows answer, as the Allow header lists them: HEAD goes wherever GET does, OPTIONS everywhere. */
export function methodsOf(routes: readonly Route[]): readonly string[] {
	const methods = routes.map(([method]) => method.toUpperCase());
	return [...new Set(methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]))), "OPTIONS"];
}
