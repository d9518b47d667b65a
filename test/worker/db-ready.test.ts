import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { READY_KEPT_MS } from "../../src/core/model/limits.ts";
import { removePool } from "../../src/d1/directory.ts";
import { writeSetting } from "../../src/d1/settings.ts";
import { publish } from "../../src/read-model/publish.ts";
import { coldRead, forgetEverything, forgetReady, keepSome, pageCold, pickCold, readReady } from "../../src/read-model/ready.ts";
import { pickReady, readyPage, snapshotOf } from "../../src/read-model/snapshot.ts";
import {
	ADMIN_KEY,
	askWith,
	counted,
	enter,
	failing,
	ORIGIN,
	publicationOf,
	readyPublication,
	SUMMARY,
	show,
	startAfresh,
} from "./helpers.ts";

/** mulberry32: a small generator whose numbers are the same in every run. */
function seeded(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
	};
}

const ids = (page: ReturnType<typeof readyPage>) => page.map(({ entry }) => entry[0]);
const count = async (db: D1Database, now: number) => (await readReady(db, now)).snapshot.readyCount;

beforeEach(startAfresh);

describe("the ready list", () => {
	test("every ready proxy of every pool is equally likely (chi-square, p > 0.001)", async () => {
		await show(readyPublication(await enter("big"), 30));
		await show(readyPublication(await enter("small"), 3));
		await show(readyPublication(await enter("empty"), 0));
		await show(readyPublication(await enter("middle"), 17));
		const { snapshot } = await readReady(env.DB, 0);
		const draws = 10_000;
		const drawn = new Map<string, number>();
		const random = seeded(20_261_122);
		for (let draw = 0; draw < draws; draw++) {
			const picked = pickReady(snapshot, random);
			const key = `${picked?.pool.name}/${picked?.entry[0]}`;
			drawn.set(key, (drawn.get(key) ?? 0) + 1);
		}
		expect(drawn.size).toBe(50);
		const expected = draws / 50;
		const chiSquare = [...drawn.values()].reduce((sum, times) => sum + (times - expected) ** 2 / expected, 0);
		// 99.9 % of the chi-square distribution with 49 degrees of freedom: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3674.htm
		expect(chiSquare).toBeLessThan(85.351);
	});

	test("the extremes of the random source are the first and the last proxy", async () => {
		await show(readyPublication(await enter(), 2_001));
		const { snapshot } = await readReady(env.DB, 0);
		expect(pickReady(snapshot, () => 0)?.entry[0]).toBe("proxy0");
		expect(pickReady(snapshot, () => 1 - Number.EPSILON)?.entry[0]).toBe("proxy2000");
	});

	test("pages follow each other over parts and pools, and are empty beyond the end", async () => {
		await show(readyPublication(await enter("a"), 1_500));
		await show(readyPublication(await enter("b"), 3));
		const { snapshot } = await readReady(env.DB, 0);
		const all = ids(readyPage(snapshot, 0, 10_000));
		expect(all).toHaveLength(1_503);
		const paged = Array.from({ length: 16 }, (_, page) => ids(readyPage(snapshot, page * 100, 100))).flat();
		expect(paged).toEqual(all);
		expect(readyPage(snapshot, 1_503, 100)).toEqual([]);
		expect(readyPage(snapshot, Number.MAX_SAFE_INTEGER, 100)).toEqual([]);
	});

	test("a removed pool's proxies leave it at once", async () => {
		const object = await enter();
		await show(readyPublication(object, 3));
		await removePool(env.DB, object, 1);
		expect(await count(env.DB, 0)).toBe(0);
	});
});

