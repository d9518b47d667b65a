import { beforeEach, describe, expect, test } from "vitest";
import { writeSetting } from "../../../src/d1/settings.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import { ask, askRunning } from "./asking.ts";
import { bindings, PoolUnderTest, resetCloud } from "./harness.ts";

const WANTED = { enabled: true, min_available: 2, batch_size: 1 };
const ENVIRONMENT = { enabled: false, min_available: 3, batch_size: 2 };

beforeEach(async () => {
	await resetCloud();
	await writeSetting(bindings.DB, "rolling", null);
	forgetEverything();
});

describe("/rolling", () => {
	test("shows the environment's settings and how each instance stands", async () => {
		const pool = await new PoolUnderTest().start();
		const state = await pool.untilReady(1);
		const [ip] = [...state.proxies.values()].map((proxy) => proxy.address);
		const { status, body } = await ask("GET", "/rolling");
		expect(status).toBe(200);
		expect(body).toEqual({
			metadata: { request_id: expect.any(String), timestamp: expect.any(String) },
			message: "Rolling deployment status retrieved successfully",
			config: ENVIRONMENT,
			status: {
				"digitalocean/default": {
					healthy: 1,
					pending: 0,
					pending_recycle: 0,
					recycling: 0,
					last_update: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
					healthy_ips: [ip],
					pending_recycle_ips: [],
					recycling_ips: [],
				},
			},
		});
	});

	test("has a page a provider and a page an instance; what nobody knows is 404, what does not run has no status", async () => {
		await new PoolUnderTest().start();
		const message = async (path: string) => {
			const { status, body } = await ask("GET", path);
			return [status, body.message ?? body.detail, Object.keys(body.status ?? {})];
		};
		const retrieved = (what: string) => `Rolling deployment status for '${what}' retrieved successfully`;
		expect(await message("/rolling/digitalocean")).toEqual([200, retrieved("digitalocean"), ["digitalocean/default"]]);
		expect(await message("/rolling/digitalocean/default")).toEqual([200, retrieved("digitalocean/default"), ["digitalocean/default"]]);
		expect(await message("/rolling/scaleway/default")).toEqual([200, retrieved("scaleway/default"), []]);
		expect(await message("/rolling/nobody")).toEqual([404, "Provider 'nobody' not found", []]);
		expect(await message("/rolling/digitalocean/none")).toEqual([404, "Provider 'digitalocean' instance 'none' not found", []]);
	});

	test("a PATCH is in force when it answers, and survives the pool's next configuration and a crash", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.settle();
		const { status, body } = await askRunning(pool, "PATCH", "/rolling", WANTED);
		expect([status, body.message, body.config]).toEqual([200, "Rolling deployment configuration updated successfully", WANTED]);
		const inForce = { enabled: true, minAvailable: 2, batchSize: 1 };
		expect((await pool.state()).spec.rolling).toEqual(inForce);
		await pool.settle();
		await pool.crash();
		await pool.settle();
		expect((await pool.state()).spec.rolling).toEqual(inForce);
		expect((await ask("GET", "/rolling")).body.config).toEqual(WANTED);
	});

	test("is void once the environment's settings are not those that it was given over", async () => {
		const patched = { enabled: true, minAvailable: 9, batchSize: 9, environment: { enabled: true, minAvailable: 3, batchSize: 2 } };
		await writeSetting(bindings.DB, "rolling", JSON.stringify(patched));
		expect((await ask("GET", "/rolling")).body.config).toEqual(ENVIRONMENT);
	});

	test("a PATCH takes all three, in their bounds", async () => {
		const sentence = async (change: object) => {
			const { status, body } = await ask("PATCH", "/rolling", { ...WANTED, ...change });
			return [status, body.detail];
		};
		expect(await sentence({ enabled: "perhaps" })).toEqual([422, "enabled must be true or false."]);
		expect(await sentence({ enabled: undefined })).toEqual([422, "enabled is required: true or false."]);
		expect(await sentence({ min_available: -1 })).toEqual([422, "min_available must be a whole number from 0 to 10000."]);
		expect(await sentence({ batch_size: 0 })).toEqual([422, "batch_size must be a whole number from 1 to 10000."]);
		expect((await sentence({ pace: 1 }))[0]).toBe(422);
	});
});

describe("an order to replace all", () => {
	test("is told of at once, and can be ended", async () => {
		const pool = await new PoolUnderTest().start();
		const state = await pool.untilReady(1);
		const [ip] = [...state.proxies.values()].map((proxy) => proxy.address);
		const { status, body } = await askRunning(pool, "POST", "/rolling/digitalocean/default");
		expect([status, body.message]).toEqual([200, "Every proxy of 'digitalocean/default' is being replaced"]);
		expect(body.status["digitalocean/default"]).toMatchObject({ pending_recycle: 1, pending_recycle_ips: [ip] });
		expect((await ask("GET", "/providers/digitalocean/default/plan")).body.why.rolling).toBe(1);
		const ended = await askRunning(pool, "DELETE", "/rolling/digitalocean/default");
		expect(ended.body.status["digitalocean/default"]).toMatchObject({ pending_recycle: 0, healthy_ips: [ip] });
	});

	test("is refused where nothing would be launched, and where there is no pool", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.stub.command({ do: "run", run: "paused" });
		const detail = async (path: string) => {
			const { status, body } = await ask("POST", path);
			return [status, body.detail];
		};
		expect(await detail("/rolling/digitalocean/default")).toEqual([409, "The pool is paused: start it before its proxies are replaced."]);
		expect(await detail("/rolling/digitalocean/none")).toEqual([404, "Provider 'digitalocean' instance 'none' not found"]);
		expect((await detail("/rolling/scaleway/default"))[0]).toBe(404);
	});
});
