import { beforeEach, describe, expect, test } from "vitest";
import { Table } from "../../../src/core/model/table.ts";
import { bindings, PoolUnderTest, resetCloud } from "./harness.ts";

beforeEach(resetCloud);

const SESSION = "198.51.100.7:50123";

async function poolOfOne() {
	const pool = await new PoolUnderTest().start();
	const state = await pool.untilReady(1);
	const [key = ""] = pool.keys.values();
	const [proxy] = state.proxies.values();
	const report = (sessions: readonly string[], active = sessions.length) =>
		pool.stub.heartbeat({ key, address: "", body: { active, metrics: {}, sessions: [...sessions], credentials: 1 } });
	return { pool, report, address: proxy?.address ?? "" };
}

describe("a proxy's sessions", () => {
	test("are known to the pool at once, and leave with the proxy", async () => {
		const { pool, report, address } = await poolOfOne();
		await report([SESSION, "[2001:DB8::1]:4711", "nonsense"]);
		const all = { [SESSION]: `${address}:8899`, "[2001:db8::1]:4711": `${address}:8899` };
		expect(await pool.stub.sessions()).toEqual(all);
		const [id = ""] = (await pool.state()).proxies.keys();
		await pool.stub.command({ do: "destroy", id });
		expect(await pool.stub.sessions()).toEqual({});
	});

	test("survive a crash, though there be more than one row holds", async () => {
		const { pool } = await poolOfOne();
		const many = Array.from({ length: 1000 }, (_, n) => `[2001:db8:1111:2222:3333:4444:5555:6666]:${10_000 + n}`);
		await pool.inside((inside) => {
			const { state } = inside;
			const sessions = Table.of(Array.from({ length: 60 }, (_, n) => [`proxy${n}`, many.map((session) => `${session}${n}`)] as const));
			// The vitals are due, and no pass comes between.
			Object.assign(inside, { now: () => Date.now() + 1_200_000 });
			inside.commit(state, { ...state, sessions }, null);
		});
		await pool.crash();
		await pool.inside(() => undefined);
		const { sessions } = await pool.state();
		expect([sessions.size, sessions.get("proxy59")?.at(-1)]).toEqual([60, `${many[999]}59`]);
	});
});

describe("a session that is dropped", () => {
	test("is told to its proxy with the next answer, over a crash as well, and no more once it is closed", async () => {
		const { pool, report } = await poolOfOne();
		await report([SESSION]);
		expect(await pool.stub.command({ do: "drop", session: SESSION })).toMatchObject({ ok: true });
		await pool.crash();
		expect(await report([SESSION])).toMatchObject({ ok: true, directives: { drop: [SESSION] } });
		expect(await report([])).toMatchObject({ ok: true, directives: { drop: [] } });
		expect((await pool.state()).drops).toEqual([]);
	});
});

describe("the log", () => {
	test("takes entries of an operator's own", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.stub.command({ do: "log", severity: "WARNING", text: "seen by a human" });
		await pool.settle();
		const { results } = await bindings.DB.prepare("SELECT severity, text FROM logs WHERE object = ?").bind(pool.object).all();
		expect(results).toContainEqual({ severity: "WARNING", text: "seen by a human" });
	});
});
