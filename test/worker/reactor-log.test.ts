import { beforeEach, expect, test } from "vitest";
import type { LogEntry } from "../../src/pool/core/state.ts";
import { ask, bodyOf, enter, publicationOf, show, startAfresh } from "./helpers.ts";

const LOG = "/v1.1/endpoints/digitalocean-default/log";
const AT = 1_764_000_000_123;
const entry = (seq: number, at: number, changes: Partial<LogEntry> = {}): LogEntry => ({
	seq,
	at,
	severity: "INFO",
	text: `entry ${seq}`,
	...changes,
});

beforeEach(startAfresh);

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
