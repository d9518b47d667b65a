import { expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import { CREATE_DEADLINE_MS } from "../../../src/core/model/limits.ts";
import { projectionHash } from "../../../src/core/model/projection.ts";
import type { State } from "../../../src/core/model/state.ts";
import { triesOf } from "../../../src/core/model/tries.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const shown = (state: State): State => ({ ...state, published: { hash: projectionHash(state), version: 1 } });
const calls = (state: State, now: number) => plan(state, now, () => 0.5).effects.map(({ call }) => call);

/** Sold out, and shown as such; the pause is over. */
function soldOut(): State {
	const full = poolOf(3, () => ({}));
	const wanting = plan({ ...full, target: 4, spec: { ...full.spec, min: 4, max: 4 } }, NOW, () => 0.5).state;
	const [{ id } = { id: "" }] = [...wanting.proxies.values()].filter(({ phase }) => phase.at === "launching");
	const effect = { call: "create", id } as const;
	const sent = apply(wanting, { on: "sent", effect, tokenHash: "t" }, NOW);
	const refused = apply(sent, { on: "failed", effect, failure: { kind: "capacity", message: "sold out" }, startedAt: NOW }, NOW + 1);
	return shown(plan(refused, NOW + 1, () => 0.5).state);
}

test("a create that only tries whether a place still is sold out is shown once its answer is late, and is not told before", () => {
	const before = soldOut();
	const now = NOW + 60_000;
	const trying = plan(before, now, () => 0.25).state;
	expect(triesOf(trying)).toHaveLength(1);
	expect(trying.logSeq).toBe(before.logSeq);
	expect(calls(trying, now)).toContain("create");
	expect(calls(trying, now)).not.toContain("publish");
	expect(plan(trying, now, () => 0.5).wakeAt).toBeLessThanOrEqual(now + CREATE_DEADLINE_MS);
	expect(calls(trying, now + CREATE_DEADLINE_MS)).toContain("publish");
});

test("what else changes meanwhile is shown at once", () => {
	const now = NOW + 60_000;
	const trying = plan(soldOut(), now, () => 0.25).state;
	const after = apply(trying, { on: "command", command: { do: "destroy", id: "proxy00000000000" } }, now);
	expect(calls(after, now)).toContain("publish");
});

test("one that succeeds is shown at once", () => {
	const now = NOW + 60_000;
	const trying = plan(soldOut(), now, () => 0.25).state;
	const [proxy] = triesOf(trying);
	const effect = { call: "create", id: proxy?.id ?? "" } as const;
	const sent = apply(trying, { on: "sent", effect, tokenHash: "t" }, now);
	expect(calls(sent, now)).not.toContain("publish");
	const vm = {
		vm: "9",
		name: effect.id,
		state: "starting",
		address: null,
		tags: { deployment: "d", pool: "t", intent: effect.id },
	} as const;
	const made = apply(sent, { on: "done", effect, result: vm, startedAt: now }, now + 1);
	expect(calls(made, now + 1)).toContain("publish");
});
