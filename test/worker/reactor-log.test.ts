import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Command } from "../../src/core/model/command.ts";
import type { LogEntry } from "../../src/core/model/state.ts";
import { forgetKeys } from "../../src/http/base/auth.ts";
import type { CommandOutcome } from "../../src/rpc/pool.ts";
import { ADMIN_KEY, ask, askWith, bodyOf, enter, poolsAnswering, publicationOf, SUMMARY, show, startAfresh } from "./helpers.ts";

const LOG = "/v1.1/endpoints/digitalocean-default/log";
const AT = 1_764_000_000_123;
const entry = (seq: number, at: number, changes: Partial<LogEntry> = {}): LogEntry => ({
	seq,
	at,
	severity: "INFO",
	text: `entry ${seq}`,
	...changes,
});

beforeEach(async () => {
	await startAfresh();
	forgetKeys();
});

test("a log is a list of instants in seconds, severities and texts, the oldest first", async () => {
	const log = [entry(1, AT), entry(2, AT + 5, { severity: "ERROR", text: "delete failed" }), entry(3, AT + 5, { severity: "WARNING" })];
	await show(publicationOf(await enter(), { log }));
	expect(await bodyOf(await ask(LOG))).toEqual([
		[1764000000.123, "INFO", "entry 1"],
		[1764000000.128, "ERROR", "delete failed"],
		[1764000000.128, "WARNING", "entry 3"],
	]);
});

test("since is exclusive, as clients write it; what is no number asks for all", async () => {
	const log = Array.from({ length: 50 }, (_, index) => entry(index + 1, AT + index));
	await show(publicationOf(await enter(), { log }));
	const texts = async (since: string) =>
		(await bodyOf(await ask(`${LOG}?since=${since}`))).map(([, , text]: [number, string, string]) => text);
	for (const [index, { at }] of log.entries()) expect(await texts((at / 1_000).toFixed(6))).toHaveLength(49 - index);
	expect(await texts(String(AT / 1_000 + 0.048))).toEqual(["entry 50"]);
	for (const since of ["0.000000", "-1", "soon", "", "Infinity"]) expect(await texts(since), since).toHaveLength(50);
});

test("the newest two hundred are shown", async () => {
	const log = Array.from({ length: 250 }, (_, index) => entry(index + 1, AT + index));
	await show(publicationOf(await enter(), { log }));
	const shown = await bodyOf(await ask(LOG));
	expect([shown.length, shown[0][2], shown[199][2]]).toEqual([200, "entry 51", "entry 250"]);
});

test("a pool that has said nothing has an empty log", async () => {
	await enter();
	expect(await bodyOf(await ask(LOG))).toEqual([]);
});

describe("an entry that is posted", () => {
	const command = vi.fn(async (_command: Command): Promise<CommandOutcome> => ({ ok: true, summary: SUMMARY, addresses: [] }));
	beforeEach(async () => {
		command.mockClear();
		await enter();
	});
	const post = async (query: string, body: string) => {
		const init = { method: "POST", body, headers: { "X-Auth-Key": ADMIN_KEY } };
		const response = await askWith(poolsAnswering({ command }), LOG + query, init);
		return [response.status, await response.text()];
	};

	test("has the text and the severity that it is given", async () => {
		for (const [query, severity] of [
			["", "INFO"],
			["?level=", "INFO"],
			["?level=INFO", "INFO"],
			["?level=warning", "WARNING"],
			["?level=WARN", "WARNING"],
			["?level=Error", "ERROR"],
		] as const) {
			expect(await post(query, '"a \\u00fcber message\\n"'), query).toEqual([200, ""]);
			expect(command.mock.lastCall?.[0], query).toEqual({ do: "log", severity, text: "a über message" });
		}
	});

	test("must be a JSON string of a level that there is", async () => {
		for (const [query, body] of [
			["", ""],
			["", "not json"],
			["", "{}"],
			["", "7"],
			["", '"  "'],
			["", JSON.stringify("x".repeat(1_001))],
			["?level=loud", '"text"'],
		] as const)
			expect((await post(query, body))[0], query + body.slice(0, 20)).toBe(400);
		expect(command).not.toHaveBeenCalled();
	});

	test("has no place where the endpoint is gone", async () => {
		command.mockResolvedValueOnce({ ok: false, error: "notFound", message: "" });
		expect((await post("", '"text"'))[0]).toBe(404);
	});
});
