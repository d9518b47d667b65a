import { runDurableObjectAlarm } from "cloudflare:test";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { ensurePools } from "../../../src/fleet/fleet.ts";
import { bindings, fault, PoolUnderTest, resetCloud } from "./harness.ts";

beforeEach(resetCloud);

const CREATES = /^\/v2\/droplets$/;

describe("the object", () => {
	test("is aborted after any of its commits, and goes on as if nothing had happened", async () => {
		// Each round lets one commit more happen than the round before; the last one needs no crash to be done.
		let isDone = false;
		for (let commits = 1; !isDone; commits++) {
			const pool = await new PoolUnderTest().start();
			let left = commits;
			await pool.inside((inside, ctx) => {
				const commit = inside.commit.bind(inside);
				inside.commit = (before, after, wakeAt) => {
					commit(before, after, wakeAt);
					if (before !== after && --left === 0) ctx.abort("a crash of the test's");
				};
			});
			const crashed = await pool.untilReady(1).then(
				() => false,
				() => left <= 0,
			);
			if (crashed) {
				await pool.crash();
				// A create that was about to go out when the crash came is looked for until the consistency window closes.
				await pool.advanceUntilReady(1);
			}
			isDone = left > 0;
			expect(await pool.vms(), `after commit ${commits}`).toHaveLength(1);
			expect(commits).toBeLessThan(60);
		}
	}, 120_000);

	test("keeps its targets, bounds and proxies over a crash", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.stub.command({ do: "scale", min: 2, max: 3 });
		const before = await pool.untilReady(2);
		await pool.crash();
		const after = await pool.state();
		expect(after.spec).toEqual(before.spec);
		expect(Object.fromEntries(after.proxies)).toEqual(Object.fromEntries(before.proxies));
		await pool.settle();
		expect(await pool.vms()).toHaveLength(2);
	});

	test("keeps what liveness and demand rest on over a crash, two intervals behind at most", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		const [key] = pool.keys.values();
		const report = (active: number) =>
			pool.stub.heartbeat({
				key: key ?? "",
				address: "",
				body: { active, metrics: { requests: active / 2 }, sessions: [], credentials: 1 },
			});
		for (let active = 1; active <= 5; active++) {
			await pool.advance(30, 30);
			await report(active);
		}
		await pool.crash();
		const [vitals] = (await pool.state()).vitals.values();
		// Its probe may have said since how many connections it has.
		expect(vitals?.metrics.requests).toBeGreaterThanOrEqual(3 / 2);
	});

	test("is of an account that the environment disables: it is emptied and forgotten, and enabled again it is another", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await pool.inside((inside) => {
			inside.env = { ...inside.env, DIGITALOCEAN_ENABLED: "False" };
		});
		await pool.advance(30, 30);
		expect((await pool.state()).run).toBe("removing");
		const entry = () => bindings.DB.prepare("SELECT object FROM pools WHERE removed_at IS NULL").all<{ object: string }>();
		for (let passed = 0; passed < 600 && (await entry()).results.length > 0; passed += 30) {
			await pool.advance(30, 30).catch((error: Error) => {
				// Its storage goes with it.
				if (!/null|no such table/.test(error.message)) throw error;
			});
		}
		expect((await entry()).results).toEqual([]);
		expect(await pool.vms()).toEqual([]);
		await ensurePools(bindings, Date.now());
		const [heir] = (await entry()).results;
		expect(heir?.object).toMatch(/^[0-9a-f]{64}$/);
		expect(heir?.object).not.toBe(pool.object);
	});

	test("loses its alarm, or is overdue: cron's tick arms it again", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await pool.settle();
		await pool.inside((_, ctx) => ctx.storage.deleteAlarm());
		expect(await runDurableObjectAlarm(pool.stub)).toBe(false);
		await pool.stub.tick({ agentUrl: "https://muster.test", rolling: null, proxies: 1 });
		// It fires at once, and arms the next one.
		await vi.waitFor(async () => expect(await pool.inside((_, ctx) => ctx.storage.getAlarm())).toBeGreaterThan(Date.now()), 20_000);
	});

	test("has an alarm that should have fired two minutes ago: cron's tick arms it for now", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await pool.inside((_, ctx) => ctx.storage.setAlarm(Date.now() + 30_000));
		const late = Date.now() + 150_000;
		await pool.setClock(late);
		await pool.stub.tick({ agentUrl: "https://muster.test", rolling: null, proxies: 1 });
		expect(await pool.inside((inside) => inside.armedAt)).toBe(late + 1);
	});

	test("reconciles twice at once: every create goes out once", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.stub.command({ do: "scale", min: 3, max: 3 });
		await fault({ operation: "create", times: 3, delayMs: 100 });
		await pool.inside((inside) => Promise.all([inside.alarm(), inside.alarm(), inside.alarm()]));
		await pool.untilReady(3);
		expect(await pool.calls("POST", CREATES)).toBe(3);
	});

	test("acts on an order that arrives while its alarm awaits the provider, right after it", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await fault({ operation: "create", times: 1, delayMs: 400 });
		await pool.stub.command({ do: "scale", min: 2, max: 5 });
		const alarm = pool.inside((inside) => inside.alarm());
		await pool.stub.command({ do: "scale", min: 4, max: 5 });
		await alarm;
		// Nobody forces its alarm from here on, and its interval is 30 s.
		await vi.waitFor(async () => expect(await pool.vms()).toHaveLength(4), 20_000);
		await pool.untilReady(4);
	}, 60_000);
});

