import { join } from "node:path";
import { expect, test } from "vitest";
import { BenchPool } from "../../scripts/bench/core-pool.ts";
import { idOf } from "../../scripts/bench/core-rows.ts";
import { openTree } from "../../scripts/bench/core-tree.ts";

test("the pool that `npm run bench` measures answers all that this tree asks of it, and finds rest", async () => {
	const pool = new BenchPool(await openTree(join(import.meta.dirname, "../..")), 20);
	await pool.settle();
	pool.take({ on: "command", command: { do: "restart", id: idOf(3) } });
	await pool.settle();
	expect(pool.publishedBytes.length).toBeGreaterThan(1);
});
