import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { writeSetting } from "../../src/d1/settings.ts";
import { publish } from "../../src/read-model/publish.ts";
import { forgetEverything } from "../../src/read-model/ready.ts";
import type { CommandOutcome, LeaseRequest } from "../../src/rpc/pool.ts";
import {
	ADMIN_KEY,
	ask,
	askWith,
	bodyOf,
	counted,
	enter,
	ORIGIN,
	poolsAnswering,
	publicationOf,
	readyPublication,
	rowOf,
	SUMMARY,
	show,
	startAfresh,
} from "./helpers.ts";

const KEY = { headers: { "X-Auth-Key": ADMIN_KEY } };
let object = "";

beforeEach(async () => {
	await startAfresh();
	// Else the first request tells the pools of it, and cron's look finds that there are none behind these rows.
	await writeSetting(env.DB, "origin", ORIGIN);
	object = await enter();
	await show(readyPublication(object, 3));
});

const inSeconds = (seconds: number) => Math.ceil(Date.now() / 1_000) + seconds;
const cooling = (hosts: Record<string, Record<string, number>>) => ({ json: JSON.stringify(hosts), isPatch: false });
const coolDown = (hosts: Record<string, Record<string, number>>) =>
	show(publicationOf(object, { version: 2, partCount: 1, cooling: cooling(hosts) }));
const ipsFor = async (query: string) =>
	(await (await ask(`/proxies.txt?format=text&${query}`)).text())
		.split("\n")
		.slice(0, -1)
		.map((line) => line.replace(/:.*/, ""));

describe("?host=", () => {
	test("leaves out what cools down for that site, however it is written, and picks evenly among the others", async () => {
		await coolDown({ "example.com": { proxy1: inSeconds(60), proxy2: inSeconds(-1) } });
		for (const host of ["example.com", "EXAMPLE.com.", "example.com:443", "https://example.com/x"])
			expect(await ipsFor(`host=${encodeURIComponent(host)}`), host).toEqual(["10.0.0.0", "10.0.0.2"]);
		expect(await ipsFor("host=example.org")).toHaveLength(3);
		const drawn = new Map<string, number>();
		for (let draw = 0; draw < 200; draw++) {
			const { ip } = (await bodyOf(await ask("/random?host=example.com"))).proxy;
			drawn.set(ip, (drawn.get(ip) ?? 0) + 1);
		}
		expect([...drawn.keys()].sort()).toEqual(["10.0.0.0", "10.0.0.2"]);
		expect(Math.min(...drawn.values())).toBeGreaterThan(60);
		expect((await bodyOf(await ask("/?host=example.com"))).total).toBe(2);
	});

	test("is 404 where all cool down, and says when the first is free; fallback=least gives that one", async () => {
		const first = inSeconds(50);
		await coolDown({ "example.com": { proxy0: inSeconds(90), proxy1: first, proxy2: inSeconds(70) } });
		const response = await ask("/random?host=example.com");
		const { detail } = await bodyOf(response);
		expect([response.status, detail]).toEqual([
			404,
			expect.stringContaining(`cools down for example.com, the first until ${new Date(first * 1_000).toISOString()}`),
		]);
		const retryAfter = Number(response.headers.get("Retry-After"));
		expect(retryAfter).toBeGreaterThan(45);
		expect(retryAfter).toBeLessThanOrEqual(51);
		expect((await bodyOf(await ask("/random?host=example.com&fallback=least"))).proxy.ip).toBe("10.0.0.1");
		expect((await bodyOf(await ask("/random?host=example.com&fallback=least&exclude=10.0.0.1"))).proxy.ip).toBe("10.0.0.2");
		expect((await ask("/random?host=example.com&fallback=most")).status).toBe(422);
	});

	test("moves the sessions of what cools down, and no others", async () => {
		const sessions = Array.from({ length: 20 }, (_, index) => `s${index}`);
		const exits = (query: string) =>
			Promise.all(sessions.map(async (session) => (await bodyOf(await ask(`/random?session=${session}${query}`))).proxy.ip));
		const before = await exits("");
		await coolDown({ "example.com": { proxy1: inSeconds(60) } });
		for (const [index, ip] of (await exits("&host=example.com")).entries())
			if (before[index] === "10.0.0.1") expect(ip).not.toBe("10.0.0.1");
			else expect(ip).toBe(before[index]);
		expect(await exits("")).toEqual(before);
	});

	test("reads no row more than without it", async () => {
		await writeSetting(env.DB, "origin", ORIGIN);
		await show(readyPublication(object, 2_500, { version: 2, cooling: cooling({ "example.com": { proxy1: inSeconds(60) } }) }));
		const readFor = async (path: string) => {
			forgetEverything();
			const { db, rows } = counted(env.DB);
			expect((await askWith({ DB: db }, path, KEY)).status).toBe(200);
			return rows.read;
		};
		expect(await readFor("/random?host=example.com")).toBe(await readFor("/random?region=lon1"));
		expect(await readFor("/random?host=example.com")).toBeLessThanOrEqual(1 + 2);
	});

	test("that is no host is 422", async () => {
		for (const host of ["", "a b", "http://"]) expect((await ask(`/random?host=${encodeURIComponent(host)}`)).status, host).toBe(422);
	});
});

