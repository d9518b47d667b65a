import { parseBearer } from "../../agent/protocol.ts";
import { askPool } from "../../rpc/reach.ts";
import { type KeyHolder, requireKey } from "../base/auth.ts";
import type { AppContext } from "../base/context.ts";
import { NotFromEndpoint, Unauthorized } from "../base/errors.ts";

const NO_OTHER_KEY = async () => false;

/** Lets a request with the admin key pass, and one with the key of the endpoint that it is about. Throws as requireKey. */
export async function requireEndpointKey(c: AppContext): Promise<KeyHolder> {
	return requireKey(c, async (given) => given !== null && isEndpointKey(c, given));
}

/**
 * Lets a request pass that names no endpoint and comes from the address of one of its proxies, if it also carries the admin key
 * or, unless only that will do, the endpoint's or that very proxy's own. An address alone proves nothing, since everyone who uses a
 * proxy has it; IMPLICIT_BY_ADDRESS lets it open what is only read, of an endpoint that has no key.
 *
 * Throws as requireKey, and NotFromEndpoint for any other address.
 */
export async function requireCaller(c: AppContext, isAdminOnly: boolean): Promise<KeyHolder> {
	const isFromProxy = async () => ((await c.get("addressed")?.()) ?? null) !== null;
	let holder: KeyHolder;
	try {
		holder = await requireKey(c, isAdminOnly ? NO_OTHER_KEY : (given) => isCallersKey(c, given));
	} catch (error) {
		if (error instanceof Unauthorized && !(await isFromProxy())) throw new NotFromEndpoint();
		throw error;
	}
	if (!(await isFromProxy())) throw new NotFromEndpoint();
	return holder;
}

async function isCallersKey(c: AppContext, given: string | null): Promise<boolean> {
	if (given === null) return isOpenByAddress(c);
	if (parseBearer(given) === null) return isEndpointKey(c, given);
	const endpoint = await c.get("addressed")?.();
	if (!endpoint || endpoint.caller === null) return false;
	const { object, caller: address } = endpoint;
	return askPool(c.env, object, (pool) => pool.proves({ key: given, address }));
}

async function isEndpointKey(c: AppContext, given: string): Promise<boolean> {
	const endpoint = await c.get("addressed")?.();
	return endpoint ? askPool(c.env, endpoint.object, (pool) => pool.opens(given)) : false;
}

async function isOpenByAddress(c: AppContext): Promise<boolean> {
	const isRead = c.req.method === "GET" || c.req.method === "HEAD";
	if (!isRead || !c.get("config").global.implicitByAddress) return false;
	const endpoint = await c.get("addressed")?.();
	const configuration = endpoint ? await askPool(c.env, endpoint.object, (pool) => pool.configuration()) : null;
	return configuration !== null && !configuration.endpoint?.auth_hash;
}
