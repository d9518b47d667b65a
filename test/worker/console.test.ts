import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { publish } from "../../src/read-model/publish.ts";
import { ask, askPlainly, bodyOf, enter, publicationOf, startAfresh } from "./helpers.ts";

const row = (id: string, changes: object = {}) => ({
	id,
	vm: `vm-${id}`,
	address: `192.0.2.${id.length}`,
	phase: "ready" as const,
	credentials: 1,
	since: 2_000,
	createdAt: 1_000,
	why: "healthy",
	place: null,
	...changes,
});

async function publishTwo(): Promise<void> {
	const object = await enter();
	const booting = row("bb", { phase: "booting", address: null, why: "launched" });
	const ready = { parts: [{ part: 0, proxies: [["a", "192.0.2.1", 1] as const] }], partCount: 1 };
	await publish(env.DB, publicationOf(object, { proxies: [row("a"), booting], ...ready }));
}

beforeEach(startAfresh);

describe("GET /ui/state", () => {
	test("is for who has the key", async () => {
		expect((await askPlainly("/ui/state")).status).toBe(401);
		expect((await askPlainly("/ui/test?ip_address=192.0.2.1", { method: "POST" })).status).toBe(401);
	});

	test("is empty where there is no pool", async () => {
		const state = await bodyOf(await ask("/ui/state"));
		expect(state).toMatchObject({ billed_requests: 1, billed: 0, pools: [], selected: null, budget: [] });
	});

	test("refuses what names no pool", async () => {
		expect((await ask("/ui/state?pool=digitalocean")).status).toBe(422);
		expect((await ask("/ui/state?load=some")).status).toBe(422);
	});

	test("has a pool with those of its proxies that are on their way", async () => {
		await publishTwo();
		const state = await bodyOf(await ask("/ui/state"));
		expect(state.pools).toMatchObject([
			{
				provider: "digitalocean",
				instance: "default",
				endpoint: "digitalocean-default",
				source: "environment",
				wanted: 2,
				region: "lon1",
				vms: 2,
				load: null,
			},
		]);
		expect(state.pools[0].unready).toEqual([
			{ id: "bb", address: null, phase: "booting", since: "1970-01-01T00:00:02.000Z", why: "launched" },
		]);
		expect(state.selected).toBeNull();
	});

	test("has all proxies of the pool that is asked for, each with what a client uses", async () => {
		await publishTwo();
		const { selected } = await bodyOf(await ask("/ui/state?pool=digitalocean/default"));
		expect(selected.proxies).toMatchObject([
			{ id: "a", vm: "vm-a", phase: "ready", url: "http://user:p%40ss%2Fw%3Ard@192.0.2.1:8899", load: null },
			{ id: "bb", phase: "booting", url: null },
		]);
	});

	test("costs one request, reads a row for each pool and proxy, and asks no pool", async () => {
		await publishTwo();
		const { billed_requests } = await bodyOf(await ask("/ui/state?pool=digitalocean/default"));
		expect(billed_requests).toBe(1);
	});

	test("is there though a pool does not answer for its load", async () => {
		await publishTwo();
		const state = await bodyOf(await ask("/ui/state?load=all"));
		expect([state.billed_requests, state.pools[0].load]).toEqual([2, null]);
	});
});

describe("POST /ui/test", () => {
	test("knows only proxies that there are", async () => {
		expect((await ask("/ui/test?ip_address=192.0.2.99", { method: "POST" })).status).toBe(404);
		expect((await ask("/ui/test?ip_address=nonsense", { method: "POST" })).status).toBe(422);
	});
});

describe("the console", () => {
	test("is static files with a strict policy", async () => {
		const page = await env.ASSETS.fetch("https://muster.test/ui/");
		expect(page.status).toBe(200);
		const text = await page.text();
		expect(text).not.toMatch(/<script(?![^>]*src=)|style=|\son\w+=/);
		for (const [, path] of text.matchAll(/(?:src|href)="(\/ui\/[^"]+)"/g))
			expect((await env.ASSETS.fetch(`https://muster.test${path}`)).status, path).toBe(200);
	});
});