describe("what D1 holds of it", () => {
	test("is changed in place by what is sent, as one row, and only over the version that it rests on", async () => {
		const { db, rows } = counted(env.DB);
		const held = async () => JSON.parse((await env.DB.prepare("SELECT cooling FROM pools").first<{ cooling: string }>())?.cooling ?? "");
		const send = (version: number, over: number | null, json: object, isPatch: boolean) =>
			publish(db, publicationOf(object, { version, over, partCount: 1, cooling: { json: JSON.stringify(json), isPatch } }));
		expect(await send(2, null, { "a.example": { proxy0: 1, proxy1: 2 }, "b.example": { proxy0: 3 } }, false)).toBe(true);
		rows.written = 0;
		expect(await send(3, 2, { "a.example": { proxy0: null, proxy2: 4 }, "b.example": null, __proto__x: { proxy0: 5 } }, true)).toBe(true);
		expect(rows.written).toBe(1);
		expect(await held()).toEqual({ "a.example": { proxy1: 2, proxy2: 4 }, __proto__x: { proxy0: 5 } });
		expect(await send(4, 2, { "a.example": null }, true)).toBe(false);
		expect(await publish(db, publicationOf(object, { version: 4, over: 3, partCount: 1 }))).toBe(true);
		expect(Object.keys(await held())).toEqual(["a.example", "__proto__x"]);
	});
});

