import { alertsOf, retryAt } from "../core/alerting.ts";
import { isAlike } from "../core/model/state.ts";
import { type Delivery, dueDeliveries, noteDelivery, readAlerting, takeDelivery, writeAlerting } from "../d1/deliveries.ts";
import type { Told } from "../rpc/pool.ts";
import { send, type Tried, type Webhook } from "./webhook.ts";

/** Alerts that one run sends. */
const SENT_A_RUN = 5;

/** Puts down what operators are to be told of, of what pools said now. Throws DatabaseUnavailable; then the next run finds the same. */
export async function noteAlerts(
	db: D1Database,
	told: ReadonlyMap<string, Told>,
	listed: readonly { readonly object: string }[],
	now: number,
): Promise<void> {
	const before = await readAlerting(db);
	const { alerting, alerts } = alertsOf(
		before,
		told,
		listed.map(({ object }) => object),
		now,
	);
	if (alerts.length > 0 || !isAlike(before, alerting)) await writeAlerting(db, alerting, alerts, now);
}

/** Sends what is due. Throws DatabaseUnavailable. */
export async function sendAlerts(db: D1Database, webhook: Webhook, now: number): Promise<void> {
	const due = await dueDeliveries(db, now, SENT_A_RUN);
	await Promise.all(due.map((delivery) => tryDelivery(db, webhook, delivery, now)));
}

/** One try, which is taken before it is made: what was sent and not noted is sent again, and known by its id. Null: somebody else has it. */
export async function tryDelivery(db: D1Database, webhook: Webhook, delivery: Delivery, now: number): Promise<Tried | null> {
	const { alert, createdAt, tries } = delivery;
	if (!(await takeDelivery(db, delivery, retryAt(createdAt, tries + 1, now)))) return null;
	const tried = await send(webhook, alert, now);
	await noteDelivery(db, alert.id, tried.status, tried.error, now);
	return tried;
}