describe("one proxy asked for alone", () => {
	test("is any ready one, each equally likely, whatever part or pool it is in (chi-square, p > 0.000001)", async () => {
		await show(readyPublication(await enter("big"), 1_012));
		await show(readyPublication(await enter("small"), 8));
		await show(readyPublication(await enter("empty"), 0));
		const groups = new Map<string, number>();
		const draws = 2_000;
		const group = (name: string, id: string) =>
			name === "small" ? `small ${id}` : Number(id.slice(5)) < 1_000 ? "first part" : "second part";
		for (let draw = 0; draw < draws; draw += 50) {
			for (const picked of await Promise.all(Array.from({ length: 50 }, () => pickCold(env.DB)))) {
				const key = picked ? group(picked.pool.name, picked.entry[0]) : "none";
				groups.set(key, (groups.get(key) ?? 0) + 1);
			}
		}
		const expected = new Map([
			["first part", 1_000],
			["second part", 12],
			...Array.from({ length: 8 }, (_, id) => [`small proxy${id}`, 1] as const),
		]);
		let chiSquare = 0;
		for (const [key, share] of expected) chiSquare += ((groups.get(key) ?? 0) - (draws * share) / 1_020) ** 2 / ((draws * share) / 1_020);
		expect([...groups.keys()].every((key) => expected.has(key))).toBe(true);
		// SQLite has no seed: with nine degrees of freedom one run in a million is above this.
		expect(chiSquare).toBeLessThan(45.1);
	});

	test("is none of a pool that was removed, and none where there is none", async () => {
		expect(await pickCold(env.DB)).toBeNull();
		const object = await enter("gone");
		await show(readyPublication(object, 1_500));
		await removePool(env.DB, object, 1);
		expect(await pickCold(env.DB)).toBeNull();
	});

	test("or a page, which is that of the whole list, read with as few rows", async () => {
		await show(readyPublication(await enter("b"), 2_500));
		await show(readyPublication(await enter("a"), 7));
		await show(readyPublication(await enter("empty"), 0));
		const { snapshot } = await readReady(env.DB, 0);
		for (const [offset, limit] of [
			[0, 10],
			[5, 3],
			[90, 10],
			[0, 100],
		] as const) {
			const { db, rows } = counted(env.DB);
			const page = await pageCold(db, offset, limit);
			expect(ids(page?.proxies ?? [])).toEqual(ids(readyPage(snapshot, offset, limit)));
			expect(page?.total).toBe(2_507);
			expect(rows.read).toBeLessThanOrEqual(3 + 2);
		}
		expect(await pageCold(env.DB, 91, 10), "beyond what it reads").toBeNull();
	});

	test("is what an isolate falls back on that has nothing else, unless it was destroyed since", async () => {
		await show(readyPublication(await enter(), 1));
		const picked = await pickCold(env.DB);
		if (picked === null) throw new Error("there is one");
		keepSome(snapshotOf([picked.pool]), 1_000);
		const { snapshot, ageMs } = await readReady(failing(), 4_000);
		expect([ageMs, pickReady(snapshot, () => 0)?.entry[0]]).toEqual([3_000, "proxy0"]);
		forgetReady({ object: picked.pool.object, id: "proxy0" });
		expect((await readReady(failing(), 9_000)).snapshot.readyCount).toBe(0);
	});

	test("is asked for by the first request and by those that come seldom; others have the whole list read", async () => {
		expect(coldRead(0)).toEqual({ isCold: true, isSnapshotDue: false });
		expect(coldRead(READY_KEPT_MS / 2).isCold, "soon after").toBe(false);
		expect(coldRead(5_000)).toEqual({ isCold: true, isSnapshotDue: true });
		await readReady(env.DB, 5_000);
		expect(coldRead(5_000 + READY_KEPT_MS / 2), "what was read is fresh").toEqual({ isCold: false, isSnapshotDue: false });
		expect(coldRead(10_000)).toEqual({ isCold: true, isSnapshotDue: false });
		expect(coldRead(60_000)).toEqual({ isCold: true, isSnapshotDue: true });
	});
});

describe("a busy isolate", () => {
	test("has one request read anew what is soon too old, and lets none wait for it", async () => {
		const object = await enter();
		await show(readyPublication(object, 5));
		await readReady(env.DB, 0);
		await publish(env.DB, readyPublication(object, 6, { version: 2 }));
		const later: Promise<unknown>[] = [];
		const read = async (now: number) => (await readReady(env.DB, now, (work) => later.push(work))).snapshot.readyCount;
		expect([await read(0.6 * READY_KEPT_MS), later.length], "young enough").toEqual([5, 0]);
		expect([await read(0.8 * READY_KEPT_MS), await read(0.81 * READY_KEPT_MS), later.length], "one of them reads").toEqual([5, 5, 1]);
		await Promise.all(later);
		expect([await read(1.2 * READY_KEPT_MS), later.length], "what it read is as old as its reading").toEqual([6, 1]);
	});

	test("keeps nothing that was read ahead before a change of its own", async () => {
		const object = await enter();
		await show(readyPublication(object, 1));
		await readReady(env.DB, 0);
		const later: Promise<unknown>[] = [];
		await readReady(env.DB, 0.9 * READY_KEPT_MS, (work) => later.push(work));
		forgetReady();
		await publish(env.DB, readyPublication(object, 3, { version: 2 }));
		await Promise.all(later);
		expect(await count(env.DB, 901)).toBe(3);
	});
});

