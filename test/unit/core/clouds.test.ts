import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import { refusalOf } from "../../../src/core/facts/orders.ts";
import type { Command } from "../../../src/core/model/command.ts";
import type { ProviderName, State } from "../../../src/core/model/state.ts";
import { newState } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

function configured(state: State, provider: ProviderName): Command {
	const { account, spec } = state;
	const settings = { spec, suspended: null, agentUrl: null, credentials: null, allow: [], fromEnvironment: false };
	return { do: "configure", settings, account, provider };
}

const callsOf = (state: State) => plan(state, NOW, () => 0.5).effects.map(({ call }) => call);

describe("a pool without a cloud", () => {
	const pool = { ...poolOf(0, () => ({})).pool, provider: "static" } as const;

	test("has nothing to list from the first, and makes no VM whatever its bounds", () => {
		const born = newState(pool, NOW);
		const state = { ...born, agentUrl: "https://muster.test", spec: { ...born.spec, min: 3, max: 5 } };
		expect(state.reconciledAt).toBe(NOW);
		expect(callsOf(state)).toEqual(["publish"]);
		expect(plan(state, NOW, () => 0.5).state.proxies.size).toBe(0);
	});

	test("is forgotten without a look through an account", () => {
		expect(callsOf({ ...newState(pool, NOW), run: "removing" })).toContain("forget");
	});
});

describe("a pool's cloud", () => {
	test("can be changed while it has no VM, and then all is to be learnt anew", () => {
		const before = { ...poolOf(0, () => ({})), listedAt: NOW, rate: { limit: 10, remaining: 1, resetAt: NOW + 1000 } };
		const command = configured(before, "hetzner");
		expect(refusalOf(before, command)).toBeNull();
		const after = apply(before, { on: "command", command }, NOW);
		expect(after.pool.provider).toBe("hetzner");
		expect(after).toMatchObject({ reconciledAt: null, listedAt: 0, rate: null });
		expect(callsOf(after)).toContain("list");
	});

	test("stays while VMs are billed there", () => {
		const before = poolOf(2, () => ({}));
		const command = configured(before, "static");
		expect(refusalOf(before, command)).toMatchObject({ error: "conflict" });
		expect(apply(before, { on: "command", command }, NOW)).toBe(before);
	});
});
