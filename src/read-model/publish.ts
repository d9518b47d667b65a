import type { PoolSummary, ProxyRow } from "../core/model/published.ts";
import type { EndedVm, Id, LogEntry, Ms } from "../core/model/state.ts";
import type { EventKind } from "../core/model/told.ts";
import { onDatabase } from "../d1/database.ts";
import type { CoolingChange } from "./cooling.ts";
import type { PartChange, PartEdit } from "./ledger.ts";

/** One version of what a pool shows in D1; `publish` writes it as one transaction, only over an older (incarnation, version). */
export interface Publication {
	readonly object: string;
	readonly incarnation: Ms;
	readonly version: number;
	readonly now: Ms;
	readonly summary: PoolSummary;
	/** By version: username and password, for the proxies' URLs. */
	readonly credentials: Readonly<Record<string, readonly [username: string, password: string]>> | null;
	/** The version of this incarnation on which what is sent rests: where D1 holds another one nothing is written. Null or missing: on none. */
	readonly over?: number | null;
	/** The ready list in parts of at most 1,000; only those that changed. `proxies` as compact tuples. */
	readonly parts: readonly PartChange[];
	/** Parts with this number or a higher one do not exist. */
	readonly partCount: number;
	/** Rows that changed. */
	readonly proxies: readonly ProxyRow[];
	/** Every id that exists: rows of this pool with another id are deleted. Null: use `gone` (nothing else can be there). */
	readonly existing: readonly Id[] | null;
	readonly gone: readonly Id[];
	/** Null or missing: D1 shows it. */
	readonly cooling?: CoolingChange | null;
	readonly log: readonly LogEntry[];
	/** Of the log what is an event of the deployment's stream; missing as `pool` and `ended`: nothing. */
	readonly events?: readonly EventRow[];
	/** `provider/name`. */
	readonly pool?: string;
	/** VMs that are gone. */
	readonly ended?: readonly EndedRow[];
}

export interface EventRow extends LogEntry {
	readonly kind: EventKind;
	/** What it is about: a proxy's id or address, or its VM; empty: the pool. */
	readonly proxy: string;
}

export interface EndedRow extends EndedVm {
	readonly size: string | null;
	readonly region: string | null;
}

/**
 * Largest JSON text bound to one statement. D1 takes 2 MB; several statements of this size are one transaction just as well,
 * and ten thousand new rows still fit into it with ten.
 */
const MAX_JSON_LENGTH = 400_000;

/** A whole fleet's first publication takes longer than a read. */
const PUBLISH_DEADLINE_MS = 10_000;

/** Every statement after the first applies only while this very version is the one in the pools row. */
const IS_CURRENT = "EXISTS (SELECT 1 FROM pools WHERE object = ?1 AND incarnation = ?2 AND version = ?3)";

/** `ready` is SQL. */
const updatePoolTo = (
	ready: string,
) => `UPDATE pools SET incarnation = ?2, version = ?3, published_at = ?4, summary = ?5, credentials = coalesce(?6, credentials),
	ready = ${ready}, ready_count = coalesce(?8, ready_count),
	cooling = CASE WHEN ?10 IS NULL THEN cooling WHEN ?11 THEN json_patch(cooling, ?10) ELSE ?10 END
	WHERE object = ?1 AND (incarnation, version) < (?2, ?3) AND (?9 IS NULL OR (incarnation, version) = (?2, ?9))`;

const UPSERT_PARTS = `INSERT INTO ready_parts (object, part, count, proxies)
	SELECT ?1, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?4) WHERE ${IS_CURRENT}
	ON CONFLICT (object, part) DO UPDATE SET count = excluded.count, proxies = excluded.proxies WHERE proxies <> excluded.proxies`;

// Where it was done already it would shorten the part once more.
const editPart = (edit: PartEdit, count: number) => `UPDATE ready_parts SET count = ?5, proxies = ${edited("proxies", "?4", edit, count)}
	WHERE object = ?1 AND part = ?6 AND count = ?7 AND ${IS_CURRENT}`;

const DELETE_PARTS = `DELETE FROM ready_parts WHERE object = ?1 AND part >= ?4 AND ${IS_CURRENT}`;

const PROXY_COLUMNS = "object, id, vm, address, phase, credentials, since, created_at, why, place";
const PROXY_VALUES = `SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
	FROM json_each(?4) WHERE ${IS_CURRENT}`;

