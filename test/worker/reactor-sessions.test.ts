import { beforeEach, expect, test, vi } from "vitest";
import type { Command } from "../../src/core/model/command.ts";
import { forgetKeys } from "../../src/http/base/auth.ts";
import type { CommandOutcome } from "../../src/rpc/pool.ts";
import { ADMIN_KEY, askWith, bodyOf, enter, poolsAnswering, SUMMARY, startAfresh } from "./helpers.ts";

const SESSIONS = "/v1.1/endpoints/digitalocean-default/sessions";
const OPEN = { "198.51.100.7:50123": "192.0.2.1:8899", "[2001:db8::1]:4000": "192.0.2.2:8899" };
const command = vi.fn(async (_command: Command): Promise<CommandOutcome> => ({ ok: true, summary: SUMMARY, addresses: [] }));
const sessions = vi.fn(async (): Promise<Record<string, string> | null> => OPEN);
const ask = (path: string, method = "GET") =>
	askWith(poolsAnswering({ command, sessions }), path, { method, headers: { "X-Auth-Key": ADMIN_KEY } });

beforeEach(async () => {
	await startAfresh();
	forgetKeys();
	command.mockClear();
	await enter();
});

test("are listed by client, and queried one by one, however the client is written", async () => {
	expect(await bodyOf(await ask(SESSIONS))).toEqual(OPEN);
	for (const [session, backend] of [
		["198.51.100.7:50123", "192.0.2.1:8899"],
		["198.51.100.7%3A50123", "192.0.2.1:8899"],
		["[2001:db8::1]:4000", "192.0.2.2:8899"],
		["%5B2001:DB8:0::1%5D:4000", "192.0.2.2:8899"],
		["198.51.100.7:50124", null],
		["nonsense", null],
		["toString", null],
	] as const)
		expect(await bodyOf(await ask(`${SESSIONS}/${session}`)), session).toBe(backend);
});

test("are dropped, open or not", async () => {
	for (const [session, wanted] of [
		["127.0.0.1:38273", "127.0.0.1:38273"],
		["[2001:DB8:0::1]:4000", "[2001:db8::1]:4000"],
	]) {
		const response = await ask(`${SESSIONS}/${session}`, "DELETE");
		expect([response.status, await response.text()]).toEqual([200, ""]);
		expect(command.mock.lastCall?.[0]).toEqual({ do: "drop", session: wanted });
	}
});

test("what is no session cannot be dropped", async () => {
	for (const session of ["nonsense", "198.51.100.7", "198.51.100.7:0", "198.51.100.7:65536", "2001:db8::1:4000"])
		expect((await ask(`${SESSIONS}/${session}`, "DELETE")).status, session).toBe(400);
	expect(command).not.toHaveBeenCalled();
});

test("an endpoint that is gone has none", async () => {
	sessions.mockResolvedValueOnce(null);
	expect((await ask(SESSIONS)).status).toBe(404);
	command.mockResolvedValueOnce({ ok: false, error: "notFound", message: "" });
	expect((await ask(`${SESSIONS}/127.0.0.1:1`, "DELETE")).status).toBe(404);
});
