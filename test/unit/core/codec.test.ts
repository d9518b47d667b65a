import { describe, expect, test } from "vitest";
import { changesBetween, decode, type RowChanges, type StoredRows } from "../../../src/controller/codec.ts";
import { apply } from "../../../src/core/apply.ts";
import type { Command } from "../../../src/core/model/command.ts";
import { type State, saysTheSame } from "../../../src/core/model/state.ts";
import { NOW, poolOf } from "../fake-ports.ts";

/** The rows after these changes, on top of what was there. */
function stored(...commits: readonly RowChanges[]): StoredRows {
	let facts = "";
	const proxies = new Map<string, string>();
	let vitals: readonly string[] = [];
	for (const changes of commits) {
		facts = changes.facts?.() ?? facts;
		for (const [id, row] of changes.proxies) {
			if (row === null) proxies.delete(id);
			else proxies.set(id, row());
		}
		vitals = changes.vitals?.() ?? vitals;
	}
	return { facts, proxies: [...proxies.values()], vitals };
}

/** Every field of every row, without the one that a later version would have added. */
function without(rows: StoredRows, field: string): StoredRows {
	const strip = (value: unknown): unknown => {
		if (Array.isArray(value)) return value.map(strip);
		if (value === null || typeof value !== "object") return value;
		return Object.fromEntries(Object.entries(value).flatMap(([key, one]) => (key === field ? [] : [[key, strip(one)]])));
	};
	const each = (text: string) => JSON.stringify(strip(JSON.parse(text)));
	return { facts: each(rows.facts), proxies: rows.proxies.map(each), vitals: rows.vitals.map(each) };
}

const rich = (): State => {
	const state = poolOf(3, (index) => (index === 0 ? { phase: { at: "draining", vm: "vm-0", until: NOW, hiddenAt: 5, spare: true } } : {}));
	const [id = ""] = state.proxies.keys();
	return apply(state, { on: "heartbeat", id, active: 1, metrics: { cpu: 0.5 }, credentials: 2, sessions: ["198.51.100.1:1"] }, NOW);
};
const whole = (state: State) => stored(changesBetween(null, state, true));

describe("the stored form", () => {
	test("brings a pool back as it was", () => {
		expect(saysTheSame(decode(whole(rich())), rich())).toBe(true);
	});

	test("changes the rows of what changed, and no others", () => {
		const before = rich();
		const [id = ""] = before.proxies.keys();
		const after = apply(before, { on: "command", command: { do: "destroy", id } }, NOW);
		const changes = changesBetween(before, after, false);
		expect(changes.proxies.map(([one]) => one)).toEqual([id]);
		expect(changes.vitals).toBe(null);
		expect(saysTheSame(decode(stored(changesBetween(null, before, true), changes)), after)).toBe(true);
		expect(changesBetween(after, after, true)).toEqual({ facts: null, proxies: [], vitals: null });
	});

	test("reads what an earlier version has stored by another name", () => {
		const before = rich();
		const breakers = { ...before.breakers, launch: { ...before.breakers.launch, failures: 3, why: "sold out" } };
		const { facts, ...rows } = whole({
			...before,
			breakers,
			orphans: before.orphans.with("vm-9", { firstSeenAt: 1, seenAt: 2, tries: 0, retryAt: 0 }),
		});
		const { breakers: gates, orphans: strays, ...others } = JSON.parse(facts);
		const after = decode({
			...rows,
			facts: JSON.stringify({ ...others, gates, strays }),
			vitals: [JSON.stringify({ leased: { USD: 0.5 } })],
		});
		expect(after.breakers).toEqual(breakers);
		expect([...after.orphans.keys()]).toEqual(["vm-9"]);
		expect(after.allotted).toEqual({ USD: 0.5 });
	});

	test("stores the pool's part of the budget where an earlier version, to which a deployment goes back, looks for it", () => {
		const before = rich();
		const allotment = { ...before.money.allotment, version: 7, hourly: 0.5 };
		const rows = whole({ ...before, money: { ...before.money, allotment } });
		expect(JSON.parse(rows.facts).money.lease).toEqual(allotment);
		expect(decode(rows).money.allotment).toEqual(allotment);
	});

	test.each([
		["at the top", "confirmations", (state: State) => state.confirmations, []],
		["in the settings", "rampLimit", (state: State) => state.spec.rampLimit, 5],
		["in a breaker of the breakers", "why", (state: State) => state.breakers.launch.why, ""],
		["in every proxy", "offSince", (state: State) => [...state.proxies.values()].map(({ offSince }) => offSince), [null, null, null]],
		[
			"in a phase",
			"spare",
			(state: State) => [...state.proxies.values()].map(({ phase }) => "spare" in phase && phase.spare),
			[false, false, false],
		],
		["in the vitals", "seenAt", (state: State) => [...state.vitals.values()].map(({ seenAt }) => seenAt), [0]],
	])("lets a field that a later version added begin at its initial value, %s", (_, field, read, initial) => {
		expect(read(decode(without(whole(rich()), field)))).toEqual(initial);
	});

	test("refuses what a newer version has stored, and what is not of its shape, with a sentence", () => {
		const rows = whole(rich());
		const facts = JSON.parse(rows.facts) as object;
		expect(() => decode({ ...rows, facts: JSON.stringify({ ...facts, format: 2 }) })).toThrow(/a newer version has stored it/);
		expect(() => decode({ ...rows, facts: JSON.stringify({ ...facts, orphans: 7 }) })).toThrow(
			expect.objectContaining({ message: expect.stringContaining("the stored orphans cannot be read"), cause: expect.any(Error) }),
		);
	});

	test("settings that come again after a reload are no change", () => {
		const { spec, allow } = rich();
		const settings = { spec, suspended: null, agentUrl: null, credentials: null, allow, fromEnvironment: false };
		const configure: Command = { do: "configure", account: "a", settings };
		const settled = apply(rich(), { on: "command", command: configure }, NOW);
		const loaded = decode(whole(settled));
		expect(apply(loaded, { on: "command", command: configure }, NOW)).toBe(loaded);
	});
});
