import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { findObject, listNames, listPools } from "../../../src/d1/directory.ts";
import { readSettings } from "../../../src/d1/settings.ts";
import { tend } from "../../../src/fleet/fleet.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import type { Env } from "../../../src/rpc/env.ts";
import { ask } from "./asking.ts";
import { PoolUnderTest, resetCloud } from "./harness.ts";

const bindings = env as unknown as Env;
const TABLES = ["settings", "names", "pools", "ready_parts", "proxies", "leases", "logs"];

beforeEach(async () => {
	await resetCloud();
	await emptyDatabase();
});

async function emptyDatabase(): Promise<void> {
	await env.DB.batch(TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
	forgetEverything();
}

type Copy = readonly (readonly [table: string, rows: readonly Record<string, unknown>[]])[];

/** All that D1 holds. */
async function copyOfDatabase(): Promise<Copy> {
	return Promise.all(TABLES.map(async (table) => [table, (await env.DB.prepare(`SELECT * FROM ${table}`).all()).results] as const));
}

/** All at once, as D1's own restore: a pool that publishes in between would find itself lost, and enter its row. */
async function restoreDatabase(copy: Copy): Promise<void> {
	const emptied = TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`));
	const filled = copy.flatMap(([table, rows]) =>
		rows.map((row) => {
			const columns = Object.keys(row).filter((column) => column !== "queue");
			const sql = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
			return env.DB.prepare(sql).bind(...columns.map((column) => row[column]));
		}),
	);
	await env.DB.batch([...emptied, ...filled]);
	forgetEverything();
}

const deploymentInD1 = async () => (await readSettings(env.DB, ["deployment"])).get("deployment");

/** The environment's pool as cron makes it, with its proxy ready. */
async function running(): Promise<{ readonly pool: PoolUnderTest; readonly deployment: string }> {
	await tend(bindings, Date.now());
	const [entry] = await listPools(env.DB);
	const deployment = await deploymentInD1();
	if (entry === undefined || deployment === undefined) throw new Error("cron made no pool");
	const pool = new PoolUnderTest(entry.object, deployment);
	await pool.untilReady(1);
	// What it published last is in D1, and cron has seen it.
	await pool.settle();
	await tend(bindings, Date.now());
	return { pool, deployment };
}

/** Cron comes so often, and the pool does what it has to. */
async function minutes(pool: PoolUnderTest, count: number): Promise<void> {
	for (let minute = 0; minute < count; minute++) {
		await tend(bindings, Date.now());
		await pool.settle();
	}
	forgetEverything();
}

async function health(): Promise<string> {
	forgetEverything();
	const { status, checks } = (await ask("GET", "/health")).body as { status: string; checks?: unknown };
	return `${status} ${JSON.stringify(checks ?? {})}`;
}

describe("a deployment whose D1 is lost", () => {
	test("keeps its id, its pools and their VMs, and has no VM more; /health says it while it lasts", async () => {
		const { pool, deployment } = await running();
		const before = await pool.vms();
		for (let round = 0; round < 3; round++) {
			await emptyDatabase();
			expect(await health()).toMatch(/^degraded .*lost all 1 pools/);
			await tend(bindings, Date.now());
			expect(await health()).toMatch(/^degraded .*(lost digitalocean-default|lost all 1)/);
			// Cron comes once a minute, and does not have to come for that.
			await pool.settle();
			expect(await health(), "it has entered itself again").not.toMatch(/lost/);
			await minutes(pool, 2);
			expect(await deploymentInD1()).toBe(deployment);
			expect((await listPools(env.DB)).map(({ object }) => object)).toEqual([pool.object]);
			expect((await listNames(env.DB)).map(({ name }) => name)).toEqual(["digitalocean-default"]);
			expect(await pool.vms()).toEqual(before);
			expect(await health()).not.toMatch(/lost/);
			expect((await ask("GET", "/random")).body).toMatchObject({ proxy: { ip: before[0]?.ip } });
		}
		expect(await pool.calls("POST", /^\/v2\/droplets$/)).toBe(1);
	});

	test("launches nothing before the pool is in the directory again, though a VM is missing", async () => {
		const { pool } = await running();
		await emptyDatabase();
		// It hears of it with what it publishes next.
		await pool.stub.command({ do: "scale", min: 2, max: 3 });
		await pool.until(({ listing }) => listing.unlistedAt !== null || listing.enteredAt > 0, "the pool knows");
		const state = await pool.until(({ listing }) => listing.unlistedAt === null && listing.enteredAt > 0, "it is entered again");
		expect(state.listing.enteredAt).toBeGreaterThan(0);
		expect(await findObject(env.DB, pool.object)).not.toBeNull();
		await pool.untilReady(2);
		expect(await pool.vms()).toHaveLength(2);
	});

	test("gives endpoints of the API their names again, and nobody else meanwhile", async () => {
		const { pool } = await running();
		const made = { endpoint: { cloud: "none", static_instances: ["192.0.2.1:3128"] } };
		expect((await ask("POST", "/v1.1/endpoints/mine", made)).status).toBe(200);
		expect((await ask("POST", "/v1.1/endpoints/mine/alias", "other")).status).toBeLessThan(500);
		const object = (await listPools(env.DB)).find(({ source }) => source === "api")?.object ?? "";
		await tend(bindings, Date.now());
		const names = await listNames(env.DB);
		await emptyDatabase();
		expect((await ask("POST", "/v1.1/endpoints/mine", made)).status).toBe(409);
		const mine = new PoolUnderTest(object, pool.deployment);
		await tend(bindings, Date.now());
		await Promise.all([pool.settle(), mine.settle()]);
		expect(await listNames(env.DB)).toEqual(names);
		expect((await listPools(env.DB)).length).toBe(2);
	});
});

describe("a deployment whose D1 comes back as an older copy", () => {
	test("shows what is there now, without a VM more", async () => {
		const { pool, deployment } = await running();
		const copy = await copyOfDatabase();
		await pool.stub.command({ do: "scale", min: 2, max: 3 });
		await pool.untilReady(2);
		await pool.settle();
		const before = await pool.vms();
		await restoreDatabase(copy);
		await minutes(pool, 3);
		expect(await deploymentInD1()).toBe(deployment);
		const row = await env.DB.prepare("SELECT ready_count AS ready FROM pools WHERE object = ?")
			.bind(pool.object)
			.first<{ ready: number }>();
		expect(row?.ready).toBe(2);
		expect(await pool.vms()).toEqual(before);
	});

	test("has no place for a pool that is forgotten since, and one id, whichever the copy holds", async () => {
		const { pool, deployment } = await running();
		const copy = await copyOfDatabase();
		await restoreDatabase(
			copy.map(([table, rows]) => {
				if (table === "settings") return [table, rows.map((row) => (row.key === "deployment" ? { ...row, value: "anotheridd" } : row))];
				const gone = env.POOL.newUniqueId().toString();
				return table === "pools"
					? [table, [...rows, ...rows.map((row) => ({ ...row, object: gone, name: "gone", incarnation: 1 }))]]
					: [table, rows];
			}),
		);
		await minutes(pool, 2);
		expect(await deploymentInD1()).toBe(deployment);
		expect((await listPools(env.DB)).map(({ name }) => name)).toEqual(["default"]);
		expect(await pool.vms()).toHaveLength(1);
		expect((await pool.state()).deployments).toContain("anotheridd");
	});
});
