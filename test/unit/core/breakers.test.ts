import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { EffectOf } from "../../../src/core/effects/index.ts";
import type { Command } from "../../../src/core/model/command.ts";
import type { Failure } from "../../../src/core/model/failure.ts";
import { placeBreaker } from "../../../src/core/model/places.ts";
import { summaryOf } from "../../../src/core/model/projection.ts";
import type { Proxy, State } from "../../../src/core/model/state.ts";
import { sentencesOf } from "../../../src/core/model/waiting.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const SECOND = 1000;
const random = () => 0.5;
let drawn = 0;
const draw = () => (drawn++ % 36) / 36;
const unsent: Partial<Proxy> = {
	phase: { at: "launching", sentAt: null },
	address: null,
	registered: false,
	wasReady: false,
	keyHash: null,
	tokenHash: null,
};
const creates = (state: State, now: number) =>
	plan(state, now, draw).effects.filter((effect): effect is EffectOf<"create"> => effect.call === "create");
const order = (state: State, command: Command, now: number) => apply(state, { on: "command", command }, now);

/** Five creates that went out together, refused one after the other. */
function burst(failure: Failure): State {
	let state = poolOf(5, () => unsent);
	const effects = creates(state, NOW);
	for (const effect of effects) state = apply(state, { on: "sent", effect, tokenHash: "t" }, NOW);
	for (const [index, effect] of effects.entries()) {
		const now = NOW + (index + 1) * SECOND;
		state = apply(state, { on: "failed", effect, failure, startedAt: NOW }, now);
	}
	return state;
}

describe("a burst of refusals", () => {
	test("is one incident: creates rest as long as after one", () => {
		const once = placeBreaker(burst({ kind: "capacity", message: "none left" }), null);
		expect(once.failures).toBe(1);
		expect(once.until).toBeLessThanOrEqual(NOW + SECOND + 5 * SECOND);
	});

	test("of a rate limit is one as well, and the latest time that was named counts", () => {
		const { rate } = burst({ kind: "rate", message: "slow down", retryAt: NOW + 90 * SECOND }).breakers;
		expect([rate.failures, rate.until]).toEqual([1, NOW + 90 * SECOND]);
	});

	test("is over when one create succeeds, which alone tries: the others wait for it", () => {
		const refused = burst({ kind: "capacity", message: "none left" });
		const { until } = placeBreaker(refused, null);
		const again = plan(refused, until, draw).state;
		const [canary, ...others] = creates(again, until);
		expect(others).toEqual([]);
		if (canary === undefined) throw new Error("no create is tried");
		const sent = apply(again, { on: "sent", effect: canary, tokenHash: "t" }, until);
		expect(creates(sent, until + 5 * SECOND)).toEqual([]);
		const vm = {
			vm: "vm-new",
			name: "n",
			state: "starting",
			address: null,
			tags: { deployment: "d", pool: "t", intent: canary.id },
		} as const;
		const made = apply(sent, { on: "done", effect: canary, result: vm, startedAt: until }, until + SECOND);
		expect(placeBreaker(made, null).failures).toBe(0);
		expect(plan(made, until + SECOND, draw).effects.filter(({ call }) => call === "create").length).toBeGreaterThan(1);
	});
});

/** Ten boots of one batch that are over their limit. */
const fruitless = (count: number): State => {
	const since = { createdAt: NOW - 700 * SECOND, since: NOW - 700 * SECOND };
	return plan(
		poolOf(count, (index) => ({ ...unsent, ...since, phase: { at: "booting", vm: `vm-${index}` } })),
		NOW,
		random,
	).state;
};

describe("boots that never became ready", () => {
	test("and were launched together are one incident, be they three or ten", () => {
		expect(fruitless(10).breakers.boots.until).toBe(fruitless(3).breakers.boots.until);
		expect(fruitless(3).breakers.boots.until).toBeLessThanOrEqual(NOW + 120 * SECOND);
	});
});

