import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { addName, dropName, enterPool, findPool, forgetPool, removePool } from "../../src/d1/directory.ts";
import { writeSetting } from "../../src/d1/settings.ts";
import { forgetHealth } from "../../src/http/cloudproxy/health.ts";
import { proxyUrl } from "../../src/http/cloudproxy/proxies.ts";
import { PROVIDERS } from "../../src/providers/index.ts";
import { forgetEverything } from "../../src/read-model/ready.ts";
import type { CommandOutcome } from "../../src/rpc/pool.ts";
import {
	ADMIN_KEY,
	ask,
	askPlainly,
	askWith,
	bodyOf,
	counted,
	enter,
	failing,
	poolsAnswering,
	publicationOf,
	readyPublication,
	rowOf,
	SUMMARY,
	show,
	startAfresh,
} from "./helpers.ts";

const KEY = { headers: { "X-Auth-Key": ADMIN_KEY } };
const METADATA = { request_id: expect.any(String), timestamp: expect.any(String) };
const PROXY = {
	ip: "10.0.0.0",
	port: 8899,
	auth_enabled: true,
	url: "http://user:p%40ss%2Fw%3Ard@10.0.0.0:8899",
	provider: "digitalocean",
	instance: "default",
	display_name: "My DigitalOcean",
	region: "lon1",
	size: "s-1vcpu-512mb-10gb",
	country: null,
	server: "http://10.0.0.0:8899",
	username: "user",
	password: "p@ss/w:rd",
	socks5: "socks5://user:p%40ss%2Fw%3Ard@10.0.0.0:8899",
};
const ENABLED = { DIGITALOCEAN_ENABLED: "True", DIGITALOCEAN_ACCESS_TOKEN: "local-secret-token" };

beforeEach(startAfresh);

describe("GET / and GET /random", () => {
	test("show a proxy as clients use it", async () => {
		await show(readyPublication(await enter(), 1));
		expect(await bodyOf(await ask("/"))).toEqual({ metadata: METADATA, total: 1, proxies: [PROXY], version: "1.1" });
		expect(await bodyOf(await ask("/random"))).toEqual({
			metadata: METADATA,
			message: "Random proxy retrieved successfully",
			proxy: PROXY,
		});
	});

	test("pages have ten proxies unless asked otherwise, and the total of all", async () => {
		await show(readyPublication(await enter(), 130));
		const page = async (query: string) => {
			const { total, proxies } = await bodyOf(await ask(`/${query}`));
			return [total, proxies.length, proxies[0]?.ip];
		};
		expect(await page("")).toEqual([130, 10, "10.0.0.0"]);
		expect(await page("?offset=100&limit=100")).toEqual([130, 30, "10.0.0.100"]);
		expect(await page("?offset=130")).toEqual([130, 0, undefined]);
	});

	test("a proxy's URL has the credentials that it acknowledged, else the newest; none where it asks for none", async () => {
		const credentials = { "1": ["old", "o"], "2": ["new", "n"] } as const;
		const parts = [
			{
				part: 0,
				proxies: [
					["a", "192.0.2.1", 1],
					["b", "192.0.2.2", 2],
					["c", "192.0.2.3", 9],
					["d", "192.0.2.4", 0],
				] as const,
			},
		];
		await show(publicationOf(await enter(), { credentials, parts, partCount: 1 }));
		const { proxies } = await bodyOf(await ask("/"));
		expect(proxies.map((proxy: { url: string; auth_enabled: boolean }) => [proxy.url, proxy.auth_enabled])).toEqual([
			["http://old:o@192.0.2.1:8899", true],
			["http://new:n@192.0.2.2:8899", true],
			["http://new:n@192.0.2.3:8899", true],
			["http://192.0.2.4:8899", false],
		]);
	});

	test("URLs escape whatever a credential holds, and IPv6 is in brackets", () => {
		const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join("");
		const url = new URL(proxyUrl("2001:db8::1", 8899, [printable, "ü'()*!"]));
		expect(url.host).toBe("[2001:db8::1]:8899");
		expect(decodeURIComponent(url.username)).toBe(printable);
		expect(decodeURIComponent(url.password)).toBe("ü'()*!");
		expect(proxyUrl("192.0.2.1", 8899, ["a'b", "c(d)*!"])).toBe("http://a%27b:c%28d%29%2A%21@192.0.2.1:8899");
	});
});

