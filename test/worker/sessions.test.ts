import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { apply } from "../../src/core/apply.ts";
import type { State } from "../../src/core/model/state.ts";
import { plan } from "../../src/core/plan.ts";
import { forgetPool } from "../../src/d1/directory.ts";
import { carryOut, type World } from "../../src/pool/calls.ts";
import { Ledger } from "../../src/read-model/ledger.ts";
import { SessionLedger } from "../../src/read-model/session-parts.ts";
import { readSessions, writeSessions } from "../../src/read-model/sessions.ts";
import { NOW, poolOf } from "../unit/fake-ports.ts";
import { counted, enter, startAfresh } from "./helpers.ts";

beforeEach(startAfresh);

const PROXIES = 100;
const CONNECTIONS_A_MINUTE = 10_000;
const INTERVAL_MS = 30_000;

/** What a pool of a hundred proxies writes in D1 for its sessions. */
async function fleet() {
	const object = await enter();
	const { db, rows } = counted(env.DB);
	const world: World = {
		db,
		provider: () => {
			throw new Error("nothing here is the provider's");
		},
		ledger: new Ledger(),
		sessionLedger: new SessionLedger(),
		names: { displayName: "", settings: {} },
		token: () => "",
		measure: async () => "no other endpoint",
		takeRate: () => null,
		now: () => NOW,
	};
	const start = poolOf(PROXIES, () => ({}));
	let state: State = { ...start, pool: { ...start.pool, object } };
	return {
		object,
		rows,
		/** Every proxy tells the sessions that it has. */
		tell(sessions: (proxy: number) => readonly string[], at: number) {
			for (const [index, id] of [...state.proxies.keys()].entries()) {
				const open = sessions(index);
				state = apply(state, { on: "heartbeat", id, active: open.length, metrics: {}, credentials: 0, sessions: open }, at);
			}
		},
		/** What the pool's alarm does about sessions at that time. */
		async pass(at: number) {
			for (const effect of plan(state, at, () => 0.5).effects.filter(({ call }) => call === "sessions")) {
				state = apply(state, { on: "sent", effect }, at);
				state = apply(state, await carryOut(effect, state, world), at);
			}
		},
	};
}

describe("sessions in D1", () => {
	test("of 100 proxies with 10,000 connections a minute cost a row a thousand and interval, and none while they stay", async () => {
		const pool = await fleet();
		const each = CONNECTIONS_A_MINUTE / 2 / PROXIES;
		let port = 1024;
		let at = NOW;
		for (let interval = 0; interval < 6; interval++) {
			// None lives from one report to the next: each of them shows others.
			pool.tell(() => Array.from({ length: each }, () => `198.51.100.7:${1024 + (port++ % 60_000)}`), at);
			const before = pool.rows.written;
			// Its alarm comes more often than that.
			for (let pass = 0; pass < 6; pass++) await pool.pass(at + (pass * INTERVAL_MS) / 6);
			expect(pool.rows.written - before).toBe((each * PROXIES) / 1000);
			at += INTERVAL_MS;
		}
		const before = pool.rows.written;
		for (let interval = 1; interval <= 3; interval++) await pool.pass(at + interval * INTERVAL_MS);
		expect(pool.rows.written - before).toBe(0);
		expect(Object.keys(await readSessions(env.DB, pool.object))).toHaveLength(each * PROXIES);
	});

	test("one that ends rewrites one row, and a pool without any has none", async () => {
		const pool = await fleet();
		const sessions = (proxy: number) => Array.from({ length: 50 }, (_, n) => `198.51.100.${proxy}:${1024 + n}`);
		pool.tell(sessions, NOW);
		await pool.pass(NOW);
		const before = pool.rows.written;
		pool.tell((proxy) => sessions(proxy).slice(proxy === 42 ? 1 : 0), NOW + INTERVAL_MS);
		await pool.pass(NOW + INTERVAL_MS);
		expect(pool.rows.written - before).toBe(1);
		expect((await readSessions(env.DB, pool.object))["198.51.100.42:1025"]).toBe("203.0.113.42:8899");
		pool.tell(() => [], NOW + 2 * INTERVAL_MS);
		await pool.pass(NOW + 2 * INTERVAL_MS);
		expect(await readSessions(env.DB, pool.object)).toEqual({});
		expect((await env.DB.prepare("SELECT * FROM sessions").all()).results).toEqual([]);
	});

	test("go with their pool, and do not come back after it", async () => {
		const object = await enter();
		const rows = [{ part: 0, json: '{"192.0.2.1:8899":["198.51.100.7:1024"]}' }];
		await writeSessions(env.DB, object, rows, 1);
		expect(await readSessions(env.DB, object)).toEqual({ "198.51.100.7:1024": "192.0.2.1:8899" });
		await forgetPool(env.DB, object);
		await writeSessions(env.DB, object, rows, 1);
		expect(await readSessions(env.DB, object)).toEqual({});
	});
});