describe("what may have mended the cause", () => {
	const broken = (): State => {
		const state = { ...fruitless(3), proxies: poolOf(0, () => ({})).proxies };
		const launch = { until: NOW + 3600 * SECOND, failures: 4, why: "launch failed: none left", steppedAt: NOW };
		const auth = { until: NOW + 3600 * SECOND, failures: 2, why: "the provider refuses our credentials", steppedAt: NOW };
		return { ...state, breakers: { ...state.breakers, launch, auth } };
	};
	const tries = (state: State, now: number) => {
		const planned = plan(state, now, draw);
		return [...planned.state.proxies.values()].filter(({ phase }) => phase.at === "launching").length;
	};
	const settings = (state: State) => ({
		spec: state.spec,
		suspended: null,
		agentUrl: null,
		credentials: null,
		allow: [],
		fromEnvironment: false,
	});

	test("is nothing while nothing changes", () => {
		expect(tries(broken(), NOW + SECOND)).toBe(0);
	});

	test.each<[string, (state: State) => State]>([
		["another account, size or image", (state) => order(state, { do: "configure", account: "other", settings: settings(state) }, NOW)],
		["another address for agents", (state) => apply(state, { on: "agentUrl", url: "https://other.test" }, NOW)],
		["an operator's start, of a pool that runs", (state) => order(state, { do: "run", run: "running" }, NOW)],
	])("is tried at once, by one VM: %s", (_, change) => {
		const changed = change(broken());
		expect(tries(changed, NOW + SECOND)).toBe(1);
		expect(changed.breakers.launch.failures, "where it fails again, the pause goes on where it was").toBe(4);
	});

	test("what is closed says until when, and how to try now", () => {
		const summary = summaryOf(broken());
		const until = broken().breakers.launch.until;
		const said = (now: number, run = summary.run) =>
			sentencesOf({ ...summary, run }, "alias", now).filter((one) => one.startsWith("launch"));
		const at = `launch failed: none left; tried again at ${new Date(until).toISOString()}`;
		expect(said(until - 1)).toEqual([`${at}, or now by start (POST /v1.1/endpoints/alias/state with {"action":"start"})`]);
		expect(said(until - 1, "removing"), "nobody can start what is removed").toEqual([at]);
		expect(said(until), "a time that is past is never told").toEqual(["launch failed: none left; it is tried again within a minute"]);
	});
});

describe("after another configuration", () => {
	test("the cloud is listed at once", () => {
		const state = { ...poolOf(1, () => ({})), listedAt: NOW };
		const changed = order(
			state,
			{
				do: "configure",
				account: "other",
				settings: { spec: state.spec, suspended: null, agentUrl: null, credentials: null, allow: [], fromEnvironment: false },
			},
			NOW,
		);
		expect(plan(changed, NOW + 1, random).effects.some(({ call }) => call === "list")).toBe(true);
	});
});

describe("an association", () => {
	test("with a pool that is stopped is refused", () => {
		const stopped = order(
			poolOf(0, () => ({})),
			{ do: "run", run: "stopped" },
			NOW,
		);
		expect(order(stopped, { do: "adopt", vm: "vm-x" }, NOW).proxies.size).toBe(0);
	});

	test("of a VM that there never was leaves nothing behind", () => {
		const pool = poolOf(0, () => ({}));
		const start = order({ ...pool, spec: { ...pool.spec, min: 1, max: 1 } }, { do: "adopt", vm: "vm-x" }, NOW);
		const [effect] = plan(start, NOW, random).effects.filter((one): one is EffectOf<"adopt"> => one.call === "adopt");
		if (effect === undefined) throw new Error("nothing is associated");
		const failure = { kind: "notFound", message: "there is no such VM" } as const;
		const after = apply(apply(start, { on: "sent", effect }, NOW), { on: "failed", effect, failure, startedAt: NOW }, NOW);
		expect([after.proxies.size, after.failed]).toEqual([0, []]);
	});
});
