import type { ChargesLeft } from "../core/model/cost.ts";
import type { ProviderName } from "../core/model/state.ts";
import { leaveAllotment } from "./allotments.ts";
import { leaveCharges } from "./charges.ts";
import { onDatabase } from "./database.ts";

/** One pool in the directory. `removedAt` not null: deleted, its names are free, its VMs are not all gone yet. */
export interface DirectoryEntry {
	/** The Durable Object's id, in hex. */
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly incarnation: number;
	readonly source: "environment" | "api";
	readonly removedAt: number | null;
	/** The version that it published last; 0: none, so it may never have been started. */
	readonly version: number;
	/** VMs that may cost money, as it published last. */
	readonly billable: number;
}

const COLUMNS = `object, provider, name, incarnation, source, removed_at AS removedAt, version,
	coalesce(json_extract(summary, '$.billable'), 0) AS billable`;

/** Every pool, removed ones too, always in the same order. Throws DatabaseUnavailable. */
export async function listPools(db: D1Database): Promise<readonly DirectoryEntry[]> {
	return (await onDatabase(() => db.prepare(`SELECT ${COLUMNS} FROM pools ORDER BY object`).all<DirectoryEntry>())).results;
}

/** The pool of that name that is not removed, or null. Throws DatabaseUnavailable. */
export async function findPool(db: D1Database, provider: string, name: string): Promise<DirectoryEntry | null> {
	const { results } = await onDatabase(() =>
		db
			.prepare(`SELECT ${COLUMNS} FROM pools WHERE provider = ? AND name = ? AND removed_at IS NULL`)
			.bind(provider, name)
			.all<DirectoryEntry>(),
	);
	return results[0] ?? null;
}

/** A pool's own endpoint name, which it has unless it was deleted while there were aliases. */
export function endpointNameOf({ source, provider, name }: Pick<DirectoryEntry, "source" | "provider" | "name">): string {
	return source === "api" ? name : `${provider}-${name}`;
}

/** The object of the pool with that endpoint name or alias, or null. Throws DatabaseUnavailable. */
export async function findEndpoint(db: D1Database, endpoint: string): Promise<string | null> {
	const row = await onDatabase(() => db.prepare("SELECT object FROM names WHERE name = ?").bind(endpoint).first<{ object: string }>());
	return row?.object ?? null;
}

/** Pools that are told of what befell one of their account. */
const MOST_OF_ACCOUNT = 50;

/** The objects of the pools whose summary names this account. Reads a row for each pool. Throws DatabaseUnavailable. */
export async function poolsOfAccount(db: D1Database, accountKey: string): Promise<readonly string[]> {
	const sql = "SELECT object FROM pools WHERE removed_at IS NULL AND summary ->> 'accountKey' = ?1 ORDER BY object LIMIT ?2";
	const { results } = await onDatabase(() => db.prepare(sql).bind(accountKey, MOST_OF_ACCOUNT).all<{ object: string }>());
	return results.map(({ object }) => object);
}

/**
 * The endpoint that has a proxy at this address, by its first name, or null. A cloud hands an address out again as soon as a VM is
 * gone, perhaps before we know that it is: the proxy that is not on its way out counts, and then the youngest. Throws DatabaseUnavailable.
 */
export async function findEndpointAt(db: D1Database, address: string): Promise<{ readonly object: string; readonly name: string } | null> {
	const { results } = await onDatabase(() =>
		db
			.prepare(
				`SELECT proxies.object, names.name FROM proxies
				JOIN pools ON pools.object = proxies.object JOIN names ON names.object = proxies.object WHERE proxies.address = ?
				ORDER BY (proxies.queue IS 'destroy'), proxies.created_at DESC,
					names.name NOT IN (pools.name, pools.provider || '-' || pools.name), names.name LIMIT 1`,
			)
			.bind(address)
			.all<{ object: string; name: string }>(),
	);
	return results[0] ?? null;
}

export interface NewPool {
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	/** The endpoint name, unique over all pools and aliases. */
	readonly endpoint: string;
	readonly incarnation: number;
	readonly source: "environment" | "api";
}

/**
 * Enters a pool unless one of that provider and name, or of that endpoint name, is there, and returns the one that holds
 * (provider, name): the new one, or whoever came first. Null when there is none because the endpoint name is another
 * pool's. Throws DatabaseUnavailable.
 */
export async function enterPool(db: D1Database, pool: NewPool): Promise<DirectoryEntry | null> {
	const [, , read] = await onDatabase(() =>
		db.batch<DirectoryEntry>([
			db
				.prepare(
					`INSERT OR IGNORE INTO pools (object, provider, name, incarnation, source)
					SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM names WHERE name = ?6)`,
				)
				.bind(pool.object, pool.provider, pool.name, pool.incarnation, pool.source, pool.endpoint),
			db
				.prepare("INSERT OR IGNORE INTO names (name, object) SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM pools WHERE object = ?2)")
				.bind(pool.endpoint, pool.object),
			db.prepare(`SELECT ${COLUMNS} FROM pools WHERE provider = ?1 AND name = ?2 AND removed_at IS NULL`).bind(pool.provider, pool.name),
		]),
	);
	return read?.results[0] ?? null;
}

export interface LostPool extends Omit<NewPool, "endpoint"> {
	readonly deployment: string;
	/** Its endpoint names; empty: its own one. */
	readonly names: readonly string[];
	/** It is being removed, and has no names any more. */
	readonly removedAt: number | null;
}

/**
 * Enters a pool that is there and that the directory has lost, with those of its names that are free, and the deployment's id where that is lost too.
 * `by`: the object that has its place, and when that published last; null: it is its own. Throws DatabaseUnavailable; may be repeated.
 */
