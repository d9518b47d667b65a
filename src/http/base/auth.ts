import ipaddr from "ipaddr.js";
import { Cached, type Later } from "../../d1/database.ts";
import { readSettings } from "../../d1/settings.ts";
import { type AppContext, type KeyHolder, laterOf } from "./context.ts";
import { ServiceUnavailable, TooManyRequests, Unauthorized } from "./errors.ts";
import { isLogin, loginOf } from "./login.ts";

// Each of these names, and each new object, is a call into the runtime.
const { subtle } = crypto;
const encoder = new TextEncoder();

const CLOSED_RETRY_SECONDS = 60;
/** How long an isolate may go on with the key that it read: one that is set or removed holds everywhere after it. */
const STORED_KEY_STALENESS_MS = 1_000;

const storedKey = new Cached<string | null>("stored key", () => STORED_KEY_STALENESS_MS);

/** How often one wrong key, and how many different ones, may come from an address within {@link FAILED_KEYS_WINDOW_MS}. */
export const MAX_FAILED_KEYS = 10;
export const FAILED_KEYS_WINDOW_MS = 60_000;
/** Addresses kept in mind; beyond it the oldest are forgotten, so that a flood from many addresses cannot fill the memory. */
const MAX_ADDRESSES = 10_000;

interface Failures {
	readonly since: number;
	/** By the key's digest; at most {@link MAX_FAILED_KEYS} of them. */
	readonly counts: Map<string, number>;
}

/**
 * Wrong keys by address and digest, in this isolate. A key is looked at before it is counted here, so that one that is right passes
 * whatever others from its address sent (an office, a cloud's gateway): it is the length of the key that makes guessing hopeless.
 */
export class FailedKeys {
	readonly #failures = new Map<string, Failures>();

	/** Seconds that whoever sends this key has to wait if it is wrong; 0: none. */
	waitSeconds(address: string, digest: string, now: number): number {
		const failures = this.#current(address, now);
		if (!failures) return 0;
		const isOften = (failures.counts.get(digest) ?? 0) >= MAX_FAILED_KEYS;
		const isGuess = !failures.counts.has(digest) && failures.counts.size >= MAX_FAILED_KEYS;
		return isOften || isGuess ? Math.max(1, Math.ceil((failures.since + FAILED_KEYS_WINDOW_MS - now) / 1_000)) : 0;
	}

	/** Counts a wrong key of which {@link waitSeconds} is 0. */
	count(address: string, digest: string, now: number): void {
		const key = network(address);
		const current = this.#current(address, now);
		const failures = current ?? { since: now, counts: new Map<string, number>() };
		failures.counts.set(digest, (failures.counts.get(digest) ?? 0) + 1);
		if (current) return;
		this.#failures.delete(key);
		this.#failures.set(key, failures);
		const oldest = this.#failures.keys().next();
		if (this.#failures.size > MAX_ADDRESSES && !oldest.done) this.#failures.delete(oldest.value);
	}

	#current(address: string, now: number): Failures | null {
		const failures = this.#failures.get(network(address));
		return failures && now - failures.since < FAILED_KEYS_WINDOW_MS && now >= failures.since ? failures : null;
	}
}

/** An IPv6 address stands for its /64: whoever has one of these has them all. */
function network(address: string): string {
	if (!ipaddr.IPv6.isValid(address)) return address;
	return ipaddr.IPv6.parse(address).toNormalizedString().split(":").slice(0, 4).join(":");
}

let failedKeys = new FailedKeys();

/** Forgets what this isolate knows of keys, after one was set or removed. */
export function forgetKeys(): void {
	storedKey.forget();
	proven = null;
	failedKeys = new FailedKeys();
}

/**
 * Lets a request with the admin key pass, one with a key that `opensToo` accepts, and any where a deployment without a key
 * is declared open; a login to the web page stands for the admin key that it was begun with. `opensToo` says whose else it is; it is
 * asked last, gets null where no key came, and may throw Forbidden for a key that is right and opens something else. The secret AUTH_KEY is checked without D1; a
 * key that was set through the API is kept there as its SHA-256.
 *
 * Throws Unauthorized, TooManyRequests for one of too many wrong keys from one address, and ServiceUnavailable where no key is
 * set or D1 would have to be asked and does not answer.
 */
