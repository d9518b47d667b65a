import { newState } from "../core/birth.ts";
import { withSessionsLoaded } from "../core/sessions.ts";
import type { Id, Ms, Proxy, State } from "../core/state.ts";
import type { PoolBirth } from "../rpc/pool.ts";
import type { StoredEndpoint } from "./endpoint.ts";

/** Applied in order, once each; `schema_version` counts them. Never edit one that was released: add another. */
const MIGRATIONS = [
	`CREATE TABLE facts (one INTEGER PRIMARY KEY CHECK (one = 1), birth TEXT NOT NULL, json TEXT NOT NULL);
	CREATE TABLE proxies (id TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
	CREATE TABLE vitals (one INTEGER PRIMARY KEY CHECK (one = 1), written_at INTEGER NOT NULL, json TEXT NOT NULL);`,
	`CREATE TABLE endpoint (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL);
	CREATE TABLE metadata (key TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;`,
	// What the vitals row has no room for; most pools have none.
	"CREATE TABLE more_vitals (part INTEGER PRIMARY KEY, json TEXT NOT NULL);",
];

/** A row holds 2 MB; the sessions of a hundred proxies with a thousand each are more. */
const MOST_ROW_CHARS = 1_900_000;

/** Volatile fields are written at most once in so many intervals. */
export const VITALS_INTERVALS = 2;

/** What lives in memory and is stored lazily, with the vitals row. */
export const VOLATILE = [
	"vitals",
	"sessions",
	"sessionsShown",
	"staticsProbed",
	"listedAt",
	"foreign",
	"rate",
	"sampledAt",
	"leased",
	"heartbeatSeconds",
	"decidedAt",
	"scaleInWindow",
	"source",
	"sourceAskedAt",
] as const satisfies readonly (keyof State)[];
const APART = ["proxies", ...VOLATILE] as const;

/** What proxies lack that an earlier version stored. */
const NEW_FIELDS = { posted: {} } as const satisfies Partial<Proxy>;

/**
 * A pool's own storage, the truth of it: one row of facts, one row a proxy, one row of vitals. Only rows whose object changed are
 * written. Every method is synchronous, so that nothing can come between a decision and its storing.
 */
export class Store {
	private readonly storage: DurableObjectStorage;
	private vitalsWrittenAt: Ms = 0;

	constructor(storage: DurableObjectStorage) {
		this.storage = storage;
	}

