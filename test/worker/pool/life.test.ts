import { beforeEach, describe, expect, test } from "vitest";
import { bindings, fault, PoolUnderTest, resetCloud } from "./harness.ts";

beforeEach(resetCloud);

describe("a pool", () => {
	test("launches its target, hands it out when the agents answer, and shows it in D1", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.stub.command({ do: "scale", min: 2, max: 3 });
		const state = await pool.untilReady(2);
		expect(await pool.vms()).toHaveLength(2);
		await pool.until((now) => now.published.version > state.published.version || now.log.length === 0, "published");
		const row = await bindings.DB.prepare("SELECT ready_count FROM pools WHERE object = ?")
			.bind(pool.object)
			.first<{ ready_count: number }>();
		expect(row?.ready_count).toBe(2);
	});

	test("makes one VM for five triggers that arrive while its create is pending", async () => {
		const pool = await new PoolUnderTest().start();
		await fault({ operation: "create", times: 5, delayMs: 300 });
		await Promise.all(
			Array.from({ length: 5 }, async (_, index) => {
				await pool.stub.tick({ agentUrl: "https://muster.test", rolling: null, proxies: index });
				await pool.until((state) => state.proxies.size > 0, "an intent");
			}),
		);
		await pool.untilReady(1);
		expect(await pool.calls("POST", /\/v2\/droplets$/)).toBe(1);
		expect(await pool.vms()).toHaveLength(1);
	});
});
