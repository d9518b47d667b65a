import { z } from "zod";
import type { Alert } from "../../core/alerting.ts";
import { addDelivery, type Delivery, listDeliveries } from "../../d1/deliveries.ts";
import { tryDelivery } from "../../fleet/alerts.ts";
import { sentenceOf } from "../../fleet/webhook.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { Conflict } from "../base/errors.ts";
import { ADMIN_FAULTS, faults, json, METADATA, Metadata } from "../cloudproxy/shapes.ts";

const MOST = 100;

const Shown = z
	.object({
		id: z.string().openapi({ description: "Of the alert; whoever gets it twice knows it again by that." }),
		kind: z.enum(["degraded", "recovered", "budget_reached", "breaker_opened", "credentials_refused", "test"]),
		pool: z.string().nullable(),
		text: z.string(),
		at: z.iso.datetime(),
		since: z.iso.datetime().openapi({ description: "Since when it is so." }),
		state: z.enum(["waiting", "delivered", "given_up"]),
		tries: z.number().int(),
		next_at: z.iso.datetime().nullable().openapi({ description: "When it is sent next; null: never again." }),
		delivered_at: z.iso.datetime().nullable(),
		status: z.number().int().nullable().openapi({ description: "The HTTP status that the last try was answered with." }),
		error: z.string().nullable().openapi({ description: "Why the last try failed." }),
	})
	.openapi("Delivery");
const EXAMPLE: z.infer<typeof Shown> = {
	id: "0123456789abcdef-degraded-1771920000000-1771920000000",
	kind: "degraded",
	pool: "digitalocean/default",
	text: "digitalocean/default is degraded: only 1 of 2 proxies are ready",
	at: METADATA.timestamp,
	since: METADATA.timestamp,
	state: "delivered",
	tries: 1,
	next_at: null,
	delivered_at: METADATA.timestamp,
	status: 200,
	error: null,
};
const WebhookShape = z
	.object({
		host: z.string().openapi({ description: "The rest of the address is a secret." }),
		format: z.enum(["json", "slack", "discord"]),
		signed: z.boolean(),
	})
	.openapi("Webhook");
const WEBHOOK = { host: "hooks.example.com", format: "json" as const, signed: true };
const DeliveriesAnswer = z
	.object({
		metadata: Metadata,
		webhook: WebhookShape.nullable().openapi({ description: "Null: none is set (ALERT_WEBHOOK_URL)." }),
		deliveries: z.array(Shown).openapi({ description: `The newest ${MOST}, the newest first.` }),
	})
	.openapi("Deliveries", { example: { metadata: METADATA, webhook: WEBHOOK, deliveries: [EXAMPLE] } });
const DeliveryAnswer = z
	.object({ metadata: Metadata, delivery: Shown })
	.openapi("DeliveryAnswer", { example: { metadata: METADATA, delivery: EXAMPLE } });

const listSchema = {
	operationId: "listDeliveries",
	tags: ["Monitoring"],
	summary: "See which alerts were sent to the webhook",
	description: "Those on their way, and what became of the others, for 30 days.",
	responses: { 200: json("The newest.", DeliveriesAnswer), ...ADMIN_FAULTS },
};
const testSchema = {
	operationId: "testDelivery",
	tags: ["Monitoring"],
	summary: "Send a test to the webhook",
	description: "At once; the answer says what became of it. One that fails is tried again as an alert is.",
	responses: { 200: json("What became of it.", DeliveryAnswer), ...faults(409), ...ADMIN_FAULTS },
};

/** `GET /deliveries` */
export class ListDeliveries extends Operation {
	override schema = listSchema;
	async handle(c: AppContext): Promise<Response> {
		const { alertWebhook: webhook } = c.get("config").global;
		const shown = webhook === null ? null : { host: new URL(webhook.url).host, format: webhook.format, signed: webhook.secret !== null };
		const deliveries = await listDeliveries(c.env.DB, MOST);
		return c.json({ metadata: metadata(c), webhook: shown, deliveries: deliveries.map(shownDelivery) });
	}
}

/** `POST /deliveries/test` */
export class TestDelivery extends Operation {
	override schema = testSchema;
	async handle(c: AppContext): Promise<Response> {
		const { alertWebhook: webhook } = c.get("config").global;
		if (webhook === null)
			throw new Conflict("No webhook is set: give the Worker an ALERT_WEBHOOK_URL; /health says what is wrong with one that is set.");
		const now = Date.now();
		const alert: Alert = {
			id: `test-${crypto.randomUUID()}`,
			kind: "test",
			pool: "",
			at: now,
			since: now,
			text: "this is how alerts arrive",
		};
		await addDelivery(c.env.DB, alert, now);
		const fresh: Delivery = { alert, createdAt: now, tries: 0, nextAt: now, deliveredAt: null, status: null, error: null };
		await tryDelivery(c.env.DB, webhook, fresh, now);
		const delivery = (await listDeliveries(c.env.DB, MOST)).find((one) => one.alert.id === alert.id) ?? fresh;
		return c.json({ metadata: metadata(c), delivery: shownDelivery(delivery) });
	}
}

const isoOrNull = (at: number | null) => (at === null ? null : new Date(at).toISOString());

function shownDelivery({ alert, tries, nextAt, deliveredAt, status, error }: Delivery): z.infer<typeof Shown> {
	const { id, kind, pool, at, since } = alert;
	return {
		id,
		kind,
		pool: pool === "" ? null : pool,
		text: sentenceOf(alert),
		at: new Date(at).toISOString(),
		since: new Date(since).toISOString(),
		state: deliveredAt !== null ? "delivered" : nextAt === null ? "given_up" : "waiting",
		tries,
		next_at: isoOrNull(nextAt),
		delivered_at: isoOrNull(deliveredAt),
		status,
		error,
	};
}
