import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Command } from "../../src/core/model/command.ts";
import { forgetKeys } from "../../src/http/base/auth.ts";
import type { CommandOutcome } from "../../src/rpc/pool.ts";
import { ADMIN_KEY, askWith, bodyOf, enter, poolsAnswering, publicationOf, rowOf, SUMMARY, show, startAfresh } from "./helpers.ts";

const METRICS = "/v1.1/endpoints/digitalocean-default/metrics";
const SAMPLES = {
	averages: { active: 2.5, cpu: 0.25 },
	byAddress: { "192.0.2.1": { active: [1, 2] as const, queue: [3, 7.5] as const } },
	reporting: 2,
	missing: 0,
	isUnused: false,
};
const done: CommandOutcome = { ok: true, summary: SUMMARY, addresses: [] };
const command = vi.fn(async (_command: Command): Promise<CommandOutcome> => done);
const ask = (path: string, init: RequestInit = {}, headers: Record<string, string> = {}) =>
	askWith(poolsAnswering({ command, metrics: async () => SAMPLES, proves: async () => true }), path, {
		...init,
		headers: { "X-Auth-Key": ADMIN_KEY, ...headers },
	});
const post = (path: string, body: unknown, headers?: Record<string, string>) =>
	ask(path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }, headers);

beforeEach(async () => {
	await startAfresh();
	forgetKeys();
	command.mockClear();
	await show(publicationOf(await enter(), { proxies: [rowOf("abcdefgh", { address: "192.0.2.1" })] }));
});

test("are read as averages, and by address as weights and values", async () => {
	expect(await bodyOf(await ask(METRICS))).toEqual({ active: 2.5, cpu: 0.25 });
	expect(await bodyOf(await ask(`${METRICS}/192.0.2.1`))).toEqual({ active: [1, 2], queue: [3, 7.5] });
	for (const ip of ["192.0.2.2", "nonsense", "toString"]) expect(await bodyOf(await ask(`${METRICS}/${ip}`)), ip).toEqual({});
});

describe("posted", () => {
	const sent = async (path: string, body: unknown, headers?: Record<string, string>) => {
		const response = await post(path, body, headers);
		expect([response.status, await response.text()]).toEqual([200, ""]);
		return command.mock.lastCall?.[0];
	};

	test("to an endpoint they are its own, to an address that address's; a bare number weighs 1", async () => {
		const metrics = { queue: [2, 7.2], load: -3 };
		expect(await sent(METRICS, metrics)).toEqual({ do: "metrics", address: null, metrics: { queue: [2, 7.2], load: [1, -3] } });
		expect(await sent(`${METRICS}/192.0.2.1`, { queue: [0, 1e3] })).toEqual({
			do: "metrics",
			address: "192.0.2.1",
			metrics: { queue: [0, 1000] },
		});
		expect(await sent(METRICS, {})).toEqual({ do: "metrics", address: null, metrics: {} });
	});

	test("without the endpoint's name they are the caller's own, whatever address the path has", async () => {
		const from = { "CF-Connecting-IP": "192.0.2.1" };
		for (const path of ["/v1.1/endpoint/metrics", "/v1.1/endpoint/metrics/192.0.2.7"])
			expect(await sent(path, { queue: 1 }, from)).toEqual({ do: "metrics", address: "192.0.2.1", metrics: { queue: [1, 1] } });
	});

	test("to an endpoint that is gone they are 404", async () => {
		command.mockResolvedValueOnce({ ok: false, error: "notFound", message: "" });
		expect((await post(METRICS, { queue: 1 })).status).toBe(404);
		expect((await post("/v1.1/endpoints/nowhere/metrics", { queue: 1 })).status).toBe(404);
	});

	const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`metric${index}`, 1]));
	const wrong: readonly [body: unknown, answer: unknown][] = [
		["", "The body is empty."],
		["{", "The body is not JSON."],
		["null", { body: expect.any(Object) }],
		[[1], { body: expect.any(Object) }],
		["7", { body: expect.any(Object) }],
		[{ queue: "7" }, { body: { queue: expect.stringContaining("must be a number") } }],
		[{ queue: [1] }, { body: { queue: expect.stringContaining("must be a number") } }],
		[{ queue: [1, 2, 3] }, { body: { queue: expect.stringContaining("must be a number") } }],
		[{ queue: [-1, 2] }, { body: { queue: expect.stringContaining("must be a number") } }],
		[{ queue: null, cpu: 1, load: true }, { body: { queue: expect.any(String), load: expect.any(String) } }],
		[{ "2 words": 1 }, { body: { "2 words": expect.stringContaining("no name of a metric") } }],
		[many, { body: { "": "must be at most 64 metrics" } }],
	];
	for (const [body, answer] of wrong)
		test(`${JSON.stringify(body).slice(0, 50)} are 400, and change nothing`, async () => {
			const response = await post(METRICS, body);
			const text = await response.text();
			expect([response.status, typeof answer === "string" ? text : JSON.parse(text)]).toEqual([400, answer]);
			expect(command).not.toHaveBeenCalled();
		});

	test("to what is no address they are 400", async () => {
		const response = await post(`${METRICS}/nonsense`, { queue: 1 });
		expect([response.status, await response.text()]).toEqual([400, '"nonsense" is no IP address.']);
	});
});