describe("GET /random with nothing ready", () => {
	const random = async (settings = {}) => {
		const response = await askWith(settings, "/random", KEY);
		return [response.status, response.headers.get("Retry-After"), (await bodyOf(response)).detail];
	};
	const STARTING = [503, "5", "The pools are starting; no proxy is ready yet."];
	const NONE = [404, null, expect.stringMatching(/^No proxies available/)];

	test("is 404 where there is no pool", async () => {
		expect(await random()).toEqual(NONE);
	});

	test("is 503 from the moment that a pool is enabled until it has read its provider's inventory, then 404", async () => {
		expect(await random(ENABLED), "no row yet").toEqual(STARTING);
		const object = await enter();
		forgetEverything();
		expect(await random(ENABLED), "nothing published").toEqual(STARTING);
		await show(publicationOf(object, { summary: { ...SUMMARY, reconciled: false } }));
		expect(await random(ENABLED)).toEqual(STARTING);
		await show(publicationOf(object, { version: 2 }));
		expect(await random(ENABLED)).toEqual(NONE);
	});

	test("is 404 where the pool is suspended or stopped, since it is not starting", async () => {
		expect(await random({ ...ENABLED, DIGITALOCEAN_ACCESS_TOKEN: undefined })).toEqual(NONE);
		await show(publicationOf(await enter(), { summary: { ...SUMMARY, reconciled: false, run: "removing" } }));
		expect(await random()).toEqual(NONE);
	});
});

describe("GET /random where a pool is empty while nobody uses it", () => {
	const WAKES = { ...SUMMARY, min: 0, max: 3, target: 0, wakes: true };
	const ok: CommandOutcome = { ok: true, summary: WAKES, addresses: [] };
	const pools = (outcome: () => CommandOutcome) => {
		const command = vi.fn(async (_order: unknown) => outcome());
		const random = async (path = "/random", address = "192.0.2.9") => {
			const headers = { ...KEY.headers, "CF-Connecting-IP": address };
			const response = await askWith(poolsAnswering({ command }), path, { headers });
			return [response.status, response.headers.get("Retry-After"), (await bodyOf(response)).detail];
		};
		return { command, random };
	};
	/** Some seconds of them may have passed on a busy machine. */
	const SOON = expect.stringMatching(/^(1[0-5]|[6-9])$/);
	const STARTED = [404, SOON, "No proxies available: one is being started."];
	const ONE = { do: "wake", from: expect.any(String) };
	const NONE = [404, null, expect.stringMatching(/^No proxies available/)];
	const enterAs = async (name: string, summary: Partial<typeof SUMMARY>) => {
		const object = await enter(name);
		await show(publicationOf(object, { summary: { ...WAKES, ...summary } }));
		return object;
	};

	test("wakes it, is 404 meanwhile, and tells it how many ask at the same time, in few calls", async () => {
		await enterAs("default", {});
		const { command, random } = pools(() => ok);
		expect(await random()).toEqual(STARTED);
		expect(command.mock.calls).toEqual([[ONE]]);
		for (const answer of await Promise.all(Array.from({ length: 49 }, () => random()))) expect(answer).toEqual(STARTED);
		const told = command.mock.calls.map(([order]) => (order as { callers?: number }).callers ?? 1);
		expect([told[0], told.at(-1)]).toEqual([1, 49]);
		expect(told.length).toBeLessThanOrEqual(4);
	});

	test("counts a client that asks again and again as one, and clients of other addresses for themselves", async () => {
		await enterAs("default", {});
		const { command, random } = pools(() => ok);
		for (let i = 0; i < 4; i++) await random();
		expect(command.mock.calls).toEqual([[ONE]]);
		for (const address of ["192.0.2.1", "192.0.2.2"]) await random("/random", address);
		expect(command).toHaveBeenLastCalledWith({ ...ONE, callers: 3 });
	});

	test("says when to come back by what the pool's boots have taken", async () => {
		await enterAs("default", { bootMs: 43_210 });
		const { random } = pools(() => ok);
		const [status, retryAfter] = await random();
		expect(status).toBe(404);
		expect(Number(retryAfter)).toBeGreaterThan(35);
		expect(Number(retryAfter)).toBeLessThanOrEqual(44);
	});

	test.each([
		{ bootMs: 100, seconds: 2 },
		{ bootMs: 3_600_000, seconds: 120 },
	])("tells nobody to come back sooner or later than is of use: $seconds s where boots took $bootMs ms", async ({ bootMs, seconds }) => {
		await enterAs("default", { bootMs });
		const { random } = pools(() => ok);
		expect((await random()).slice(0, 2)).toEqual([404, String(seconds)]);
	});

	test("wakes only what is asked for, in the order of /providers", async () => {
		const settings = (region: string) => ({ settings: { ...SUMMARY.settings, region } });
		await enterAs("asleep", { wakes: false, ...settings("lon1") });
		await enterAs("b", settings("lon1"));
		await enterAs("c", settings("fra1"));
		const { command, random } = pools(() => ok);
		expect(await random("/random?instance=asleep")).toEqual(NONE);
		expect(await random("/random?provider=hetzner")).toEqual(NONE);
		expect(await random("/random?region=nyc1")).toEqual(NONE);
		expect(command).not.toHaveBeenCalled();
		expect(await random()).toEqual(STARTED);
		expect(await random("/random?region=lon1", "192.0.2.8")).toEqual(STARTED);
		expect(command, "two ask for b").toHaveBeenCalledTimes(2);
		expect(await random("/random?region=fra1")).toEqual(STARTED);
		expect(command).toHaveBeenCalledTimes(3);
		expect(command).toHaveBeenLastCalledWith(ONE);
	});

	test("wakes nothing where others are ready, and only excluded", async () => {
		await enterAs("default", {});
		await show(readyPublication(await enter("other"), 1));
		const { command, random } = pools(() => ok);
		const ready = await bodyOf(await askWith({}, "/random", KEY));
		expect(await random(`/random?exclude=${ready.proxy.ip}`)).toEqual(NONE);
		expect(command).not.toHaveBeenCalled();
	});

	test("says so where the pool does not answer, and asks again the next time", async () => {
		await enterAs("default", {});
		const { command, random } = pools(() => {
			throw new Error("no answer");
		});
		const SILENT = [503, SOON, "No proxy is ready, and the pool that would start one does not answer."];
		expect([await random(), await random()]).toEqual([SILENT, SILENT]);
		expect(command).toHaveBeenCalledTimes(2);
	});
});

