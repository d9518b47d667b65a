import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Command } from "../../src/core/model/command.ts";
import { forgetKeys } from "../../src/http/base/auth.ts";
import type { CommandOutcome } from "../../src/rpc/pool.ts";
import { ADMIN_KEY, askWith, bodyOf, enter, poolsAnswering, publicationOf, rowOf, SUMMARY, show, startAfresh } from "./helpers.ts";

const INSTANCES = "/v1.1/endpoints/digitalocean-default/instances";
const ALL = { active: ["7", "8"], decommissioned: ["5"], errored: [], discarded: ["3"] };
const PLACES = { "7": { region: "nyc1", size: "s-1vcpu-512mb-10gb", country: "us" } };
const KEY = "the-key-of-the-endpoint";
const command = vi.fn(async (_command: Command): Promise<CommandOutcome> => ({ ok: true, summary: SUMMARY, addresses: [] }));
const pools = poolsAnswering({ command, instances: async () => ({ ...ALL, places: PLACES }), opens: async (key) => key === KEY });
const ask = (method: string, path: string, key: string | null = ADMIN_KEY) =>
	askWith(pools, path, { method, headers: key === null ? {} : { "X-Auth-Key": key } });

beforeEach(async () => {
	await startAfresh();
	forgetKeys();
	command.mockClear();
	await show(publicationOf(await enter(), { proxies: [rowOf("abcdefgh", { address: "192.0.2.1" })] }));
});

describe("an endpoint's instances", () => {
	test("are listed by id, and all of them by state; with the endpoint's key as well", async () => {
		expect(await bodyOf(await ask("GET", INSTANCES))).toEqual(["7", "8"]);
		expect(await bodyOf(await ask("GET", `${INSTANCES}?state=all`, KEY))).toEqual(ALL);
		expect((await ask("GET", `${INSTANCES}?state=odd`)).status).toBe(400);
		expect(await bodyOf(await ask("GET", `${INSTANCES}?state=places`, KEY))).toEqual(PLACES);
	});

	test("are a map to who asks for one, and to Reactor's own client, which asks with httplib2 and for nothing else", async () => {
		const asked = async (query: string, headers: Record<string, string>) =>
			bodyOf(await askWith(pools, `${INSTANCES}${query}`, { headers: { "X-Auth-Key": ADMIN_KEY, ...headers } }));
		expect(await asked("?map=1", {})).toEqual(ALL);
		expect(await asked("", { Accept: "application/vnd.reactor.map+json" })).toEqual(ALL);
		const client = { Accept: "application/json", "Content-Type": "application/json", "User-Agent": "Python-httplib2/0.7.4 (gzip)" };
		expect(await asked("", client)).toEqual(ALL);
		expect(await asked("?map=0", client)).toEqual(["7", "8"]);
		expect(await asked("", { ...client, "User-Agent": "curl/8.5.0" })).toEqual(["7", "8"]);
	});

	test("are associated and disassociated with the admin key only", async () => {
		for (const [method, wanted] of [
			["POST", { do: "adopt", vm: "93818b24-ef97" }],
			["DELETE", { do: "release", id: "93818b24-ef97" }],
		] as const) {
			expect((await ask(method, `${INSTANCES}/93818b24-ef97`, KEY)).status).toBe(403);
			expect(command).not.toHaveBeenCalled();
			const response = await ask(method, `${INSTANCES}/93818b24-ef97`);
			expect([response.status, await response.text()]).toEqual([200, ""]);
			expect(command.mock.lastCall?.[0]).toEqual(wanted);
			command.mockClear();
		}
	});

	test("that are missing, or cannot be had, are 404 and 409", async () => {
		for (const [error, status] of [
			["notFound", 404],
			["conflict", 409],
		] as const) {
			command.mockResolvedValueOnce({ ok: false, error, message: "This is why." });
			const response = await ask("POST", `${INSTANCES}/9`);
			expect([response.status, await response.text()]).toEqual([status, "This is why."]);
		}
	});
});

describe("an address", () => {
	const orders = [
		["/v1.1/register", "confirm"],
		["/v1.1/unregister", "leave"],
		["/v1.0/register", "confirm"],
	] as const;

	test("is vouched for, or not any more, with the admin key or that of the endpoint whose proxy has it", async () => {
		for (const [path, order] of orders)
			for (const key of [ADMIN_KEY, KEY]) {
				command.mockClear();
				const response = await ask("POST", `${path}/192.0.2.1`, key);
				expect([response.status, await response.text()]).toEqual([200, ""]);
				expect(command.mock.calls).toEqual([[{ do: order, address: "192.0.2.1" }]]);
			}
	});

	test("that no proxy has is told to every pool, by the admin only, and answered in silence", async () => {
		await enter("second");
		const silent: CommandOutcome = { ok: false, error: "notFound", message: "nobody has it" };
		for (const [path, order] of orders) {
			command.mockClear();
			expect((await ask("POST", `${path}/192.0.2.9`, KEY)).status).toBe(401);
			expect((await ask("POST", `${path}/192.0.2.9`, null)).status).toBe(401);
			expect(command).not.toHaveBeenCalled();
			command.mockResolvedValueOnce(silent);
			expect((await ask("POST", `${path}/192.0.2.9`)).status).toBe(200);
			expect(command.mock.calls).toEqual(Array(2).fill([{ do: order, address: "192.0.2.9" }]));
		}
	});

	test("is written in its one spelling; what is none is passed over", async () => {
		await ask("POST", "/v1.1/register/2001:DB8:0::1");
		expect(command.mock.lastCall?.[0]).toEqual({ do: "confirm", address: "2001:db8::1" });
		command.mockClear();
		for (const text of ["nonsense", "1", "192.0.2.1%2F24"]) expect((await ask("POST", `/v1.1/register/${text}`)).status, text).toBe(200);
		expect(command).not.toHaveBeenCalled();
	});
});
