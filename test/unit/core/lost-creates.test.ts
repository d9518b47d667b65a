import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { EffectOf } from "../../../src/core/effects/index.ts";
import type { Failure } from "../../../src/core/model/failure.ts";
import { CREATE_DEADLINE_MS } from "../../../src/core/model/limits.ts";
import { summaryOf } from "../../../src/core/model/projection.ts";
import { judgeRegistration } from "../../../src/core/model/registration.ts";
import type { Proxy, State } from "../../../src/core/model/state.ts";
import { sentencesOf } from "../../../src/core/model/waiting.ts";
import { plan } from "../../../src/core/plan.ts";
import { digitalocean } from "../../../src/providers/digitalocean/driver.ts";
import { NOW, poolOf } from "../fake-ports.ts";

/** A create that was sent and whose answer was lost in a crash. */
const SENT: Partial<Proxy> = {
	phase: { at: "launching", sentAt: NOW },
	createdAt: NOW,
	address: null,
	registered: false,
	wasReady: false,
	keyHash: null,
	tokenHash: "first",
};
const lost = (repeatsCreate: boolean): State => {
	const state = poolOf(1, () => SENT);
	return { ...state, spec: { ...state.spec, repeatsCreate } };
};
const only = (state: State): Proxy => {
	const [proxy] = state.proxies.values();
	if (proxy === undefined || state.proxies.size > 1) throw new Error("one proxy was expected");
	return proxy;
};
const effects = (state: State, now: number) => plan(state, now, () => 0.5).effects;
const creates = (state: State, now: number) => effects(state, now).filter((one): one is EffectOf<"create"> => one.call === "create");

/** Time goes on, a look-up whenever one is due, and each finds nothing, until a create is due or the intent is given up. */
function until(start: State): { readonly state: State; readonly at: number } {
	let state = start;
	for (let at = NOW; at < NOW + 3_600_000; at += 1000) {
		const planned = plan(state, at, () => 0.5);
		state = planned.state;
		if (state.failed.length > 0 || planned.effects.some(({ call }) => call === "create")) return { state, at };
		for (const effect of planned.effects)
			if (effect.call === "find") state = apply(state, { on: "done", effect, result: null, startedAt: at }, at);
	}
	throw new Error("it waits for ever");
}

describe("a create whose answer was lost", () => {
	test("waits out the consistency window where the same create would make a second VM", () => {
		const { state, at } = until(lost(false));
		expect(state.failed).toHaveLength(1);
		expect(at).toBeGreaterThanOrEqual(NOW + CREATE_DEADLINE_MS + 120_000);
	});

	test("and that was answered 5xx by DigitalOcean is looked up at once, and its place is held as long as a droplet of it may show up", () => {
		// Names of droplets are not unique, and one that was accepted is in no list for a while: neither a look-up nor a second create is safe before.
		expect(digitalocean.absence).toMatchObject({ isImmediate: false, repeat: "second" });
		const effect: EffectOf<"create"> = { call: "create", id: only(lost(false)).id };
		const failure = { kind: "unknown", message: "DigitalOcean: HTTP 500" } as const;
		const failed = apply(lost(false), { on: "failed", effect, failure, startedAt: NOW }, NOW + 1000);
		expect(effects(failed, NOW + 1000)).toContainEqual({ call: "find", id: effect.id, vm: null });
		const { state, at } = until(failed);
		const held = at - NOW - CREATE_DEADLINE_MS - failed.spec.unknownTimeoutSeconds * 1000;
		expect([held >= 0, held <= 2_000], `${held} ms longer`).toEqual([true, true]);
		// The next create goes out after the shortest pause.
		expect(state.breakers.launch.until - at).toBeLessThanOrEqual(5_000);
		expect(sentencesOf(summaryOf(state), null, state.breakers.launch.until).join()).toMatch(/HTTP 500; it is tried again within a minute$/);
	});

	test("is sent once more where it cannot, as soon as it is over and its VM is not found", () => {
		const { state, at } = until(lost(true));
		expect(at).toBeLessThanOrEqual(NOW + CREATE_DEADLINE_MS + 2000);
		expect(creates(state, at)).toEqual([{ call: "create", id: only(state).id }]);
	});

	const again = () => {
		const { state, at } = until(lost(true));
		const [effect] = creates(state, at);
		if (effect === undefined) throw new Error("no create is due");
		return { state: apply(state, { on: "sent", effect, tokenHash: "second" }, at), effect, at };
	};

	test("is sent no third time", () => {
		const { state, at } = again();
		const later = until({ ...state, proxies: state.proxies.with(only(state).id, { ...only(state), createdAt: NOW, since: NOW }) });
		expect(later.state.failed).toHaveLength(1);
		expect(later.at).toBeGreaterThan(at - CREATE_DEADLINE_MS);
	});

	test("has a VM that may boot with either token, and with no other", () => {
		const { state, at } = again();
		const judged = (tokenHash: string) =>
			judgeRegistration(state, { id: only(state).id, tokenHash, keyHash: "k", address: "192.0.2.1" }, at).is;
		expect([judged("first"), judged("second"), judged("third")]).toEqual(["accepted", "accepted", "refused"]);
	});

	test.each<Failure["kind"]>(["conflict", "capacity", "invalid", "unknown", "auth"])(
		"is looked up however the second one fails: %s",
		(kind) => {
			const { state, effect, at } = again();
			const after = apply(state, { on: "failed", effect, failure: { kind, message: "it fails" }, startedAt: at }, at);
			expect(only(after).phase.at).toBe("launching");
			const open = { ...after, breakers: lost(true).breakers };
			expect(effects(open, at).map(({ call }) => call)).toContain("find");
		},
	);
});
