import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { AppContext } from "./context.ts";

// A login to the web page: a cookie that no script can read and no other site can use. It holds when it ends and an HMAC of that
// under the admin key's digest, so that nothing has to be stored, the key cannot be had from it, and another key ends all logins.

const COOKIE = "muster";
const LOGIN_SECONDS = 12 * 3_600;
const PURPOSE = "muster session until ";

/** Logs the caller in for {@link LOGIN_SECONDS}. `digest`: the SHA-256 of the admin key. */
export async function setLogin(c: AppContext, digest: ArrayBuffer, now: number): Promise<void> {
	const until = String(Math.floor(now / 1_000) + LOGIN_SECONDS);
	const proof = await crypto.subtle.sign("HMAC", await hmacKey(digest, "sign"), bytesOf(until));
	const value = `${until}.${Buffer.from(proof).toString("base64url")}`;
	setCookie(c, COOKIE, value, { prefix: "host", path: "/", httpOnly: true, secure: true, sameSite: "Strict", maxAge: LOGIN_SECONDS });
}

/** The browser forgets the login. One that was copied out of it holds until it ends, or the key changes. */
export function forgetLogin(c: AppContext): void {
	deleteCookie(c, COOKIE, { prefix: "host", path: "/", httpOnly: true, secure: true, sameSite: "Strict" });
}

/**
 * What the request's cookie holds, or null where there is none or the request is not one of our own pages': SameSite alone would let
 * pages of sibling hosts in (`workers.dev` is shared by an account's Workers), so a browser must say that the origin is ours.
 */
export function loginOf(c: AppContext): string | null {
	const value = getCookie(c, COOKIE, "host");
	if (value === undefined) return null;
	const isRead = c.req.method === "GET" || c.req.method === "HEAD";
	const site = c.req.header("Sec-Fetch-Site");
	const isOurs = site === undefined ? c.req.header("Origin") === new URL(c.req.url).origin : site === "same-origin";
	// A link that is typed or followed from a bookmark comes from nowhere; without the header it may be an old browser's.
	return isOurs || (isRead && (site === undefined || site === "none")) ? value : null;
}

/** Whether a login was begun with the key of this digest and has not ended. */
export async function isLogin(value: string, digest: ArrayBuffer, now: number): Promise<boolean> {
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
