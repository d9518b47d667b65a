import { parseBearer } from "../../agent/protocol.ts";
import { askPool, isPoolObject } from "../../rpc/reach.ts";
import { clientAddress, isSlowed, requireKey } from "../base/auth.ts";
import type { AppContext, KeyHolder } from "../base/context.ts";
import { Forbidden, NotFromEndpoint, Unauthorized } from "../base/errors.ts";
import { isAnyEndpointsKey } from "./endpoint-keys.ts";

const PROXYS_SCOPE =
	"A proxy's own key opens its endpoint's ips, state and metrics, its own metrics and its own sessions; this needs the endpoint's key or the admin key.";
const ENDPOINTS_SCOPE = "This key opens its own endpoint's routes; this one needs the admin key.";
const ANOTHERS_SCOPE = "This key opens its own endpoint's routes; this one is about another endpoint.";

/**
 * Lets a request with the admin key pass, and one with the key of the endpoint that it is about. Throws as requireKey, and Forbidden for a key
 * that is right and opens other routes.
 */
export async function requireEndpointKey(c: AppContext): Promise<KeyHolder> {
	return requireKey(c, async (given) => {
		if (given !== null && (await isEndpointKey(c, given))) return "endpoint";
		return opensElsewhere(c, given, ANOTHERS_SCOPE);
	});
}

/** Nobody's but the admin's key opens this. Throws Forbidden for the key of an endpoint, or of a proxy that asks: these open other routes. */
export async function adminAlone(c: AppContext, given: string | null): Promise<null> {
	if (given !== null && (await isEndpointKey(c, given))) throw new Forbidden(ENDPOINTS_SCOPE);
	return opensElsewhere(c, given, ENDPOINTS_SCOPE);
}

/** Throws Forbidden for a key that opens other routes: who sends it guesses nothing, and it is not counted as a wrong one. */
async function opensElsewhere(c: AppContext, given: string | null, endpointsScope: string): Promise<null> {
	if (given === null) return null;
	if (await isProxyKey(c, given)) throw new Forbidden(PROXYS_SCOPE);
	if (!(await isSlowed(c, given)) && (await isAnyEndpointsKey(c, given, Date.now()))) throw new Forbidden(endpointsScope);
	return null;
}

/** What a route that is about the caller's endpoint takes. */
export interface CallersRoute {
	readonly isAdminOnly: boolean;
	/** A proxy's own key opens it. */
	readonly opensToProxies: boolean;
}

/**
 * Lets a request pass that names no endpoint and comes from the address of one of its proxies, if it also carries the admin key
 * or, unless only that will do, the endpoint's or, where that opens it, that very proxy's own. An address alone proves nothing, since
 * everyone who uses a proxy has it; IMPLICIT_BY_ADDRESS lets it open what its proxy's key would, if it is only read, of an endpoint that
 * has no key.
 *
 * Throws as requireKey, Forbidden for a key that opens less, and NotFromEndpoint for any other address.
 */
export async function requireCaller(c: AppContext, route: CallersRoute): Promise<KeyHolder> {
	const isFromProxy = async () => ((await c.get("addressed")?.()) ?? null) !== null;
	let holder: KeyHolder;
	try {
		holder = await requireKey(c, (given) => callerOf(c, given, route));
	} catch (error) {
		if (error instanceof Unauthorized && !(await isFromProxy())) throw new NotFromEndpoint();
		throw error;
	}
	if (!(await isFromProxy())) throw new NotFromEndpoint();
	return holder;
}

async function callerOf(c: AppContext, given: string | null, { isAdminOnly, opensToProxies }: CallersRoute): Promise<KeyHolder | null> {
	if (given === null) return !isAdminOnly && opensToProxies && (await isOpenByAddress(c)) ? "proxy" : null;
	if (parseBearer(given) === null) {
		const isFromProxy = ((await c.get("addressed")?.()) ?? null) !== null;
		if (!(await isEndpointKey(c, given))) return isFromProxy ? opensElsewhere(c, given, ANOTHERS_SCOPE) : null;
		if (isAdminOnly) throw new Forbidden(ENDPOINTS_SCOPE);
		return "endpoint";
	}
	const endpoint = await c.get("addressed")?.();
	if (!endpoint || endpoint.caller === null) return null;
	const { object, caller: address } = endpoint;
	if (!(await askPool(c.env, object, (pool) => pool.proves({ key: given, address })))) return null;
	if (isAdminOnly || !opensToProxies) throw new Forbidden(PROXYS_SCOPE);
	return "proxy";
}

async function isEndpointKey(c: AppContext, given: string): Promise<boolean> {
	const endpoint = await c.get("addressed")?.();
	return endpoint ? askPool(c.env, endpoint.object, (pool) => pool.opens(given)) : false;
}

/** Whether this is the own key of a proxy of this deployment, and comes from its address. */
async function isProxyKey(c: AppContext, given: string): Promise<boolean> {
	const parts = parseBearer(given);
	if (parts === null || !isPoolObject(c.env, parts.object)) return false;
	return askPool(c.env, parts.object, (pool) => pool.proves({ key: given, address: clientAddress(c) }));
}

async function isOpenByAddress(c: AppContext): Promise<boolean> {
	const isRead = c.req.method === "GET" || c.req.method === "HEAD";
	if (!isRead || !c.get("config").global.implicitByAddress) return false;
	const endpoint = await c.get("addressed")?.();
	const configuration = endpoint ? await askPool(c.env, endpoint.object, (pool) => pool.configuration()) : null;
	return configuration !== null && !configuration.endpoint?.auth_hash;
}
