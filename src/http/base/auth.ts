import type { AppContext } from "./context.ts";
import { ServiceUnavailable, TooManyRequests, Unauthorized } from "./errors.ts";
import { FailedKeys } from "./failed-keys.ts";
import { isSession, sessionOf } from "./session.ts";
import { forgetStoredKey, readStoredKey } from "./stored-key.ts";

const CLOSED_RETRY_SECONDS = 60;

let failedKeys = new FailedKeys();

/** Forgets what this isolate knows of keys, after one was set or removed. */
export function forgetKeys(): void {
	forgetStoredKey();
	failedKeys = new FailedKeys();
}

/** Whose key a request carries: the operator's, one that opens only what was asked for, or nobody's in a deployment declared open. */
export type KeyHolder = "admin" | "other" | "nobody";

/**
 * Lets a request with the admin key pass, one with a key that `opensToo` accepts, and any where a deployment without a key
 * is declared open; a session of the web page stands for the admin key that it was begun with. `opensToo` is asked last and gets
 * null where no key came. The secret AUTH_KEY is checked without D1; a
 * key that was set through the API is kept there as its SHA-256.
 *
 * Throws Unauthorized, TooManyRequests after too many failed keys from one address, and ServiceUnavailable where no key is
 * set or D1 would have to be asked and does not answer.
 */
export async function requireKey(
	c: AppContext,
	opensToo: (given: string | null) => Promise<boolean>,
	given: string | null = givenKey(c),
): Promise<KeyHolder> {
	const { authKey, allowAnonymous } = c.get("config").global;
	const session = given === null ? sessionOf(c) : null;
	const now = Date.now();
	const address = clientAddress(c);
	const proves = async (digest: ArrayBuffer) =>
		given === null ? session !== null && isSession(session, digest, now) : isSame(await digestOf(given), digest);
	if (given !== null) {
		const wait = failedKeys.waitSeconds(address, now);
		if (wait > 0) throw new TooManyRequests("Too many failed keys from this address; wait before you send another.", wait);
	}
	if (given !== null || session !== null) {
		if (authKey !== null && (await proves(await digestOf(authKey)))) return "admin";
	} else if (authKey !== null) {
		if (await opensToo(null)) return "other";
		throw missing();
	}

	const stored = await readStoredKey(c.env.DB, now, (work) => c.executionCtx.waitUntil(work));
	if (stored !== null && (await proves(fromHex(stored)))) return "admin";
	if (authKey === null && stored === null) {
		if (allowAnonymous) return "nobody";
		throw new ServiceUnavailable(
			"This deployment is closed: it has no admin key. Set one with: npx wrangler secret put AUTH_KEY",
			CLOSED_RETRY_SECONDS,
		);
	}
	if (await opensToo(given)) return "other";
	if (given === null) throw missing();
	failedKeys.count(address, now);
	throw new Unauthorized("The key is wrong.");
}

/** The caller's address as the platform saw it; no header that a client could forge is looked at. Empty where there is none. */
export function clientAddress(c: AppContext): string {
	return c.req.header("CF-Connecting-IP") ?? "";
}

/** What follows `Bearer` in the Authorization header, or null. */
export function bearerOf(c: AppContext): string | null {
	return /^Bearer +(\S+) *$/i.exec(c.req.header("Authorization") ?? "")?.[1] ?? null;
}

function givenKey(c: AppContext): string | null {
	const given = c.req.header("X-Auth-Key") ?? bearerOf(c) ?? c.req.query("auth_key") ?? "";
	return given === "" ? null : given;
}

function missing(): Unauthorized {
	return new Unauthorized("A key is needed: send it as X-Auth-Key, as Authorization: Bearer, or as ?auth_key= where nothing else will do.");
}

/** SHA-256. */
export async function digestOf(text: string): Promise<ArrayBuffer> {
	return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}

/** Compares digests, which have one length, in constant time. */
async function isSame(a: ArrayBuffer, b: ArrayBuffer): Promise<boolean> {
	return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}

function fromHex(text: string): ArrayBuffer {
	return Uint8Array.from(text.match(/[0-9a-f]{2}/g) ?? [], (pair) => Number.parseInt(pair, 16)).buffer;
}
