import { describe, expect, test } from "vitest";
import { type Alert, type Alerting, alertsOf, retryAt } from "../../../src/core/alerting.ts";
import { foresee } from "../../../src/core/foresee.ts";
import { type Causes, causesOf } from "../../../src/core/model/causes.ts";
import { withPlaceFacts } from "../../../src/core/model/places.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** What is told while one pool says these, minute by minute; null: it does not answer. */
function told(minutes: readonly (Causes | null)[], object = "a".repeat(64)): readonly Alert[] {
	let alerting: Alerting = {};
	return minutes.flatMap((causes, minute) => {
		const news = new Map(causes === null ? [] : [[object, { pool: "digitalocean/default", causes }] as const]);
		const next = alertsOf(alerting, news, [object], NOW + minute * MINUTE);
		alerting = next.alerting;
		return next.alerts;
	});
}

const lasting = (causes: Causes, minutes: number): readonly Causes[] => Array.from({ length: minutes }, () => causes);
const kinds = (alerts: readonly Alert[]) => alerts.map(({ kind, at }) => [kind, (at - NOW) / MINUTE]);

describe("operators are told", () => {
	test("of what is wrong at once, once an hour as long as it lasts, and when it is over", () => {
		const alerts = told([{}, ...lasting({ degraded: "none is ready" }, 130), {}, {}]);
		expect(kinds(alerts)).toEqual([
			["degraded", 1],
			["degraded", 61],
			["degraded", 121],
			["recovered", 131],
		]);
		expect(new Set(alerts.map(({ id }) => id)).size).toBe(4);
		expect(alerts.map(({ since }) => (since - NOW) / MINUTE)).toEqual([1, 1, 1, 1]);
	});

	test("of each cause by itself", () => {
		const all = { degraded: "a", budget: "b", breaker: "c", credentials: "d" };
		expect(kinds(told([all, {}]))).toEqual([
			["degraded", 0],
			["budget_reached", 0],
			["breaker_opened", 0],
			["credentials_refused", 0],
			["recovered", 1],
		]);
	});

	test("once an hour of what comes and goes", () => {
		const flapping = Array.from({ length: 120 }, (_, minute): Causes => (minute % 2 === 0 ? { degraded: "a" } : {}));
		expect(kinds(told(flapping)).length).toBeLessThanOrEqual(4);
	});

	test("nothing of a pool that does not answer, and goes on where it was", () => {
		expect(kinds(told([{ degraded: "a" }, null, null, { degraded: "a" }, {}]))).toEqual([
			["degraded", 0],
			["recovered", 4],
		]);
	});

	test("the same alert again where the state was not stored", () => {
		const once = () => alertsOf({}, new Map([["a", { pool: "x/y", causes: { budget: "b" } }]]), ["a"], NOW).alerts;
		expect(once()).toEqual(once());
	});
});

describe("a delivery", () => {
	test("is tried again after a minute, two, four, … an hour at most, for a day", () => {
		expect([1, 2, 3, 7, 20].map((tries) => (retryAt(NOW, tries, NOW) ?? 0) - NOW)).toEqual([MINUTE, 2 * MINUTE, 4 * MINUTE, HOUR, HOUR]);
		let [at, tries] = [NOW, 0];
		for (let next: number | null = NOW; next !== null; next = retryAt(NOW, ++tries, at)) at = next;
		expect(at).toBeGreaterThan(NOW + 22 * HOUR);
		expect(at).toBeLessThanOrEqual(NOW + 24 * HOUR);
		expect(tries).toBeLessThan(35);
	});
});

describe("the causes of a pool", () => {
	test("a breaker is one too where every place of the pool is closed, and not while one is open", () => {
		const places = [
			{ region: "here", size: "small" },
			{ region: "there", size: "small" },
		];
		const breaker = { until: NOW + HOUR, failures: 1, why: "nothing left", steppedAt: NOW };
		const start = poolOf(2, () => ({}));
		const pool = { ...start, spec: { ...start.spec, places } };
		const one = withPlaceFacts(pool, "here:small", { breaker });
		expect(causesOf(one, NOW).breaker).toBeUndefined();
		const all = withPlaceFacts(one, "there:small", { breaker });
		expect(causesOf(all, NOW).breaker).toBe("here:small: nothing left; there:small: nothing left");
		expect(foresee(one, NOW, () => 0.5).why.places).toEqual([{ place: "here:small", failures: 1, until: NOW + HOUR, why: "nothing left" }]);
	});

	test("are read off its breakers, its money and its condition", () => {
		const pool = poolOf(1, () => ({}));
		expect(causesOf(pool, NOW)).toEqual({});
		const breaker = { until: NOW + HOUR, failures: 1, why: "launch failed: nothing left", steppedAt: NOW };
		const refused = { ...breaker, why: "the provider refuses our credentials: Unable to authenticate you" };
		const held = "the deployment's MAX_HOURLY_COST of 1 USD has no room for another VM at 0.006";
		const troubled = { ...pool, breakers: { ...pool.breakers, launch: breaker, auth: refused }, money: { ...pool.money, held } };
		expect(causesOf(troubled, NOW)).toEqual({
			degraded: expect.stringContaining("the provider refuses our credentials"),
			budget: held,
			breaker: breaker.why,
			credentials: refused.why,
		});
	});
});
