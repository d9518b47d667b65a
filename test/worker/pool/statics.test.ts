import { beforeEach, describe, expect, test } from "vitest";
import type { StaticBackend } from "../../../src/core/model/state.ts";
import { findByAddress } from "../../../src/read-model/proxies.ts";
import { forgetEverything, readReady, readyPage } from "../../../src/read-model/ready.ts";
import { bindings, PoolUnderTest, resetCloud, setAgent } from "./harness.ts";

beforeEach(resetCloud);

const BACKEND: StaticBackend = { address: "127.77.250.1", port: 8899 };

/** A pool without a proxy of its own and with these static backends. */
async function poolWith(statics: readonly StaticBackend[]): Promise<PoolUnderTest> {
	const pool = await new PoolUnderTest().start();
	await pool.stub.command({ do: "scale", min: 0, max: 0 });
	await pool.inside((inside) => {
		// What an endpoint's configuration would say; the environment has no word for it.
		const { configure } = inside as unknown as { configure: () => void };
		Object.assign(inside, { configure: () => configure });
		inside.commit(inside.state, { ...inside.state, spec: { ...inside.state.spec, statics } }, null);
	});
	await pool.settle();
	return pool;
}

async function listed() {
	forgetEverything();
	return readyPage((await readReady(bindings.DB, Date.now())).snapshot, 0, 10).map(({ entry }) => entry);
}

describe("a static backend", () => {
	test("is handed out while it brings our own page back, off the list after three failures, and back after one success", async () => {
		await setAgent(BACKEND.address, { keyHash: "" });
		const pool = await poolWith([BACKEND, { address: "127.77.250.2", port: 1 }]);
		expect(await listed()).toEqual([["127.77.250.1:8899", "127.77.250.1", 1]]);
		await setAgent(BACKEND.address, { keyHash: "", isSilent: true });
		await pool.advance(60, 5);
		expect(await listed()).toEqual([]);
		await setAgent(BACKEND.address, { keyHash: "", isSilent: false });
		await pool.advance(60, 30);
		expect(await listed()).toHaveLength(1);
		const { results } = await bindings.DB.prepare("SELECT text FROM logs WHERE object = ? ORDER BY seq")
			.bind(pool.object)
			.all<{ text: string }>();
		const told = results.map(({ text }) => text).filter((text) => text.includes(BACKEND.address));
		expect(told.map((text) => text.split(" ")[0])).toEqual(["ready", "dropped", "ready"]);
	}, 60_000);

	test("is nobody's to destroy or restart", async () => {
		await setAgent(BACKEND.address, { keyHash: "" });
		const pool = await poolWith([BACKEND]);
		const row = await findByAddress(bindings.DB, BACKEND.address);
		for (const order of ["destroy", "restart"] as const)
			expect(await pool.stub.command({ do: order, id: row?.id ?? "" })).toMatchObject({ ok: false, error: "conflict" });
		expect((await pool.stub.status())?.registered).toEqual([]);
	});

	test("that goes on answering costs no row", async () => {
		await setAgent(BACKEND.address, { keyHash: "" });
		const pool = await poolWith([BACKEND]);
		await pool.advance(60, 30);
		const before = await pool.state();
		await pool.advance(300, 30);
		const after = await pool.state();
		expect([after.statics, after.published, after.logSeq]).toEqual([before.statics, before.published, before.logSeq]);
	});
});