describe("DELETE /destroy and /restart", () => {
	const ok: CommandOutcome = { ok: true, summary: SUMMARY, addresses: [] };
	const order = (path: string, outcome: CommandOutcome) => {
		const command = vi.fn(async () => outcome);
		return { command, answer: () => askWith(poolsAnswering({ command }), path, { ...KEY, method: "DELETE" }) };
	};

	test("tell the pool, and show whose proxy it was", async () => {
		const object = await enter();
		await show(readyPublication(object, 1));
		for (const [path, message, doing] of [
			["/destroy", "Proxy scheduled for deletion", "destroy"],
			["/restart", "Proxy scheduled for restart", "restart"],
		] as const) {
			const { command, answer } = order(`${path}?ip_address=10.0.0.0`, ok);
			expect(await bodyOf(await answer())).toEqual({ metadata: METADATA, message, proxy: PROXY });
			expect(command.mock.calls).toEqual([[{ do: doing, id: "proxy0" }]]);
		}
	});

	test("are seen at once by the isolate that carried them out", async () => {
		const object = await enter();
		await show(readyPublication(object, 2));
		expect((await bodyOf(await ask("/"))).total).toBe(2);
		const { answer } = order("/destroy?ip_address=10.0.0.1", ok);
		await answer();
		const response = await askWith({ DB: failing() }, "/", KEY);
		expect((await bodyOf(response)).total, "though D1 fails now and the last snapshot is all there is").toBe(1);
	});

	test("may be repeated for any phase, also where the pool knows that the proxy is gone", async () => {
		await show(publicationOf(await enter(), { proxies: [rowOf("a", { phase: "deleting", credentials: 0 })] }));
		const gone: CommandOutcome = { ok: false, error: "notFound", message: "This proxy does not exist any more." };
		expect((await order("/destroy?ip_address=192.0.2.1", ok).answer()).status).toBe(200);
		const again = await order("/destroy?ip_address=192.0.2.1", gone).answer();
		expect(again.status).toBe(200);
		expect((await bodyOf(again)).proxy.url, "the newest credentials: it has acknowledged none").toContain("user:");
		expect((await order("/restart?ip_address=192.0.2.1", gone).answer()).status).toBe(404);
	});

	test("are 409 with the pool's own sentence where it cannot", async () => {
		await show(readyPublication(await enter(), 1));
		const response = await order("/restart?ip_address=10.0.0.0", { ok: false, error: "conflict", message: "It is static." }).answer();
		expect([response.status, (await bodyOf(response)).detail]).toEqual([409, "It is static."]);
	});

	test("are 503 where the pool does not answer, and asked once more where the platform says so", async () => {
		await show(readyPublication(await enter(), 1));
		const command = vi.fn(async (): Promise<CommandOutcome> => {
			throw Object.assign(new Error("gone"), command.mock.calls.length === 1 ? { retryable: true } : {});
		});
		const response = await askWith(poolsAnswering({ command }), "/destroy?ip_address=10.0.0.0", { ...KEY, method: "DELETE" });
		expect([response.status, (await bodyOf(response)).detail]).toEqual([503, "The pool does not answer. Try again."]);
		expect(command).toHaveBeenCalledTimes(2);
	});

	test("the queues list what waits, ready proxies do not", async () => {
		const proxies = [
			rowOf("a", { address: "192.0.2.1", phase: "draining", since: 2 }),
			rowOf("b", { address: "192.0.2.2", phase: "deleting", since: 1 }),
			rowOf("c", { address: "192.0.2.3", phase: "restarting" }),
			rowOf("d", { address: "192.0.2.4" }),
			rowOf("e", { address: null, phase: "deleting" }),
		];
		await show(publicationOf(await enter(), { proxies }));
		const ips = async (path: string) => {
			const { metadata, total, proxies } = await bodyOf(await ask(path));
			expect(metadata).toEqual(METADATA);
			return [total, ...proxies.map((proxy: { ip: string }) => proxy.ip)];
		};
		expect(await ips("/destroy")).toEqual([2, "192.0.2.2", "192.0.2.1"]);
		expect(await ips("/restart")).toEqual([1, "192.0.2.3"]);
	});
});

