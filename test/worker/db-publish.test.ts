import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import type { ReadyEntry } from "../../src/core/model/published.ts";
import { forgetPool } from "../../src/d1/directory.ts";
import { findByAddress, readQueue } from "../../src/read-model/proxies.ts";
import { publish } from "../../src/read-model/publish.ts";
import { forgetEverything, readReady } from "../../src/read-model/ready.ts";
import { readyPage } from "../../src/read-model/snapshot.ts";
import { addressOf, counted, enter, failing, publicationOf, readyPublication, rowOf, SUMMARY, startAfresh } from "./helpers.ts";

async function readyIds(): Promise<string[]> {
	forgetEverything();
	const { snapshot } = await readReady(env.DB, 0);
	return readyPage(snapshot, 0, 100_000).map(({ entry }) => entry[0]);
}

async function logTexts(): Promise<string[]> {
	const { results } = await env.DB.prepare("SELECT text FROM logs ORDER BY object, seq").all<{ text: string }>();
	return results.map(({ text }) => text);
}

const one = (id: string) => ({ parts: [{ part: 0, proxies: [[id, "192.0.2.1", 1] as ReadyEntry] }], partCount: 1 });
const log = (seq: number, text: string) => [{ seq, at: seq, severity: "INFO" as const, text }];

beforeEach(startAfresh);

describe("publishing", () => {
	test("shows all of one version: summary, ready list, proxies and log", async () => {
		const object = await enter();
		expect(await publish(env.DB, publicationOf(object, { ...one("a"), proxies: [rowOf("a")], log: log(1, "ready") }))).toBe(true);
		expect(await readyIds()).toEqual(["a"]);
		expect(await findByAddress(env.DB, "192.0.2.1")).toMatchObject({ object, id: "a", phase: "ready", summary: SUMMARY });
		expect(await logTexts()).toEqual(["ready"]);
	});

	test("an older version changes nothing, and is told so", async () => {
		const object = await enter();
		await publish(env.DB, publicationOf(object, { version: 2, ...one("new"), proxies: [rowOf("new")] }));
		const old = publicationOf(object, { ...one("old"), proxies: [rowOf("old")], existing: ["old"], log: log(1, "old") });
		expect(await publish(env.DB, old)).toBe(false);
		expect(await readyIds()).toEqual(["new"]);
		expect(await findByAddress(env.DB, "192.0.2.1")).toMatchObject({ id: "new" });
		expect(await logTexts()).toEqual([]);
	});

	test("an older version that had fewer parts leaves those of the newer one", async () => {
		const object = await enter();
		await publish(env.DB, readyPublication(object, 2_001, { version: 2 }));
		expect(await publish(env.DB, readyPublication(object, 1))).toBe(false);
		expect(await readyIds()).toHaveLength(2_001);
	});

	test("the same version again is in effect and writes no row", async () => {
		const object = await enter();
		const publication = readyPublication(object, 2_500, { log: log(1, "ready") });
		await publish(env.DB, publication);
		const { db, rows } = counted(env.DB);
		expect(await publish(db, publication)).toBe(true);
		expect(rows.written).toBe(0);
	});

	test("a later incarnation wins over whatever version an earlier one reached", async () => {
		const object = await enter();
		await publish(env.DB, publicationOf(object, { version: 900, ...one("old") }));
		expect(await publish(env.DB, publicationOf(object, { incarnation: 2_000, version: 1, ...one("new") }))).toBe(true);
		expect(await publish(env.DB, publicationOf(object, { version: 901, ...one("old") }))).toBe(false);
		expect(await readyIds()).toEqual(["new"]);
	});

	test("a pool that D1 does not know, or knows no more, leaves nothing behind", async () => {
		const object = await enter();
		await forgetPool(env.DB, object);
		expect(await publish(env.DB, readyPublication(object, 1_500, { log: log(1, "late") }))).toBeNull();
		for (const table of ["pools", "ready_parts", "proxies", "logs"])
			expect((await env.DB.prepare(`SELECT * FROM ${table}`).all()).results, table).toEqual([]);
	});

	test("parts that are not sent keep their content, those beyond the count are gone", async () => {
		const object = await enter();
		await publish(env.DB, readyPublication(object, 3_000));
		const changed = { part: 1, proxies: [["x", "192.0.2.1", 1] as ReadyEntry] };
		await publish(env.DB, publicationOf(object, { version: 2, parts: [changed], partCount: 2 }));
		const ids = await readyIds();
		expect(ids).toHaveLength(1_001);
		expect(ids.slice(999)).toEqual(["proxy999", "x"]);
		await publish(env.DB, publicationOf(object, { version: 3, partCount: 0 }));
		expect(await readyIds()).toEqual([]);
	});

	test("proxies go when they are named, or when a whole list leaves them out", async () => {
		const object = await enter();
		const other = await enter("other");
		await publish(env.DB, publicationOf(other, { proxies: [rowOf("c", { address: "192.0.2.9" })] }));
		await publish(env.DB, publicationOf(object, { proxies: ["a", "b", "c"].map((id) => rowOf(id)) }));
		await publish(env.DB, publicationOf(object, { version: 2, gone: ["a"] }));
		const ids = async () => (await env.DB.prepare("SELECT id FROM proxies WHERE object = ? ORDER BY id").bind(object).all()).results;
		expect(await ids()).toEqual([{ id: "b" }, { id: "c" }]);
		await publish(env.DB, publicationOf(object, { version: 3, existing: ["c"] }));
		expect(await ids()).toEqual([{ id: "c" }]);
		expect(await findByAddress(env.DB, "192.0.2.9"), "another pool's proxy of the same id").not.toBeNull();
	});

	test("an address reused is the one of the proxy that stays, then of the youngest", async () => {
		const object = await enter();
		const rows = [
			rowOf("dying", { phase: "deleting", createdAt: 9 }),
			rowOf("older", { createdAt: 1 }),
			rowOf("younger", { createdAt: 2 }),
		];
		await publish(env.DB, publicationOf(object, { proxies: rows }));
		expect(await findByAddress(env.DB, "192.0.2.1")).toMatchObject({ id: "younger" });
	});

	test("queues follow the phase", async () => {
		const object = await enter();
		const phases = ["draining", "deleting", "restarting", "ready", "unready", "booting"] as const;
		const rows = phases.map((phase, index) => rowOf(phase, { phase, address: addressOf(index) }));
		await publish(env.DB, publicationOf(object, { proxies: rows }));
		expect((await readQueue(env.DB, "destroy")).map(({ id }) => id)).toEqual(["deleting", "draining"]);
		expect((await readQueue(env.DB, "restart")).map(({ id }) => id)).toEqual(["restarting"]);
	});

	test("ten thousand proxies of one pool are one transaction", async () => {
		const object = await enter();
		const statements: number[] = [];
		const db = new Proxy(env.DB, {
			get: (target, name) => {
				if (name === "prepare") return (sql: string) => target.prepare(sql);
				return (batch: D1PreparedStatement[]) => {
					statements.push(batch.length);
					return target.batch(batch);
				};
			},
		});
		expect(await publish(db, readyPublication(object, 10_000))).toBe(true);
		expect(statements).toHaveLength(1);
		expect(statements[0]).toBeLessThan(20);
		expect(await readyIds()).toHaveLength(10_000);
	});

	test("says that the database is unavailable when it fails", async () => {
		await expect(async () => publish(failing(), publicationOf("0"))).rejects.toThrow("The database does not answer.");
	});
});

