import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { hourOf } from "../../src/core/model/bans.ts";
import { type Meters, metersOf } from "../../src/core/model/meters.ts";
import { isToSettle } from "../../src/core/model/samples.ts";
import { newState } from "../../src/core/model/state.ts";
import { readOutcomesOf, readRecords } from "../../src/d1/history.ts";
import { collect } from "../../src/fleet/records.ts";
import { historyOf } from "../../src/read-model/history.ts";
import { outcomesOf } from "../../src/read-model/outcomes.ts";
import type { Told } from "../../src/rpc/pool.ts";
import { ask, bodyOf, counted, enter, readyPublication, show, startAfresh } from "./helpers.ts";

const MINUTE = 60;
const DAY = 24 * 3_600;
/** The beginning of a day, which is also that of a block of days. */
const START = Math.floor(1_764_000_000 / (128 * DAY)) * 128 * DAY;

beforeEach(startAfresh);

const METERS: Meters = metersOf(
	newState({ object: "", provider: "digitalocean", name: "default", deployment: "", incarnation: 0, tag: "" }, 0),
	0,
);

/** A pool that has two proxies ready and ten requests a minute, and what it tells at each run of cron. */
class Steady {
	readonly name: string;
	readonly samples: number[][] = [];
	constructor(name: string) {
		this.name = name;
	}
	sampleAt(at: number): void {
		const seconds = at - START;
		this.samples.push([at, seconds, 2 * seconds, 2 * seconds, 3 * seconds, 0, seconds / 6, 0, seconds * 100, seconds * 1_000, seconds * 5]);
		if (this.samples.length > 60) this.samples.shift();
	}
	/** With two outcomes a minute of each of ten sites and of each of five proxies, one of them good. */
	told(since: number): Told {
		const samples = this.samples.filter(([at = 0]) => at > since).map((sample) => [...sample]);
		const newest = samples.at(-1)?.[0] ?? 0;
		const starts = newest === 0 ? [] : [hourOf(newest) - 3_600, hourOf(newest)].filter((start) => start >= hourOf(since) && start >= START);
		const hours = starts.map((start) => {
			const minutes = Math.min(60, (newest - start) / MINUTE);
			const of = (count: number, name: string) =>
				Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}${index}`, [2 * minutes, minutes] as const]));
			return { start, hosts: of(10, "site.example"), proxies: of(5, `${this.name}proxy`) };
		});
		const isDue = isToSettle(since, newest);
		return { pool: `digitalocean/${this.name}`, currency: "USD", meters: METERS, causes: {}, samples, ...(isDue ? { hours } : {}) };
	}
}

/** Runs cron's part for so many minutes, by real D1. */
async function run(
	db: D1Database,
	pools: ReadonlyMap<string, Steady>,
	from: number,
	minutes: number,
	isUp: (minute: number) => boolean = () => true,
) {
	for (let minute = 0; minute < minutes; minute++) {
		const at = from + minute * MINUTE;
		for (const pool of pools.values()) pool.sampleAt(at);
		if (!isUp(minute)) continue;
		const records = await readRecords(db);
		const told = new Map([...pools].map(([object, pool]) => [object, pool.told(records[object]?.settledAt ?? 0)]));
		const listed = [...pools.keys()].map((object) => ({ object }));
		await collect(db, records, told, listed, at * 1_000);
	}
}

async function threePools(): Promise<Map<string, Steady>> {
	const pools = new Map<string, Steady>();
	for (const name of ["default", "nyc", "sfo"]) pools.set(await enter(name), new Steady(name));
	return pools;
}

/** The same as so many days of it leave behind, without running each minute. */
async function fill(pools: ReadonlyMap<string, Steady>, days: number): Promise<void> {
	for (let day = 0; day < days; day++) {
		for (let quarter = 1; quarter <= 96; quarter += 8) {
			const told = new Map<string, Told>();
			for (const [object, pool] of pools) {
				pool.samples.length = 0;
				for (let step = 0; step < 8; step++) pool.sampleAt(START + day * DAY + (quarter + step) * 900);
				told.set(object, pool.told(0));
			}
			await collect(
				env.DB,
				await readRecords(env.DB),
				told,
				[...pools.keys()].map((object) => ({ object })),
				(START + day * DAY + (quarter + 7) * 900) * 1_000,
			);
		}
	}
}

const ALL = { metrics: ["ready", "requests", "bytesOut", "cost"], pool: null, currency: null } as const;

describe("the history of pools", () => {
	test("of three pools costs fewer than 6,000 rows written a day, deletes included", async () => {
		const pools = await threePools();
		// Of the days before only what they leave behind counts.
		await run(env.DB, pools, START + MINUTE, 8 * 1_440, (minute) => minute % 60 === 59);
		const { db, rows } = counted(env.DB);
		await run(db, pools, START + 8 * DAY + MINUTE, 1_440);
		expect(rows.written).toBeLessThan(3_500);
		expect(rows.written).toBeGreaterThan(1_440);
		// Minutes are kept for a day, and for the block that was begun before it.
		const { results } = await env.DB.prepare("SELECT step, min(start) - ? AS first FROM history GROUP BY step ORDER BY step")
			.bind(START)
			.all();
		expect(results).toEqual([
			{ step: 60, first: 8 * DAY - 3_600 },
			// With the very first sample before all others.
			{ step: 900, first: -DAY },
			{ step: DAY, first: -128 * DAY },
		]);
		const { results: hours } = await env.DB.prepare("SELECT count(*) AS count, min(start) - ? AS first FROM outcome_hours")
			.bind(START)
			.all();
		// A week, and the hour that was begun before it; the last has just begun.
		expect(hours).toEqual([{ count: 3 * (7 * 24 + 2), first: 2 * DAY - 3_600 }]);
	}, 120_000);

	test("of 30 days is drawn from fewer than 3,500 rows of all three pools, whatever the distance of its points", async () => {
		const pools = await threePools();
		await fill(pools, 40);
		const now = START + 40 * DAY;
		for (const step of [900, 3_600, DAY]) {
			const { db, rows } = counted(env.DB);
			const { points, totals } = await historyOf(db, { ...ALL, from: now - 30 * DAY, to: now, step }, now * 1_000);
			expect(rows.read).toBeLessThan(100);
			// Older than two weeks there is a point a day.
			expect(points.length).toBe(step === DAY ? 30 : 16 + (14 * DAY) / step);
			for (const { seconds, values } of points)
				expect(values).toEqual([6, 3 * (seconds / 6), 3 * seconds * 1_000, expect.closeTo((3 * seconds * 5) / 1e6, 5)]);
			expect(totals).toEqual([null, (3 * 30 * DAY) / 6, 3 * 30 * DAY * 1_000, expect.closeTo((3 * 30 * DAY * 5) / 1e6, 3)]);
		}
	}, 120_000);

	test("of the last hour is there by the minute, up to the newest, and adds up", async () => {
		const pools = await threePools();
		await run(env.DB, pools, START + MINUTE, 90);
		const now = START + 90 * MINUTE;
		const { points, currency, currencies } = await historyOf(env.DB, { ...ALL, from: now - 3_600, to: now, step: 60 }, now * 1_000);
		expect(points.map(({ at }) => at)).toEqual(Array.from({ length: 60 }, (_, index) => now - 3_600 + index * 60));
		for (const { values } of points) expect(values).toEqual([6, 30, 180_000, expect.closeTo(0.0009, 6)]);
		expect([currency, currencies]).toEqual(["USD", ["USD"]]);
	});

	test("of one pool leaves the others out", async () => {
		const pools = await threePools();
		await run(env.DB, pools, START + MINUTE, 45);
		const now = START + 45 * MINUTE;
		const { points } = await historyOf(env.DB, { ...ALL, pool: "digitalocean/nyc", from: now - 1_800, to: now, step: 900 }, now * 1_000);
		expect(points.map(({ values }) => values[0])).toEqual([2, 2]);
	});

	test("loses nothing that was counted while cron or the database was away", async () => {
		const pools = await threePools();
		const isUp = (minute: number) => minute < 20 || minute >= 55;
		await run(env.DB, pools, START + MINUTE, 90, isUp);
		const now = START + 90 * MINUTE;
		const { totals } = await historyOf(env.DB, { ...ALL, from: START + 10 * MINUTE, to: now, step: 60 }, now * 1_000);
		expect(totals[1]).toBe(3 * 80 * 10);
	});

	test("has gaps where nobody looked, and still the right sums around them", async () => {
		const pools = await threePools();
		await run(env.DB, pools, START + MINUTE, 20);
		for (const pool of pools.values()) pool.samples.length = 0;
		const later = START + 300 * MINUTE;
		await run(env.DB, pools, later, 20);
		const now = later + 20 * MINUTE;
		const { points, totals } = await historyOf(env.DB, { ...ALL, from: START, to: now, step: 900 }, now * 1_000);
		expect(points.filter(({ values }) => values[0] === null).length).toBeGreaterThan(15);
		// From the first sample to the last.
		expect(totals[1]).toBe(3 * 318 * 10);
	});

	test("adds nothing twice after a pool's memory was lost for a minute", async () => {
		const pools = await threePools();
		await run(env.DB, pools, START + MINUTE, 30);
		for (const pool of pools.values()) {
			// What it counts once more falls behind what it told.
			const last = pool.samples.at(-1);
			if (last !== undefined) pool.samples.push([START + 31 * MINUTE, ...last.slice(1).map((value) => value * 0.9)]);
		}
		await run(env.DB, pools, START + 32 * MINUTE, 20);
		const now = START + 52 * MINUTE;
		const { points, totals } = await historyOf(env.DB, { ...ALL, from: START + 20 * MINUTE, to: now, step: 60 }, now * 1_000);
		expect(totals[1]).toBe((3 * (31 * MINUTE)) / 6);
		expect(points.filter(({ values }) => (values[1] ?? 0) < 0)).toEqual([]);
	});
});

describe("GET /history", () => {
	test("shows points, sums and what they are of", async () => {
		const now = Math.floor(Date.now() / 60_000) * 60;
		const object = await enter();
		const told = (at: number, seconds: number) => [at, seconds, 2 * seconds, 2 * seconds, 2 * seconds, 0, seconds, 0, 0, 0, 0];
		const samples = Array.from({ length: 20 }, (_, index) => told(now - (19 - index) * 60, index * 60));
		await collect(
			env.DB,
			{},
			new Map([[object, { pool: "digitalocean/default", currency: "USD", meters: METERS, causes: {}, samples }]]),
			[{ object }],
			now * 1_000,
		);
		const response = await ask(`/history?pool=digitalocean/default&metric=ready,requests&from=${now - 600}&to=${now}&step=60`);
		const body = await bodyOf(response);
		expect(body).toMatchObject({
			pool: "digitalocean/default",
			step: 60,
			metrics: ["ready", "requests"],
			currency: "USD",
			totals: { requests: 600 },
		});
		expect(body.points).toHaveLength(10);
		expect(body.points[0]).toEqual({ at: now - 600, seconds: 60, values: [2, 60] });
		const csv = await (
			await ask(`/history.csv?metric=ready,requests&from=${new Date((now - 600) * 1_000).toISOString()}&to=${now}&step=300`)
		).text();
		expect(csv.split("\r\n")).toEqual([
			"at,seconds,ready,requests",
			...[600, 300].flatMap((ago) =>
				(now - ago) % 300 === 0 ? [`${new Date((now - ago) * 1_000).toISOString()},300,2,300`] : [expect.any(String)],
			),
			...((now - 600) % 300 === 0 ? [] : [expect.any(String)]),
			"",
		]);
	});

	test("says what is wrong with what is asked for", async () => {
		const wrong: readonly [string, string][] = [
			[
				"metric=redy",
				'metric must be one or several of ready, wanted, billed, connections, requests, errors, bytesIn, bytesOut, cost, outcomes, outcomesOk, and "redy" is none.',
			],
			...["yesterday", "-5", "day 5", "2026-02-30", "2026-02-24T08:00:00"].map((text): [string, string] => [
				`from=${text}`,
				"from must be an instant, as 2026-02-24T08:00:00Z or in seconds since 1970.",
			]),
			["from=200&to=100", "from must be before to."],
			["step=1", "step must be 60 or more."],
			["from=0&step=60", "step asks for more than 5000 points: make it longer, or the time shorter."],
			["stp=60", "stp is no parameter here; step is."],
		];
		for (const [query, detail] of wrong) {
			const response = await ask(`/history?${query}`);
			expect([response.status, (await bodyOf(response)).detail]).toEqual([422, detail]);
		}
	});

	test("is empty, and no error, where there is nothing yet", async () => {
		const body = await bodyOf(await ask("/history?metric=ready"));
		expect(body.points.every(({ values }: { values: unknown[] }) => values[0] === null)).toBe(true);
		expect(body.currency).toBeNull();
	});
});

describe("how sites and proxies fared", () => {
	const hour = Math.floor(Date.now() / 3_600_000) * 3_600 - 4 * 3_600;
	const tell = (object: string, at: number, hours: NonNullable<Told["hours"]>, before = {}) =>
		collect(
			env.DB,
			before,
			new Map([[object, { pool: "digitalocean/default", currency: "USD", meters: METERS, causes: {}, samples: [[at, 0]], hours }]]),
			[{ object }],
			at * 1_000,
		);

	test("is had hour by hour for each of them, once however often an hour is told", async () => {
		const object = await enter();
		await show(readyPublication(object, 3));
		const first = { start: hour, hosts: { "a.example": [10, 5], __proto__x: [1, 1] }, proxies: { proxy1: [11, 6] } } as const;
		await tell(object, hour + 1_800, [first]);
		// A site that the pool has forgotten since stays; one that goes on takes its newest count.
		await tell(object, hour + 3_700, [
			{ ...first, hosts: { "a.example": [12, 6] }, proxies: { proxy1: [12, 6], gone: [1, 0] } },
			{ start: hour + 3_600, hosts: { "a.example": [8, 8] }, proxies: { proxy1: [8, 8] } },
		]);
		const get = async (query: string) => bodyOf(await ask(`/history/outcomes?from=${hour}&to=${hour + 3 * 3_600}&${query}`));
		const site = await get("host=A.example:443");
		expect(site).toMatchObject({
			host: "a.example",
			proxy: null,
			totals: { outcomes: 20, ok: 14, success_rate: 0.7 },
			hosts: [],
			proxies: [],
		});
		expect(site.points).toEqual([
			{ at: hour, seconds: 3_600, outcomes: 12, ok: 6, success_rate: 0.5 },
			{ at: hour + 3_600, seconds: 3_600, outcomes: 8, ok: 8, success_rate: 1 },
			{ at: hour + 7_200, seconds: 3_600, outcomes: 0, ok: 0, success_rate: null },
		]);
		expect(await get("proxy=10.0.0.1")).toMatchObject({ proxy: "proxy1", totals: { outcomes: 20, ok: 14 } });
		expect(await get("proxy=gone")).toMatchObject({ totals: { outcomes: 1, ok: 0, success_rate: 0 } });
		expect((await get("host=__proto__x")).totals).toEqual({ outcomes: 1, ok: 1, success_rate: 1 });
		const all = await get("limit=2");
		expect(all.totals).toEqual({ outcomes: 21, ok: 15, success_rate: 0.714 });
		expect(all.hosts).toEqual([
			{ host: "a.example", outcomes: 20, ok: 14, success_rate: 0.7 },
			{ host: "__proto__x", outcomes: 1, ok: 1, success_rate: 1 },
		]);
		expect(
			all.proxies.map(({ ip, pool, outcomes }: { ip: string | null; pool: string; outcomes: number }) => [ip, pool, outcomes]),
		).toEqual([
			["10.0.0.1", "digitalocean/default", 20],
			[null, "digitalocean/default", 1],
		]);
		expect((await get("pool=digitalocean/other")).totals).toEqual({ outcomes: 0, ok: 0, success_rate: null });
	});

	test("of three pools is read for a week from a row or two for each hour and pool", async () => {
		const pools = await threePools();
		const rows = [...pools.keys()].flatMap((object) =>
			Array.from({ length: 24 * 7 }, (_, index) => [
				hour - index * 3_600,
				object,
				"p",
				{ "a.example": [2, 1], "b.example": [9, 9] },
				{ p: [1, 1] },
			]),
		);
		await env.DB.prepare("INSERT INTO outcome_hours SELECT value ->> 0, value ->> 1, value ->> 2, value -> 3, value -> 4 FROM json_each(?)")
			.bind(JSON.stringify(rows))
			.run();
		const { db, rows: cost } = counted(env.DB);
		const points = await readOutcomesOf(db, "hosts", "a.example", { from: hour - 7 * DAY, to: hour + 3_600, pool: null });
		expect(points).toHaveLength(24 * 7);
		expect(points.every(({ outcomes, ok }) => outcomes === 6 && ok === 3)).toBe(true);
		expect(cost.read).toBeLessThanOrEqual(3 * 24 * 7);
		cost.read = 0;
		const { hosts, hours } = await outcomesOf(db, { from: hour - 7 * DAY, to: hour + 3_600, pool: null }, null, 10);
		expect([hosts, hours.size]).toEqual([
			[
				{ host: "b.example", outcomes: 9 * 3 * 24 * 7, ok: 9 * 3 * 24 * 7 },
				{ host: "a.example", outcomes: 2 * 3 * 24 * 7, ok: 3 * 24 * 7 },
			],
			24 * 7,
		]);
		// And two for each proxy that is listed.
		expect(cost.read).toBeLessThanOrEqual(2 * 3 * 24 * 7 + 2);
	});

	test("of 2,000 sites an hour, and of ever others, stays within what a row may hold", async () => {
		const object = await enter();
		const of = (turn: number) =>
			Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`${"x".repeat(200)}${turn}-${i}.example`, [1, 1] as const]));
		for (let turn = 0; turn < 4; turn++) await tell(object, hour + 900 * turn + 899, [{ start: hour, hosts: of(turn), proxies: {} }]);
		const { results } = await env.DB.prepare("SELECT length(hosts) AS long, hosts LIKE '%x3-1999.example%' AS has FROM outcome_hours").all<{
			long: number;
			has: number;
		}>();
		expect(results).toHaveLength(1);
		expect(results[0]?.long).toBeLessThan(1_000_000);
		expect(results[0]?.has).toBe(1);
	});

	test("of ever so many sites is read as far back as can be read at once, in whole hours", async () => {
		const object = await enter();
		const hosts = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`${"x".repeat(200)}${i}.example`, [1, 1] as const]));
		for (let ago = 0; ago < 12; ago++) await tell(object, hour - ago * 3_600 + 899, [{ start: hour - ago * 3_600, hosts, proxies: {} }]);
		const body = await bodyOf(await ask(`/history/outcomes?from=${hour - DAY}&to=${hour + 3_600}&limit=1`));
		expect(body.points).toHaveLength(9);
		expect([body.from, body.totals.outcomes]).toEqual([hour - 8 * 3_600, 18_000]);
	});

	test("is asked for with what is wrong said", async () => {
		for (const [query, detail] of [
			["host=a b", "host must be a host name or an address."],
			["host=a.example&proxy=x", "proxy must not be given beside host: what is counted is of a site or of a proxy."],
			['proxy="', "proxy must be a proxy's id, or the address of one that is there."],
			["proxy=192.0.2.77", "proxy must be a proxy's id, or the address of one that is there."],
			["from=200&to=100", "from must be before to."],
		] as const) {
			const response = await ask(`/history/outcomes?${query}`);
			expect([response.status, (await bodyOf(response)).detail]).toEqual([422, detail]);
		}
	});
});
