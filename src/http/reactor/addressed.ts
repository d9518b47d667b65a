import { findEndpoint, findEndpointAt } from "../../d1/directory.ts";
import { canonicalAddress } from "../../values/addresses.ts";
import { clientAddress } from "../base/auth.ts";
import type { Addressed, AppContext } from "../base/context.ts";
import { NotFound } from "../base/errors.ts";
import { paramsAt, type Route } from "../base/routes.ts";

// Reactor's routes are about an endpoint in one of three ways: by its name, as the endpoint of a proxy's address that the path
// names, or, under /endpoint, as that of the proxy that asks.

const IMPLICIT = /^\/v1\.[01]\/endpoint(\/|$)/;

/** Whether the routes at this pattern are about the caller's own endpoint. */
export function isImplicit(pattern: string): boolean {
	return IMPLICIT.test(pattern);
}

/** How to find the endpoint that a request to this route is about; undefined where it is about none. It is looked up once at most. */
export function finderOf(c: AppContext, [, pattern]: Route): (() => Promise<Addressed | null>) | undefined {
	const { endpoint: name, ip } = paramsAt(pattern, c.req.path);
	if (isImplicit(pattern)) return once(() => findAt(c, clientAddress(c), true));
	if (name !== undefined) {
		return once(async () => {
			const object = await findEndpoint(c.env.DB, name);
			return object === null ? null : { name, object, caller: null };
		});
	}
	return ip === undefined ? undefined : once(() => findAt(c, canonicalAddress(ip) ?? "", false));
}

/** The endpoint that the request is about. Throws NotFound and DatabaseUnavailable. */
export async function addressed(c: AppContext, name: string): Promise<Addressed> {
	return (await c.get("addressed")?.()) ?? unknownEndpoint(name);
}

/** Throws that there is no such endpoint. */
export function unknownEndpoint(name: string): never {
	throw new NotFound(`There is no endpoint "${name}".`);
}

async function findAt(c: AppContext, address: string, isCaller: boolean): Promise<Addressed | null> {
	const found = address === "" ? null : await findEndpointAt(c.env.DB, address);
	return found && { ...found, caller: isCaller ? address : null };
}

function once<T>(look: () => Promise<T>): () => Promise<T> {
	let found: Promise<T> | undefined;
	return () => {
		found ??= look();
		return found;
	};
}