describe("rows written", () => {
	async function written(publication: Parameters<typeof publish>[1]): Promise<number> {
		const { db, rows } = counted(env.DB);
		expect(await publish(db, publication)).toBe(true);
		return rows.written;
	}

	test("one for the pool, one for a proxy that changes, more only where an index changes", async () => {
		const object = await enter();
		let version = 0;
		const step = (changes: object, parts = {}) => {
			const row = rowOf("a", { phase: "launching", vm: null, address: null, ...changes });
			return written(publicationOf(object, { version: ++version, proxies: [row], ...parts }));
		};
		expect(await step({}), "an intent").toBe(2);
		expect(await step({ phase: "booting", vm: "7" }), "its VM").toBe(2);
		expect(await step({ phase: "booting", vm: "7", address: "192.0.2.1" }), "its address, the index's entry").toBe(3);
		const up = { vm: "7", address: "192.0.2.1" };
		expect(await step({ ...up, phase: "ready" }, one("a")), "ready, with part 0 in the pool's row").toBe(2);
		expect(await step({ ...up, phase: "unready" }, { partCount: 0 })).toBe(2);
		expect(await step({ ...up, phase: "draining" }), "it enters a queue").toBe(3);
		expect(await step({ ...up, phase: "draining" }), "nothing changed but the version").toBe(1);
	});

	test("one changed part of ten is one row", async () => {
		const object = await enter();
		await publish(env.DB, readyPublication(object, 10_000));
		const parts = [{ part: 4, proxies: [["x", "192.0.2.1", 1] as ReadyEntry] }];
		expect(await written(publicationOf(object, { version: 2, parts, partCount: 10 }))).toBe(2);
	});
});