describe("a steady pass", () => {
	test("writes nothing in D1, and in the object only its alarm and, at the end of each pass at most, its vitals", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.stub.command({ do: "scale", min: 2, max: 2 });
		await pool.untilReady(2);
		await pool.advance(60, 30, () => pool.heartbeats());
		let [statements, rows, vitals] = [0, 0, 0];
		await pool.inside((inside, ctx) => {
			const database = new Proxy(bindings.DB, {
				get: () => () => {
					statements++;
					throw new Error("a steady pass needs no database");
				},
			});
			inside.env = { ...inside.env, DB: database };
			const { exec } = ctx.storage.sql;
			ctx.storage.sql.exec = ((query: string, ...values: unknown[]) => {
				const cursor = exec.call(ctx.storage.sql, query, ...values);
				if (/^UPDATE vitals/.test(query)) vitals++;
				else rows += cursor.rowsWritten;
				return cursor;
			}) as typeof exec;
		});
		await pool.advance(600, 30, () => pool.heartbeats());
		expect({ statements, rows }).toEqual({ statements: 0, rows: 0 });
		expect(vitals).toBeGreaterThan(0);
		expect(vitals).toBeLessThanOrEqual(600 / 30);
	});
});

describe("D1", () => {
	test("fails for an hour: nothing stops, nothing is lost, and afterwards it shows what the pool has", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		const real = bindings.DB;
		const broken = new Proxy(real, {
			get: () => () => {
				throw new Error("D1 is down");
			},
		});
		await pool.inside((inside) => {
			inside.env = { ...inside.env, DB: broken };
		});
		await pool.setClock(Date.now());
		const ordered = pool.stub.command({ do: "scale", min: 3, max: 3 });
		await pool.advance(1800, 30, async () => {
			await pool.bootAgents();
			await pool.heartbeats();
		});
		expect((await ordered).ok).toBe(true);
		expect(await pool.vms()).toHaveLength(3);
		// A drained proxy is not deleted at once: its removal cannot be published. It goes after 30 s.
		const reduced = pool.stub.command({ do: "scale", min: 2, max: 3 });
		await pool.advance(1800, 30, () => pool.heartbeats());
		expect((await reduced).ok).toBe(true);
		expect(await pool.vms()).toHaveLength(2);
		await pool.inside((inside) => {
			inside.env = { ...inside.env, DB: real };
		});
		await pool.advance(120, 30, () => pool.heartbeats());
		const { proxies, log } = await pool.state();
		const shown = await real.prepare("SELECT id, phase, address FROM proxies WHERE object = ? ORDER BY id").bind(pool.object).all();
		const own = [...proxies.values()].map(({ id, phase, address }) => ({ id, phase: phase.at, address }));
		expect(shown.results).toEqual(own.sort((a, b) => (a.id < b.id ? -1 : 1)));
		expect(log).toEqual([]);
		const told = await real.prepare("SELECT text FROM logs WHERE object = ?").bind(pool.object).all<{ text: string }>();
		expect(told.results.map(({ text }) => text)).toContain("target changed 3 => 2");
	}, 180_000);
});
