import { expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import { projectionHash } from "../../../src/core/model/projection.ts";
import type { State } from "../../../src/core/model/state.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const MINUTE = 60_000;
const failing = (state: State, at: number) =>
	apply(state, { on: "failed", effect: { call: "list" }, failure: { kind: "transient", message: "it is down" }, startedAt: at }, at);

test("a failure that repeats is one entry of the log, whose count is renewed every ten minutes at most", () => {
	let state = poolOf(1, () => ({}));
	const before = state.logSeq;
	for (let minute = 0; minute < 25; minute++) state = failing(state, NOW + minute * MINUTE);
	expect(state.logSeq).toBe(before + 1);
	expect(state.log).toEqual([
		{ seq: before + 1, at: NOW + 20 * MINUTE, severity: "WARNING", text: "the inventory cannot be read: it is down (21 times)" },
	]);
});

test("an entry that was renewed while it was being published is published once more", () => {
	const once = failing(
		poolOf(1, () => ({})),
		NOW,
	);
	const startedAt = NOW + 10 * MINUTE - 1;
	const renewed = failing(once, NOW + 10 * MINUTE);
	expect(projectionHash(renewed)).not.toBe(projectionHash(once));
	const published = {
		on: "done",
		effect: { call: "publish", hash: projectionHash(once), version: 1 },
		result: { logSeq: once.logSeq, ended: [], hidden: [] },
		startedAt,
	} as const;
	expect(apply(renewed, published, NOW + 10 * MINUTE).log).toHaveLength(1);
	expect(apply(once, published, NOW + 10 * MINUTE).log).toEqual([]);
});

test("after a day it gets an entry of its own again", () => {
	const old = failing(
		poolOf(1, () => ({})),
		NOW,
	);
	expect(failing(old, NOW + 25 * 60 * MINUTE).logSeq).toBe(old.logSeq + 1);
});
