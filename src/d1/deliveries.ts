import type { Alert, Alerting } from "../core/alerting.ts";
import { fromJson, onDatabase } from "./database.ts";

// Alerts on their way to a webhook, and those that arrived.

/** How long what is over is shown. */
const KEPT_MS = 30 * 24 * 3_600_000;

export interface Delivery {
	readonly alert: Alert;
	readonly createdAt: number;
	readonly tries: number;
	/** Null: never again. */
	readonly nextAt: number | null;
	readonly deliveredAt: number | null;
	/** HTTP status of the last try; null: there was no answer, or no try. */
	readonly status: number | null;
	readonly error: string | null;
}

/** What is wrong and was told of. Throws DatabaseUnavailable. */
export async function readAlerting(db: D1Database): Promise<Alerting> {
	const { results } = await onDatabase(() => db.prepare("SELECT json FROM alerts").all<{ json: string }>());
	return fromJson<Alerting>(results[0]?.json ?? null, {});
}

/** Remembers what is wrong, and has alerts told: one transaction. An alert that is there is not told again. Throws DatabaseUnavailable. */
export async function writeAlerting(db: D1Database, alerting: Alerting, alerts: readonly Alert[], now: number): Promise<void> {
	await onDatabase(() =>
		db.batch([
			db
				.prepare("INSERT INTO alerts (one, json) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET json = excluded.json")
				.bind(JSON.stringify(alerting)),
			...alerts.map((alert) => insertion(db, alert, now)),
			...(alerts.length === 0 ? [] : [db.prepare("DELETE FROM deliveries WHERE created_at < ? AND next_at IS NULL").bind(now - KEPT_MS)]),
		]),
	);
}

/** Has one alert told from `nextAt` on. Throws DatabaseUnavailable. */
export async function addDelivery(db: D1Database, alert: Alert, now: number): Promise<void> {
	await onDatabase(() => insertion(db, alert, now).run());
}

function insertion(db: D1Database, alert: Alert, now: number): D1PreparedStatement {
	return db
		.prepare("INSERT OR IGNORE INTO deliveries (id, created_at, alert, next_at) VALUES (?1, ?2, ?3, ?2)")
		.bind(alert.id, now, JSON.stringify(alert));
}

interface Row {
	readonly alert: string;
	readonly createdAt: number;
	readonly tries: number;
	readonly nextAt: number | null;
	readonly deliveredAt: number | null;
	readonly status: number | null;
	readonly error: string | null;
}

const COLUMNS = "alert, created_at AS createdAt, tries, next_at AS nextAt, delivered_at AS deliveredAt, status, error";
const shown = ({ alert, ...row }: Row): Delivery => ({ ...row, alert: JSON.parse(alert) as Alert });

/** Those that are to be sent now. Throws DatabaseUnavailable. */
export async function dueDeliveries(db: D1Database, now: number, most: number): Promise<readonly Delivery[]> {
	const { results } = await onDatabase(() =>
		db.prepare(`SELECT ${COLUMNS} FROM deliveries WHERE next_at <= ? ORDER BY next_at LIMIT ?`).bind(now, most).all<Row>(),
	);
	return results.map(shown);
}

/** The newest first. Throws DatabaseUnavailable. */
export async function listDeliveries(db: D1Database, most: number): Promise<readonly Delivery[]> {
	const { results } = await onDatabase(() =>
		db.prepare(`SELECT ${COLUMNS} FROM deliveries ORDER BY created_at DESC, id LIMIT ?`).bind(most).all<Row>(),
	);
	return results.map(shown);
}

/**
 * Takes a delivery for one try, before it is sent: whoever takes it next does so after `nextAt`. False: somebody else took it meanwhile. Throws
 * DatabaseUnavailable.
 */
export async function takeDelivery(db: D1Database, { alert, tries }: Delivery, nextAt: number | null): Promise<boolean> {
	const { meta } = await onDatabase(() =>
		db
			.prepare("UPDATE deliveries SET tries = tries + 1, next_at = ?3 WHERE id = ?1 AND tries = ?2 AND delivered_at IS NULL")
			.bind(alert.id, tries, nextAt)
			.run(),
	);
	return meta.changes > 0;
}

/** What became of a try; `error` null: it arrived. Throws DatabaseUnavailable. */
export async function noteDelivery(db: D1Database, id: string, status: number | null, error: string | null, now: number): Promise<void> {
	await onDatabase(() =>
		error === null
			? db
					.prepare("UPDATE deliveries SET delivered_at = ?2, next_at = NULL, status = ?3, error = NULL WHERE id = ?1")
					.bind(id, now, status)
					.run()
			: db.prepare("UPDATE deliveries SET status = ?2, error = ?3 WHERE id = ?1").bind(id, status, error).run(),
	);
}