	/** What is stored, or null where no pool was made here. Brings the tables up to date, and makes none where there are none. */
	load(): { birth: PoolBirth; state: State } | null {
		const { sql } = this.storage;
		if (sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").toArray().length === 0) return null;
		this.migrate();
		const facts = sql.exec<{ birth: string; json: string }>("SELECT birth, json FROM facts").toArray()[0];
		if (facts === undefined) return null;
		const rows = sql.exec<{ json: string }>("SELECT json FROM proxies").toArray();
		const proxies = new Map<Id, Proxy>();
		for (const row of rows) {
			const proxy: Proxy = { ...NEW_FIELDS, ...(JSON.parse(row.json) as Proxy) };
			proxies.set(proxy.id, proxy);
		}
		const vitals = sql.exec<{ written_at: number; json: string }>("SELECT written_at, json FROM vitals").toArray()[0];
		this.vitalsWrittenAt = vitals?.written_at ?? 0;
		const more = sql.exec<{ json: string }>("SELECT json FROM more_vitals ORDER BY part").toArray();
		const volatile = vitals ? revived([vitals, ...more].map(({ json }) => json).join("")) : {};
		const stored = { ...revived(facts.json), ...volatile } as unknown as State;
		// A fact that a later version has added begins as it does in a new pool.
		const fresh = newState(stored.pool, stored.bornAt);
		const state = { ...fresh, ...stored, spec: { ...fresh.spec, ...stored.spec }, proxies };
		return { birth: JSON.parse(facts.birth) as PoolBirth, state: withSessionsLoaded(state) };
	}

	/** Makes the tables and the pool in them, with the configuration of its endpoint where it has one. */
	create(birth: PoolBirth, state: State, endpoint: StoredEndpoint | null): void {
		this.storage.transactionSync(() => {
			this.migrate();
			const { sql } = this.storage;
			sql.exec("INSERT INTO facts (one, birth, json) VALUES (1, ?, ?)", JSON.stringify(birth), factsJson(state));
			sql.exec("INSERT INTO vitals (one, written_at, json) VALUES (1, 0, ?)", vitalsJson(state));
			if (endpoint !== null) this.saveEndpoint(endpoint);
		});
	}

	/** The configuration of the pool's endpoint, or null where none was ever given. Call it once `load` has found a pool. */
	loadEndpoint(): StoredEndpoint | null {
		const row = this.storage.sql.exec<{ json: string }>("SELECT json FROM endpoint").toArray()[0];
		return row === undefined ? null : (JSON.parse(row.json) as StoredEndpoint);
	}

	saveEndpoint(endpoint: StoredEndpoint): void {
		this.storage.sql.exec(
			"INSERT INTO endpoint (one, json) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET json = excluded.json",
			JSON.stringify(endpoint),
		);
	}

	/** What callers keep with the endpoint under names of their own, as JSON. Only for a pool that exists, as the following three. */
	metadataKeys(): readonly string[] {
		return this.storage.sql
			.exec<{ key: string }>("SELECT key FROM metadata ORDER BY key")
			.toArray()
			.map(({ key }) => key);
	}

	/** Null where nothing is kept under this key. */
	metadata(key: string): string | null {
		return this.storage.sql.exec<{ json: string }>("SELECT json FROM metadata WHERE key = ?", key).toArray()[0]?.json ?? null;
	}

	/** Null forgets the key. */
	saveMetadata(key: string, json: string | null): void {
		const { sql } = this.storage;
		if (json === null) sql.exec("DELETE FROM metadata WHERE key = ?", key);
		else sql.exec("INSERT INTO metadata (key, json) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET json = excluded.json", key, json);
	}

	/** Stores what differs between the two states. */
	save(before: State, after: State, now: Ms): void {
		if (before === after) return;
		const areFactsChanged = (Object.keys(after) as (keyof State)[]).some(
			(key) => !(APART as readonly string[]).includes(key) && before[key] !== after[key],
		);
		const areVitalsChanged = VOLATILE.some((key) => before[key] !== after[key]);
		const areVitalsDue = now - this.vitalsWrittenAt >= VITALS_INTERVALS * after.spec.intervalSeconds * 1000;
		this.storage.transactionSync(() => {
			const { sql } = this.storage;
			if (areFactsChanged) sql.exec("UPDATE facts SET json = ?", factsJson(after));
			if (before.proxies !== after.proxies) {
				for (const [id, proxy] of after.proxies) {
					if (before.proxies.get(id) === proxy) continue;
					sql.exec(
						"INSERT INTO proxies (id, json) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET json = excluded.json",
						id,
						JSON.stringify(proxy),
					);
				}
				for (const id of before.proxies.keys()) if (!after.proxies.has(id)) sql.exec("DELETE FROM proxies WHERE id = ?", id);
			}
			if (areVitalsChanged && areVitalsDue) {
				this.saveVitals(after, now);
			}
		});
	}

	private saveVitals(state: State, now: Ms): void {
		const { sql } = this.storage;
		const text = vitalsJson(state);
		sql.exec("UPDATE vitals SET written_at = ?, json = ?", now, text.slice(0, MOST_ROW_CHARS));
		let part = 1;
		for (; part * MOST_ROW_CHARS < text.length; part++) {
			const piece = text.slice(part * MOST_ROW_CHARS, (part + 1) * MOST_ROW_CHARS);
			sql.exec("INSERT INTO more_vitals (part, json) VALUES (?, ?) ON CONFLICT (part) DO UPDATE SET json = excluded.json", part, piece);
		}
		sql.exec("DELETE FROM more_vitals WHERE part >= ?", part);
		this.vitalsWrittenAt = now;
	}

	private migrate(): void {
		const { sql } = this.storage;
		sql.exec("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)");
		const version = sql.exec<{ version: number }>("SELECT version FROM schema_version").toArray()[0]?.version ?? 0;
		if (version === MIGRATIONS.length) return;
		this.storage.transactionSync(() => {
			for (const migration of MIGRATIONS.slice(version)) sql.exec(migration);
			sql.exec("DELETE FROM schema_version");
			sql.exec("INSERT INTO schema_version (version) VALUES (?)", MIGRATIONS.length);
		});
	}
}

function factsJson(state: State): string {
	const facts = Object.fromEntries(Object.entries(state).filter(([key]) => !(APART as readonly string[]).includes(key)));
	return JSON.stringify(facts, mapsAsArrays);
}

function vitalsJson(state: State): string {
	const text = JSON.stringify(Object.fromEntries(VOLATILE.map((key) => [key, state[key]])), mapsAsArrays);
	// A byte a character, wherever it is cut.
	return text.replace(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function mapsAsArrays(_key: string, value: unknown): unknown {
	return value instanceof Map ? { map: [...value] } : value;
}

function revived(json: string): Record<string, unknown> {
	return JSON.parse(json, (_key, value: unknown) => {
		const entries = value !== null && typeof value === "object" && "map" in value ? value.map : undefined;
		return Array.isArray(entries) ? new Map(entries as [unknown, unknown][]) : value;
	}) as Record<string, unknown>;
}