export async function requireKey(
	c: AppContext,
	opensToo: (given: string | null) => Promise<KeyHolder | null>,
	given: string | null = givenKey(c),
): Promise<KeyHolder> {
	const { authKey, allowAnonymous } = c.get("config").global;
	const login = given === null ? loginOf(c) : null;
	const now = Date.now();
	const isLoginWith = async (digest: ArrayBuffer) => login !== null && isLogin(login, digest, now);
	if (given !== null || login !== null) {
		if (authKey !== null && (given === null ? await isLoginWith(await digestOf(authKey)) : isSame(bytesOf(given), ownBytesOf(authKey))))
			return "admin";
	} else if (authKey !== null) {
		const holder = await opensToo(null);
		if (holder !== null) return holder;
		throw missing();
	}

	const stored = await readStoredKey(c.env.DB, now, laterOf(c));
	if (stored !== null && (given === null ? await isLoginWith(fromHex(stored).buffer) : await isStored(given, stored))) return "admin";
	if (authKey === null && stored === null) {
		if (allowAnonymous) return "nobody";
		throw new ServiceUnavailable(
			"This deployment is closed: it has no admin key. Set one with: npx wrangler secret put AUTH_KEY",
			CLOSED_RETRY_SECONDS,
		);
	}
	const holder = await opensToo(given);
	if (holder !== null) return holder;
	if (given === null) throw missing();
	const [address, digest] = [clientAddress(c), hexOf(await digestOf(given))];
	const wait = failedKeys.waitSeconds(address, digest, now);
	if (wait > 0) throw new TooManyRequests("Too many wrong keys came from this address; wait before you send another.", wait);
	failedKeys.count(address, digest, now);
	throw new Unauthorized("The key is wrong.");
}

/** Whether this key, if it is wrong, is one of so many from its address that no more is done for it. */
export async function isSlowed(c: AppContext, given: string): Promise<boolean> {
	return failedKeys.waitSeconds(clientAddress(c), hexOf(await digestOf(given)), Date.now()) > 0;
}

/**
 * SHA-256 (hex) of the admin key that was set through the API, null where none was. While D1 fails the key that was valid last stays
 * valid. Throws as onDatabase where none was ever read.
 */
export async function readStoredKey(db: D1Database, now: number, later: Later): Promise<string | null> {
	const read = async () => (await readSettings(db, ["auth_key_sha256"])).get("auth_key_sha256") ?? null;
	return (await storedKey.read(now, read, later)).value;
}

/** The caller's address as the platform saw it; no header that a client could forge is looked at. Empty where there is none. */
export function clientAddress(c: AppContext): string {
	return c.req.header("CF-Connecting-IP") ?? "";
}

/** What follows `Bearer` in the Authorization header, or null. */
export function bearerOf(c: AppContext): string | null {
	return /^Bearer +(\S+) *$/i.exec(c.req.header("Authorization") ?? "")?.[1] ?? null;
}

/** The key that a request carries in one of its places but a body; null: none, or an empty one. */
export function givenKey(c: AppContext): string | null {
	return c.req.header("X-Auth-Key") || bearerOf(c) || c.req.query("auth_key") || null;
}

function missing(): Unauthorized {
	return new Unauthorized("A key is needed: send it as X-Auth-Key, as Authorization: Bearer, or as ?auth_key= where nothing else will do.");
}

/** The key that last proved to be the stored one, and that one's SHA-256: to work out a digest takes longer than all else of a request. */
let proven: { readonly hash: string; readonly key: Uint8Array } | null = null;

async function isStored(given: string, hash: string): Promise<boolean> {
	const key = bytesOf(given);
	if (proven?.hash === hash && isSame(key, proven.key)) return true;
	const isRight = isSame(new Uint8Array(await digestOf(given)), fromHex(hash));
	if (isRight) proven = { hash, key };
	return isRight;
}

/** SHA-256. */
export async function digestOf(text: string): Promise<ArrayBuffer> {
	return subtle.digest("SHA-256", bytesOf(text));
}

/** Compares in a time that tells nothing but whether they are equally long. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
	return a.byteLength === b.byteLength && subtle.timingSafeEqual(a, b);
}

function bytesOf(text: string): Uint8Array {
	return encoder.encode(text);
}

/** AUTH_KEY, which nearly every request is held against. */
let own: { readonly key: string; readonly bytes: Uint8Array } | null = null;

function ownBytesOf(key: string): Uint8Array {
	if (own?.key !== key) own = { key, bytes: bytesOf(key) };
	return own.bytes;
}

function hexOf(digest: ArrayBuffer): string {
	return Buffer.from(digest).toString("hex");
}

function fromHex(text: string): Uint8Array<ArrayBuffer> {
	// In memory of its own: a buffer's may be a part of the runtime's.
	return Uint8Array.from(Buffer.from(text, "hex"));
}
