import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { summaryOf } from "../../src/core/model/projection.ts";
import type { Proxy, State } from "../../src/core/model/state.ts";
import { Ledger } from "../../src/read-model/ledger.ts";
import { publish } from "../../src/read-model/publish.ts";
import { forgetEverything, readReady } from "../../src/read-model/ready.ts";
import { readyPage } from "../../src/read-model/snapshot.ts";
import { poolOf } from "../unit/fake-ports.ts";
import { addressOf, counted, enter, type Rows, SUMMARY, startAfresh } from "./helpers.ts";

beforeEach(startAfresh);

/** A pool whose proxies have those addresses that clouds give, and that publishes itself as its object does. */
async function pool(count: number) {
	const object = await enter();
	const { db, rows } = counted(env.DB);
	const ledger = new Ledger();
	let state: State = poolOf(count, (index) => ({ address: addressOf(index), credentials: 1 }));
	return {
		object,
		ledger,
		ids: () => [...state.proxies.keys()],
		/** What of the state is ready, in no order. */
		ready: () => [...state.proxies.values()].flatMap(({ id, phase }) => (phase.at === "ready" ? [id] : [])).sort(),
		turn(id: string, at: "ready" | "unready") {
			const proxy = state.proxies.get(id) as Proxy;
			const phase = at === "ready" ? ({ at, vm: "7" } as const) : ({ at, vm: "7", replacement: null } as unknown as Proxy["phase"]);
			state = { ...state, proxies: state.proxies.with(id, { ...proxy, phase, since: proxy.since + 1, why: "three probes failed" }) };
		},
		/** Publishes the state as the next version, as an object that wrote that down before. What it took is told. */
		async publish(): Promise<Rows & { isHeld: boolean | null }> {
			state = { ...state, published: { ...state.published, version: state.published.version + 1 } };
			const { version } = state.published;
			const { acknowledge, ...changes } = ledger.changes(state);
			ledger.doubt();
			Object.assign(rows, { read: 0, written: 0, sent: 0 });
			const isHeld = await publish(db, {
				object,
				incarnation: 1_000,
				version,
				now: 5_000 + version,
				summary: { ...summaryOf(state), displayName: SUMMARY.displayName, settings: SUMMARY.settings },
				credentials: { "1": ["user", "password"] },
				...changes,
				log: [{ seq: version, at: version, severity: "WARNING", text: "unready proxy00000000007: three probes failed" }],
			});
			if (isHeld) acknowledge();
			return { ...rows, isHeld };
		},
	};
}

async function shownIds(): Promise<readonly string[]> {
	forgetEverything();
	const { snapshot } = await readReady(env.DB, 0);
	const ids = readyPage(snapshot, 0, 100_000).map(({ entry }) => entry[0]);
	expect(snapshot.readyCount).toBe(ids.length);
	return ids;
}

const texts = async () => (await env.DB.prepare("SELECT ready FROM pools UNION ALL SELECT proxies FROM ready_parts").all()).results;

describe("a change of one ready proxy", () => {
	test("of a thousand sends at most 4 KB to D1, each of a hundred of them, and writes three rows", async () => {
		const { publish, turn, ids, ready } = await pool(1_000);
		expect((await publish()).sent).toBeGreaterThan(37_000);
		let most = 0;
		for (let round = 0; round < 50; round++) {
			const id = ids()[(round * 389) % 1_000] as string;
			for (const at of ["unready", "ready"] as const) {
				turn(id, at);
				const { sent, written, isHeld } = await publish();
				expect([isHeld, written], "the pool, the proxy, the log").toEqual([true, 3]);
				most = Math.max(most, sent);
			}
		}
		expect(most).toBeLessThanOrEqual(4_096);
		expect([...(await shownIds())].sort()).toEqual(ready());
	});

	test("of a further part sends as little, and one row more", async () => {
		const { publish, turn, ids, ready } = await pool(2_500);
		await publish();
		turn(ids()[1_700] as string, "unready");
		const { sent, written } = await publish();
		expect(sent).toBeLessThanOrEqual(4_096);
		expect(written).toBe(4);
		expect([...(await shownIds())].sort()).toEqual(ready());
	});
});

describe("many changes, one after the other", () => {
	test("leave the list that a pool has, in the very text that it would send whole", async () => {
		const { publish, turn, ids, ready, ledger } = await pool(2_030);
		await publish();
		let seed = 7;
		const random = (below: number) => {
			seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
			return (seed >>> 8) % below;
		};
		for (const size of [1, 3, 40, 16, 31, 2, 60, 15, 29, 900, 1, 300, 30]) {
			for (let change = 0; change < size; change++) turn(ids()[random(2_030)] as string, random(3) === 0 ? "ready" : "unready");
			expect((await publish()).isHeld).toBe(true);
			expect([...(await shownIds())].sort(), `after ${size} more`).toEqual(ready());
		}
		const before = await texts();
		ledger.doubt();
		const { written } = await publish();
		expect(await texts()).toEqual(before);
		expect(written, "sent whole, only the pool's own row and the log's differ").toBe(2);
	});

	test("keep every proxy that stays in its place", async () => {
		const { publish, turn, ids } = await pool(300);
		await publish();
		const before = await shownIds();
		turn(ids()[5] as string, "unready");
		await publish();
		const after = await shownIds();
		expect(after).toHaveLength(299);
		expect(
			after.flatMap((id, place) => (id === before[place] ? [] : [place])),
			"the last one fills the gap",
		).toEqual([5]);
	});
});

describe("what rests on a version that D1 does not hold", () => {
	test("is not written, and all of it is sent the next time", async () => {
		const { object, publish, turn, ids, ready } = await pool(50);
		await publish();
		turn(ids()[1] as string, "unready");
		await publish();
		// An older copy of the database was put back.
		await env.DB.prepare("UPDATE pools SET version = 1, ready = '[]', ready_count = 0 WHERE object = ?").bind(object).run();
		turn(ids()[2] as string, "unready");
		expect((await publish()).isHeld).toBe(false);
		expect(await shownIds()).toEqual([]);
		expect((await publish()).isHeld).toBe(true);
		expect([...(await shownIds())].sort()).toEqual(ready());
	});
});
