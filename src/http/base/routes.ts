import type { OpenAPIRoute } from "chanfana";
import type { Access, AppContext } from "./context.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** A row of the route table: `:name` in a path stands for one segment. */
export type Route = readonly [method: Method, path: string, access: Access, endpoint: EndpointClass];
/** A class made from `Endpoint`. */
export type EndpointClass = typeof OpenAPIRoute<[AppContext]> & { readonly maxBodyBytes: number; readonly takesText: boolean };

/** The rows whose path is this one, whatever their method. A trailing slash makes no difference. */
export function routesAt(routes: readonly Route[], path: string): readonly Route[] {
	const segments = split(path);
	return routes.filter(([, pattern]) => {
		const wanted = splitPattern(pattern);
		return wanted.length === segments.length && wanted.every((part, index) => part.startsWith(":") || part === segments[index]);
	});
}

/** What stands in a path at the `:name`s of a pattern that it has, decoded. */
export function paramsAt(pattern: string, path: string): Readonly<Record<string, string>> {
	const segments = split(path);
	const named = splitPattern(pattern).flatMap((part, index) =>
		part.startsWith(":") ? [[part.slice(1), decoded(segments[index] ?? "")]] : [],
	);
	return Object.fromEntries(named);
}

/** As the router decodes it: what is no percent-encoding stays as it is. */
function decoded(segment: string): string {
	try {
		return decodeURIComponent(segment);
	} catch {
		return segment;
	}
}

/** What version 1.0 of Reactor's dialect did not have. */
const NEW_IN_1_1 = ["url", "info", "alias", "log", "sessions", "instances", "metadata", "login", "logout", "heartbeat"];

/** Whether version 1.0 of that dialect had the routes at this pattern of version 1.1. */
export function isInFirstVersion(pattern: string): boolean {
	return pattern.startsWith("/v1.1/") && !splitPattern(pattern).some((part) => NEW_IN_1_1.includes(part));
}

/** The path at which a path of version 1.0 is answered: that of version 1.1 where the routes were the same; any other as it is. */
export function currentPath(routes: readonly Route[], path: string): string {
	if (!path.startsWith("/v1.0/")) return path;
	const current = path.replace("/v1.0/", "/v1.1/");
	const [row] = routesAt(routes, current);
	return row !== undefined && isInFirstVersion(row[1]) ? current : path;
}

/** The methods that these rows answer, as the Allow header lists them: HEAD goes wherever GET does, OPTIONS everywhere. */
export function methodsOf(routes: readonly Route[]): readonly string[] {
	const methods = routes.map(([method]) => method.toUpperCase());
	return [...new Set(methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]))), "OPTIONS"];
}

/** The patterns are few and the same for every request. */
const patterns = new Map<string, readonly string[]>();

function splitPattern(pattern: string): readonly string[] {
	let parts = patterns.get(pattern);
	if (parts === undefined) {
		parts = split(pattern);
		patterns.set(pattern, parts);
	}
	return parts;
}

function split(path: string): readonly string[] {
	const trimmed = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
	return trimmed.split("/");
}
