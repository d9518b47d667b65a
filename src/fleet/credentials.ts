/** What an operator orders that the proxies ask for, in D1: pools are told of it by `tellPools`, and by cron. */
import { readOrderedCredentials, rewriteOrderedCredentials, writeOrderedCredentials } from "../d1/settings.ts";
import type { Env } from "../rpc/env.ts";
import { readConfig } from "../settings/environment.ts";
import {
	type Login,
	openedOrder,
	resealedOrder,
	type StoredCredentials,
	sealedOrder,
	type WishedCredentials,
} from "../settings/ordered-credentials.ts";

/** Orders that another one came in between of are begun anew so often. */
const TRIES = 3;

/** Others' orders came in between each time: nothing of this one is stored. */
export class OrderOvertaken extends Error {
	constructor() {
		super("Another change came in between: ask again.");
		this.name = "OrderOvertaken";
	}
}

/** What is in force by what D1 holds. */
export interface CredentialsInForce {
	/** `api`: an operator's order; `environment`: the deployment's secrets; null: there are none. */
	readonly source: "api" | "environment" | null;
	/** Null where there are none, or they cannot be decrypted. */
	readonly login: Login | null;
	/** An order cannot be decrypted: what pools hold stays in force. */
	readonly isUnread: boolean;
	/** When it was ordered (milliseconds since the epoch); null: it was not. */
	readonly since: number | null;
}

export function inForce(env: Env, stored: StoredCredentials | null): CredentialsInForce {
	const { encryptionKeys, proxyCredentials } = readConfig(env).global;
	const order = stored === null ? null : openedOrder(encryptionKeys, stored);
	if (order?.is !== "set" && order?.is !== "unread") {
		return { source: proxyCredentials === null ? null : "environment", login: proxyCredentials, isUnread: false, since: null };
	}
	const { revision: since, username, password } = order;
	const isUnread = order.is === "unread";
	return { source: "api", login: isUnread ? null : { username, password }, isUnread, since };
}

/**
 * Stores an order: what `wish` makes of what is in force; null: the deployment's own hold again. Answers with what is stored then, null where nothing was
 * ever ordered and nothing is to be taken back. There must be a key to encrypt with. Throws OrderOvertaken, DatabaseUnavailable; after the latter it may be stored nevertheless.
 */
export async function orderCredentials(
	env: Env,
	now: number,
	wish: (before: CredentialsInForce) => WishedCredentials | null,
): Promise<StoredCredentials | null> {
	const { encryptionKeys } = readConfig(env).global;
	for (let tries = 0; tries <= TRIES; tries++) {
		const stored = await readOrderedCredentials(env.DB);
		const wished = wish(inForce(env, stored));
		if (wished === null && (stored === null || stored.sealed === null)) return stored;
		// D1 may have lost orders that pools still know: the clock is later than all of them.
		const revision = Math.max(now, (stored?.revision ?? 0) + 1);
		const order = wished === null ? { revision, sealed: null } : sealedOrder(encryptionKeys, revision, wished);
		if (await writeOrderedCredentials(env.DB, order)) return order;
	}
	throw new OrderOvertaken();
}

/** D1 has lost orders that pools know: the latest of these is stored again. Throws DatabaseUnavailable. */
export async function restoreCredentials(env: Env, known: readonly StoredCredentials[]): Promise<void> {
	const [latest] = [...known].sort((a, b) => b.revision - a.revision);
	if (latest !== undefined) await writeOrderedCredentials(env.DB, latest);
}

/** What rests is encrypted with the first key, so that the others can go. Throws DatabaseUnavailable. */
export async function resealCredentials(env: Env, stored: StoredCredentials): Promise<void> {
	const again = resealedOrder(readConfig(env).global.encryptionKeys, stored);
	if (again !== null) await rewriteOrderedCredentials(env.DB, stored, again);
}