// The address is set by a statement of its own: SQLite writes an index anew whenever its column is set, though to the same
// value, and a proxy's address changes but once while its phase changes often.
const UPSERT_PROXIES = `INSERT INTO proxies (${PROXY_COLUMNS}) ${PROXY_VALUES}
	ON CONFLICT (object, id) DO UPDATE SET vm = excluded.vm, phase = excluded.phase, credentials = excluded.credentials,
		since = excluded.since, created_at = excluded.created_at, why = excluded.why, place = excluded.place
	WHERE (vm, phase, credentials, since, created_at, why, place)
		IS NOT (excluded.vm, excluded.phase, excluded.credentials, excluded.since, excluded.created_at, excluded.why, excluded.place)`;

// By now each of these rows exists. As an upsert it goes through the JSON and looks each row up by its key; an UPDATE … FROM
// goes through the JSON once for each row of the pool.
const UPDATE_ADDRESSES = `INSERT INTO proxies (${PROXY_COLUMNS}) ${PROXY_VALUES}
	ON CONFLICT (object, id) DO UPDATE SET address = excluded.address WHERE address IS NOT excluded.address`;

const DELETE_GONE = `DELETE FROM proxies WHERE object = ?1 AND id IN (SELECT value FROM json_each(?4)) AND ${IS_CURRENT}`;
const DELETE_OTHERS = `DELETE FROM proxies WHERE object = ?1 AND id NOT IN (SELECT value FROM json_each(?4)) AND ${IS_CURRENT}`;

// An entry of a failure that repeats is written again, later and with how often.
const INSERT_LOG = `INSERT INTO logs (object, seq, at, severity, text)
	SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?4) WHERE ${IS_CURRENT}
	ON CONFLICT (object, seq) DO UPDATE SET at = excluded.at, text = excluded.text WHERE excluded.at > at`;

// An entry whose failure repeats is one event.
const INSERT_EVENTS = `INSERT OR IGNORE INTO events (object, seq, at, pool, severity, kind, proxy, text)
	SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6 FROM json_each(?4) WHERE ${IS_CURRENT}`;

const INSERT_VMS = `INSERT OR IGNORE INTO vms (ended_at, object, id, pool, vm, address, size, region, created_at, ready_at, reason, why, hourly, currency, cost)
	SELECT value ->> 0, ?1, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9,
		value ->> 10, value ->> 11, value ->> 12, value ->> 13 FROM json_each(?4) WHERE ${IS_CURRENT}`;

const READ_VERSION = "SELECT incarnation, version FROM pools WHERE object = ?1";

/**
 * Writes one version of what a pool shows, in one transaction, and only over an older (incarnation, version). May be
 * repeated: the same version again changes nothing.
 *
 * Returns whether this version is the one that D1 now holds; false when it holds another one, null when the directory does not know the pool.
 * Throws DatabaseUnavailable (the version may have been written nevertheless).
 *
 * Rows written: one for the pool, one for each part from the second on, and of the proxies one each, one more when an
 * address changes and one or two when a proxy enters, changes in or leaves a queue; what is the same costs nothing. What travels to D1
 * grows with what changed and not with the pool: of a part that is edited only the places that changed. An event is two rows, a VM that is gone one.
 */
export async function publish(db: D1Database, publication: Publication): Promise<boolean | null> {
	const { object, incarnation, version } = publication;
	const statement = (sql: string, ...values: unknown[]) => db.prepare(sql).bind(object, incarnation, version, ...values);
	const statements = [updatePool(db, publication)];

	const further = publication.parts.filter(({ part }) => part > 0);
	const whole = further.filter(({ edit }) => edit === undefined);
	for (const rows of chunks(whole.map(({ part, proxies }) => [part, proxies.length, JSON.stringify(proxies)])))
		statements.push(statement(UPSERT_PARTS, rows));
	for (const change of further) {
		const { part, proxies, edit } = change;
		if (edit) statements.push(statement(editPart(edit, proxies.length), sent(change), proxies.length, part, edit.countBefore));
	}
	statements.push(statement(DELETE_PARTS, Math.max(1, publication.partCount)));

	for (const rows of chunks(publication.proxies.map(proxyTuple)))
		statements.push(statement(UPSERT_PROXIES, rows), statement(UPDATE_ADDRESSES, rows));
	if (publication.existing) statements.push(statement(DELETE_OTHERS, JSON.stringify(publication.existing)));
	else if (publication.gone.length > 0) statements.push(statement(DELETE_GONE, JSON.stringify(publication.gone)));

	for (const rows of chunks(publication.log.map(({ seq, at, severity, text }) => [seq, at, severity, text])))
		statements.push(statement(INSERT_LOG, rows));

	const { pool = "", events = [], ended = [] } = publication;
	for (const rows of chunks(events.map(({ seq, at, severity, kind, proxy, text }) => [seq, at, pool, severity, kind, proxy, text])))
		statements.push(statement(INSERT_EVENTS, rows));
	for (const rows of chunks(ended.map((vm) => endedTuple(vm, pool)))) statements.push(statement(INSERT_VMS, rows));

	const read = db.prepare(READ_VERSION).bind(object);
	const results = await onDatabase(() => db.batch<{ incarnation: number; version: number }>([...statements, read]), PUBLISH_DEADLINE_MS);
	const held = results.at(-1)?.results[0];
	if (held === undefined) return null;
	return held.incarnation === incarnation && held.version === version;
}

