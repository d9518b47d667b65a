import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Seen } from "../../src/core/facts/listing.ts";
import { enterPool, findEndpoint, listPools, removePool } from "../../src/d1/directory.ts";
import { readSettings, writeSetting } from "../../src/d1/settings.ts";
import { POOLS_A_RUN, readFacts, tend } from "../../src/fleet/fleet.ts";
import type { Env } from "../../src/rpc/env.ts";
import type { FleetFacts, InitialPool, PoolNames } from "../../src/rpc/pool.ts";
import worker from "../../src/worker.ts";
import { askWith, enter, failing, poolsAnswering, publicationOf, SUMMARY, show, startAfresh } from "./helpers.ts";

const NOW = 1_800_000_000_000;
const ENABLED = {
	DIGITALOCEAN_ENABLED: "True",
	DIGITALOCEAN_ACCESS_TOKEN: "local-a",
	DIGITALOCEAN_NYC_ENABLED: "True",
	DIGITALOCEAN_NYC_ACCESS_TOKEN: "local-b",
	PUBLIC_URL: "https://public.test",
};

const ENDPOINT = {
	object: env.POOL.newUniqueId().toString(),
	provider: "digitalocean",
	name: "demo",
	endpoint: "demo",
	source: "api",
} as const;

function recording() {
	const pool = {
		start: vi.fn(async (_birth: InitialPool) => {}),
		tick: vi.fn(async (_facts: FleetFacts, _seen?: Seen): Promise<PoolNames | null> => ({ provider: "digitalocean" })),
		command: vi.fn(async () => ({ ok: true as const, summary: SUMMARY, addresses: [] })),
	};
	return { pool, bindings: (settings: object = ENABLED): Env => ({ ...env, ...settings, ...poolsAnswering(pool) }) as unknown as Env };
}

beforeEach(startAfresh);

