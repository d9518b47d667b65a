import { env } from "cloudflare:workers";
import { createHmac } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Alert } from "../../src/core/alerting.ts";
import { addDelivery, listDeliveries } from "../../src/d1/deliveries.ts";
import { sendAlerts } from "../../src/fleet/alerts.ts";
import { signatureOf, bodyOf as webhookBody } from "../../src/fleet/webhook.ts";
import { ADMIN_KEY, ask, askWith, bodyOf, startAfresh } from "./helpers.ts";

const NOW = 1_764_000_000_000;
const SETTINGS = { ALERT_WEBHOOK_URL: "https://hooks.example.com/t0ken/path", ALERT_WEBHOOK_SECRET: "a-secret-of-32-characters-or-so!" };
const WEBHOOK = { url: SETTINGS.ALERT_WEBHOOK_URL, secret: SETTINGS.ALERT_WEBHOOK_SECRET, format: "json" as const };
const ALERT: Alert = {
	id: "a-degraded-1-1",
	kind: "degraded",
	pool: "digitalocean/default",
	at: NOW,
	since: NOW - 60_000,
	text: "<b> & @everyone",
};
const key = { headers: { "X-Auth-Key": ADMIN_KEY } };

/** What was sent, and what each was answered with. */
function receiver(...answers: (Response | Error)[]) {
	const got: { url: string; headers: Headers; body: string; redirect: string | undefined }[] = [];
	vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
		got.push({ url, headers: new Headers(init.headers), body: String(init.body), redirect: init.redirect });
		const answer = answers[Math.min(got.length, answers.length) - 1] ?? new Response(null, { status: 204 });
		if (answer instanceof Error) throw answer;
		return answer.clone();
	});
	return got;
}

beforeEach(async () => {
	vi.unstubAllGlobals();
	await startAfresh();
});

describe("alerts on their way to a webhook", () => {
	test("arrive once, signed over id, instant and body", async () => {
		const got = receiver(new Response("ok"));
		await addDelivery(env.DB, ALERT, NOW);
		await addDelivery(env.DB, ALERT, NOW + 1);
		await sendAlerts(env.DB, WEBHOOK, NOW);
		await sendAlerts(env.DB, WEBHOOK, NOW + 3_600_000);
		expect(got).toHaveLength(1);
		const [{ url, headers, body, redirect }] = got as [(typeof got)[number]];
		expect([url, redirect]).toEqual([WEBHOOK.url, "manual"]);
		expect(headers.get("webhook-id")).toBe(ALERT.id);
		const timestamp = headers.get("webhook-timestamp");
		expect(timestamp).toBe(String(NOW / 1_000));
		const expected = createHmac("sha256", WEBHOOK.secret).update(`${ALERT.id}.${timestamp}.${body}`).digest("base64");
		expect(headers.get("webhook-signature")).toBe(`v1,${expected}`);
		expect(JSON.parse(body)).toEqual({
			id: ALERT.id,
			kind: "degraded",
			pool: "digitalocean/default",
			at: new Date(NOW).toISOString(),
			since: new Date(NOW - 60_000).toISOString(),
			text: "<b> & @everyone",
		});
	});

	test("are sent again after a minute, two, four, …, under the same id, until they arrive", async () => {
		const got = receiver(
			new Error("no route"),
			new Response("busy", { status: 503 }),
			new Response(null, { status: 302 }),
			new Response("ok"),
		);
		await addDelivery(env.DB, ALERT, NOW);
		for (const [minutes, sent] of [
			[0, 1],
			[0.5, 1],
			[1, 2],
			[2, 2],
			[3, 3],
			[6, 3],
			[7, 4],
			[60, 4],
		] as const) {
			await sendAlerts(env.DB, WEBHOOK, NOW + minutes * 60_000);
			expect(got).toHaveLength(sent);
		}
		expect(new Set(got.map(({ headers }) => headers.get("webhook-id"))).size).toBe(1);
		expect((await listDeliveries(env.DB, 9))[0]).toMatchObject({
			tries: 4,
			deliveredAt: NOW + 7 * 60_000,
			status: 200,
			error: null,
			nextAt: null,
		});
	});

	test("are given up after a day, and say why", async () => {
		receiver(new Response(null, { status: 500 }));
		await addDelivery(env.DB, ALERT, NOW);
		for (let minute = 0; minute < 25 * 60; minute += 10) await sendAlerts(env.DB, WEBHOOK, NOW + minute * 60_000);
		expect((await listDeliveries(env.DB, 9))[0]).toMatchObject({
			deliveredAt: null,
			nextAt: null,
			status: 500,
			error: "it answered HTTP 500",
		});
	});

	test("go by one of two runs of cron that come at once", async () => {
		const got = receiver(new Response("ok"));
		await addDelivery(env.DB, ALERT, NOW);
		await Promise.all([sendAlerts(env.DB, WEBHOOK, NOW), sendAlerts(env.DB, WEBHOOK, NOW)]);
		expect(got).toHaveLength(1);
	});

	test("are what Slack and Discord take, and call nobody", () => {
		const text = "digitalocean/default is degraded: ";
		expect(JSON.parse(webhookBody(ALERT, "slack"))).toEqual({ text: `${text}&lt;b&gt; &amp; @everyone` });
		expect(JSON.parse(webhookBody(ALERT, "discord"))).toEqual({ content: `${text}<b> & @everyone`, allowed_mentions: { parse: [] } });
	});

	test("are signed as Standard Webhooks has it in its own example", () => {
		// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
		const [secret, id, body] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}'];
		expect(signatureOf(secret, id, 1_614_265_330, body)).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	});
});

