import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { readAllotted, reserve } from "../../src/d1/allotments.ts";
import { enterPool, forgetPool } from "../../src/d1/directory.ts";
import { counted } from "./helpers.ts";

const NOW = 1_000_000;
const HOUR = 3_600_000;

const enter = (object: string) =>
	enterPool(env.DB, { object, provider: "digitalocean", name: object, endpoint: object, incarnation: 1, source: "api" });
/** A request for so many VMs at 0.1 above what the pool holds. */
const ask = (object: string, version: number, hold: number, count: number, more: object = {}) =>
	reserve(env.DB, { object, version, currency: "USD", hold, price: 0.1, count, bound: 0.5, now: NOW, ...more });

beforeEach(async () => {
	await env.DB.prepare("DELETE FROM leases").run();
	for (const object of ["a", "b", "c"]) await enter(object);
});

describe("a part of the deployment's budget", () => {
	it("is granted as far as the others leave room, in whole VMs", async () => {
		expect(await ask("a", 1, 0, 3)).toEqual({ hourly: expect.closeTo(0.3), isRefused: false, isOver: false });
		expect(await ask("b", 1, 0, 3)).toEqual({ hourly: expect.closeTo(0.2), isRefused: true, isOver: false });
		expect(await ask("c", 1, 0, 1)).toEqual({ hourly: 0, isRefused: true, isOver: false });
		expect(await readAllotted(env.DB, NOW)).toEqual({ USD: expect.closeTo(0.5) });
	});

	it("never comes to more than the budget, however many ask at once", async () => {
		const objects = Array.from({ length: 20 }, (_, index) => `many${index}`);
		for (const object of objects) await enter(object);
		const held = await Promise.all(objects.map((object) => ask(object, 1, 0, 2)));
		expect(held.reduce((sum, each) => sum + (each?.hourly ?? 0), 0)).toBeCloseTo(0.5);
	});

	it("is what the pool's VMs cost in any case, and then says that it is too much", async () => {
		await ask("a", 1, 0.4, 0);
		expect(await ask("b", 1, 0.3, 2)).toEqual({ hourly: 0.3, isRefused: true, isOver: true });
		expect(await ask("a", 2, 0.1, 0)).toEqual({ hourly: 0.1, isRefused: false, isOver: false });
	});

	it("is not changed by a request that arrives after a newer one, nor for a pool that the directory does not know", async () => {
		await ask("a", 2, 0.1, 1);
		expect(await ask("a", 1, 0.5, 0)).toBeNull();
		expect(await ask("nobody", 1, 0.1, 0)).toBeNull();
		expect(await readAllotted(env.DB, NOW)).toEqual({ USD: 0.2 });
	});

	it("is counted by currency", async () => {
		await ask("a", 1, 0.5, 0);
		expect((await ask("b", 1, 0, 2, { currency: "EUR" }))?.hourly).toBeCloseTo(0.2);
		expect(await readAllotted(env.DB, NOW)).toEqual({ EUR: 0.2, USD: 0.5 });
	});

	it("outlives its pool only as what is still billed, and as long", async () => {
		await ask("a", 1, 0.4, 0);
		await forgetPool(env.DB, "a", { hourly: 0.3, until: NOW + HOUR, each: [] }, NOW);
		expect((await ask("b", 1, 0, 5))?.hourly).toBeCloseTo(0.2);
		expect((await ask("b", 2, 0.2, 5, { now: NOW + HOUR }))?.hourly).toBeCloseTo(0.5);
		await forgetPool(env.DB, "b", null, NOW + HOUR);
		expect(await readAllotted(env.DB, NOW)).toEqual({});
	});

	it("costs one row written", async () => {
		await ask("a", 1, 0.1, 1);
		const { db, rows } = counted(env.DB);
		await reserve(db, { object: "a", version: 2, currency: "USD", hold: 0.1, price: 0.1, count: 2, bound: 0.5, now: NOW });
		expect(rows.written).toBe(1);
	});

	it("fits whatever costs nothing, however little room there is", async () => {
		await ask("b", 1, 0.5, 0);
		expect(await ask("a", 1, 0, 3, { price: 0 })).toEqual({ hourly: 0, isRefused: false, isOver: false });
		expect(await ask("a", 2, 0.2, 3, { price: 0, bound: 0 })).toEqual({ hourly: 0.2, isRefused: false, isOver: true });
	});
});
