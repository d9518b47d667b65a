import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { carryOut } from "../../src/calls/index.ts";
import { newState } from "../../src/core/model/state.ts";
import { DatabaseUnavailable, onDatabase, StatementRefused } from "../../src/d1/database.ts";
import { moveTo } from "../../src/d1/directory.ts";
import { Outside } from "../../src/pool/outside.ts";
import { ADMIN_KEY, askWith, bodyOf, enter, failing, startAfresh } from "./helpers.ts";

const KEY = { headers: { "X-Auth-Key": ADMIN_KEY } };

/** A real D1 that lacks a table, as one whose migrations were not applied. */
function lacking(table: string): D1Database {
	return new Proxy(env.DB, {
		get: (target, name) => {
			if (name === "prepare") return (sql: string) => target.prepare(sql.replaceAll(new RegExp(`\\b${table}\\b`, "g"), `no_${table}`));
			return target.batch.bind(target);
		},
	});
}

/** What is logged from now on. */
function logged(): string[] {
	const lines: string[] = [];
	vi.spyOn(console, "error").mockImplementation((line: string) => lines.push(line));
	vi.spyOn(console, "warn").mockImplementation((line: string) => lines.push(line));
	return lines;
}

beforeEach(startAfresh);
afterEach(() => {
	vi.restoreAllMocks();
});

describe("what D1 refuses", () => {
	test("is told from a D1 that does not answer, with what it said", async () => {
		const refused = async (work: () => Promise<unknown>) => onDatabase(work).then(String, (error: unknown) => error);
		for (const sql of ["SELEC 1", "SELECT * FROM nowhere", "INSERT INTO settings (key, value) VALUES ('a', NULL)"]) {
			const error = await refused(() => env.DB.prepare(sql).run());
			expect(error, sql).toBeInstanceOf(StatementRefused);
			expect((error as Error).cause, sql).toBeInstanceOf(Error);
		}
		expect(await refused(() => env.DB.prepare("SELECT ?").bind({}).run()), "no value of SQL's").toBeInstanceOf(StatementRefused);
		expect(await refused(() => failing().prepare("SELECT 1").run())).toBeInstanceOf(DatabaseUnavailable);
		expect(await refused(() => (undefined as unknown as D1Database).prepare("SELECT 1").run())).toBeInstanceOf(TypeError);
		for (const outage of [
			"D1 DB is overloaded. Requests queued for too long.",
			"Network connection lost.",
			"database or disk is full: SQLITE_FULL",
		])
			expect(await refused(() => Promise.reject(new Error(`D1_ERROR: ${outage}`))), outage).toBeInstanceOf(DatabaseUnavailable);
	});

	test("names the constraint: two pools cannot have one provider and name", async () => {
		await enter("a");
		const other = await enter("a", "aws");
		await expect(async () => moveTo(env.DB, other, "digitalocean")).rejects.toThrow(/refuses a statement: .*UNIQUE constraint failed/);
	});

	test("is our own fault: 500 with the request's id, and stack and cause in the log", async () => {
		const lines = logged();
		const response = await askWith({ DB: lacking("pools") }, "/providers", KEY);
		expect(response.status).toBe(500);
		const { error, metadata } = await bodyOf(response);
		expect(error).toBe("InternalServerError");
		const line = lines.find((text) => text.startsWith(metadata.request_id)) ?? "";
		expect(line).toContain("GET /providers: StatementRefused");
		expect(line).toMatch(/caused by Error: D1_ERROR: no such table: no_pools/);
		expect(line).toMatch(/\n {4}at .*/);
	});

	test("shows in /health, which names nothing of it", async () => {
		const lines = logged();
		const { status, checks } = await bodyOf(await askWith({ DB: lacking("pools") }, "/health", KEY));
		expect([status, checks.database]).toEqual(["degraded", "It refuses what it is asked; the log has why."]);
		expect(lines.join("\n")).toContain("no such table: no_pools");
	});
});

describe("the log", () => {
	test("has the cause of a D1 that does not answer", async () => {
		const lines = logged();
		expect((await askWith({ DB: failing() }, "/providers", KEY)).status).toBe(503);
		expect(lines.join("\n")).toContain("caused by Error: D1_ERROR: it is down\n    at ");
	});

	test("has the cause of a call of a pool's that D1 refuses, of which the pool itself keeps a sentence", async () => {
		const lines = logged();
		const outside = new Outside(
			() => ({ ...env, DB: lacking("leases") }),
			{ object: "a", source: "api" },
			Date.now,
			() => null,
		);
		const pool = { object: "a", provider: "digitalocean", name: "default", deployment: "d", incarnation: 0, tag: "t" } as const;
		const state = newState(pool, Date.now());
		const effect = { call: "reserve", version: 1, currency: "USD", hold: 0, price: 0.1, count: 1, bound: 1 } as const;
		const outcome = await carryOut(effect, state, outside.world(state));
		expect(outcome).toMatchObject({ on: "failed", failure: { message: expect.stringContaining("refuses a statement") } });
		expect(lines.join("\n")).toMatch(/^the call "reserve" failed: StatementRefused: .*\n {4}at /);
		expect(lines.join("\n")).toMatch(/\ncaused by Error: D1_ERROR: no such table: no_leases.*\n {4}at /);
	});

	test("has the cause of a proxy that is not read alone but with all others, since D1 refuses the statement", async () => {
		const lines = logged();
		await askWith({ DB: lacking("ready_parts") }, "/random", KEY);
		expect(lines[0]).toMatch(/^a few proxies .*StatementRefused: .*\n {4}at /);
		expect(lines[0]).toMatch(/\ncaused by Error: D1_ERROR: no such table: no_ready_parts/);
	});

	test("has what callers send on the line that it stands in", async () => {
		const lines = logged();
		const path = "/v1.1/endpoints/a%0Aforged%0D%1B[31m%E2%80%A8b/state";
		expect((await askWith({ DB: failing() }, path, KEY)).status).toBe(503);
		const [line = ""] = lines.filter((text) => text.includes("endpoints"));
		expect(line.split("\n")[0]).toContain("GET /v1.1/endpoints/a%0Aforged%0D%1B[31m%E2%80%A8b/state: DatabaseUnavailable");
		expect(
			line
				.split("\n")
				.slice(1)
				.every((rest) => /^( {4}at |caused by )/.test(rest)),
		).toBe(true);
	});
});
