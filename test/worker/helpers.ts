import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import type { PoolSummary, ProxyRow, ReadyEntry } from "../../src/core/model/published.ts";
import type { ProviderName } from "../../src/core/model/state.ts";
import { enterPool } from "../../src/d1/directory.ts";
import { forgetHealth } from "../../src/http/cloudproxy/health.ts";
import type { Publication } from "../../src/read-model/publish.ts";
import { publish } from "../../src/read-model/publish.ts";
import { forgetEverything } from "../../src/read-model/ready.ts";
import type { PoolRpc } from "../../src/rpc/pool.ts";
import worker from "../../src/worker.ts";

export const ORIGIN = "https://muster.test";
/** AUTH_KEY of the deployment under test (vitest.config.ts). */
export const ADMIN_KEY = "the-admin-key-of-the-tests";

/** Asks the Worker as it is deployed, with the admin key. */
export function ask(path: string, init: RequestInit = {}): Promise<Response> {
	const headers = new Headers(init.headers);
	if (!headers.has("X-Auth-Key")) headers.set("X-Auth-Key", ADMIN_KEY);
	return askPlainly(path, { ...init, headers });
}

/** Asks the Worker as it is deployed, with the headers given and no others. */
export function askPlainly(path: string, init: RequestInit = {}): Promise<Response> {
	return exports.default.fetch(new Request(ORIGIN + path, { redirect: "manual", ...init }));
}

/** Asks the Worker as it would be with other settings or bindings (undefined: not there), and waits for all that it does. */
export async function askWith(settings: Readonly<Record<string, unknown>>, path: string, init: RequestInit = {}): Promise<Response> {
	const ctx = createExecutionContext();
	const url = path.startsWith("/") ? ORIGIN + path : path;
	const response = await worker.fetch(new Request(url, { redirect: "manual", ...init }), { ...env, ...settings }, ctx);
	await waitOnExecutionContext(ctx);
	return response;
}

/** An answer's body, whatever its shape: the tests say what it must be. */
// biome-ignore lint/suspicious/noExplicitAny: each test looks at a shape of its own
export async function bodyOf(response: Response): Promise<any> {
	return response.json();
}

/** Empties the database and what the isolate remembers of it. */
export async function startAfresh(): Promise<void> {
	const tables = [
		"settings",
		"pools",
		"names",
		"ready_parts",
		"proxies",
		"logs",
		"history",
		"records",
		"outcome_hours",
		"vms",
		"events",
		"alerts",
		"deliveries",
		"charges",
	];
	await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
	await runInDurableObject(env.POOL.getByName("register"), async (_, { storage }) => storage.deleteAll());
	forgetEverything();
	forgetHealth();
}

export const SUMMARY: PoolSummary = {
	displayName: "My DigitalOcean",
	run: "running",
	min: 2,
	max: 2,
	target: 2,
	settings: { region: "lon1", size: "s-1vcpu-512mb-10gb", image: "ubuntu-24-04-x64" },
	wakes: false,
	reconciled: true,
	billable: 2,
	problems: [],
	degraded: false,
	orphans: 0,
	foreign: { pools: 0, deployments: 0 },
};

/** Enters a pool that never ran into the directory and returns its object's id. */
export async function enter(name = "default", provider: ProviderName = "digitalocean"): Promise<string> {
	const object = env.POOL.newUniqueId().toString();
	await enterPool(env.DB, { object, provider, name, endpoint: `${provider}-${name}`, incarnation: 1_000, source: "environment" });
	return object;
}

export function publicationOf(object: string, changes: Partial<Publication> = {}): Publication {
	const none = { parts: [], partCount: 0, proxies: [], existing: null, gone: [], log: [] };
	const credentials = { "1": ["user", "p@ss/w:rd"] } as const;
	return { object, incarnation: 1_000, version: 1, now: 5_000, summary: SUMMARY, credentials, ...none, ...changes };
}

