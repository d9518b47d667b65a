import { createHmac } from "node:crypto";
import type { Alert } from "../core/alerting.ts";
import type { Global } from "../settings/deployment.ts";

/** Who is told of alerts, and how; null: nobody. */
export type Webhook = NonNullable<Global["alertWebhook"]>;

/** Whoever answers later is asked again. */
const DEADLINE_MS = 5_000;

const WORDS: Readonly<Record<Alert["kind"], string>> = {
	degraded: "is degraded",
	recovered: "has recovered",
	budget_reached: "has reached its budget",
	breaker_opened: "has stopped launching",
	credentials_refused: "is refused by its cloud",
	test: "Muster sends a test",
};

/** An alert in one line. */
export function sentenceOf({ kind, pool, text }: Alert): string {
	return kind === "test" ? `${WORDS.test}: ${text}` : `${pool} ${WORDS[kind]}: ${text}`;
}

/** The body in the words of whoever gets it. */
export function bodyOf(alert: Alert, format: Webhook["format"]): string {
	const sentence = sentenceOf(alert);
	// https://docs.slack.dev/messaging/formatting-message-text/#escaping
	if (format === "slack") return JSON.stringify({ text: sentence.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;") });
	// A cloud's words must call nobody. https://discord.com/developers/docs/resources/message#allowed-mentions-object
	if (format === "discord") return JSON.stringify({ content: sentence.slice(0, 2_000), allowed_mentions: { parse: [] } });
	const { id, kind, pool, at, since, text } = alert;
	const instant = (ms: number) => new Date(ms).toISOString();
	return JSON.stringify({ id, kind, pool: pool === "" ? null : pool, at: instant(at), since: instant(since), text });
}

/** The signature of Standard Webhooks (https://www.standardwebhooks.com/): a secret that begins with `whsec_` is base64. */
export function signatureOf(secret: string, id: string, timestamp: number, body: string): string {
	const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : Buffer.from(secret);
	return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}

/** What became of a try. `error` null: it arrived. Neither holds the address, which is a secret. */
export interface Tried {
	readonly status: number | null;
	readonly error: string | null;
}

/** Tells a webhook of an alert, once. Never throws. */
export async function send({ url, secret, format }: Webhook, alert: Alert, now: number): Promise<Tried> {
	const body = bodyOf(alert, format);
	const timestamp = Math.floor(now / 1000);
	const signed = secret === null ? {} : { "webhook-signature": signatureOf(secret, alert.id, timestamp, body) };
	try {
		const response = await fetch(url, {
			method: "POST",
			headers: {
				"content-type": "application/json",
				"user-agent": "muster",
				"webhook-id": alert.id,
				"webhook-timestamp": String(timestamp),
				...signed,
			},
			body,
			// It would lead to an address that nobody has checked.
			redirect: "manual",
			signal: AbortSignal.timeout(DEADLINE_MS),
		});
		response.body?.cancel().catch(() => undefined);
		if (response.ok) return { status: response.status, error: null };
		return { status: response.status, error: `it answered HTTP ${response.status}` };
	} catch (error) {
		const isLate = error instanceof Error && error.name === "TimeoutError";
		return { status: null, error: isLate ? `it did not answer within ${DEADLINE_MS / 1000} s` : "it cannot be reached" };
	}
}