describe("GET /health", () => {
	const health = async (path = "/health") => bodyOf(await ask(path));
	const standing = { wanted: 2, isShort: false, since: 1_000, wantedThen: 2 };

	test("is healthy with each pool's state and count where there is nothing to say", async () => {
		await show(readyPublication(await enter(), 2, { summary: { ...SUMMARY, standing } }));
		expect(await health()).toEqual({
			status: "healthy",
			timestamp: expect.any(String),
			check_count: 0,
			checks: {
				warnings: [expect.stringMatching(/^PROXY_PASSWORD .*percent-encoded/)],
				pools: {
					"digitalocean-default": {
						status: "healthy",
						state: "running",
						ready: 2,
						wanted: 2,
						since: "1970-01-01T00:00:01.000Z",
						problems: [],
					},
				},
			},
		});
	});

	test("warns of credentials that a URL cannot hold as they are, without a word of them, and only who has the key", async () => {
		const settings = { PROXY_USERNAME: "m@e", PROXY_PASSWORD: "p/w" };
		const response = await askWith(settings, "/health", KEY);
		const text = await response.clone().text();
		expect((await bodyOf(response)).checks.warnings.map((warning: string) => warning.split(" ")[0])).toEqual([
			"PROXY_USERNAME",
			"PROXY_PASSWORD",
		]);
		expect(text).not.toMatch(/m@e|p\/w/);
		expect((await bodyOf(await askWith(settings, "/health"))).checks).toBeUndefined();
		const plain = { PROXY_USERNAME: "muster", PROXY_PASSWORD: "AZ-az._~09" };
		expect((await bodyOf(await askWith(plain, "/health", KEY))).checks.warnings).toBeUndefined();
	});

	test("tells strangers how many things there are to say, and none of them", async () => {
		const object = await enter();
		await show(publicationOf(object, { summary: { ...SUMMARY, degraded: true, problems: ["401: vm-17 is not yours"] } }));
		for (const init of [{}, { headers: { "X-Auth-Key": "wrong" } }])
			expect(await bodyOf(await askPlainly("/health", init))).toEqual({
				status: "degraded",
				timestamp: expect.any(String),
				check_count: 1,
			});
	});

	test("asks D1 nothing for a stranger who comes within a second of another, even while it fails", async () => {
		const { db, rows } = counted(env.DB);
		await askWith({ DB: db }, "/health");
		const { read } = rows;
		for (let turn = 0; turn < 3; turn++) await askWith({ DB: db }, "/health");
		expect(rows.read).toBe(read);
		expect((await bodyOf(await askWith({ DB: failing() }, "/health"))).status, "what was seen is told").toBe("healthy");
	});

	test("names what is wrong with a pool; degraded where it is told of at once", async () => {
		const object = await enter();
		const problems = ["It waits for PUBLIC_URL."];
		await show(publicationOf(object, { summary: { ...SUMMARY, problems, foreign: { pools: 0, deployments: 3 } } }));
		const sentences = ["It waits for PUBLIC_URL.", "3 VMs of other deployments are in its account; they are left alone."];
		expect(await health()).toMatchObject({
			status: "healthy",
			checks: { pools: { "digitalocean-default": { status: "healthy", problems: sentences } } },
		});
		await show(publicationOf(object, { version: 2, summary: { ...SUMMARY, degraded: true, problems: ["401 from its provider."] } }));
		expect(await health()).toMatchObject({ status: "degraded" });
	});

	test("tells of a pool that is deleted until its VMs are gone, and is degraded at once where they cannot be deleted", async () => {
		await show(publicationOf(await enter()));
		const gone = await enter("gone");
		const removing = { ...SUMMARY, run: "removing" as const, cost: { hourly: 0.5, currency: "USD", asOf: 1_000 } };
		await show(publicationOf(gone, { summary: removing }));
		await removePool(env.DB, gone, 9_000);
		expect(await health(), "it goes as it should").toMatchObject({
			status: "healthy",
			checks: { pools: { "digitalocean-gone": { status: "stopped", state: "removing", problems: [] } } },
		});
		const problems = ["the provider refuses our credentials: Unable to authenticate you"];
		await show(publicationOf(gone, { version: 2, summary: { ...removing, degraded: true, problems } }));
		// Another pool has taken the name.
		await show(publicationOf(await enter("gone")));
		const { status, check_count, checks } = await health();
		expect([status, check_count]).toEqual(["degraded", 1]);
		expect(checks.pools["digitalocean-gone (removed)"]).toMatchObject({ status: "degraded", state: "removing", problems });
		expect((await ask("/health?strict=1")).status).toBe(503);
		forgetHealth();
		expect((await bodyOf(await askPlainly("/health"))).status, "a stranger is told so too").toBe("degraded");

		const all = await bodyOf(await ask("/providers"));
		expect([all.vms, all.billed, all.cost, all.spent_this_hour]).toEqual([
			6,
			6,
			[{ hourly: 0.5, currency: "USD", asOf: "1970-01-01T00:00:01.000Z" }],
			[{ amount: 0.5, currency: "USD" }],
		]);
		expect(all.removing).toEqual([expect.objectContaining({ provider: "digitalocean", instance: "gone", vms: 2, billed: 2, problems })]);
	});

	test("counts what forgotten pools' VMs had begun until it ends, and no longer", async () => {
		await show(publicationOf(await enter()));
		const gone = await enter("gone", "hetzner");
		await removePool(env.DB, gone, 9_000);
		const now = Date.now();
		const charge = (until: number, count: number, hourly: number, currency = "EUR") => ({ until, count, hourly, currency });
		const each = [
			charge(now + 60_000, 2, 0.01),
			charge(now + 120_000, 1, 0.005),
			charge(now - 1, 4, 1),
			charge(now + 60_000, 1, 0.5, "USD"),
		];
		const sums = async () => {
			const { vms, billed, spent_this_hour } = await bodyOf(await ask("/providers"));
			return [vms, billed, spent_this_hour];
		};
		for (let once = 0; once < 2; once++) await forgetPool(env.DB, gone, { hourly: 0, until: now, each }, now);
		const eur = { amount: 0.015, currency: "EUR" };
		expect(await sums(), "forgotten twice, as where an answer was lost").toEqual([2, 6, [eur, { amount: 0.5, currency: "USD" }]]);
		await forgetPool(env.DB, "another", null, now + 60_000);
		expect(await sums()).toEqual([2, 3, [{ ...eur, amount: 0.005 }]]);
	});

	test("names an endpoint that is there: after a rename the new name, and never a time that is past", async () => {
		const object = await enter();
		await addName(env.DB, object, "renamed");
		await dropName(env.DB, object, "digitalocean-default");
		const until = Date.now() + 60_000;
		const waiting = [
			{ what: "STOPPED: it keeps no proxy", until: null },
			{ what: "launch failed", until },
			{ what: "boots failed", until: until - 120_000 },
		];
		const summary = { ...SUMMARY, run: "stopped" as const, waiting };
		await show(publicationOf(object, { summary }));
		const start = `start (POST /v1.1/endpoints/renamed/state with {"action":"start"})`;
		const sentences = [
			`STOPPED: it keeps no proxy until ${start}`,
			`launch failed; tried again at ${new Date(until).toISOString()}, or now by ${start}`,
			"boots failed; it is tried again within a minute",
		];
		const { pools } = (await bodyOf(await askWith(ENABLED, "/health", KEY))).checks;
		expect([Object.keys(pools), pools.renamed.problems]).toEqual([["renamed"], sentences]);
		expect((await bodyOf(await ask("/providers/digitalocean"))).provider.problems).toEqual(sentences);
		const command = async (): Promise<CommandOutcome> => ({ ok: true, summary, addresses: [] });
		const init = {
			method: "PATCH",
			body: '{"min_scaling":1,"max_scaling":1}',
			headers: { ...KEY.headers, "Content-Type": "application/json" },
		};
		const answer = await bodyOf(await askWith({ ...ENABLED, ...poolsAnswering({ command }) }, "/providers/digitalocean", init));
		expect([answer.message.includes(start), answer.provider.problems]).toEqual([true, sentences]);
	});

	test("is degraded once a pool is short for longer than its boots take, though nothing was published since", async () => {
		const object = await enter();
		const short = { wanted: 2, isShort: true, since: Date.now() - 100_000, wantedThen: 2 };
		await show(publicationOf(object, { summary: { ...SUMMARY, standing: short, usualBootMs: 120_000 } }));
		expect(await health()).toMatchObject({ status: "healthy" });
		await show(publicationOf(object, { version: 2, summary: { ...SUMMARY, standing: short, usualBootMs: 90_000 } }));
		const { status, checks } = await health();
		expect([status, checks.pools["digitalocean-default"].problems[0]]).toEqual([
			"degraded",
			expect.stringMatching(/^only 0 of 2 proxies are ready, short since \S+Z: longer than its boots usually take \(90 s\)$/),
		]);
	});

	test("says of a deployment that runs nothing that it is stopped, or paused", async () => {
		const object = await enter();
		await show(publicationOf(object, { summary: { ...SUMMARY, run: "stopped" } }));
		expect(await health()).toMatchObject({
			status: "stopped",
			checks: { pools: { "digitalocean-default": { status: "stopped", state: "stopped", wanted: 0 } } },
		});
		await show(publicationOf(object, { version: 2, summary: { ...SUMMARY, run: "paused" } }));
		expect(await health()).toMatchObject({ status: "paused" });
		await show(publicationOf(await enter("nyc")));
		expect(await health(), "one runs").toMatchObject({ status: "healthy" });
	});

	test("answers 503 where it is asked to be strict and is not healthy", async () => {
		const object = await enter();
		await show(publicationOf(object));
		expect((await askPlainly("/health?strict=1")).status).toBe(200);
		await show(publicationOf(object, { version: 2, summary: { ...SUMMARY, degraded: true } }));
		forgetHealth();
		expect((await askPlainly("/health?strict=1")).status).toBe(503);
		expect((await askPlainly("/health")).status).toBe(200);
		expect((await askPlainly("/health?strict=0")).status).toBe(200);
	});

	test("names a bad setting, never its value", async () => {
		const response = await askWith({ ...ENABLED, DIGITALOCEAN_ENABLED: "maybe-secret" }, "/health", KEY);
		const text = await response.text();
		const { status, checks } = JSON.parse(text);
		expect([status, checks.pools["digitalocean-default"].state]).toEqual(["degraded", "suspended"]);
		expect(checks.pools["digitalocean-default"].problems[0]).toContain("DIGITALOCEAN_ENABLED");
		expect(text).not.toContain("secret");
	});

	test("answers 200 and degraded when D1 is down, with and without a snapshot", async () => {
		for (const prepare of [async () => {}, async () => show(publicationOf(await enter())), async () => void (await ask("/"))]) {
			await prepare();
			const response = await askWith({ DB: failing() }, "/health", KEY);
			expect(response.status).toBe(200);
			expect(await bodyOf(response)).toMatchObject({
				status: "degraded",
				checks: { database: expect.stringContaining("does not answer") },
			});
			forgetEverything();
		}
	});

	test("is degraded when D1 has taken no write for a minute longer than cron waits", async () => {
		await writeSetting(env.DB, "written_at", String(Date.now() - 100_000));
		expect(await health()).toMatchObject({ status: "healthy" });
		await writeSetting(env.DB, "written_at", String(Date.now() - 130_000));
		expect(await health()).toMatchObject({ status: "degraded" });
	});
});

