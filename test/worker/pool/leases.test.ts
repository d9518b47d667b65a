import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import { ask, askRunning } from "./asking.ts";
import { PoolUnderTest, resetCloud } from "./harness.ts";

const listed = async (query = ""): Promise<string[]> => {
	forgetEverything();
	const { body } = await ask("GET", `/proxies.txt?format=text${query}`);
	return body.split("\n").filter((line: string) => line !== "");
};
const addressOf = (lease: { proxy: { ip: string; port: number } }) => `${lease.proxy.ip}:${lease.proxy.port}`;

async function poolOf(count: number): Promise<PoolUnderTest> {
	const pool = await new PoolUnderTest().start();
	await askRunning(pool, "PATCH", "/providers/digitalocean", { min_scaling: count, max_scaling: count });
	await pool.untilReady(count);
	await pool.settle();
	return pool;
}

beforeEach(async () => {
	await resetCloud();
	forgetEverything();
});

describe("leases, with a pool behind them", () => {
	test("are nobody else's: not by another lease, nor in any list, until they are released", async () => {
		const pool = await poolOf(3);
		const all = await listed();
		const asked = await Promise.all([
			askRunning(pool, "POST", "/leases", { seconds: 600, count: 2, selection: { region: "LON1", country: "gb" } }),
			ask("POST", "/leases", { seconds: 600, count: 2 }),
		]);
		const leases = asked.flatMap(({ body }) => body.leases ?? []);
		expect(leases.map(addressOf).sort()).toEqual(all.sort());
		expect(asked.map(({ body }) => body.message).sort()).toEqual(["1 of 2 leased", "2 of 2 leased"]);
		expect(await listed()).toEqual([]);
		expect(leases[0]).toMatchObject({ replaces: null, proxy: { auth_enabled: true, url: expect.stringContaining(leases[0].proxy.ip) } });
		const list = (await ask("GET", "/leases")).body;
		expect([list.total, list.leases.map(addressOf).sort()]).toEqual([3, all.sort()]);
		const none = await ask("GET", "/random");
		expect([none.status, none.body.detail]).toEqual([
			404,
			"No proxies available: digitalocean/default (lon1) has no proxy ready that is not leased",
		]);
		for (const { lease } of leases) expect((await askRunning(pool, "DELETE", `/leases/${lease}`)).status).toBe(200);
		expect((await listed()).sort()).toEqual(all.sort());
		expect((await askRunning(pool, "DELETE", `/leases/${leases[0].lease}`)).status, "once more").toBe(200);
	});

	test("say so where others were faster than the list", async () => {
		const pool = await poolOf(1);
		const wanted = { seconds: 600, selection: { host: "example.com" } };
		// Both read the list before either is given what stands on it.
		const answers = await Promise.all([askRunning(pool, "POST", "/leases", wanted), ask("POST", "/leases", wanted)]);
		expect(answers.map(({ status }) => status).sort()).toEqual([200, 404]);
		expect(answers.find(({ status }) => status === 404)?.body.detail).toBe(
			"No proxies available: each that was listed has just been leased or is not ready any more.",
		);
	});

	test("last as long as they are renewed, and survive a crash of the pool", async () => {
		const pool = await poolOf(1);
		const { body } = await askRunning(pool, "POST", "/leases", { seconds: 60 });
		const [lease] = body.leases;
		const path = `/leases/${lease.lease}`;
		const renewed = await askRunning(pool, "PATCH", path, { seconds: 3_600 });
		expect(Date.parse(renewed.body.lease.until) - Date.parse(lease.until)).toBeGreaterThan(3_000_000);
		await pool.crash();
		expect((await ask("GET", path)).body.lease).toEqual(renewed.body.lease);
		await pool.setClock(Date.parse(renewed.body.lease.until));
		await pool.settle();
		expect((await ask("GET", path)).status).toBe(404);
		expect((await ask("PATCH", path, { seconds: 60 })).status).toBe(404);
		expect(await listed()).toEqual([addressOf(lease)]);
	});

	test("name a successor when their proxy is destroyed", async () => {
		const pool = await poolOf(2);
		const { body } = await askRunning(pool, "POST", "/leases", { seconds: 600 });
		const [lease] = body.leases;
		const [other] = await listed();
		await askRunning(pool, "DELETE", `/destroy?ip_address=${lease.proxy.ip}`);
		await pool.settle();
		const after = (await ask("GET", `/leases/${lease.lease}`)).body.lease;
		expect([addressOf(after), after.replaces]).toEqual([other, lease.proxy.ip]);
	});

	test("are refused in other ways than those that there are", async () => {
		await poolOf(1);
		for (const [body, detail] of [
			[{}, "seconds is required: a whole number from 1 to 3600."],
			[{ seconds: 3_601 }, "seconds must be a whole number from 1 to 3600."],
			[{ seconds: 60, count: 101 }, "count must be a whole number from 1 to 100."],
			[{ seconds: 60, exclusive: false }, "exclusive must be true"],
			[{ seconds: 60, selection: { region: "mars" } }, 'region "mars" is unknown; known are '],
			[{ seconds: 60, selection: { session: "a" } }, "selection"],
		] as const) {
			const answer = await ask("POST", "/leases", body);
			expect([answer.status, answer.body.detail], JSON.stringify(body)).toEqual([422, expect.stringContaining(detail)]);
		}
		for (const name of ["nothing", `${"0".repeat(64)}.x`]) expect((await ask("GET", `/leases/${name}`)).status, name).toBe(404);
	});
});

