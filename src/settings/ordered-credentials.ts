import type { OrderedCredentials } from "../core/model/state.ts";
import { isSealedWithFirst, seal, unseal } from "../values/secrets.ts";

// What an operator orders over the API that the proxies ask for, as D1 holds it and as pools are told of it: encrypted, as other secrets at rest.

/** The newest order. */
export interface StoredCredentials {
	/** When it was given, in milliseconds since the epoch; more than that where the clock is behind an earlier one's, so that a later order has a higher one. */
	readonly revision: number;
	/** A {@link Login}, encrypted with ENCRYPTION_KEY for this revision alone; null: the deployment's own credentials hold again. */
	readonly sealed: string | null;
}

export interface Login {
	readonly username: string;
	readonly password: string;
}

const placeOf = (revision: number) => ({ object: "deployment", section: "credentials", key: String(revision) });

/** Encrypts with the first of `keys`, of which there must be one. */
export function sealedOrder(keys: readonly string[], revision: number, { username, password }: Login): StoredCredentials {
	return { revision, sealed: seal(keys, placeOf(revision), JSON.stringify({ username, password })) };
}

/** The order that is stored, `unread` where none of the keys opens it. */
export function openedOrder(keys: readonly string[], { revision, sealed }: StoredCredentials): OrderedCredentials {
	if (sealed === null) return { revision, is: "revoked", username: "", password: "" };
	const text = unseal(keys, placeOf(revision), sealed);
	if (text === null) return { revision, is: "unread", username: "", password: "" };
	const { username, password } = JSON.parse(text) as Login;
	return { revision, is: "set", username, password };
}

/** What a pool knows, as it is stored; null: it knows none that could be, or has nothing to encrypt it with. */
export function orderKnown(keys: readonly string[], { revision, is, username, password }: OrderedCredentials): StoredCredentials | null {
	if (is === "revoked") return { revision, sealed: null };
	return is === "set" && keys.length > 0 ? sealedOrder(keys, revision, { username, password }) : null;
}

/** The same, encrypted with the first key; null: it is already, or cannot be. */
export function resealedOrder(keys: readonly string[], stored: StoredCredentials): StoredCredentials | null {
	if (stored.sealed === null || isSealedWithFirst(keys, stored.sealed)) return null;
	const opened = openedOrder(keys, stored);
	return opened.is === "set" ? sealedOrder(keys, stored.revision, opened) : null;
}
