import { describe, expect, test } from "vitest";
import { changesBetween } from "../../../src/controller/codec.ts";
import { apply } from "../../../src/core/apply.ts";
import type { Event } from "../../../src/core/events.ts";
import { bounded, hasControls, named, newest, storedBytes } from "../../../src/core/model/bounds.ts";
import type { Command, Settings } from "../../../src/core/model/command.ts";
import { summaryOf } from "../../../src/core/model/projection.ts";
import type { Proxy, State, Vm } from "../../../src/core/model/state.ts";
import { staticId } from "../../../src/core/model/statics.ts";
import { plan } from "../../../src/core/plan.ts";
import { chunks } from "../../../src/read-model/publish.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const MOST_BYTES = 1_500_000;
const bytesOf = (text: string) => new TextEncoder().encode(text).length;
/** The worst that callers and clouds can send: three bytes a character, or two that are escaped to six. */
const WIDE = "€".repeat(20_000);
const ODD = "\ud800\u0000".repeat(10_000);
const order = (state: State, command: Command, now = NOW) => apply(state, { on: "command", command }, now);
const at = (n: number) => `198.51.${Math.floor(n / 250) % 250}.${n % 250}`;
const letters = (n: number) => `m${n}${"x".repeat(39)}`.slice(0, 40);

/** A pool of which everything is at its bound that somebody else can fill. */
function full(): State {
	let state = poolOf(300, (index) => ({ account: `account${index}`, credentials: index + 1, address: at(index) }));
	const settings = (n: number): Settings => ({
		spec: {
			...state.spec,
			rules: Array.from({ length: 32 }, (_, rule) => `${rule} <= ${letters(rule)} < ${"9".repeat(15)}`),
			statics: Array.from({ length: 5_000 }, (_, one) => ({
				address: `2001:db8:ffff:ffff:ffff:ffff:ffff:${one.toString(16)}`,
				port: 65_535,
				access: `http://${"u".repeat(4)}:@de`,
				mark: "",
			})),
		},
		suspended: null,
		agentUrl: `https://${"a".repeat(253)}`,
		credentials: { username: "€".repeat(85), password: `${"€".repeat(84)}${n % 10}` },
		allow: Array.from({ length: 200 }, (_, one) => `2001:db8:ffff:ffff:ffff:ffff:ffff:${one.toString(16)}/128`),
		fromEnvironment: false,
	});
	for (let n = 0; n < 300; n++) state = order(state, { do: "configure", settings: settings(n), account: `account${n}` });
	for (let n = 0; n < 300; n++) {
		const effect = { call: "price", account: `account${n}`, place: null } as const;
		state = apply(state, { on: "done", effect, result: { hourly: 0.123456789, currency: WIDE, asOf: NOW }, startedAt: NOW }, NOW);
	}
	state = order(state, {
		do: "metrics",
		address: null,
		metrics: Object.fromEntries(Array.from({ length: 200 }, (_, n) => [letters(n), [1.123456789012345, 1.123456789012345e300]])),
	});
	for (let n = 0; n < 1_200; n++) {
		state = order(state, { do: "drop", session: `[2001:db8:ffff:ffff:ffff:ffff:ffff:${n.toString(16)}]:65535` });
		state = order(state, { do: "confirm", address: `2001:db8:ffff:ffff:ffff:ffff:eeee:${n.toString(16)}` });
	}
	const orphans = Array.from({ length: 1_500 }, (_, n): Vm => {
		return {
			vm: `${n}-${WIDE.slice(0, 390)}`,
			name: WIDE,
			state: "running",
			address: null,
			tags: { deployment: "d", pool: "t", intent: null },
		};
	});
	state = apply(state, { on: "done", effect: { call: "list" }, result: orphans, startedAt: NOW }, NOW);
	for (let n = 0; n < 1_200; n++) {
		const id = `gone${String(n).padStart(12, "0")}`;
		const gone = {
			...[...state.proxies.values()][0],
			id,
			phase: { at: "ready", vm: `${n}-${WIDE.slice(0, 390)}` },
			address: null,
		} as Proxy;
		const released = order({ ...state, proxies: state.proxies.with(id, gone) }, { do: "release", id });
		state = { ...released, proxies: state.proxies };
	}
	const calls = ["list", "firewall", "publish", "price"] as const;
	for (let n = 0; n < 200; n++) {
		for (const call of calls) {
			const effect = { call, allow: [], hash: "", version: 1, account: "a", place: null } as never;
			const failure = { kind: call === "list" ? "auth" : "transient", message: n % 2 === 0 ? WIDE : ODD } as const;
			state = apply(state, { on: "failed", effect, failure, startedAt: NOW + n } as Event, NOW + n);
		}
		state = order(state, { do: "log", severity: "INFO", text: `${n}${n % 2 === 0 ? WIDE : ODD}` });
		state = apply(
			{ ...state, spec: { ...state.spec, metricsSource: "other" } },
			{ on: "done", effect: { call: "measure", endpoint: "other" }, result: `${n} ${WIDE}`, startedAt: NOW } as Event,
			NOW,
		);
	}
	for (let n = 0; n < 400; n++) state = order(state, { do: "log", severity: "INFO", text: `${n}${WIDE}` });
	const health = { isUp: true, failures: 0, since: NOW };
	for (const backend of state.spec.statics) {
		const id = staticId(backend);
		state = { ...state, statics: state.statics.with(id, health), staticsProbed: state.staticsProbed.with(id, NOW) };
	}
	return plan(state, NOW, Math.random).state;
}

