import type { PatchedRolling } from "../core/model/state.ts";
import type { StoredConfiguration } from "../settings/configuration.ts";
import type { StoredCredentials } from "../settings/ordered-credentials.ts";
import { fromJson, onDatabase } from "./database.ts";

/**
 * The deployment's own settings, one row each.
 * - `deployment`: its id, minted once; in the name and tags of every VM.
 * - `unlisted`: names of pools that D1 has lost and that are not entered again yet, as JSON; missing: none are.
 * - `url`: the address that agents call, set by an operator. `origin`: the one remembered from the first request with a key.
 * - `auth_key_sha256`: SHA-256 (hex, lower case) of an admin key that was set through the API.
 * - `written_at`: when cron last wrote (milliseconds since the epoch): older than two minutes means that D1 takes no writes.
 * - `version`: which deploy of Muster cron saw last.
 * - `rolling`: rolling settings PATCHed at run time, a {@link PatchedRolling} as JSON.
 * - `credentials`: what an operator ordered that proxies ask for, {@link StoredCredentials} as JSON. It stays once it is taken back: revisions only rise.
 * - `manager:<name>`: a manager's configuration, by the name of its pool's endpoint or `default`, as JSON.
 * - `scaling:<provider>:<name>`: bounds PATCHed while that pool does not exist, a {@link WaitingScaling} as JSON.
 */
export type SettingKey =
	| "deployment"
	| "unlisted"
	| "url"
	| "origin"
	| "auth_key_sha256"
	| "written_at"
	| "version"
	| "rolling"
	| "credentials"
	| `manager:${string}`
	| `scaling:${string}:${string}`;

/** Bounds for a pool that is yet to be made, and those of the environment at that time: they are void once these change. */
export interface WaitingScaling {
	readonly min: number;
	readonly max: number;
	readonly environment: { readonly min: number; readonly max: number };
}

/** Reads several settings at once; those that are not set are missing from the map. Throws DatabaseUnavailable. */
export async function readSettings(db: D1Database, keys: readonly SettingKey[]): Promise<ReadonlyMap<string, string>> {
	const { results } = await onDatabase(() =>
		db
			.prepare(`SELECT key, value FROM settings WHERE key IN (${keys.map(() => "?").join(", ")})`)
			.bind(...keys)
			.all<{ key: string; value: string }>(),
	);
	return new Map(results.map((row) => [row.key, row.value]));
}

/** The rolling settings that an operator gave, or null; `settings` must have been read with the key `rolling`. */
export function patchedRollingIn(settings: ReadonlyMap<string, string>): PatchedRolling | null {
	return fromJson<PatchedRolling | null>(settings.get("rolling") ?? null, null);
}

/** The newest order of the proxies' credentials, or null; `settings` must have been read with the key `credentials`. */
export function orderedCredentialsIn(settings: ReadonlyMap<string, string>): StoredCredentials | null {
	return fromJson<StoredCredentials | null>(settings.get("credentials") ?? null, null);
}

/** The newest order of the proxies' credentials, or null. Reads one row. Throws DatabaseUnavailable. */
export async function readOrderedCredentials(db: D1Database): Promise<StoredCredentials | null> {
	return orderedCredentialsIn(await readSettings(db, ["credentials"]));
}

/** Stores an order unless a later one is stored, or that very one. False: it was not. Throws DatabaseUnavailable. */
export async function writeOrderedCredentials(db: D1Database, order: StoredCredentials): Promise<boolean> {
	const statement = db.prepare(
		"INSERT INTO settings (key, value) VALUES ('credentials', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1 WHERE value ->> 'revision' < ?2",
	);
	const { meta } = await onDatabase(() => statement.bind(JSON.stringify(order), order.revision).run());
	return meta.changes > 0;
}

/** The same order, encrypted with another key; nothing where another one is stored. Throws DatabaseUnavailable. */
export async function rewriteOrderedCredentials(db: D1Database, before: StoredCredentials, after: StoredCredentials): Promise<void> {
	const statement = db.prepare("UPDATE settings SET value = ?1 WHERE key = 'credentials' AND value = ?2");
	await onDatabase(() => statement.bind(JSON.stringify(after), JSON.stringify(before)).run());
}

/** Whether an operator named, or a request showed, the address that agents call. Reads one row. Throws DatabaseUnavailable. */
export async function isAgentUrlKnown(db: D1Database): Promise<boolean> {
	const { results } = await onDatabase(() => db.prepare("SELECT 1 FROM settings WHERE key IN ('url', 'origin') LIMIT 1").all());
	return results.length > 0;
}

/** The bounds that wait for one pool to be made, or null. */
export async function readWaitingScaling(db: D1Database, provider: string, name: string): Promise<WaitingScaling | null> {
	const key: SettingKey = `scaling:${provider}:${name}`;
	return fromJson<WaitingScaling | null>((await readSettings(db, [key])).get(key) ?? null, null);
}

/** Bounds that wait for pools to be made, by `<provider>:<name>`. */
export async function listWaitingScaling(db: D1Database): Promise<ReadonlyMap<string, WaitingScaling>> {
	const { results } = await onDatabase(() =>
		// A range, not LIKE: it is read from the key's own order. ';' is the character after ':'.
		db.prepare("SELECT key, value FROM settings WHERE key >= 'scaling:' AND key < 'scaling;'").all<{ key: string; value: string }>(),
	);
	return new Map(results.map((row) => [row.key.slice("scaling:".length), JSON.parse(row.value) as WaitingScaling]));
}

/** Managers' configurations by name. Throws DatabaseUnavailable. */
export async function listManagers(db: D1Database): Promise<ReadonlyMap<string, StoredConfiguration>> {
	const { results } = await onDatabase(() =>
		// As above: ';' is the character after ':'.
		db.prepare("SELECT key, value FROM settings WHERE key >= 'manager:' AND key < 'manager;'").all<{ key: string; value: string }>(),
	);
	return new Map(results.map((row) => [row.key.slice("manager:".length), JSON.parse(row.value) as StoredConfiguration]));
}

/** Sets one setting; null removes it. */
export async function writeSetting(db: D1Database, key: SettingKey, value: string | null): Promise<void> {
	const statement =
		value === null
			? db.prepare("DELETE FROM settings WHERE key = ?").bind(key)
			: db
					.prepare(
						"INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
					)
					.bind(key, value);
	await onDatabase(() => statement.run());
}

/** Sets one setting unless it is set, and returns the value that holds: whoever came first wins. */
export async function settleSetting(db: D1Database, key: SettingKey, value: string): Promise<string> {
	const [, read] = await onDatabase(() =>
		db.batch<{ value: string }>([
			db.prepare("INSERT OR IGNORE INTO settings (key, value) VALUES (?, ?)").bind(key, value),
			db.prepare("SELECT value FROM settings WHERE key = ?").bind(key),
		]),
	);
	return read?.results[0]?.value ?? value;
}

const DEPLOYMENT_ID_LENGTH = 10;
const DEPLOYMENT_ID_DIGITS = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * A new id of a deployment: ten characters a–z, 2–7 (50 random bits), so that it fits host names and tags of every cloud. Minted once, and
 * the same for ever after.
 */
export function mintDeployment(): string {
	const random = crypto.getRandomValues(new Uint8Array(DEPLOYMENT_ID_LENGTH));
	return Array.from(random, (byte) => DEPLOYMENT_ID_DIGITS[byte % 32]).join("");
}
