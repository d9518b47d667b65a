import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import { type Effect, roomOf } from "../../../src/core/effects/index.ts";
import type { Event } from "../../../src/core/events.ts";
import type { Failure } from "../../../src/core/model/failure.ts";
import { CREATE_DEADLINE_MS, LOST_RESULT_MS } from "../../../src/core/model/limits.ts";
import { placeBreaker } from "../../../src/core/model/places.ts";
import type { Proxy, State, Vm } from "../../../src/core/model/state.ts";
import { Table } from "../../../src/core/model/table.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

/** A create that takes several calls and was cut between them. */

const SECOND = 1000;
const random = () => 0.5;
const FINISH = { call: "finish", id: "p0", vm: "vm-0" } as const;

const pool = (finishesCreate = true, change: Partial<Proxy> = {}): State => {
	const cut: Partial<Proxy> = {
		phase: { at: "launching", sentAt: NOW },
		createdAt: NOW,
		address: null,
		registered: false,
		wasReady: false,
		keyHash: null,
		tokenHash: "first",
		...change,
	};
	const state = poolOf(1, () => cut);
	return { ...state, spec: { ...state.spec, finishesCreate, intervalSeconds: 30 } };
};
const only = (state: State): Proxy => {
	const [proxy] = state.proxies.values();
	if (proxy === undefined) throw new Error("there is no proxy");
	return proxy;
};
const effectOf = (state: State): Effect & { call: "finish" } => ({ ...FINISH, id: only(state).id });
const seen = (state: State, how: Vm["state"], at: number, address: string | null = null): State => {
	const { id } = only(state);
	const tags = { deployment: state.pool.deployment, pool: state.pool.tag, intent: id };
	return apply(
		state,
		{ on: "done", effect: { call: "list" }, result: [{ vm: "vm-0", name: id, state: how, address, tags }], startedAt: at },
		at,
	);
};
const finishes = (state: State, at: number) => plan(state, at, random).effects.filter(({ call }) => call === "finish");
const dispatch = (state: State, at: number, event: Event) => apply(state, event, at);
const failed = (state: State, failure: Failure, at: number) =>
	dispatch(state, at, { on: "failed", effect: effectOf(state), failure, startedAt: at });
const LATER = NOW + CREATE_DEADLINE_MS;

describe("a VM that its create left switched off", () => {
	test("is finished once its create is certainly over, and not while it may go on", () => {
		const early = seen(pool(), "off", NOW + 5 * SECOND);
		expect(finishes(early, LATER + 20 * SECOND)).toEqual([]);
		const late = seen(early, "off", LATER);
		expect(finishes(late, LATER)).toEqual([effectOf(late)]);
	});

	test("is finished at no cloud that makes VMs in one call, but deleted in time", () => {
		const off = seen(seen(pool(false), "off", LATER), "off", LATER + 120 * SECOND);
		expect(finishes(off, LATER)).toEqual([]);
		expect(only(plan(off, LATER + 120 * SECOND, random).state).phase.at).toBe("deleting");
	});

	test.each([
		["runs", (state: State) => seen(state, "running", LATER + SECOND, "192.0.2.9")],
		["ran, and was switched off since", (state: State) => seen(seen(state, "running", LATER, "192.0.2.9"), "off", LATER + SECOND)],
		["was made by others", (state: State) => ({ ...state, proxies: Table.of([[only(state).id, { ...only(state), tokenHash: null }]]) })],
		["is of a pool that is paused", (state: State) => dispatch(state, LATER, { on: "command", command: { do: "run", run: "paused" } })],
		[
			"is of a pool that launches nothing for now",
			(state: State) => ({
				...state,
				breakers: { ...state.breakers, launch: { until: LATER + 60 * SECOND, failures: 1, why: "none left", steppedAt: LATER } },
			}),
		],
	])("is not finished when it %s", (_, change) => {
		const state = change(seen(pool(), "off", LATER));
		expect(finishes(state, LATER + SECOND)).toEqual([]);
		expect(roomOf(effectOf(state)).isStillDue(state, effectOf(state), LATER + SECOND)).toBe(false);
	});

	test("is finished under a new token, and not again before a look at it says that it is still off", () => {
		const off = seen(pool(), "off", LATER);
		const sent = dispatch(off, LATER, { on: "sent", effect: effectOf(off), tokenHash: "second" });
		expect(only(sent)).toMatchObject({ tokenHash: "second", offSince: null, createdAt: NOW, phase: { at: "booting", vm: "vm-0" } });
		expect(finishes(sent, LATER + 2 * LOST_RESULT_MS)).toEqual([]);
		const stillOff = seen(sent, "off", LATER + SECOND);
		expect(finishes(stillOff, LATER + SECOND)).toEqual([]);
		expect(finishes(stillOff, LATER + LOST_RESULT_MS)).toEqual([effectOf(off)]);
		const done = dispatch(sent, LATER + SECOND, { on: "done", effect: effectOf(off), result: null, startedAt: NOW });
		expect(finishes(seen(done, "starting", LATER + 30 * SECOND), LATER + 2 * LOST_RESULT_MS)).toEqual([]);
	});

	test("whose finishing fails is tried again later; where there is no room, all creates rest", () => {
		const off = seen(pool(), "off", LATER);
		const sent = dispatch(off, LATER, { on: "sent", effect: effectOf(off), tokenHash: "second" });
		const lost = failed(sent, { kind: "unknown", message: "no answer" }, LATER + SECOND);
		expect(only(lost)).toMatchObject({ tries: 1, phase: { at: "booting" } });
		expect(lost.log.at(-1)?.text).toContain("could not be finished: no answer");
		const full = failed(sent, { kind: "capacity", message: "out of stock" }, LATER + SECOND);
		expect(placeBreaker(full, null).until).toBeGreaterThan(LATER + 4 * SECOND);
		expect(only(failed(sent, { kind: "notFound", message: "gone" }, LATER + SECOND)).suspectAt).toBe(LATER + SECOND);
	});

	test("that is never switched on is deleted at its boot limit", () => {
		let state = seen(pool(), "off", LATER);
		for (let at = LATER; only(state).phase.at === "booting" && at < NOW + 3600 * SECOND; at += 30 * SECOND) {
			state = seen(state, "off", at);
			for (const effect of finishes(state, at)) {
				state = dispatch(state, at, { on: "sent", effect, tokenHash: `token ${at}` });
				state = failed(state, { kind: "unknown", message: "no answer" }, at);
			}
			state = plan(state, at, random).state;
			if (only(state).phase.at === "deleting") expect(at).toBeLessThanOrEqual(NOW + 600 * SECOND);
		}
		expect(only(state)).toMatchObject({ phase: { at: "deleting", vm: "vm-0" } });
	});
});