describe("GET /deliveries and POST /deliveries/test", () => {
	test("send a test at once and list it, without the address", async () => {
		const got = receiver(new Response("ok"));
		const response = await askWith(SETTINGS, "/deliveries/test", { method: "POST", ...key });
		const { delivery } = await bodyOf(response);
		expect(delivery).toMatchObject({ kind: "test", pool: null, state: "delivered", tries: 1, status: 200, error: null });
		expect(got).toHaveLength(1);
		const listed = await (await askWith(SETTINGS, "/deliveries", key)).text();
		expect(listed).not.toContain("t0ken");
		expect(listed).not.toContain(SETTINGS.ALERT_WEBHOOK_SECRET);
		expect(JSON.parse(listed)).toMatchObject({
			webhook: { host: "hooks.example.com", format: "json", signed: true },
			deliveries: [{ id: delivery.id }],
		});
	});

	test("tell why a test did not arrive, without the address", async () => {
		receiver(new Error(`cannot reach ${SETTINGS.ALERT_WEBHOOK_URL}`));
		const text = await (await askWith(SETTINGS, "/deliveries/test", { method: "POST", ...key })).text();
		expect(JSON.parse(text).delivery).toMatchObject({ state: "waiting", error: "it cannot be reached", status: null });
		expect(text).not.toContain("t0ken");
	});

	test("say that no webhook is set, or one that may not be: private, plain, or of this machine", async () => {
		expect((await ask("/deliveries/test", { method: "POST" })).status).toBe(409);
		const got = receiver(new Response("ok"));
		for (const url of [
			"http://hooks.example.com/",
			"https://10.0.0.1/",
			"https://169.254.169.254/latest",
			"https://localhost/",
			"https://[::1]/",
			"https://0x7f.1/",
		]) {
			const settings = { ...SETTINGS, ALERT_WEBHOOK_URL: url };
			expect([url, (await askWith(settings, "/deliveries/test", { method: "POST", ...key })).status]).toEqual([url, 409]);
			const health = await (await askWith(settings, "/health", key)).text();
			expect(health).toContain("ALERT_WEBHOOK_URL must be a public https address");
		}
		expect(got).toEqual([]);
		const development = { ...SETTINGS, ALERT_WEBHOOK_URL: "http://127.0.0.1:9/", ALLOW_INSECURE_URL: "True" };
		expect((await askWith(development, "/deliveries/test", { method: "POST", ...key })).status).toBe(200);
	});
});