describe("GET /auth", () => {
	const UNCHANGED = { since: null, in_force: { proxies: 0, of: 0 }, notice: null };

	test("says what is configured, and what it is, to who may read it in the proxies' URLs", async () => {
		expect(await bodyOf(await ask("/auth"))).toEqual({
			metadata: METADATA,
			auth_enabled: true,
			username: "user",
			password: "p@ss/w:rd",
			auth: { username_configured: true, password_configured: true, only_host_ip: false, host_ip: null },
			source: "environment",
			...UNCHANGED,
		});
		const settings = { PROXY_USERNAME: undefined, PROXY_PASSWORD: undefined, ONLY_HOST_IP: "True", HOST_IP: "192.0.2.9, 10.0.0.0/8" };
		expect(await bodyOf(await askWith(settings, "/auth", KEY))).toEqual({
			metadata: METADATA,
			auth_enabled: false,
			username: null,
			password: null,
			auth: { username_configured: false, password_configured: false, only_host_ip: true, host_ip: "192.0.2.9, 10.0.0.0/8" },
			source: null,
			...UNCHANGED,
		});
		expect(await (await askWith({}, "/auth")).text(), "without a key").not.toContain("p@ss");
	});
});

describe("GET /providers", () => {
	const settings = {
		...ENABLED,
		DIGITALOCEAN_NYC_ENABLED: "True",
		DIGITALOCEAN_NYC_ACCESS_TOKEN: "local-other-token",
		DIGITALOCEAN_NYC_REGION: "nyc1",
	};

	test("lists all clouds, disabled ones too, with every setting but the secrets", async () => {
		await show(readyPublication(await enter(), 2));
		const response = await askWith(settings, "/providers", KEY);
		const text = await response.text();
		expect(text).not.toMatch(/token/);
		const { providers } = JSON.parse(text);
		expect(Object.keys(providers)).toEqual(Object.keys(PROVIDERS));
		expect(Object.keys(providers.digitalocean.instances)).toEqual(["default", "nyc"]);
		const { instances, ...own } = providers.digitalocean;
		expect(own, "top-level fields mirror the default instance").toEqual(instances.default);
		expect(own).toEqual({
			enabled: true,
			state: "running",
			ips: ["10.0.0.0", "10.0.0.1"],
			scaling: { min_scaling: 2, max_scaling: 2 },
			size: "s-1vcpu-512mb-10gb",
			region: "lon1",
			image: "ubuntu-24-04-x64",
			display_name: "My DigitalOcean",
			billed: 2,
			spent_this_hour: [],
		});
		expect(instances.nyc).toMatchObject({ enabled: true, ips: [], region: "nyc1", display_name: "DigitalOcean nyc" });
		expect(providers.aws).toMatchObject({ enabled: false, ips: [], scaling: { min_scaling: 2, max_scaling: 2 } });
		for (const [name, each] of Object.entries(providers)) expect(each, name).toHaveProperty("region");
	});

	test("one provider and one instance have the seed's shapes", async () => {
		await show(readyPublication(await enter(), 1));
		const provider = await bodyOf(await askWith(settings, "/providers/digitalocean", KEY));
		expect(provider).toMatchObject({
			metadata: METADATA,
			message: "Provider 'digitalocean' configuration retrieved successfully",
			provider: { ips: ["10.0.0.0"] },
			instances: { default: { ips: ["10.0.0.0"] }, nyc: {} },
		});
		expect(provider.provider.instances).toBeUndefined();
		expect(await bodyOf(await askWith(settings, "/providers/digitalocean/nyc", KEY))).toMatchObject({
			message: "Provider 'digitalocean' instance 'nyc' configuration retrieved successfully",
			provider: "digitalocean",
			instance: "nyc",
			config: { enabled: true, region: "nyc1" },
		});
	});

	test("says what is billed and what the hour costs, with VMs that are gone and whose hour was begun", async () => {
		const cost = { hourly: 0.02, currency: "USD", asOf: 1_000 };
		const charges = [
			{ until: Date.now() + 60_000, hourly: 0.4, count: 40, currency: "USD" },
			{ until: Date.now() - 1, hourly: 9, count: 900, currency: "USD" },
		];
		await show(publicationOf(await enter(), { summary: { ...SUMMARY, cost, charges, replacementsPerHour: 6 } }));
		const spent_this_hour = [{ amount: 0.42, currency: "USD" }];
		const { vms, billed, spent_this_hour: all, providers } = await bodyOf(await ask("/providers"));
		expect({ vms, billed, spent_this_hour: all }).toEqual({ vms: 2, billed: 42, spent_this_hour });
		expect(providers.digitalocean).toMatchObject({ billed: 42, spent_this_hour, max_replacements_per_hour: 6 });
	});

	test("a bad setting is named in it", async () => {
		const { config } = await bodyOf(
			await askWith({ ...ENABLED, DIGITALOCEAN_MIN_SCALING: "many" }, "/providers/digitalocean/default", KEY),
		);
		expect(config.problems).toEqual([expect.stringContaining("DIGITALOCEAN_MIN_SCALING")]);
	});

	test("a pool of the environment whose place or name an endpoint holds is told of, in /health too", async () => {
		const endpoint = async (name: string, provider: "digitalocean" | "hetzner") => {
			const object = env.POOL.newUniqueId().toString();
			await enterPool(env.DB, { object, provider, name, endpoint: name, incarnation: 1_000, source: "api" });
			await show(publicationOf(object));
		};
		await endpoint("nyc", "digitalocean");
		await endpoint("digitalocean-default", "hetzner");
		const { instances } = await bodyOf(await askWith(settings, "/providers/digitalocean", KEY));
		const place = `not made: the endpoint "nyc" is digitalocean/nyc already, which DIGITALOCEAN_NYC_ENABLED asks for; delete that endpoint, or unset DIGITALOCEAN_NYC_ENABLED`;
		const name = `not made: "digitalocean-default", which is to be its endpoint's name, is one of the endpoint "digitalocean-default"; delete that endpoint, or unset DIGITALOCEAN_ENABLED`;
		expect([instances.nyc.problems, instances.default.problems]).toEqual([[place], [name]]);
		const { status, checks } = await bodyOf(await askWith(settings, "/health", KEY));
		expect([status, checks.pools["digitalocean-nyc"].problems, checks.pools["digitalocean-default"].problems]).toEqual([
			"degraded",
			[place],
			[name],
		]);
		// It is told by the name that it can be deleted by.
		const nyc = (await findPool(env.DB, "digitalocean", "nyc"))?.object ?? "";
		await addName(env.DB, nyc, "renamed");
		await dropName(env.DB, nyc, "nyc");
		const renamed = (await bodyOf(await askWith(settings, "/health", KEY))).checks.pools;
		expect(renamed["digitalocean-nyc"].problems).toEqual([place.replace('"nyc"', '"renamed"')]);
	});

	test("a pool that was made otherwise is an instance too", async () => {
		await show(readyPublication(await enter("made"), 1));
		const { instances } = await bodyOf(await ask("/providers/digitalocean"));
		expect(instances.made).toMatchObject({ enabled: true, ips: ["10.0.0.0"] });
	});
});

