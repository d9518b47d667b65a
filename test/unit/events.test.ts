import { afterEach, describe, expect, test, vi } from "vitest";
import { readableLine } from "../../scripts/dev-lines.ts";
import { Controller, type Host } from "../../src/controller/controller.ts";
import { eventOf, kindOf, type PoolEvent } from "../../src/core/model/told.ts";
import { logEvent } from "../../src/values/log.ts";
import { NOW, poolOf, succeed } from "./fake-ports.ts";

afterEach(() => void vi.restoreAllMocks());

describe("what befalls a pool", () => {
	test("is told to the console as it happens, each once: a VM is asked for, and one is destroyed", async () => {
		const told: PoolEvent[] = [];
		const pool = poolOf(1, () => ({}));
		const host: Host = {
			now: () => NOW,
			random: Math.random,
			timer: () => () => undefined,
			store: () => undefined,
			setAlarm: () => undefined,
			wipe: async () => undefined,
			wanted: () => ({ configure: null, isNamed: null }),
			budget: () => null,
			call: async (effect, state) => succeed(effect, state),
			mintToken: () => "hash",
			passBegins: () => undefined,
			callsMade: () => 0,
			told: (event) => told.push(event),
			passFailed: (error) => {
				throw error;
			},
		};
		const controller = new Controller(host, {
			state: { ...pool, target: 2, spec: { ...pool.spec, min: 2, max: 2 } },
			vitalsWrittenAt: NOW,
			armedAt: null,
		});
		await controller.alarm();
		const launching = told.filter(({ event }) => event === "launching");
		expect(launching).toEqual([
			{
				level: "info",
				pool: "digitalocean/default",
				proxy: expect.stringMatching(/^[a-z0-9]{16}$/),
				event: "launching",
				why: "to meet the target",
			},
		]);
		expect(told.filter(({ event }) => event === "launched")).toHaveLength(1);
		const before = told.length;
		await controller.alarm();
		expect(told.slice(before).filter(({ event }) => event === "launching")).toEqual([]);
		void controller.command({ do: "destroy", id: "proxy00000000000" });
		expect(told.at(-1)).toEqual({
			level: "info",
			pool: "digitalocean/default",
			proxy: "203.0.113.0",
			event: "deleting",
			why: "destroyed by an operator",
		});
	});

	test("is told in one form, whatever it is about", () => {
		const pool = poolOf(0, () => ({}));
		const of = (text: string) => {
			const { proxy, event, why } = eventOf(pool, { seq: 1, at: NOW, severity: "WARNING", text });
			return [proxy, event, why];
		};
		expect(of("decommissioning 192.0.2.1: replaced: its agent is silent")).toEqual([
			"192.0.2.1",
			"decommissioning",
			"replaced: its agent is silent",
		]);
		expect(of("target changed 2 => 4: active is 9 in all")).toEqual(["", "target changed 2 => 4", "active is 9 in all"]);
		expect(of("paused")).toEqual(["", "paused", ""]);
	});

	test("is one line of JSON at its level, that development shows in words", () => {
		const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
		logEvent({ level: "warn", pool: "hetzner/default", proxy: "192.0.2.1", event: "dropped", why: "it\nsays \u2028 this" });
		const line = String(warn.mock.calls[0]?.[0]);
		expect(line).not.toMatch(/[\n\u2028]/);
		expect(JSON.parse(line)).toMatchObject({ level: "warn", pool: "hetzner/default", proxy: "192.0.2.1", event: "dropped" });
		expect(readableLine(line)).toContain("! hetzner/default 192.0.2.1 dropped: it");
	});
});

describe("the kind of an event", () => {
	test.each([
		["ERROR", "launch failed: nothing left", "breaker_opened"],
		["ERROR", "nbg1:cx23: launch failed: nothing left", "breaker_opened"],
		["ERROR", "no place has room: nbg1:cx23 until 2026-02-24T08:00:00.000Z", "breaker_opened"],
		["INFO", "nbg1:cx23: creates are done again", "breaker_closed"],
		["INFO", "replacing every proxy that there is, 3 of them: ordered by an operator", "run"],
		["INFO", "target changed 2 => 3", "scaled"],
		["WARNING", "something else", "problem"],
	] as const)("%s %s is %s", (severity, text, kind) => expect(kindOf({ severity, text })).toBe(kind));
});
