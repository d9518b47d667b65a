import { describe, expect, it } from "vitest";
import { price } from "../../src/calls/price.ts";
import type { World } from "../../src/calls/world.ts";
import { apply } from "../../src/core/apply.ts";
import { INSTANCES, parseRule, rangeOf, sizeIn } from "../../src/core/model/rules.ts";
import type { Price, State } from "../../src/core/model/state.ts";
import { plan } from "../../src/core/plan.ts";
import * as allotments from "../../src/d1/allotments.ts";
import type { AccountTable } from "../../src/providers/base/account.ts";
import { ignored, request } from "../../src/providers/base/http.ts";
import { type ProviderContext, ProviderError } from "../../src/providers/base/provider.ts";
import { PROVIDERS } from "../../src/providers/index.ts";
import { ACCOUNT, DEPLOYMENT, ENDPOINT, type PoolSetting, TUNING } from "../../src/settings/table.ts";
import { readSetting, type Setting } from "../../src/values/setting.ts";
import { Allotments } from "../simulation/allotments.ts";
import { NOW, poolOf } from "./fake-ports.ts";

/** Numbers at their edges, as a text may give them. */
const TEXTS = [
	...["0", "-0", "+0", "00", "-1", "-0.5", "+5", ".5", "5.", "0.0000000001", "1e3", "1e-9", "5e-324", "1e308", "1e400", "-1e400"],
	...["NaN", "nan", "Infinity", "-Infinity", "inf", "0x10", "0b1", "1_000", "1,000", "1 000", "٣", "１", "½", "9007199254740993"],
	...["999999999999999", "9999999999999999", "99999999999999999999999999", `0.${"9".repeat(400)}`, "9".repeat(400), "null", "undefined"],
];
const ALL: readonly (readonly [string, Setting])[] = [
	...Object.entries({ ...DEPLOYMENT }),
	...Object.entries({ ...TUNING }),
	...Object.entries({ ...ACCOUNT, ...ENDPOINT }),
	...Object.entries(PROVIDERS).flatMap(([cloud, definition]) =>
		Object.entries((definition?.settings ?? {}) as AccountTable).map(([field, setting]) => [`${cloud}.${field}`, setting] as const),
	),
];

/** Every number in a value. */
function numbersIn(value: unknown): readonly number[] {
	if (typeof value === "number") return [value];
	return value === null || typeof value !== "object" ? [] : Object.values(value).flatMap(numbersIn);
}

describe("a setting", () => {
	it.each(ALL)("%s is a number of its range whatever number stands in it, or says what it must be", (_, setting) => {
		for (const text of TEXTS) {
			const { value, fault } = readSetting(setting, (setting as PoolSetting).isList ? [text] : text);
			const numbers = numbersIn(value);
			expect(
				numbers.filter((number) => !(Number.isFinite(number) && number >= 0 && number < 1e10)),
				`"${text.slice(0, 40)}"`,
			).toEqual([]);
			// What is no plain decimal number is never read as one.
			if (numbers.length > 0 && fault === null && !/^[\d.]+$/.test(text))
				expect(numbers, text).toEqual(numbersIn(readSetting(setting, undefined).value));
		}
	});
});

const AMOUNTS = [
	Number.NaN,
	Number.NEGATIVE_INFINITY,
	-1,
	-5e-324,
	0,
	5e-324,
	1e-9,
	1e-6,
	0.004,
	1,
	1e5,
	1e7,
	Number.MAX_VALUE,
	Number.POSITIVE_INFINITY,
];

describe("a price", () => {
	const told = (hourly: number) =>
		price({ call: "price", account: "", place: null }, null, {
			provider: () => ({ hourlyPrice: async () => ({ hourly, currency: "USD", asOf: NOW }) }),
		} as unknown as World);

	it.each([Number.NaN, Number.NEGATIVE_INFINITY, -1, -5e-324, 1e7, Number.MAX_VALUE, Number.POSITIVE_INFINITY])(
		"of %d is none",
		async (hourly) => {
			await expect(told(hourly)).rejects.toThrow("a VM cannot cost");
		},
	);

	it.each([
		[0, 0],
		[-0, 0],
		[5e-324, 1e-6],
		[4e-7, 1e-6],
		[0.0042, 0.0042],
		[1 / 3, 0.333333],
	])("of %d counts as %d: nothing costs nothing, and a little something", async (hourly, counted) => {
		expect((await told(hourly)).hourly).toBe(counted);
	});
});

const PRICE: Price = { hourly: 0, currency: "USD", asOf: NOW };
/** A pool without proxies that wants three, at this price. */
function wanting(hourly: number, { own = null, total = null }: { own?: number | null; total?: State["money"]["budget"] }): State {
	const state = { ...poolOf(0, () => ({})), account: "a", target: 3 };
	const priced = apply(
		state,
		{ on: "done", effect: { call: "price", account: "a", place: null }, result: { ...PRICE, hourly }, startedAt: NOW },
		NOW,
	);
	const bounded = { ...priced, spec: { ...priced.spec, min: 3, max: 3, maxHourlyCost: own } };
	return apply(bounded, { on: "budget", budget: total }, NOW);
}
/** So many are launched once D1 has granted what is asked for; fails where it is asked again and again. */
function launchedOf(first: State): number {
	const d1 = new Allotments({ allotments }, (message) => expect.fail(message));
	d1.enter(first.pool.object);
	let state = first;
	for (let turns = 0; turns < 20; turns++) {
		const planned = plan(state, NOW, () => Math.random());
		state = planned.state;
		const effect = planned.effects.find(({ call }) => call === "reserve");
		if (effect?.call !== "reserve") return [...state.proxies.values()].filter(({ phase }) => phase.at === "launching").length;
		state = apply(state, { on: "sent", effect }, NOW);
		const held = d1.reserve({ ...effect, object: state.pool.object, now: NOW });
		if (held === null) throw new Error("a request was not taken");
		state = apply(state, { on: "done", effect, result: held, startedAt: NOW }, NOW);
	}
	throw new Error("D1 is asked without end");
}