describe("PATCH /providers", () => {
	const patch = (min: number, max: number): RequestInit => ({
		method: "PATCH",
		body: JSON.stringify({ min_scaling: min, max_scaling: max }),
		headers: { ...KEY.headers, "Content-Type": "application/json; charset=utf-8" },
	});

	test("tells the pool and answers with what it says", async () => {
		await show(publicationOf(await enter()));
		const command = vi.fn(
			async (): Promise<CommandOutcome> => ({ ok: true, summary: { ...SUMMARY, min: 3, max: 5 }, addresses: ["192.0.2.5"] }),
		);
		const settings = { ...ENABLED, ...poolsAnswering({ command }) };
		const provider = await bodyOf(await askWith(settings, "/providers/digitalocean", patch(3, 5)));
		expect(command.mock.calls).toEqual([[{ do: "scale", min: 3, max: 5 }]]);
		expect(provider).toMatchObject({
			message: "Provider 'digitalocean' scaling configuration updated successfully",
			provider: { scaling: { min_scaling: 3, max_scaling: 5 }, ips: ["192.0.2.5"] },
			instances: { default: { scaling: { min_scaling: 3, max_scaling: 5 } } },
		});
		expect(await bodyOf(await askWith(settings, "/providers/digitalocean/default", patch(3, 5)))).toMatchObject({
			message: "Provider 'digitalocean' instance 'default' scaling configuration updated successfully",
			provider: "digitalocean",
			instance: "default",
			config: { scaling: { min_scaling: 3, max_scaling: 5 } },
		});
	});

	test("of a stopped pool says that it keeps none, what it will do and how to start it", async () => {
		const summary = { ...SUMMARY, run: "stopped" as const, min: 3, max: 5 };
		await show(publicationOf(await enter(), { summary }));
		const command = async (): Promise<CommandOutcome> => ({ ok: true, summary, addresses: [] });
		const settings = { ...ENABLED, ...poolsAnswering({ command }) };
		const start = `start (POST /v1.1/endpoints/digitalocean-default/state with {"action":"start"})`;
		for (const [path, what] of [
			["/providers/digitalocean", "Provider 'digitalocean'"],
			["/providers/digitalocean/default", "Provider 'digitalocean' instance 'default'"],
		] as const) {
			const { message, provider, config = provider } = await bodyOf(await askWith(settings, path, patch(3, 5)));
			expect(message).toBe(
				`${what} scaling configuration updated successfully. STOPPED: it keeps no proxy until ${start}, and then 3 to 5`,
			);
			expect(config.state).toBe("stopped");
		}
		const listed = await bodyOf(await ask("/providers/digitalocean"));
		expect([listed.provider.state, listed.instances.default.state]).toEqual(["stopped", "stopped"]);
	});

	test("on a disabled provider it is remembered", async () => {
		const answer = await bodyOf(await ask("/providers/hetzner", patch(1, 7)));
		expect(answer.provider).toMatchObject({ enabled: false, scaling: { min_scaling: 1, max_scaling: 7 } });
		expect((await bodyOf(await ask("/providers/hetzner/default"))).config.scaling).toEqual({ min_scaling: 1, max_scaling: 7 });
		const { config } = await bodyOf(
			await askWith({ HETZNER_MIN_SCALING: "4", HETZNER_MAX_SCALING: "4" }, "/providers/hetzner/default", KEY),
		);
		expect(config.scaling, "the environment's bounds win once they change").toEqual({ min_scaling: 4, max_scaling: 4 });
	});
});