describe("POST /report", () => {
	const ok: CommandOutcome = { ok: true, summary: SUMMARY, addresses: [] };
	const post = async (body: unknown, command = vi.fn(async (): Promise<CommandOutcome> => ok)) => {
		const init = { method: "POST", body: JSON.stringify(body), headers: { ...KEY.headers, "Content-Type": "application/json" } };
		const response = await askWith(poolsAnswering({ command }), "/report", init);
		return {
			status: response.status,
			body: await bodyOf(response),
			calls: command.mock.calls as unknown as readonly [{ reports: readonly object[] }][],
		};
	};

	test("tells each proxy's pool, its host in its one spelling, and names addresses that no proxy has", async () => {
		const other = await enter("nyc");
		await show(publicationOf(other, { parts: [{ part: 0, proxies: [["b", "10.9.0.1", 1]] }], partCount: 1 }));
		const { status, body, calls } = await post([
			{ ip: "10.0.0.1", host: "Example.COM:443", outcome: "banned", status: 403, session: "s" },
			{ ip: "10.9.0.1", host: "bücher.example", outcome: "ok", ms: 12.5 },
			{ ip: "10.0.0.2", host: "example.com", outcome: "ok" },
			{ ip: "192.0.2.99", host: "example.com", outcome: "timeout" },
		]);
		expect([status, body.accepted, body.unknown]).toEqual([200, 3, ["192.0.2.99"]]);
		expect(calls.map(([command]) => command).sort((a, b) => b.reports.length - a.reports.length)).toEqual([
			{
				do: "report",
				reports: [
					{ id: "proxy1", host: "example.com", outcome: "banned" },
					{ id: "proxy2", host: "example.com", outcome: "ok" },
				],
			},
			{ do: "report", reports: [{ id: "b", host: "xn--bcher-kva.example", outcome: "ok", ms: 12.5 }] },
		]);
	});

	test("takes one report alone, and finds a proxy that is in no list (a leased one, say) by its address", async () => {
		await show(publicationOf(object, { version: 2, parts: [], partCount: 0, proxies: [rowOf("hidden", { address: "10.7.7.7" })] }));
		const { status, body, calls } = await post({ ip: "10.7.7.7", host: "example.com", outcome: "captcha" });
		expect([status, body.accepted]).toEqual([200, 1]);
		expect(calls).toEqual([[{ do: "report", reports: [{ id: "hidden", host: "example.com", outcome: "captcha" }] }]]);
	});

	test("counts what was taken in, and names the addresses whose pool is gone, or cannot take reports in", async () => {
		const report = { ip: "10.0.0.1", host: "example.com", outcome: "ok" };
		for (const [error, unknown, refused] of [
			["notFound", ["10.0.0.1"], []],
			["conflict", [], ["10.0.0.1"]],
		] as const) {
			const { status, body } = await post(
				[report, report],
				vi.fn(async () => ({ ok: false, error, message: "no" })),
			);
			expect([status, body.accepted, body.unknown, body.refused], error).toEqual([200, 0, unknown, refused]);
		}
	});

	test("of pools of which one does not answer is taken in by the others, and 503 where none answers", async () => {
		await show(publicationOf(await enter("nyc"), { parts: [{ part: 0, proxies: [["b", "10.9.0.1", 1]] }], partCount: 1 }));
		const reports = ["10.0.0.1", "10.9.0.1"].map((ip) => ({ ip, host: "example.com", outcome: "ok" }));
		let silent: readonly string[] = ["b"];
		const command = vi.fn(async (...asked: readonly unknown[]): Promise<CommandOutcome> => {
			if (silent.some((id) => JSON.stringify(asked).includes(`"${id}"`))) throw new Error("the object is lost");
			return ok;
		});
		const { status, body } = await post(reports, command);
		expect([status, body.accepted, body.unknown, body.refused]).toEqual([200, 1, [], ["10.9.0.1"]]);
		silent = ["b", "proxy1"];
		expect((await post(reports, command)).status).toBe(503);
	});

	test("of a ban counts for the very next selection here", async () => {
		expect(await ipsFor("host=example.com")).toHaveLength(3);
		const command = vi.fn(async () => {
			// As a pool does: what this isolate has read is not forgotten by that.
			const hosts = cooling({ "example.com": { proxy1: inSeconds(60) } });
			await publish(env.DB, publicationOf(object, { version: 2, partCount: 1, cooling: hosts }));
			return ok;
		});
		await post({ ip: "10.0.0.1", host: "example.com", outcome: "banned" }, command);
		expect(await ipsFor("host=example.com")).toEqual(["10.0.0.0", "10.0.0.2"]);
	});

	test("takes 500 of the longest", async () => {
		const longest = { ip: "10.0.0.1", host: `${"a".repeat(63)}.`.repeat(3) + "b".repeat(61), outcome: "timeout", session: "s".repeat(200) };
		const { status, body } = await post(Array.from({ length: 500 }, () => ({ ...longest, status: 503, ms: 86_399_999.999_999 })));
		expect([status, body.accepted]).toEqual([200, 500]);
	});

	test("writes no row of D1 itself, and reads none for proxies that are ready", async () => {
		await ask("/random");
		const { db, rows } = counted(env.DB);
		const command = vi.fn(async () => ok);
		const reports = Array.from({ length: 500 }, (_, index) => ({ ip: `10.0.0.${index % 3}`, host: `site${index}.example`, outcome: "ok" }));
		const init = { method: "POST", body: JSON.stringify(reports), headers: { ...KEY.headers, "Content-Type": "application/json" } };
		await writeSetting(env.DB, "origin", ORIGIN);
		forgetEverything();
		const response = await askWith({ ...poolsAnswering({ command }), DB: db }, "/report", init);
		expect([response.status, command.mock.calls.length, rows.written]).toEqual([200, 1, 0]);
		expect(rows.read).toBeLessThanOrEqual(1 + 2);
	});

	test("says which report is wrong, and how", async () => {
		const good = { ip: "10.0.0.1", host: "example.com", outcome: "ok" };
		for (const [body, detail] of [
			[[good, { ...good, ip: "300.1.1.1" }], "1.ip must be an IP address."],
			[[good, { ...good, host: "a b" }], "1.host must be a host name or an address."],
			[{ ...good, outcome: "blocked" }, "0.outcome must be one of ok, banned, captcha, error, timeout."],
			[{ ...good, ms: -1 }, "0.ms"],
			[{ ...good, address: "x" }, 'must not have the field "address"'],
			[{ ip: "10.0.0.1", outcome: "ok" }, "0.host is required"],
			[[], "The body must be a report, or a list of 1 to 500."],
			[Array.from({ length: 501 }, () => good), "The body must be a report, or a list of 1 to 500."],
		] as const) {
			const { status, body: answer, calls } = await post(body);
			expect([status, answer.detail, calls], detail).toEqual([422, expect.stringContaining(detail), []]);
		}
	});
});

