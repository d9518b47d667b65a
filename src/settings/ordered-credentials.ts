import { FORMER_CREDENTIALS_SECONDS } from "../core/model/pool.ts";
import type { OrderedCredentials } from "../core/model/state.ts";
import { isSealedWithFirst, seal, unseal } from "../values/secrets.ts";

// What an operator orders over the API that the proxies ask for, as D1 holds it and as pools are told of it: encrypted, as other secrets at rest.

/** The newest order. */
export interface StoredCredentials {
	/** When it was given, in milliseconds since the epoch; more than that where the clock is behind an earlier one's, so that a later order has a higher one. */
	readonly revision: number;
	/** {@link WishedCredentials}, encrypted with ENCRYPTION_KEY for this revision alone; null: the deployment's own credentials hold again. */
	readonly sealed: string | null;
}

export interface Login {
	readonly username: string;
	readonly password: string;
}

/** `formerSeconds`: how long each proxy takes clients with those that these replace. */
export interface WishedCredentials extends Login {
	readonly formerSeconds: number;
}

const NOT_SET = { username: "", password: "", formerSeconds: FORMER_CREDENTIALS_SECONDS } as const;

const placeOf = (revision: number) => ({ object: "deployment", section: "credentials", key: String(revision) });

/** Encrypts with the first of `keys`, of which there must be one. */
export function sealedOrder(keys: readonly string[], revision: number, wish: WishedCredentials): StoredCredentials {
	const { username, password, formerSeconds } = wish;
	return { revision, sealed: seal(keys, placeOf(revision), JSON.stringify({ username, password, formerSeconds })) };
}

/** The order that is stored, `unread` where none of the keys opens it. */
export function openedOrder(keys: readonly string[], { revision, sealed }: StoredCredentials): OrderedCredentials {
	if (sealed === null) return { revision, is: "revoked", ...NOT_SET };
	const text = unseal(keys, placeOf(revision), sealed);
	if (text === null) return { revision, is: "unread", ...NOT_SET };
	const { username, password, formerSeconds } = JSON.parse(text) as WishedCredentials;
	return { revision, is: "set", username, password, formerSeconds };
}

/** What a pool knows, as it is stored; null: it knows none that could be, or has nothing to encrypt it with. */
export function orderKnown(keys: readonly string[], order: OrderedCredentials): StoredCredentials | null {
	const { revision, is } = order;
	if (is === "revoked") return { revision, sealed: null };
	return is === "set" && keys.length > 0 ? sealedOrder(keys, revision, order) : null;
}

/** The same, encrypted with the first key; null: it is already, or cannot be. */
export function resealedOrder(keys: readonly string[], stored: StoredCredentials): StoredCredentials | null {
	if (stored.sealed === null || isSealedWithFirst(keys, stored.sealed)) return null;
	const opened = openedOrder(keys, stored);
	return opened.is === "set" ? sealedOrder(keys, stored.revision, opened) : null;
}
