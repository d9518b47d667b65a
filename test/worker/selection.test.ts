import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { writeSetting } from "../../src/d1/settings.ts";
import { forgetEverything } from "../../src/read-model/ready.ts";
import { ADMIN_KEY, ask, askWith, bodyOf, counted, enter, ORIGIN, readyPublication, SUMMARY, show, startAfresh } from "./helpers.ts";

const KEY = { headers: { "X-Auth-Key": ADMIN_KEY } };
const ENABLED = { DIGITALOCEAN_ENABLED: "True", DIGITALOCEAN_ACCESS_TOKEN: "local-secret-token", DIGITALOCEAN_REGION: "ams3" };

beforeEach(async () => {
	await startAfresh();
	await show(readyPublication(await enter("default"), 3));
	const summary = { ...SUMMARY, settings: { ...SUMMARY.settings, region: "nyc1" } };
	await show(readyPublication(await enter("nyc"), 2, { summary }));
});

const total = async (query: string) => (await bodyOf(await ask(`/?${query}`))).total;

describe("selection", () => {
	test("GET / lists and counts only what is asked for", async () => {
		expect(await total("")).toBe(5);
		expect(await total("provider=digitalocean")).toBe(5);
		expect(await total("provider=DigitalOcean&instance=NYC")).toBe(2);
		expect(await total("region=nyc1")).toBe(2);
		expect(await total("region=NYC1,lon1")).toBe(5);
		expect(await total("country=us")).toBe(2);
		expect(await total("country=GB,%20fr")).toBe(3);
		expect(await total("provider=aws")).toBe(0);
		expect(await total("instance=default&exclude=10.0.0.0,%2010.0.0.2,")).toBe(1);
	});

	test("a value may look like another parameter", async () => {
		const { proxies } = await bodyOf(await ask("/?session=a?limit=1"));
		expect(proxies).toHaveLength(5);
	});

	test("instances and providers are found however they are written", async () => {
		await show(readyPublication(await enter("MyPool"), 1));
		for (const name of ["MyPool", "mypool", "MYPOOL"]) {
			expect(await total(`instance=${name}`), name).toBe(1);
			expect((await bodyOf(await ask(`/random?provider=DIGITALOCEAN&instance=${name}`))).proxy.instance, name).toBe("MyPool");
		}
	});

	test("GET /random gives one of them, 404 with why where there is none", async () => {
		for (let draw = 0; draw < 10; draw++) {
			const { proxy } = await bodyOf(await ask("/random?region=nyc1&exclude=10.0.0.1"));
			expect(proxy).toMatchObject({ instance: "nyc", ip: "10.0.0.0" });
		}
		const there = "there are digitalocean/default (lon1), digitalocean/nyc (nyc1)";
		for (const [query, why] of [
			["provider=aws", `no instance is of that selection; ${there}`],
			["country=jp", `no instance is of that selection; ${there}`],
			["region=fra1", `no instance is of that selection; ${there}`],
			["exclude=10.0.0.0,10.0.0.1,10.0.0.2", "each that is ready is excluded"],
		]) {
			const response = await ask(`/random?${query}`);
			expect([response.status, (await bodyOf(response)).detail], query).toEqual([404, `No proxies available: ${why}`]);
		}
		await show(readyPublication(await enter("empty"), 0, { summary: { ...SUMMARY, min: 0, target: 0 } }));
		expect((await bodyOf(await ask("/random?instance=empty"))).detail).toBe(
			"No proxies available: digitalocean/empty (lon1) keeps no proxies",
		);
	});

	test("a name that nothing has is 422 with those that there are", async () => {
		for (const path of ["/", "/random", "/proxies.txt", "/proxy.pac"])
			for (const [query, detail] of [
				["provider=nobody", 'provider "nobody" is unknown; known are digitalocean, aws, gcp, '],
				["instance=none", 'instance "none" is unknown; known are default, nyc.'],
				["region=nyc1,mars", 'region "mars" is unknown; known are lon1, nyc1.'],
				["country=uk,us", 'country "uk" is unknown; known are ae, at, au, '],
			]) {
				const response = await ask(`${path}?${query}`);
				expect([response.status, (await bodyOf(response)).detail], `${path}?${query}`).toEqual([
					422,
					expect.stringContaining(detail ?? ""),
				]);
			}
	});

	test("nothing ready is 503 only while a pool that is asked for is starting", async () => {
		await startAfresh();
		const random = async (query: string) => (await askWith(ENABLED, `/random?${query}`, KEY)).status;
		expect(await random("provider=digitalocean&instance=default&region=ams3")).toBe(503);
		expect(await random("region=lon1")).toBe(404);
		expect(await random("instance=nyc"), "there is none of that name").toBe(422);
		await enter();
		forgetEverything();
		expect(await random("region=ams3"), "entered, nothing published").toBe(503);
	});

	test("a session gets one proxy, the first of its own list, and the next one when that is excluded", async () => {
		const random = async (query: string) => (await bodyOf(await ask(`/random?session=customer-42${query}`))).proxy;
		const mine = await random("");
		const { proxies } = await bodyOf(await ask("/?session=customer-42"));
		expect(proxies).toHaveLength(5);
		for (let draw = 0; draw < 5; draw++) expect(await random("")).toEqual(mine);
		expect(proxies[0]).toEqual(mine);
		const next = proxies.find((proxy: { ip: string }) => proxy.ip !== mine.ip);
		expect(await random(`&exclude=${mine.ip}`)).toEqual(next);
	});

	test("what is no address, empty, or longer than anything sensible, is 422", async () => {
		for (const path of ["/", "/random"]) {
			const response = await ask(`${path}?exclude=10.0.0.1,300.1.1.1`);
			expect([response.status, (await bodyOf(response)).detail], path).toEqual([
				422,
				"exclude must be IP addresses, comma-separated: number 2 is none.",
			]);
			for (const query of [`session=${"x".repeat(201)}`, "session=", "provider=", "exclude="])
				expect((await ask(`${path}?${query}`)).status, `${path}?${query}`).toBe(422);
		}
	});

	test("reads no row more than without it", async () => {
		await writeSetting(env.DB, "origin", ORIGIN);
		for (const path of ["/random?session=a&exclude=10.0.0.1", "/?region=nyc1&session=b"]) {
			forgetEverything();
			const { db, rows } = counted(env.DB);
			expect((await askWith({ DB: db }, path, KEY)).status).toBe(200);
			expect(rows.read, path).toBeLessThanOrEqual(2 + 2);
		}
	});
});