describe("with everything full", () => {
	const state = full();

	test("no row of the pool's storage is longer than 1.5 MB", () => {
		const { facts, proxies, vitals } = changesBetween(null, state, true);
		const rows = [facts?.() ?? "", ...proxies.map(([, row]) => row?.() ?? ""), ...(vitals?.() ?? [])];
		expect(Math.max(...rows.map(bytesOf))).toBeLessThan(MOST_BYTES);
		// The test is one only if it fills what it says.
		expect([state.drops.length, state.statics.size, state.money.prices.length, state.credentials.length]).toEqual([1_000, 5_000, 100, 100]);
		expect(state.orphans.size).toBeGreaterThan(100);
		expect(bytesOf(facts?.() ?? "")).toBeGreaterThan(500_000);
	});

	test("nor is any that it publishes", () => {
		expect(bytesOf(JSON.stringify(summaryOf(state)))).toBeLessThan(50_000);
		expect(bytesOf(JSON.stringify(state.credentials))).toBeLessThan(150_000);
		for (const { text } of state.log) expect(bytesOf(text)).toBeLessThanOrEqual(3_000);
		for (const text of chunks(state.log.map(({ seq, at: when, severity, text }) => [seq, when, severity, text])))
			expect(bytesOf(text)).toBeLessThan(MOST_BYTES);
	});

	test("the log that D1 has not taken is at most 200 KB, the newest of it", () => {
		expect(bytesOf(JSON.stringify(state.log))).toBeLessThan(210_000);
		expect(state.log.some(({ text }) => text.startsWith("399"))).toBe(true);
	});
});

describe("a proxy's row", () => {
	test("has no more of what a cloud says than a reason needs", () => {
		const pool = poolOf(1, () => ({
			phase: { at: "launching", sentAt: NOW },
			address: null,
			registered: false,
			wasReady: false,
			keyHash: null,
		}));
		const effect = { call: "create", id: "proxy00000000000" } as const;
		const failed = apply(pool, { on: "failed", effect, failure: { kind: "unknown", message: WIDE }, startedAt: NOW }, NOW);
		expect(failed.proxies.get(effect.id)?.why.length).toBeLessThanOrEqual(500);
		expect(failed.proxies.get(effect.id)?.why).toMatch(/^looked up: €+…$/);
	});
});

describe("texts", () => {
	test("are cut to whole characters, on one line", () => {
		expect(bounded("a\nb\u001b[2J\u0085", 20)).toBe("a b [2J ");
		expect(bounded(`${"x".repeat(8)}😀y`, 10)).toBe(`${"x".repeat(8)}\ufffd…`);
		expect([hasControls("a b"), hasControls("a\tb"), hasControls("a\u009fb")]).toEqual([false, true, true]);
		expect(named(Array.from({ length: 23 }, (_, n) => `vm${n}`))).toMatch(/^vm0, .*vm19 and 3 more$/);
	});

	test("are as long in a row as is counted", () => {
		for (const text of ["plain", 'a"\\b', "€€", "😀", "é"]) expect(storedBytes(text), text).toBe(bytesOf(JSON.stringify(text)));
		expect(storedBytes("\ud800\u0001")).toBe(bytesOf(JSON.stringify("\ud800\u0001")));
	});

	test("of a list the newest stay that fit", () => {
		const bounds = { most: 5, bytes: 30, perItem: 2, textOf: (item: string) => item };
		expect(newest(["a", "b", "c"], bounds)).toEqual(["a", "b", "c"]);
		expect(newest(["1", "2", "3", "4", "5", "6"], bounds)).toEqual(["2", "3", "4", "5", "6"]);
		expect(newest(["x".repeat(40), "y".repeat(10), "z".repeat(10)], bounds)).toEqual(["y".repeat(10), "z".repeat(10)]);
	});
});