describe("reports, with a pool behind them", () => {
	test("of a ban take the proxy out of the selection for that site, and an ok brings it back", async () => {
		const pool = await poolOf(2);
		const [first = "", second = ""] = await listed();
		const ip = first.replace(/:.*/, "");
		const banned = await askRunning(pool, "POST", "/report", [{ ip, host: "Example.com", outcome: "banned" }]);
		expect(banned.body).toMatchObject({ accepted: 1, unknown: [] });
		expect(await listed("&host=example.com")).toEqual([second]);
		expect(await listed()).toHaveLength(2);
		for (let draw = 0; draw < 5; draw++) expect((await ask("GET", "/random?host=example.com&format=text")).body.trim()).toBe(second);
		await askRunning(pool, "POST", "/report", { ip, host: "example.com", outcome: "ok", ms: 40 });
		expect(await listed("&host=example.com")).toHaveLength(2);
		const { hosts, proxies } = (await ask("GET", "/outcomes")).body;
		expect(hosts).toMatchObject([{ host: "example.com", ok: 1, banned: 1, success_rate: 0.5, mean_ms: 40, cooling: 0 }]);
		expect(proxies).toMatchObject([{ ip, provider: "digitalocean", instance: "default", ok: 1, banned: 1 }]);
	});

	test("outlive the object's sleep before the next pass", async () => {
		const pool = await poolOf(1);
		const [ip = ""] = (await listed()).map((line) => line.replace(/:.*/, ""));
		// The pass before has just stored all that there was, and the next one is an hour away.
		await pool.settle();
		expect((await ask("POST", "/report", { ip, host: "example.com", outcome: "ok" })).body.accepted).toBe(1);
		const isStored = () =>
			pool.inside((_, { storage }) =>
				storage.sql
					.exec("SELECT json FROM vitals")
					.toArray()
					.some(({ json }) => String(json).includes("example.com")),
			);
		await vi.waitUntil(isStored, { timeout: 20_000, interval: 250 });
		await evictDurableObject(pool.stub);
		expect((await ask("GET", "/outcomes")).body.hosts).toMatchObject([{ host: "example.com", ok: 1 }]);
	});

	test("cost one row of D1 a batch at the most, and none where nothing is banned or cleared", async () => {
		const pool = await poolOf(2);
		const ips = (await listed()).map((line) => line.replace(/:.*/, ""));
		await pool.settle();
		const written = await pool.inside((inside) => {
			const { DB } = inside.env;
			const rows = { count: 0 };
			const counting = new Proxy(DB, {
				get: (target, name) => {
					if (name === "batch")
						return async (statements: D1PreparedStatement[]) => {
							const results = await target.batch(statements);
							for (const { meta } of results) rows.count += meta.rows_written;
							return results;
						};
					const value: unknown = Reflect.get(target, name);
					return typeof value === "function" ? value.bind(target) : value;
				},
			});
			inside.env = { ...inside.env, DB: counting } as typeof inside.env;
			return rows;
		});
		const report = (outcome: string) =>
			askRunning(
				pool,
				"POST",
				"/report",
				Array.from({ length: 400 }, (_, index) => ({ ip: ips[index % 2], host: `site${index}.example`, outcome })),
			);
		await report("ok");
		await pool.settle();
		expect(written.count).toBe(0);
		await report("banned");
		await pool.settle();
		expect(written.count).toBe(1);
		await report("banned");
		await pool.settle();
		expect(written.count, "reported again").toBe(1);
		const { cooling } = (await env.DB.prepare("SELECT cooling FROM pools WHERE removed_at IS NULL").first<{ cooling: string }>()) ?? {
			cooling: "",
		};
		expect(Object.keys(JSON.parse(cooling))).toHaveLength(400);
	});
});