/** A pool's row, proxies and ready list as it publishes them for so many ready proxies. */
export function readyPublication(object: string, count: number, changes: Partial<Publication> = {}): Publication {
	const entries = Array.from({ length: count }, (_, index): ReadyEntry => [`proxy${index}`, addressOf(index), 1]);
	const parts = Array.from({ length: Math.ceil(count / 1_000) }, (_, part) => ({
		part,
		proxies: entries.slice(part * 1_000, (part + 1) * 1_000),
	}));
	return publicationOf(object, {
		parts,
		partCount: parts.length,
		proxies: entries.map(([id, address]) => rowOf(id, { address })),
		...changes,
	});
}

export function rowOf(id: string, changes: Partial<ProxyRow> = {}): ProxyRow {
	return {
		id,
		vm: "7",
		address: "192.0.2.1",
		phase: "ready",
		credentials: 1,
		since: 1,
		createdAt: 1,
		why: "it answered a probe",
		place: null,
		...changes,
	};
}

export function addressOf(index: number): string {
	return `10.${Math.floor(index / 65_536)}.${Math.floor(index / 256) % 256}.${index % 256}`;
}

/** Publishes and forgets what the isolate had read. */
export async function show(publication: Publication): Promise<void> {
	if (!(await publish(env.DB, publication))) throw new Error("the publication did not take effect");
	forgetEverything();
}

/**
 * A namespace whose objects are all this one: for what the API asks of a pool. The real pool behind the API is in
 * `pool/api.test.ts` and in the end-to-end tests.
 */
export function poolsAnswering(pool: Partial<PoolRpc>): Record<string, unknown> {
	const POOL = {
		get: () => pool,
		idFromString: (text: string) => env.POOL.idFromString(text),
		newUniqueId: () => env.POOL.newUniqueId(),
		// The register is no pool.
		getByName: (name: string) => env.POOL.getByName(name),
	};
	return { POOL };
}

export interface Rows {
	read: number;
	written: number;
	/** Bytes of statements and of what was bound to them. */
	sent: number;
}

/** The database, with D1's own count of the rows that are read and written through it, and what travels to it. */
export function counted(db: D1Database): { db: D1Database; rows: Rows } {
	const rows: Rows = { read: 0, written: 0, sent: 0 };
	const bytesOf = (values: readonly unknown[]) =>
		values.reduce((sum: number, value) => sum + new TextEncoder().encode(String(value ?? "")).length, 0);
	const count = <T>(result: D1Result<T>): D1Result<T> => {
		rows.read += result.meta.rows_read;
		rows.written += result.meta.rows_written;
		return result;
	};
	const originals = new WeakMap<D1PreparedStatement, { statement: D1PreparedStatement; bytes: number }>();
	const wrap = (statement: D1PreparedStatement, bytes: number): D1PreparedStatement => {
		const wrapped = new Proxy(statement, {
			get: (target, name) => {
				if (name === "bind") return (...values: unknown[]) => wrap(target.bind(...values), bytes + bytesOf(values));
				if (name === "all" || name === "run") {
					rows.sent += bytes;
					return async () => count(await target.all());
				}
				throw new Error(`"${String(name)}" reports no rows: use all, run or batch`);
			},
		});
		originals.set(wrapped, { statement, bytes });
		return wrapped;
	};
	const original = (wrapped: D1PreparedStatement): D1PreparedStatement => {
		const { statement, bytes } = originals.get(wrapped) ?? { statement: wrapped, bytes: 0 };
		rows.sent += bytes;
		return statement;
	};
	const wrapped = new Proxy(db, {
		get: (target, name) => {
			if (name === "prepare") return (sql: string) => wrap(target.prepare(sql), bytesOf([sql]));
			if (name === "batch") return async (statements: D1PreparedStatement[]) => (await target.batch(statements.map(original))).map(count);
			throw new Error(`"${String(name)}" reports no rows: use prepare or batch`);
		},
	});
	return { db: wrapped, rows };
}

/** A database that fails at every query. */
export function failing(): D1Database {
	const fail = async () => {
		throw new Error("D1_ERROR: it is down");
	};
	const statement: Record<string, unknown> = { all: fail, run: fail, first: fail, raw: fail };
	statement.bind = () => statement;
	return { prepare: () => statement, batch: fail, exec: fail } as unknown as D1Database;
}