function updatePool(db: D1Database, publication: Publication): D1PreparedStatement {
	const none: PartChange | undefined = publication.partCount === 0 ? { part: 0, proxies: [] } : undefined;
	const first = none ?? publication.parts.find(({ part }) => part === 0);
	return db
		.prepare(updatePoolTo(first?.edit ? edited("ready", "?7", first.edit, first.proxies.length) : "coalesce(?7, ready)"))
		.bind(
			publication.object,
			publication.incarnation,
			publication.version,
			publication.now,
			JSON.stringify(publication.summary),
			publication.credentials === null ? null : JSON.stringify(publication.credentials),
			first ? sent(first) : null,
			first ? first.proxies.length : null,
			publication.over ?? null,
			publication.cooling?.json ?? null,
			publication.cooling?.isPatch ? 1 : 0,
		);
}

/** What travels of a part: of one that is edited the entries of the places that changed. */
function sent({ proxies, edit }: PartChange): string {
	return JSON.stringify(edit ? edit.places.map((place) => proxies[place]) : proxies);
}

/** D1 takes 32 arguments to a function: https://developers.cloudflare.com/d1/platform/limits/ */
const MAX_ARGUMENTS = 32;

/** SQL for a JSON array in which the places of an edit hold the entries that are bound, as another array, to `entries`, and which has `count` elements then. */
function edited(array: string, entries: string, { places, countBefore }: PartEdit, count: number): string {
	const pairs = places.map((place, index) => `'$[${place}]', (${entries} -> ${index})`);
	const cuts = Array.from({ length: Math.max(0, countBefore - count) }, () => "'$[#-1]'");
	let sql = array;
	for (const some of inTurns(pairs, Math.floor((MAX_ARGUMENTS - 1) / 2))) sql = `json_set(${sql}, ${some.join(", ")})`;
	for (const some of inTurns(cuts, MAX_ARGUMENTS - 1)) sql = `json_remove(${sql}, ${some.join(", ")})`;
	return sql;
}

function inTurns(texts: readonly string[], most: number): readonly (readonly string[])[] {
	return Array.from({ length: Math.ceil(texts.length / most) }, (_, turn) => texts.slice(turn * most, (turn + 1) * most));
}

function proxyTuple(row: ProxyRow): readonly unknown[] {
	return [row.id, row.vm, row.address, row.phase, row.credentials, row.since, row.createdAt, row.why, row.place];
}

function endedTuple(ended: EndedRow, pool: string): readonly unknown[] {
	const { endedAt, id, vm, address, size, region, createdAt, readyAt, reason, why, hourly, currency, cost } = ended;
	return [endedAt, id, pool, vm, address, size, region, createdAt, readyAt, reason, why, hourly, currency, cost];
}

/** Rows as JSON arrays of at most MAX_JSON_LENGTH characters each (a single longer row is an array of its own). */
export function chunks(rows: readonly (readonly unknown[])[]): readonly string[] {
	const texts: string[] = [];
	let held: string[] = [];
	let length = 0;
	for (const row of rows) {
		const text = JSON.stringify(row);
		if (held.length > 0 && length + text.length > MAX_JSON_LENGTH) {
			texts.push(`[${held.join(",")}]`);
			held = [];
			length = 0;
		}
		held.push(text);
		length += text.length + 1;
	}
	if (held.length > 0) texts.push(`[${held.join(",")}]`);
	return texts;
}