describe("cron", () => {
	test("makes each pool that the environment enables, with its row before its object is called, and once", async () => {
		const { pool, bindings } = recording();
		pool.start.mockImplementation(async ({ object }) => {
			expect((await listPools(env.DB)).map((entry) => entry.object)).toContain(object);
			await show(publicationOf(object, { incarnation: NOW }));
		});
		await tend(bindings(), NOW);
		await tend(bindings(), NOW + 60_000);
		const made = pool.start.mock.calls.map(([initial]) => initial);
		expect(made.map(({ provider, name }) => `${provider}/${name}`).sort()).toEqual(["digitalocean/default", "digitalocean/nyc"]);
		const deployment = (await readSettings(env.DB, ["deployment"])).get("deployment");
		expect(made[0]).toMatchObject({
			deployment,
			incarnation: NOW,
			source: "environment",
			facts: { agentUrl: "https://public.test", rolling: null, proxies: 0 },
		});
		expect(await listPools(env.DB)).toHaveLength(2);
	});

	test("tells the log, once an hour, of a pool whose place an endpoint holds, and leaves that alone", async () => {
		const lines: string[] = [];
		const spy = vi.spyOn(console, "error").mockImplementation((line) => void lines.push(String(line)));
		const { pool, bindings } = recording();
		const object = env.POOL.newUniqueId().toString();
		await enterPool(env.DB, { object, provider: "digitalocean", name: "nyc", endpoint: "nyc", incarnation: NOW, source: "api" });
		for (const minutes of [0, 1, 59, 60]) await tend(bindings(), NOW + minutes * 60_000);
		spy.mockRestore();
		const told = lines.filter((line) => line.startsWith("the environment's pool digitalocean-nyc is not made: "));
		expect(told).toHaveLength(2);
		expect(pool.start.mock.calls.filter(([initial]) => initial.name === "nyc")).toEqual([]);
	});

	test("starts a pool again whose start was lost, as the pool that it was to be", async () => {
		const { pool, bindings } = recording();
		pool.start.mockRejectedValueOnce(new Error("lost")).mockRejectedValueOnce(new Error("lost"));
		await tend(bindings(), NOW);
		await tend(bindings(), NOW + 60_000);
		const made = pool.start.mock.calls.map(([initial]) => `${initial.object} ${initial.incarnation}`);
		expect(made).toHaveLength(4);
		expect(new Set(made).size).toBe(2);
	});

	test("begins with pools that were never tried, where there are more than one run makes", async () => {
		const { pool, bindings } = recording();
		pool.start.mockRejectedValue(new Error("lost"));
		const names = Array.from({ length: 10 }, (_, index) => `P${index}`);
		const settings = Object.fromEntries(
			names.flatMap((name) => [
				[`DIGITALOCEAN_${name}_ENABLED`, "True"],
				[`DIGITALOCEAN_${name}_ACCESS_TOKEN`, `local-${name}`],
			]),
		);
		const tried = () => new Set(pool.start.mock.calls.map(([initial]) => initial.name)).size;
		await tend(bindings(settings), NOW);
		expect(tried()).toBe(8);
		await tend(bindings(settings), NOW + 60_000);
		expect(tried()).toBe(10);
	});

	test("makes no pool, and mints no id, while the register does not answer", async () => {
		const { pool, bindings } = recording();
		const silent = bindings();
		const POOL = { ...(silent.POOL as object), getByName: () => ({ compare: () => Promise.reject(new Error("no answer")) }) };
		await tend({ ...silent, POOL } as unknown as Env, NOW);
		expect(pool.start).not.toHaveBeenCalled();
		expect((await readSettings(env.DB, ["deployment"])).size).toBe(0);
		await tend(bindings(), NOW + 60_000);
		expect(pool.start).toHaveBeenCalledTimes(2);
	});

	test("tells pools that D1 has lost, and makes none in their places", async () => {
		const { pool, bindings } = recording();
		pool.start.mockImplementation(async ({ object }) => show(publicationOf(object, { incarnation: NOW })));
		await tend(bindings(), NOW);
		await tend(bindings(), NOW + 60_000);
		const deployment = (await readSettings(env.DB, ["deployment"])).get("deployment");
		const made = pool.start.mock.calls.length;
		pool.tick.mockClear();
		await env.DB.batch(["settings", "pools", "names"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
		await tend(bindings(), NOW + 120_000);
		expect(pool.start).toHaveBeenCalledTimes(made);
		expect(pool.tick.mock.calls.map(([, seen]) => seen?.is)).toEqual(["missing", "missing"]);
		expect((await readSettings(env.DB, ["deployment"])).get("deployment")).toBe(deployment);
		expect((await readSettings(env.DB, ["unlisted"])).get("unlisted")).toMatch(/digitalocean-nyc/);
	});

	test("takes away the row of an endpoint whose object holds no pool, but not while its start may be under way", async () => {
		await enterPool(env.DB, { ...ENDPOINT, incarnation: NOW });
		const { pool, bindings } = recording();
		pool.tick.mockResolvedValue(null);
		for (const [minutes, rows] of [
			[0, 1],
			[1, 1],
			[2, 1],
			[3, 0],
		] as const) {
			await tend(bindings({}), NOW + minutes * 60_000);
			expect(await listPools(env.DB), `after ${minutes} minutes`).toHaveLength(rows);
		}
	});

	test("deletes again what an older copy of D1 lists again: its pool says that it is being removed", async () => {
		await enterPool(env.DB, { ...ENDPOINT, incarnation: NOW });
		const { pool, bindings } = recording();
		await tend(bindings({}), NOW);
		expect(await listPools(env.DB)).toMatchObject([{ removedAt: null }]);
		pool.tick.mockResolvedValue({ provider: "digitalocean", isRemoved: true });
		await tend(bindings({}), NOW + 60_000);
		expect(await listPools(env.DB)).toMatchObject([{ removedAt: NOW + 60_000 }]);
		expect(await findEndpoint(env.DB, ENDPOINT.endpoint)).toBeNull();
	});

	test("two runs at once make one pool of each name", async () => {
		const { pool, bindings } = recording();
		await Promise.all([tend(bindings(), NOW), tend(bindings(), NOW + 1)]);
		expect(await listPools(env.DB)).toHaveLength(2);
		expect(new Set(pool.start.mock.calls.map(([initial]) => `${initial.name} ${initial.object} ${initial.incarnation}`)).size).toBe(2);
	});

	test("hands a new pool the bounds that were PATCHed while it was disabled, unless the environment names others by now", async () => {
		const patch = { method: "PATCH", body: '{"min_scaling":1,"max_scaling":9}', headers: { "Content-Type": "application/json" } };
		const open = { ALLOW_ANONYMOUS: "True", AUTH_KEY: undefined };
		for (const path of ["/providers/digitalocean", "/providers/hetzner"]) expect((await askWith(open, path, patch)).status).toBe(200);
		const { pool, bindings } = recording();
		await tend(bindings(), NOW);
		expect(pool.command.mock.calls).toEqual([[{ do: "scale", min: 1, max: 9 }]]);
		expect((await readSettings(env.DB, ["scaling:digitalocean:default", "scaling:hetzner:default"])).size, "used up, and kept").toBe(1);

		await startAfresh();
		await askWith(open, "/providers/digitalocean", patch);
		const changed = recording();
		await tend(changed.bindings({ ...ENABLED, DIGITALOCEAN_MIN_SCALING: "3", DIGITALOCEAN_MAX_SCALING: "3" }), NOW);
		expect(changed.pool.command).not.toHaveBeenCalled();
	});

	test("ticks every pool, removed ones too, with the deployment's size; one that fails stops no other", async () => {
		const objects = [await enter("a"), await enter("b"), await enter("c")];
		await show(publicationOf(objects[0] as string));
		await show(publicationOf(objects[1] as string));
		await removePool(env.DB, objects[2] as string, NOW);
		const { pool, bindings } = recording();
		pool.tick.mockRejectedValueOnce(new Error("broken"));
		await tend(bindings({}), NOW);
		const facts = { agentUrl: null, rolling: null, credentials: null, proxies: 4, intervals: {}, deployments: [] };
		expect(pool.tick.mock.calls.map(([told]) => told)).toEqual(Array(3).fill(facts));
		const shown = pool.tick.mock.calls.map(([, seen]) => seen);
		expect(shown).toEqual(expect.arrayContaining([0, 1, 1].map((version) => ({ is: "there", version }))));
	});

	test("ticks at most forty a run, six at a time, and comes round to all", async () => {
		const ticked: string[] = [];
		let [now, most] = [0, 0];
		const pool = (object: string) => ({
			tick: async () => {
				most = Math.max(most, ++now);
				await Promise.resolve();
				now--;
				ticked.push(object);
			},
		});
		for (let index = 0; index < 90; index++)
			await enterPool(env.DB, {
				object: `object${String(index).padStart(2, "0")}`,
				provider: "aws",
				name: `n${index}`,
				endpoint: `aws-n${index}`,
				incarnation: 1,
				source: "api",
			});
		const POOL = { idFromString: (text: string) => text, get: (text: string) => pool(text) };
		const bindings = { ...env, POOL } as unknown as Env;
		await tend(bindings, NOW);
		expect(ticked).toHaveLength(POOLS_A_RUN);
		for (let minute = 1; minute < 9; minute++) await tend(bindings, NOW + minute * 60_000);
		expect(new Set(ticked).size).toBe(90);
		expect(most).toBe(6);
	});

	test("survives D1 failing, and leaves its mark when it works", async () => {
		const { bindings } = recording();
		await tend({ ...bindings(), DB: failing() }, NOW);
		await tend(bindings(), NOW);
		expect((await readSettings(env.DB, ["written_at"])).get("written_at")).toBe(String(NOW));
	});

	test("is what the Worker's schedule runs", async () => {
		await worker.scheduled(createScheduledController({ scheduledTime: NOW }), recording().bindings({}));
		expect((await readSettings(env.DB, ["written_at"])).get("written_at")).toBe(String(NOW));
	});
});

describe("the address that agents call", () => {
	test("is the operator's, else PUBLIC_URL, else the remembered origin, else not known", async () => {
		const { bindings } = recording();
		const url = async (settings: object) => (await readFacts(bindings(settings))).agentUrl;
		expect(await url({})).toBeNull();
		await writeSetting(env.DB, "origin", "https://origin.test");
		expect(await url({})).toBe("https://origin.test");
		expect(await url({ PUBLIC_URL: "https://public.test" })).toBe("https://public.test");
		await writeSetting(env.DB, "url", "https://url.test");
		expect(await url({ PUBLIC_URL: "https://public.test" })).toBe("https://url.test");
	});
});