describe("rows read", () => {
	// The first keyed request of a deployment remembers where it was called; that is not what is counted here.
	beforeEach(() => writeSetting(env.DB, "origin", ORIGIN));
	const budget = (pools: number, ready: number) => pools + ready / 1_000 + 2;

	test("/random and any page of / read one row a pool and one for each thousand of ready proxies, and at most two more", async () => {
		await show(readyPublication(await enter("a"), 7_000));
		await show(readyPublication(await enter("b"), 3_000));
		for (const name of ["c", "d", "e"]) await show(publicationOf(await enter(name)));
		for (const path of ["/random", "/?offset=9000&limit=100", "/", "/?offset=100000"]) {
			forgetEverything();
			const { db, rows } = counted(env.DB);
			expect((await askWith({ DB: db }, path, { headers: { "X-Auth-Key": ADMIN_KEY } })).status, path).toBe(200);
			expect(rows.read, path).toBeLessThanOrEqual(budget(5, 10_000));
			expect(rows.written).toBe(0);
		}
	});

	test("a small deployment, and a key that has to be looked up, stay within it too", async () => {
		await show(readyPublication(await enter("a"), 2));
		const { db, rows } = counted(env.DB);
		expect((await askWith({ DB: db, AUTH_KEY: undefined, ALLOW_ANONYMOUS: "True" }, "/random")).status).toBe(200);
		expect(rows.read).toBeLessThanOrEqual(budget(1, 2));
	});

	test("while a pool has fewer than it shall have, only those within a quarter of a second", async () => {
		await show(readyPublication(await enter(), 2, { summary: { ...SUMMARY, min: 3 } }));
		await readReady(env.DB, 10_000);
		const { db, rows } = counted(env.DB);
		await readReady(db, 10_249);
		expect(rows.read).toBe(0);
		await readReady(db, 10_250);
		expect(rows.read).toBeGreaterThan(0);
	});

	test("requests within a second of each other read nothing more", async () => {
		await show(readyPublication(await enter(), 2));
		await readReady(env.DB, 10_000);
		const { db, rows } = counted(env.DB);
		await readReady(db, 10_000 + READY_KEPT_MS - 1);
		expect(rows.read).toBe(0);
		await readReady(db, 10_000 + READY_KEPT_MS);
		expect(rows.read).toBeGreaterThan(0);
	});
});

describe("what an isolate keeps", () => {
	test("a change that it made itself is seen at once", async () => {
		const object = await enter();
		await show(readyPublication(object, 2));
		expect(await count(env.DB, 0)).toBe(2);
		await publish(env.DB, readyPublication(object, 1, { version: 2 }));
		expect(await count(env.DB, 1), "not told of the change").toBe(2);
		forgetReady();
		expect(await count(env.DB, 1)).toBe(1);
	});

	/*
	 * A begins to read; B destroys a proxy and drops what the isolate keeps; A's read ends, with the list of before.
	 * What must not happen: that A's list is kept, and handed to others for a second.
	 */
	test("a read that began before a change is not kept", async () => {
		const object = await enter();
		await show(readyPublication(object, 2));
		let release = () => {};
		const held = new Promise<void>((resolve) => {
			release = resolve;
		});
		const slow = new Proxy(env.DB, {
			get: (target, name) => {
				if (name === "prepare") return (sql: string) => target.prepare(sql);
				return async (batch: D1PreparedStatement[]) => {
					const results = await target.batch(batch);
					await held;
					return results;
				};
			},
		});
		const before = readReady(slow, 0);
		await publish(env.DB, readyPublication(object, 1, { version: 2 }));
		forgetReady();
		release();
		expect((await before).snapshot.readyCount).toBe(2);
		expect(await count(env.DB, 1)).toBe(1);
	});

	test("while D1 fails the last snapshot is served with its age, without what was destroyed since", async () => {
		const object = await enter();
		await show(readyPublication(object, 1_002));
		await readReady(env.DB, 1_000);
		forgetReady({ object, id: "proxy1001" });
		const { snapshot, ageMs } = await readReady(failing(), 31_000);
		expect(ageMs).toBe(30_000);
		expect(snapshot.readyCount).toBe(1_001);
		expect(pickReady(snapshot, () => 1 - Number.EPSILON)?.entry[0]).toBe("proxy1000");
	});

	test("a D1 that fails is asked again after a second, not by each request", async () => {
		await show(readyPublication(await enter(), 1));
		await readReady(env.DB, 0);
		await readReady(failing(), 5_000);
		const { db, rows } = counted(env.DB);
		expect((await readReady(db, 5_999)).ageMs).toBe(5_999);
		expect(rows.read).toBe(0);
		expect((await readReady(db, 6_000)).ageMs).toBeNull();
	});

	test("without a snapshot a failing D1 is an error", async () => {
		await expect(async () => readReady(failing(), 0)).rejects.toThrow("The database does not answer.");
	});
});
