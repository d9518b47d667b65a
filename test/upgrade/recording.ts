import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { PoolUnderTest } from "../worker/pool/harness.ts";

/** What one revision's deployment held at one instant, and what that revision said of it; `test/upgrade/record.ts` makes it. */
export interface Recording {
	/** The instant, in milliseconds since the epoch. */
	readonly at: number;
	/** D1: what made its tables and indexes, in order, and their rows by table. */
	readonly d1: { readonly definitions: readonly string[]; readonly tables: Readonly<Record<string, readonly Row[]>> };
	/** By the name of the endpoint. */
	readonly pools: Readonly<Record<string, RecordedPool>>;
	/** Agents that had registered, and what their next heartbeat was answered. */
	readonly agents: readonly { readonly key: string; readonly address: string; readonly answer: Answer }[];
	/** By path: what a GET with the admin key was answered. */
	readonly answers: Readonly<Record<string, Answer>>;
}

export interface RecordedPool {
	readonly object: string;
	/** The rows of its object's own storage. */
	readonly tables: Readonly<Record<string, { readonly sql: string; readonly rows: readonly Row[] }>>;
	/** Its state after these rows were loaded. A Map stands as `{"map": [[key, value], …]}`. */
	readonly state: Readonly<Record<string, unknown>>;
	/** What its object answered to each question, by the method's name. */
	readonly rpc: Readonly<Record<string, unknown>>;
}

export interface Answer {
	readonly status: number;
	readonly body: unknown;
}

export type Row = Readonly<Record<string, string | number | null>>;

/**
 * Puts a recording into this version's D1 and Durable Objects, as the revision left it; then what a deploy does is done: the migrations
 * that D1 does not have yet. Each object then loads its rows by itself, when it is first asked for something.
 */
export async function restore(recording: Recording): Promise<ReadonlyMap<string, PoolUnderTest>> {
	const { definitions, tables } = recording.d1;
	await env.DB.batch(definitions.map((sql) => env.DB.prepare(sql)));
	await env.DB.batch(
		Object.entries(tables).flatMap(([table, rows]) => rows.map((row) => env.DB.prepare(insertion(table, row)).bind(...Object.values(row)))),
	);
	await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
	const pools = new Map<string, PoolUnderTest>();
	for (const [name, { object, tables: own }] of Object.entries(recording.pools)) pools.set(name, await restorePool(own, object));
	return pools;
}

/** Puts rows into an object's own storage, that of a new object unless one is named, which then loads them. */
export async function restorePool(tables: RecordedPool["tables"], object?: string): Promise<PoolUnderTest> {
	const pool = new PoolUnderTest(object);
	await pool.inside((_pool, ctx) => {
		for (const [table, { sql, rows }] of Object.entries(tables)) {
			ctx.storage.sql.exec(sql);
			for (const row of rows) ctx.storage.sql.exec(insertion(table, row), ...Object.values(row));
		}
	});
	await pool.crash();
	return pool;
}

/** The state that an object holds in memory, by field. */
export async function stateOf(pool: PoolUnderTest): Promise<Readonly<Record<string, unknown>>> {
	return { ...(await pool.state()) };
}

function insertion(table: string, row: Row): string {
	const columns = Object.keys(row);
	return `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
}

/** A value of a recording with its Maps. */
export function revived(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(revived);
	if (typeof value !== "object" || value === null) return value;
	if ("map" in value && Array.isArray(value.map))
		return new Map((value.map as [unknown, unknown][]).map(([key, held]) => [key, revived(held)]));
	return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, revived(held)]));
}

/**
 * Where something of `before` is missing in `after`, or is another: a path each. Fields that `after` has beyond those are no loss; in a list
 * or a map there must be neither fewer nor more.
 */
export function losses(before: unknown, after: unknown, path = ""): readonly string[] {
	const differs = [`${path}: was ${short(before)}, is ${short(after)}`];
	if (before instanceof Map) {
		const now = entriesOf(after);
		if (now === null) return differs;
		const added = [...now.keys()].filter((key) => !before.has(key)).map((key) => `${path}.${String(key)}: was not there`);
		return [...added, ...[...before].flatMap(([key, held]) => losses(held, now.get(key), `${path}.${String(key)}`))];
	}
	if (Array.isArray(before)) {
		if (!Array.isArray(after) || after.length !== before.length) return differs;
		return before.flatMap((held, index) => losses(held, after[index], `${path}[${index}]`));
	}
	if (typeof before === "object" && before !== null) {
		if (typeof after !== "object" || after === null) return differs;
		const now = after as Readonly<Record<string, unknown>>;
		return Object.entries(before).flatMap(([key, held]) => losses(held, now[key], `${path}.${key}`));
	}
	return Object.is(before, after) ? [] : differs;
}

/** Of a Map, or of what else a version keeps entries by key in. */
function entriesOf(value: unknown): ReadonlyMap<unknown, unknown> | null {
	if (value instanceof Map) return value;
	if (typeof value !== "object" || value === null || !("entries" in value) || typeof value.entries !== "function") return null;
	return new Map(value.entries() as Iterable<[unknown, unknown]>);
}

const short = (value: unknown) => {
	const text = value instanceof Map ? `a map of ${value.size}` : (JSON.stringify(value) ?? "nothing");
	return text.length > 120 ? `${text.slice(0, 120)}…` : text;
};
