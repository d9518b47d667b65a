import { beforeEach, describe, expect, test } from "vitest";
import { fault, PoolUnderTest, resetCloud, setAgent, sha256 } from "./harness.ts";

beforeEach(resetCloud);

const CREATES = /^\/v2\/droplets$/;
const countOf = async (pool: PoolUnderTest, phase: string) => (await pool.phases()).filter((at) => at === phase).length;

describe("the provider", () => {
	test("loses the answer of a create: no second VM is made, and the first is adopted", async () => {
		const pool = await new PoolUnderTest().start();
		await fault({ operation: "create", times: 1, dropAnswer: true });
		await pool.untilReady(1);
		expect(await pool.vms()).toHaveLength(1);
		expect(await pool.calls("POST", CREATES)).toBe(1);
	});

	test("shows one empty list: nothing is deleted and nothing is created", async () => {
		const pool = await new PoolUnderTest().start();
		const { proxies } = await pool.untilReady(1);
		await fault({ operation: "list", times: 1, emptyList: true });
		await pool.advance(400, 30, () => pool.heartbeats());
		expect([...(await pool.state()).proxies.keys()]).toEqual([...proxies.keys()]);
		expect(await pool.calls("POST", CREATES)).toBe(1);
		expect(await pool.calls("DELETE", /droplets/)).toBe(0);
	});

	test("limits the rate with Retry-After: no call goes out before its time", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		await fault({ operation: "*", times: 1, status: 429, headers: { "retry-after": "90" } });
		await pool.setClock(Date.now());
		await pool.stub.command({ do: "scale", min: 3, max: 3 });
		await pool.settle();
		const { rate } = (await pool.state()).breakers;
		// Creates that shared one refused call each say so.
		expect(rate.failures).toBeGreaterThan(0);
		const before = await pool.calls("POST", CREATES);
		const asked = async () => (await pool.calls("GET", /./)) + (await pool.calls("POST", /./));
		const quiet = await asked();
		await pool.advance(80, 10);
		expect(await asked()).toBe(quiet);
		await pool.advance(30, 10);
		expect(await pool.calls("POST", CREATES)).toBeGreaterThan(before);
	});

	test("no longer has a VM: it is dropped after the consistency window and replaced", async () => {
		const pool = await new PoolUnderTest().start();
		const { proxies } = await pool.untilReady(1);
		const [vm] = await pool.vms();
		await setAgent(vm?.ip ?? "", { keyHash: "", isSilent: true });
		await fetch(`http://cloud.test/_local/vms/${vm?.id}`, { method: "DELETE" });
		await pool.advance(150, 15);
		const after = await pool.state();
		expect([...after.proxies.keys()]).not.toEqual([...proxies.keys()]);
		await pool.bootAgents();
		await pool.advance(2, 1);
		expect(await countOf(pool, "ready")).toBe(1);
		expect(await pool.vms()).toHaveLength(1);
	});
});

describe("agents", () => {
	test("answer no probe for an hour: nothing that was ready is deleted, and all is well again when they do", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.stub.command({ do: "scale", min: 2, max: 2 });
		await pool.untilReady(2);
		const ready = (await pool.vms()).map((vm) => vm.id);
		for (const vm of await pool.vms()) await setAgent(vm.ip ?? "", { keyHash: "", isSilent: true });
		await pool.advance(3600, 30);
		expect(await countOf(pool, "ready")).toBe(0);
		expect((await pool.vms()).map((vm) => vm.id)).toEqual(expect.arrayContaining(ready));
		for (const vm of await pool.vms()) {
			const key = pool.keys.get(vm.id);
			if (key !== undefined) await setAgent(vm.ip ?? "", { keyHash: sha256(key) });
		}
		await pool.advance(300, 30, () => pool.heartbeats());
		expect(await countOf(pool, "ready")).toBe(2);
		expect((await pool.vms()).map((vm) => vm.id).sort()).toEqual(ready.sort());
	}, 180_000);

	test("send no heartbeat for an hour and answer their probes: nothing is deleted, and all stay in the list", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.stub.command({ do: "scale", min: 2, max: 2 });
		await pool.untilReady(2);
		const before = (await pool.vms()).map((vm) => vm.id);
		await pool.advance(3600, 60, async () => expect(await countOf(pool, "ready")).toBe(2));
		expect((await pool.vms()).map((vm) => vm.id)).toEqual(before);
	}, 180_000);

	test("cannot reach us: it costs the VMs of one target, then one canary at a time at growing intervals, and fills when mended", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.stub.command({ do: "scale", min: 3, max: 3 });
		const alive: number[] = [];
		const creates: number[] = [];
		await pool.advance(3 * 3600, 120, async () => {
			alive.push((await pool.vms()).length);
			creates.push(await pool.calls("POST", CREATES));
		});
		const total = creates.at(-1) ?? 0;
		expect(Math.max(...alive)).toBe(3);
		expect(Math.max(...alive.slice(8))).toBe(1);
		expect(total).toBeGreaterThan(3);
		expect(total).toBeLessThan(14);
		await pool.advance(2 * 3600, 120, () => pool.bootAgents());
		expect(await countOf(pool, "ready")).toBe(3);
		expect(await pool.vms()).toHaveLength(3);
	}, 180_000);
});