export async function enterAgain(
	db: D1Database,
	lost: LostPool,
): Promise<{ readonly by: string | null; readonly publishedAt: number | null }> {
	const { object, provider, name, incarnation, source, removedAt, deployment } = lost;
	const names = removedAt !== null ? [] : lost.names.length > 0 ? lost.names : [endpointNameOf(lost)];
	const results = await onDatabase(() =>
		db.batch<{ object: string; publishedAt: number | null }>([
			db
				.prepare("INSERT OR IGNORE INTO pools (object, provider, name, incarnation, source, removed_at) VALUES (?, ?, ?, ?, ?, ?)")
				.bind(object, provider, name, incarnation, source, removedAt),
			db
				.prepare(
					`INSERT OR IGNORE INTO names (name, object)
					SELECT value, ?1 FROM json_each(?2) WHERE EXISTS (SELECT 1 FROM pools WHERE object = ?1 AND removed_at IS NULL)`,
				)
				.bind(object, JSON.stringify(names)),
			db.prepare("INSERT OR IGNORE INTO settings (key, value) VALUES ('deployment', ?)").bind(deployment),
			db
				.prepare(
					`SELECT object, published_at AS publishedAt FROM pools
					WHERE object = ?1 OR (provider = ?2 AND name = ?3 AND removed_at IS NULL) ORDER BY object <> ?1 LIMIT 1`,
				)
				.bind(object, provider, name),
		]),
	);
	const holder = results.at(-1)?.results[0];
	return holder === undefined || holder.object === object
		? { by: null, publishedAt: null }
		: { by: holder.object, publishedAt: holder.publishedAt };
}

/** Endpoint names and aliases, each with its pool's object, in alphabetical order. Throws DatabaseUnavailable. */
export async function listNames(db: D1Database): Promise<readonly { readonly name: string; readonly object: string }[]> {
	return (await onDatabase(() => db.prepare("SELECT name, object FROM names ORDER BY name").all<{ name: string; object: string }>()))
		.results;
}

/** Tells by which name a pool's endpoint is reached: its own one, or an alias where that was deleted. */
export type Called = (pool: Pick<DirectoryEntry, "object" | "source" | "provider" | "name">) => string;

/** Reads a row for each name. Throws DatabaseUnavailable. */
export async function readCalled(db: D1Database): Promise<Called> {
	return calledBy(await listNames(db));
}

/** The same, from all names as {@link listNames} has them. */
export function calledBy(all: readonly { readonly name: string; readonly object: string }[]): Called {
	const byObject = Map.groupBy(all, ({ object }) => object);
	return (pool) => {
		const own = endpointNameOf(pool);
		const names = byObject.get(pool.object) ?? [];
		return names.some(({ name }) => name === own) ? own : (names[0]?.name ?? own);
	};
}

/** The pool of that object, removed or not, or null. Throws DatabaseUnavailable. */
export async function findObject(db: D1Database, object: string): Promise<DirectoryEntry | null> {
	const { results } = await onDatabase(() =>
		db.prepare(`SELECT ${COLUMNS} FROM pools WHERE object = ?`).bind(object).all<DirectoryEntry>(),
	);
	return results[0] ?? null;
}

/** Gives a pool a further endpoint name. False where another pool has it, or this one is removed. Throws DatabaseUnavailable. */
export async function addName(db: D1Database, object: string, name: string): Promise<boolean> {
	const { meta } = await onDatabase(() =>
		db
			.prepare("INSERT OR IGNORE INTO names (name, object) SELECT ?1, object FROM pools WHERE object = ?2 AND removed_at IS NULL")
			.bind(name, object)
			.run(),
	);
	return meta.changes > 0;
}

/** Takes one of several names from a pool. False where it is the last one, or not the pool's. Throws DatabaseUnavailable. */
export async function dropName(db: D1Database, object: string, name: string): Promise<boolean> {
	const { meta } = await onDatabase(() =>
		db
			.prepare("DELETE FROM names WHERE name = ?1 AND object = ?2 AND EXISTS (SELECT 1 FROM names WHERE object = ?2 AND name <> ?1)")
			.bind(name, object)
			.run(),
	);
	return meta.changes > 0;
}

/** Enters that a pool is at another provider now. Fails where another pool has that provider and name. Throws DatabaseUnavailable. */
export async function moveTo(db: D1Database, object: string, provider: ProviderName): Promise<void> {
	await onDatabase(() => db.prepare("UPDATE pools SET provider = ?2 WHERE object = ?1 AND provider <> ?2").bind(object, provider).run());
}

/** Marks a pool as deleted: it leaves every list and its names are free at once. Its row stays until its VMs are gone. */
export async function removePool(db: D1Database, object: string, now: number): Promise<void> {
	await onDatabase(() =>
		db.batch([
			db.prepare("UPDATE pools SET removed_at = ? WHERE object = ? AND removed_at IS NULL").bind(now, object),
			db.prepare("DELETE FROM names WHERE object = ?").bind(object),
		]),
	);
}

/**
 * Forgets a pool whose VMs are gone: its row, names, proxies and ready list. Its log stays until it is pruned by age, and of its part of
 * the budget what is still billed for VMs that are gone, as long as that is.
 */
export async function forgetPool(
	db: D1Database,
	object: string,
	charges: ChargesLeft | null = null,
	now: number = Date.now(),
): Promise<void> {
	await onDatabase(() =>
		db.batch([
			...["ready_parts", "proxies", "names", "pools"].map((table) => db.prepare(`DELETE FROM ${table} WHERE object = ?`).bind(object)),
			...leaveAllotment(db, object, charges, now),
			...leaveCharges(db, object, charges?.each ?? [], now),
		]),
	);
}
