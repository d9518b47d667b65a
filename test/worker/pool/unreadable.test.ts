import { beforeEach, describe, expect, test } from "vitest";
import { ask, askRunning } from "./asking.ts";
import { bindings, PoolUnderTest, resetCloud } from "./harness.ts";

beforeEach(resetCloud);

const facts = { agentUrl: "https://muster.test", rolling: null, proxies: 1 };

/** A pool with one ready proxy whose facts are overwritten with this text, loaded anew. */
async function poolWithFacts(text: string): Promise<PoolUnderTest> {
	const pool = await new PoolUnderTest().start();
	await pool.untilReady(1);
	await pool.inside((_pool, ctx) => ctx.storage.sql.exec("UPDATE facts SET json = ?", text));
	await pool.crash();
	return pool;
}
const storedFacts = (pool: PoolUnderTest) =>
	pool.inside((_pool, ctx) => ctx.storage.sql.exec<{ json: string }>("SELECT json FROM facts").one().json);

describe("a pool whose stored facts cannot be read", () => {
	test.each([
		["are no JSON", "{", /JSON/],
		["are of a newer version", JSON.stringify({ format: 99 }), /a newer version has stored it/],
		["are of another shape", JSON.stringify({ format: 1, breakers: [] }), /breakers cannot be read/],
	])("is reachable, acts no more, says why, and keeps them: they %s", async (_, text, reason) => {
		const pool = await poolWithFacts(text);
		expect((await pool.state()).unreadable).toMatch(reason);
		await pool.stub.tick(facts);
		await pool.settle();
		const summary = await bindings.DB.prepare("SELECT summary FROM pools WHERE object = ?").bind(pool.object).first<{ summary: string }>();
		expect(summary?.summary).toMatch(/what is stored of it cannot be read/);
		// It stands still for want of its state, not for an operator's pause, and deletes nothing.
		expect(summary?.summary).not.toMatch(/PAUSED|tagged for this pool/);
		expect(JSON.parse(summary?.summary ?? "{}")).toMatchObject({ orphans: 0 });
		expect(await pool.inside((inside) => inside.armedAt)).toBeGreaterThan(0);
		expect(await pool.vms()).toHaveLength(1);
		// What it handed out it goes on handing out, and nobody can have it forget what it has.
		const row = await bindings.DB.prepare("SELECT ready, credentials FROM pools WHERE object = ?")
			.bind(pool.object)
			.first<{ ready: string; credentials: string }>();
		expect(JSON.parse(row?.ready ?? "[]")).toHaveLength(1);
		expect(row?.credentials).toContain("pass");
		expect(await pool.stub.command({ do: "run", run: "running" })).toMatchObject({ ok: false, error: "conflict" });
		expect(await storedFacts(pool)).toBe(text);
	});

	test("refuses each order with 409 and why, in both dialects", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await pool.settle();
		const { body } = await askRunning(pool, "POST", "/leases", { seconds: 600 });
		const [lease] = body.leases;
		await pool.inside((_pool, ctx) => ctx.storage.sql.exec("UPDATE facts SET json = '{'"));
		await pool.crash();
		const endpoint = "/v1.1/endpoints/digitalocean-default";
		for (const [method, path, given] of [
			["POST", `${endpoint}/state`, { action: "pause" }],
			["POST", `${endpoint}/log`, "a line"],
			["POST", `${endpoint}/metrics`, { queue: 3 }],
			["DELETE", `${endpoint}/sessions/192.0.2.1:50123`, undefined],
			["PATCH", "/providers/digitalocean", { min_scaling: 1, max_scaling: 1 }],
			["PATCH", `/leases/${lease.lease}`, { seconds: 60 }],
			["DELETE", `/leases/${lease.lease}`, undefined],
		] as const) {
			const answer = await ask(method, path, given);
			expect([answer.status, JSON.stringify(answer.body)], path).toEqual([409, expect.stringContaining("it can only be deleted")]);
		}
	});

	test("publishes and logs as before once a version that can read them is there again", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		const text = await storedFacts(pool);
		const put = async (json: string) => {
			await pool.inside((_pool, ctx) => ctx.storage.sql.exec("UPDATE facts SET json = ?", json));
			await pool.crash();
		};
		await put(text.replace('"format":1', '"format":99'));
		await pool.stub.tick(facts);
		await pool.settle();
		const shown = () =>
			bindings.DB.prepare("SELECT summary, version FROM pools WHERE object = ?")
				.bind(pool.object)
				.first<{ summary: string; version: number }>();
		const salvaged = await shown();
		expect(salvaged?.summary).toMatch(/a newer version has stored it/);
		await put(text);
		await pool.stub.tick(facts, { is: "there", version: salvaged?.version ?? 0 });
		await pool.settle();
		expect((await shown())?.summary).not.toMatch(/newer version/);
		const last = await bindings.DB.prepare("SELECT text FROM logs WHERE object = ? ORDER BY seq DESC LIMIT 1").bind(pool.object).first();
		expect(last).toEqual({ text: expect.stringMatching(/^the directory \(D1\) shows a later state/) });
	});

	test("is emptied by its tags when it is removed, and what could not be read is kept until then", async () => {
		const pool = await poolWithFacts("{");
		await pool.inside((inside) => {
			inside.env = { ...inside.env, DIGITALOCEAN_ENABLED: "False" };
		});
		for (let passed = 0; passed < 3600 && (await pool.vms()).length > 0; passed += 60) {
			await pool.advance(60, 60).catch((error: Error) => {
				// Its storage goes with it.
				if (!/null|no such table/.test(error.message)) throw error;
			});
		}
		expect(await pool.vms()).toEqual([]);
	});
});

describe("names that are anybody's", () => {
	test.each(["map", "constructor", "toString", "hasOwnProperty", "valueOf"])(
		"a metric may be called %s, over a crash too",
		async (name) => {
			const pool = await new PoolUnderTest().start();
			await pool.untilReady(1);
			const metrics = Object.fromEntries([[name, [1, 7] as const]]);
			await pool.stub.command({ do: "metrics", address: null, metrics });
			const [proxy] = (await pool.state()).proxies.values();
			await pool.stub.command({ do: "metrics", address: proxy?.address ?? "", metrics });
			await pool.crash();
			const after = await pool.state();
			expect(after.unreadable).toBe(null);
			expect(after.custom).toEqual(metrics);
			expect([...after.proxies.values()].map(({ posted }) => posted)).toEqual([metrics]);
			expect((await pool.stub.metrics())?.averages[name]).toBe(7);
		},
	);
});
