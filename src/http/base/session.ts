import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { AppContext } from "./context.ts";

// A session of the web page: a cookie that no script can read and no other site can use. It holds when it ends and an HMAC of that
// under the admin key's digest, so that nothing has to be stored, the key cannot be had from it, and another key ends all sessions.

const COOKIE = "muster";
const SESSION_SECONDS = 12 * 3_600;
const PURPOSE = "muster session until ";

/** Gives the caller a session that ends in {@link SESSION_SECONDS}. `digest`: the SHA-256 of the admin key. */
export async function beginSession(c: AppContext, digest: ArrayBuffer, now: number): Promise<void> {
	const until = String(Math.floor(now / 1_000) + SESSION_SECONDS);
	const proof = await crypto.subtle.sign("HMAC", await hmacKey(digest, "sign"), bytesOf(until));
	const value = `${until}.${Buffer.from(proof).toString("base64url")}`;
	setCookie(c, COOKIE, value, { prefix: "host", path: "/", httpOnly: true, secure: true, sameSite: "Strict", maxAge: SESSION_SECONDS });
}

/** The browser forgets the session. One that was copied out of it holds until it ends, or the key changes. */
export function endSession(c: AppContext): void {
	deleteCookie(c, COOKIE, { prefix: "host", path: "/", httpOnly: true, secure: true, sameSite: "Strict" });
}

/**
 * What the request's cookie holds, or null where there is none or the request is not one of our own pages': SameSite alone would let
 * pages of sibling hosts in (`workers.dev` is shared by an account's Workers), so a browser must say that the origin is ours.
 */
export function sessionOf(c: AppContext): string | null {
	const value = getCookie(c, COOKIE, "host");
	if (value === undefined) return null;
	const isRead = c.req.method === "GET" || c.req.method === "HEAD";
	const site = c.req.header("Sec-Fetch-Site");
	const isOurs = site === undefined ? c.req.header("Origin") === new URL(c.req.url).origin : site === "same-origin";
	// A link that is typed or followed from a bookmark comes from nowhere; without the header it may be an old browser's.
	return isOurs || (isRead && (site === undefined || site === "none")) ? value : null;
}

/** Whether a session was begun with the key of this digest and has not ended. */
export async function isSession(value: string, digest: ArrayBuffer, now: number): Promise<boolean> {
	const [until = "", proof = ""] = value.split(".");
	if (!/^\d{1,12}$/.test(until) || Number(until) * 1_000 <= now) return false;
	// Compares in constant time.
	return crypto.subtle.verify("HMAC", await hmacKey(digest, "verify"), Buffer.from(proof, "base64url"), bytesOf(until));
}

function hmacKey(digest: ArrayBuffer, usage: "sign" | "verify"): Promise<CryptoKey> {
	return crypto.subtle.importKey("raw", digest, { name: "HMAC", hash: "SHA-256" }, false, [usage]);
}

function bytesOf(until: string): Uint8Array<ArrayBuffer> {
	return Uint8Array.from(new TextEncoder().encode(PURPOSE + until));
}