describe("POST /leases", () => {
	const until = Date.now() + 60_000;
	const granted = (ids: readonly string[], address: string) => ({
		ok: true as const,
		leases: ids.map((id) => ({ id, until, replaces: null, proxy: { id: "p", address, credentials: 1, place: null } })),
	});
	const post = async (lease: (order: LeaseRequest) => Promise<ReturnType<typeof granted>>, body: object) => {
		const init = { method: "POST", body: JSON.stringify(body), headers: { ...KEY.headers, "Content-Type": "application/json" } };
		const response = await askWith(poolsAnswering({ lease }), "/leases", init);
		return { status: response.status, body: await bodyOf(response) };
	};

	test("tells the pool what the selection leaves out", async () => {
		const lease = vi.fn(async ({ ids }: LeaseRequest) => granted(ids, "10.0.0.0"));
		const selection = { exclude: "10.0.0.1", host: "Example.COM:443" };
		expect((await post(lease, { seconds: 60, selection })).status).toBe(200);
		expect(lease.mock.calls[0]?.[0]).toMatchObject({ seconds: 60, wishes: { exclude: ["10.0.0.1"], host: "example.com" } });
	});

	test("gives what some pools have granted where another does not answer, and is 503 where none does", async () => {
		await show(publicationOf(await enter("nyc"), { parts: [{ part: 0, proxies: [["b", "10.9.0.1", 1]] }], partCount: 1 }));
		const half = async ({ ids }: LeaseRequest) => {
			if (ids.length === 1) throw new Error("the object is lost");
			return granted(ids, "10.0.0.0");
		};
		const { status, body } = await post(half, { seconds: 60, count: 4 });
		expect([status, body.message, body.leases.length]).toEqual([200, "3 of 4 leased", 3]);
		const none = async () => Promise.reject(new Error("the object is lost"));
		expect((await post(none, { seconds: 60, count: 4 })).status).toBe(503);
	});
});
