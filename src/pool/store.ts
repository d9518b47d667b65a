import type { RowChanges, StoredRows } from "../controller/codec.ts";
import type { Ms } from "../core/model/state.ts";
import type { InitialPool } from "../rpc/pool.ts";
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
	// What could not be read of a pool that was removed nevertheless.
	"CREATE TABLE unreadable (kind TEXT NOT NULL, json TEXT NOT NULL);",
];

/** Names under which something may be kept with an endpoint. */
const MOST_METADATA = 100;
/**
 * A row, a text or a blob holds 2 MB (https://developers.cloudflare.com/durable-objects/platform/limits/); some of it is for keys and SQLite's own.
 * The local runtime takes four times as much, so that only this shows before a deploy what would fail after it.
 */
export const MOST_ROW_BYTES = 1_990_000;

export interface Stored {
	readonly initial: InitialPool;
	readonly rows: StoredRows;
	/** The configuration of the pool's endpoint, or null where none was ever given. */
	readonly endpoint: StoredEndpoint | null;
	readonly vitalsWrittenAt: Ms;
}

/**
 * A pool's own storage, the truth of it: one row of facts, one row a proxy, one row of vitals. Only rows whose object changed are
 * written. Every method is synchronous, so that nothing can come between a decision and its storing.
 */
export class Store {
	private readonly storage: DurableObjectStorage;

	constructor(storage: DurableObjectStorage) {
		this.storage = storage;
	}

	/** What is stored, or null where no pool was made here. Brings the tables up to date, and makes none where there are none. */
	load(): Stored | null {
		const { sql } = this.storage;
		if (sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").toArray().length === 0) return null;
		this.migrate();
		const facts = sql.exec<{ initial: string; json: string }>("SELECT birth AS initial, json FROM facts").toArray()[0];
		if (facts === undefined) return null;
		const proxies = sql.exec<{ json: string }>("SELECT json FROM proxies").toArray();
		const vitals = sql.exec<{ written_at: number; json: string }>("SELECT written_at, json FROM vitals").toArray()[0];
		const more = sql.exec<{ json: string }>("SELECT json FROM more_vitals ORDER BY part").toArray();
		const texts = (rows: readonly { readonly json: string }[]) => rows.map(({ json }) => json);
		return {
			initial: JSON.parse(facts.initial) as InitialPool,
			rows: { facts: facts.json, proxies: texts(proxies), vitals: vitals === undefined ? [] : texts([vitals, ...more]) },
			endpoint: this.loadEndpoint(),
			vitalsWrittenAt: vitals?.written_at ?? 0,
		};
	}

	/** Makes the tables and the pool in them, with the configuration of its endpoint where it has one. */
	create(initial: InitialPool, rows: RowChanges, endpoint: StoredEndpoint | null): void {
		this.storage.transactionSync(() => {
			this.migrate();
			const { sql } = this.storage;
			sql.exec("INSERT INTO facts (one, birth, json) VALUES (1, ?, '')", fitting("birth", JSON.stringify(initial)));
			sql.exec("INSERT INTO vitals (one, written_at, json) VALUES (1, 0, '{}')");
			this.save(rows, 0);
			if (endpoint !== null) this.saveEndpoint(endpoint);
		});
	}

	/** Puts all rows aside that could not be read, so that others can take their place. */
	putAside(): void {
		this.storage.transactionSync(() => {
			this.storage.sql.exec("INSERT INTO unreadable (kind, json) SELECT 'facts', json FROM facts");
			this.storage.sql.exec("INSERT INTO unreadable (kind, json) SELECT 'proxy', json FROM proxies");
			this.storage.sql.exec("INSERT INTO unreadable (kind, json) SELECT 'vitals', json FROM vitals");
			this.storage.sql.exec("DELETE FROM proxies");
		});
	}

	private loadEndpoint(): StoredEndpoint | null {
		const row = this.storage.sql.exec<{ json: string }>("SELECT json FROM endpoint").toArray()[0];
		return row === undefined ? null : (JSON.parse(row.json) as StoredEndpoint);
	}

	saveEndpoint(endpoint: StoredEndpoint): void {
		this.storage.sql.exec(
			"INSERT INTO endpoint (one, json) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET json = excluded.json WHERE json IS NOT excluded.json",
			fitting("endpoint", JSON.stringify(endpoint)),
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

	/** Null forgets the key. False: there is no room for another. */
	saveMetadata(key: string, json: string | null): boolean {
		const { sql } = this.storage;
		if (json === null) {
			sql.exec("DELETE FROM metadata WHERE key = ?", key);
			return true;
		}
		const isNew = this.metadata(key) === null;
		if (isNew && this.metadataKeys().length >= MOST_METADATA) return false;
		sql.exec(
			"INSERT INTO metadata (key, json) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET json = excluded.json WHERE json IS NOT excluded.json",
			key,
			fitting(`metadata ${key.slice(0, 100)}`, json),
		);
		return true;
	}

	/** One transaction. */
	save({ facts, proxies, vitals }: RowChanges, now: Ms): void {
		this.storage.transactionSync(() => {
			const { sql } = this.storage;
			if (facts !== null) sql.exec("UPDATE facts SET json = ?1 WHERE json IS NOT ?1", fitting("facts", facts()));
			for (const [id, row] of proxies) {
				if (row === null) sql.exec("DELETE FROM proxies WHERE id = ?", id);
				else {
					sql.exec(
						"INSERT INTO proxies (id, json) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET json = excluded.json WHERE json IS NOT excluded.json",
						id,
						fitting(`proxy ${id}`, row()),
					);
				}
			}
			if (vitals !== null) this.saveVitals(vitals(), now);
		});
	}

	private saveVitals([first = "{}", ...more]: readonly string[], now: Ms): void {
		const { sql } = this.storage;
		sql.exec("UPDATE vitals SET written_at = ?, json = ?", now, fitting("vitals", first));
		for (const [index, piece] of more.entries()) {
			sql.exec(
				"INSERT INTO more_vitals (part, json) VALUES (?, ?) ON CONFLICT (part) DO UPDATE SET json = excluded.json WHERE json IS NOT excluded.json",
				index + 1,
				fitting(`vitals, part ${index + 1}`, piece),
			);
		}
		sql.exec("DELETE FROM more_vitals WHERE part > ?", more.length);
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

/** The text, where a row can hold it in production. Throws with the row's name where it cannot. */
export function fitting(row: string, text: string): string {
	// No character of a string takes more than three bytes.
	const bytes = text.length * 3 <= MOST_ROW_BYTES ? 0 : new TextEncoder().encode(text).length;
	if (bytes > MOST_ROW_BYTES) throw new Error(`the row "${row}" would be ${bytes} bytes, and holds ${MOST_ROW_BYTES}`);
	return text;
}
