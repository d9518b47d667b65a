import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import { dropsFor } from "../../../src/core/model/sessions.ts";
import type { Id, State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { sessionsOf } from "../../../src/pool/answers.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const INTERVAL_MS = 30_000;
const [FIRST, SECOND] = ["proxy00000000000", "proxy00000000001"];

function told(state: State, id: Id, sessions: readonly string[], at: number, active = sessions.length): State {
	return apply(state, { on: "heartbeat", id, active, metrics: {}, credentials: 0, sessions }, at);
}
const names = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `198.51.100.1:${from + n}`);
const ordered = (state: State, session: string) => apply(state, { on: "command", command: { do: "drop", session } }, NOW);

describe("a session that is to be dropped", () => {
	const [session] = names(1, 2) as [string];

	test("is told to the proxy that has it, until it has it no more", () => {
		let state = told(
			told(
				poolOf(2, () => ({})),
				FIRST,
				[session],
				NOW - 10,
			),
			SECOND,
			[],
			NOW - 10,
		);
		state = ordered(state, session);
		expect(dropsFor(told(state, SECOND, [], NOW + 1), SECOND, NOW + 1)).toEqual([]);
		const reported = told(state, FIRST, [session], NOW + 1);
		expect(dropsFor(reported, FIRST, NOW + 1)).toEqual([session]);
		const closed = told(reported, FIRST, [], NOW + 2);
		expect(closed.drops).toEqual([]);
	});

	test("wakes nobody else where some proxy is known to have it, and all who may where nobody is", () => {
		const [first, second] = [FIRST, SECOND].map((id) =>
			dropsFor(
				ordered(
					told(
						told(
							poolOf(2, () => ({})),
							FIRST,
							[session],
							NOW - 10,
						),
						SECOND,
						[],
						NOW - 10,
					),
					session,
				),
				id ?? "",
				NOW + 1,
			),
		);
		expect([first, second]).toEqual([[session], []]);
		const unknown = ordered(
			told(
				told(
					poolOf(2, () => ({})),
					FIRST,
					[],
					NOW - 10,
				),
				SECOND,
				[],
				NOW - 10,
			),
			session,
		);
		expect([FIRST, SECOND].map((id) => dropsFor(unknown, id ?? "", NOW + 1))).toEqual([[session], [session]]);
	});

	test("is told until a report says which there are: a probe says how many", () => {
		const state = ordered(
			told(
				poolOf(1, () => ({})),
				FIRST,
				[],
				NOW - 10,
			),
			session,
		);
		const effect = { call: "probe", id: FIRST, address: "203.0.113.0", keyHash: "k" } as const;
		const probed = apply(state, { on: "done", effect, result: { is: "ok", active: 0 }, startedAt: NOW + 1 }, NOW + 2);
		expect(dropsFor(probed, FIRST, NOW + 3)).toEqual([session]);
		expect(dropsFor(told(probed, FIRST, [], NOW + 3), FIRST, NOW + 4)).toEqual([]);
	});

	test("that one proxy alone is to drop is told to no other, whichever says that it has it", () => {
		const state = poolOf(2, () => ({}));
		const address = state.proxies.get(FIRST)?.address ?? "";
		const command = { do: "drop", session, address } as const;
		const dropped = apply(told(told(state, FIRST, [session], NOW - 10), SECOND, [session], NOW - 10), { on: "command", command }, NOW);
		expect([dropsFor(dropped, FIRST, NOW + 1), dropsFor(dropped, SECOND, NOW + 1)]).toEqual([[session], []]);
		expect(apply(state, { on: "command", command: { ...command, address: "192.0.2.99" } }, NOW).drops).toEqual([]);
	});

	test("is told to a proxy whose report has no room for all that it has", () => {
		const state = told(
			ordered(
				poolOf(1, () => ({})),
				session,
			),
			FIRST,
			names(100, 1100),
			NOW + 1,
			1_200,
		);
		expect(dropsFor(state, FIRST, NOW + 1)).toEqual([session]);
	});

	test("is forgotten after two heartbeat intervals: the client's port may be another session's by then", () => {
		const state = ordered(
			poolOf(1, () => ({})),
			session,
		);
		expect(dropsFor(state, FIRST, NOW + 2 * INTERVAL_MS - 1)).toEqual([session]);
		expect(dropsFor(state, FIRST, NOW + 2 * INTERVAL_MS)).toEqual([]);
		expect(plan(state, NOW + 2 * INTERVAL_MS, () => 0.5).state.drops).toEqual([]);
	});
});

describe("the sessions of a proxy", () => {
	test("leave with it", () => {
		const state = told(
			poolOf(2, () => ({})),
			FIRST,
			names(1, 3),
			NOW,
		);
		expect(sessionsOf(state)).toEqual({ "198.51.100.1:1": "203.0.113.0:8899", "198.51.100.1:2": "203.0.113.0:8899" });
		const doomed = apply(state, { on: "command", command: { do: "destroy", id: FIRST } }, NOW);
		expect(sessionsOf(doomed)).toEqual({});
	});
});
