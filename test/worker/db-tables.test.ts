import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { enterPool, findPool, forgetPool, listPools, removePool } from "../../src/d1/directory.ts";
import { LOG_AGE_MS, LOG_KEPT, LOG_MOST, LOG_PRUNED_A_RUN, pruneLogs } from "../../src/d1/logs.ts";
import { listWaitingScaling, readSettings, settleSetting, writeSetting } from "../../src/d1/settings.ts";
import { deploymentOf } from "../../src/fleet/directory.ts";
import type { Env } from "../../src/rpc/env.ts";
import { counted, enter, publicationOf, readyPublication, show, startAfresh } from "./helpers.ts";

beforeEach(startAfresh);

describe("settings", () => {
	test("the deployment's id is minted once, whoever asks and how often", async () => {
		const bindings = env as unknown as Env;
		const ids = await Promise.all([deploymentOf(bindings), deploymentOf(bindings), deploymentOf(bindings)]);
		expect(new Set(ids).size).toBe(1);
		expect(await deploymentOf(bindings)).toBe(ids[0]);
		expect(ids[0]).toMatch(/^[a-z2-7]{10}$/);
		await env.DB.prepare("DELETE FROM settings").run();
		expect(await deploymentOf(bindings), "though D1 is lost").toBe(ids[0]);
	});

	test("who settles a setting first wins; who writes it wins always", async () => {
		expect(await settleSetting(env.DB, "origin", "https://a.test")).toBe("https://a.test");
		expect(await settleSetting(env.DB, "origin", "https://b.test")).toBe("https://a.test");
		await writeSetting(env.DB, "origin", "https://c.test");
		expect(await readSettings(env.DB, ["origin", "url"])).toEqual(new Map([["origin", "https://c.test"]]));
		await writeSetting(env.DB, "origin", null);
		expect(await readSettings(env.DB, ["origin"])).toEqual(new Map());
	});

	test("writing what is there already costs no row", async () => {
		await writeSetting(env.DB, "url", "https://a.test");
		const { db, rows } = counted(env.DB);
		await writeSetting(db, "url", "https://a.test");
		expect(rows.written).toBe(0);
	});

	test("bounds that wait are listed without anything else", async () => {
		const waiting = { min: 1, max: 2, environment: { min: 2, max: 2 } };
		await writeSetting(env.DB, "scaling:aws:default", JSON.stringify(waiting));
		await writeSetting(env.DB, "url", "https://a.test");
		expect(await listWaitingScaling(env.DB)).toEqual(new Map([["aws:default", waiting]]));
	});
});

describe("the directory", () => {
	const pool = (object: string, changes = {}) => ({
		object,
		provider: "aws" as const,
		name: "default",
		endpoint: "aws-default",
		incarnation: 1,
		source: "environment" as const,
		...changes,
	});

	test("of several who enter a pool of one name at once, one wins and all learn who", async () => {
		const entered = await Promise.all(["a", "b", "c"].map((object) => enterPool(env.DB, pool(object))));
		expect(new Set(entered.map((entry) => entry?.object)).size).toBe(1);
		expect(await listPools(env.DB)).toHaveLength(1);
	});

	test("an endpoint name that is taken admits no pool", async () => {
		await enterPool(env.DB, pool("a"));
		expect(await enterPool(env.DB, pool("b", { provider: "gcp" }))).toBeNull();
		expect(await findPool(env.DB, "gcp", "default")).toBeNull();
	});

	test("a removed pool's names are free at once, and it stays in the directory until it is forgotten", async () => {
		await enterPool(env.DB, pool("a"));
		await removePool(env.DB, "a", 7);
		expect(await findPool(env.DB, "aws", "default")).toBeNull();
		expect((await enterPool(env.DB, pool("b")))?.object).toBe("b");
		expect((await listPools(env.DB)).map(({ object, removedAt }) => [object, removedAt])).toEqual([
			["a", 7],
			["b", null],
		]);
		await forgetPool(env.DB, "a");
		expect((await listPools(env.DB)).map(({ object }) => object)).toEqual(["b"]);
		expect(await enterPool(env.DB, pool("c", { name: "other" })), "b's endpoint name is still b's").toBeNull();
	});

	test("a forgotten pool leaves nothing but its log", async () => {
		const object = await enter();
		await show(readyPublication(object, 1_001, { log: [{ seq: 1, at: 1, severity: "INFO", text: "gone" }] }));
		await forgetPool(env.DB, object);
		for (const table of ["pools", "names", "ready_parts", "proxies"])
			expect((await env.DB.prepare(`SELECT * FROM ${table}`).all()).results, table).toEqual([]);
		expect((await env.DB.prepare("SELECT * FROM logs").all()).results).toHaveLength(1);
	});

	test("the directory says how many VMs a pool may have to pay for", async () => {
		const object = await enter();
		expect((await listPools(env.DB))[0]).toMatchObject({ object, version: 0, billable: 0 });
		await show(publicationOf(object, { version: 3 }));
		expect((await listPools(env.DB))[0]).toMatchObject({ object, version: 3, billable: 2 });
	});
});

describe("logs", () => {
	const now = 100 * LOG_AGE_MS;
	const fill = (object: string, from: number, to: number, at: number) =>
		env.DB.prepare(
			`WITH RECURSIVE n (seq) AS (SELECT ?2 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?3)
			INSERT INTO logs (object, seq, at, severity, text) SELECT ?1, seq, ?4, 'INFO', 'text' FROM n`,
		)
			.bind(object, from, to, at)
			.run();
	const seqs = async (object: string) =>
		(await env.DB.prepare("SELECT min(seq) AS first, count(*) AS count FROM logs WHERE object = ?").bind(object).all()).results[0];

	test("old entries go, but for a pool's newest ones", async () => {
		const object = await enter();
		await fill(object, 1, 300, now - 2 * LOG_AGE_MS);
		expect(await pruneLogs(env.DB, now)).toBe(300 - LOG_KEPT);
		expect(await seqs(object)).toEqual({ first: 101, count: LOG_KEPT });
		expect(await pruneLogs(env.DB, now), "nothing is left to do").toBe(0);
	});

	test("entries of a forgotten pool go once they are old", async () => {
		await fill("forgotten", 1, 10, now - 2 * LOG_AGE_MS);
		await fill("forgotten", 11, 12, now);
		expect(await pruneLogs(env.DB, now)).toBe(10);
		expect(await seqs("forgotten")).toEqual({ first: 11, count: 2 });
	});

	test("a run deletes a bounded number of rows over all pools, and the next goes on", async () => {
		for (const object of ["x", "y"]) await fill(object, 1, 400, now - 2 * LOG_AGE_MS);
		expect(await pruneLogs(env.DB, now)).toBe(LOG_PRUNED_A_RUN);
		expect(await pruneLogs(env.DB, now)).toBe(800 - LOG_PRUNED_A_RUN);
	});

	test("a pool that logs too much keeps only the newest, however young they are", async () => {
		const object = await enter();
		await fill(object, 1, LOG_MOST + 150, now);
		expect(await pruneLogs(env.DB, now)).toBe(150);
		expect(await seqs(object)).toEqual({ first: 151, count: LOG_MOST });
	});

	test("a run with nothing to do reads a few rows a pool, not its log", async () => {
		for (const name of ["a", "b"]) await fill(await enter(name), 1, 1_000, now);
		const { db, rows } = counted(env.DB);
		expect(await pruneLogs(db, now)).toBe(0);
		expect(rows.read).toBeLessThan(25);
		expect(rows.written).toBe(0);
	});
});