describe("a bound on cost", () => {
	const bounds = [0, 1e-9, 1e-6, 2e-6, 0.5, 999_999_999];
	const prices = [0, 1e-6, 0.25, 1, 1e6];

	it.each(prices)("lets as many VMs at %d an hour be launched as it has room for, whatever it is", (hourly) => {
		for (const bound of bounds) {
			const fitting = hourly === 0 ? 3 : Math.min(3, Math.floor(bound / hourly + 1e-9));
			for (const given of [{ own: bound }, { total: bound }, { own: bound, total: bound }, { total: { USD: bound } }])
				expect(launchedOf(wanting(hourly, given)), JSON.stringify({ hourly, ...given })).toBe(fitting);
		}
		expect(launchedOf(wanting(hourly, { total: { EUR: 5 } }))).toBe(hourly === 0 ? 3 : 0);
	});

	const edges = [0, 5e-324, 1e-9, 1e-6, 0.1, 1, 1e6, 1e15, 1e300, Number.MAX_VALUE];
	it("grants what the pool holds and a whole number of VMs that fit, whatever price, part and bound are", () => {
		const d1 = new Allotments({ allotments }, (message) => expect.fail(message));
		d1.enter("a");
		let version = 0;
		for (const price of edges) {
			for (const hold of edges) {
				for (const bound of edges) {
					const held = d1.reserve({ object: "a", version: ++version, currency: "USD", hold, price, count: 3, bound, now: NOW });
					const message = JSON.stringify({ price, hold, bound, held });
					expect(held?.hourly, message).toBeGreaterThanOrEqual(hold);
					expect(held?.hourly, message).toBeLessThanOrEqual(hold + price * 3);
					if (price > 0 && held !== null && held.hourly > hold)
						expect(held.hourly, message).toBeLessThanOrEqual(bound * (1 + 1e-9) + 2e-9 * (1 + price));
				}
			}
		}
	});
});

describe("a rule", () => {
	it("asks for a number of proxies within the pool's bounds whatever its own bounds and the metric are", () => {
		const bounds = ["0", "-0", "-5", "0.000000000000001", "1", "999999999999999"];
		const texts = bounds.flatMap((bound) =>
			["active", INSTANCES].flatMap((metric) => [`${metric}<=${bound}`, `${bound}<${metric}`, `${bound}<=${metric}<${bound}`]),
		);
		for (const text of texts) {
			const rule = parseRule(text);
			if (rule === null) throw new Error(`${text} is no rule`);
			for (const total of AMOUNTS.filter((amount) => !Number.isNaN(amount))) {
				const size = sizeIn(rangeOf(rule, total), { least: 1, most: 7 }, 3);
				expect(Number.isInteger(size) && size >= 1 && size <= 7, `${text} at ${total}: ${size}`).toBe(true);
			}
		}
		for (const text of ["active<=1e400", "active<=NaN", "active<=Infinity", "active<=0x10", "1,5<active"])
			expect(parseRule(text), text).toBeNull();
	});
});

describe("what a cloud says of time and quotas", () => {
	/** When it may be asked again, and when the quota is whole. */
	async function told(headers: Record<string, string>): Promise<{ readonly retryAt: number; readonly resetAt: number }> {
		let resetAt = NOW;
		const context = {
			fetch: async () => new Response("{}", { status: 429, headers }),
			now: () => NOW,
			countCall: () => undefined,
			observeRate: (rate: { resetAt: number }) => {
				resetAt = rate.resetAt;
			},
			wait: async () => undefined,
		};
		const wanted = {
			provider: "Cloud",
			baseUrl: "http://cloud.test",
			path: "/",
			method: "GET",
			headers: {},
			read: ignored,
			secrets: [],
		} as const;
		const error = await request(context as unknown as ProviderContext, wanted).catch((thrown: unknown) => thrown);
		if (!(error instanceof ProviderError)) throw error;
		expect(error.failure.kind).toBe("rate");
		return { retryAt: error.failure.retryAt ?? NOW, resetAt };
	}

	// A header holds nothing but Latin-1.
	it.each(TEXTS.filter((text) => /^[\0-\xff]*$/.test(text)))("holds nothing up for longer than a day: %s", async (text) => {
		const DAY_MS = 24 * 3_600_000;
		const quota = { "ratelimit-limit": text, "ratelimit-remaining": "0", "ratelimit-reset": text };
		for (const headers of [{ "retry-after": text }, quota] as Record<string, string>[]) {
			const { retryAt, resetAt } = await told(headers);
			for (const at of [retryAt, resetAt]) expect(Number.isFinite(at) && at <= NOW + DAY_MS, `${text}: ${at}`).toBe(true);
		}
	});
});
