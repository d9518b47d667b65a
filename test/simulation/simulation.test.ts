import { beforeAll, describe, expect, test } from "vitest";
import { type Core, loadCore } from "./core.ts";
import { CORPUS } from "./corpus.ts";
import { expectKept } from "./keeping.ts";
import { PROFILES } from "./profiles.ts";
import { HOUR, MINUTE, type Scenario, scenarioOf } from "./scenario.ts";
import { run } from "./world.ts";

/** In each test run; `npm run test:long` takes twenty times as many, `npm run sim` as many as one likes. */
const SEEDS = 60;
const HOURS = 12;
/** What needs no more room than one fault and its end. */
const FEW_HOURS = 6;

let core: Core;
beforeAll(async () => {
	core = await loadCore();
});

test(`${SEEDS} seeds of ${HOURS} simulated hours break no promise`, async () => {
	await expectKept(1, SEEDS, HOURS);
});

test.each(CORPUS)("seed $seed, which once failed: $story", async ({ seed, hours = HOURS }) => {
	// They are of before agents held lines.
	const outcome = await run(scenarioOf(seed, { hours, isLined: false }), core);
	expect(outcome.violation?.message).toBeUndefined();
});

describe("a run", () => {
	test("is the same whenever its seed is", async () => {
		for (const seed of [3, 33, 333]) {
			const scenario = () => scenarioOf(seed, { hours: FEW_HOURS });
			const [first, second] = [await run(scenario(), core), await run(scenario(), core, { isTraced: true })];
			expect(second.hash).toBe(first.hash);
			expect(second.faults).toEqual(first.faults);
			expect((await run(scenarioOf(seed + 1, { hours: FEW_HOURS }), core)).hash).not.toBe(first.hash);
		}
	});

	test("without faults converges on every cloud", async () => {
		for (const provider of Object.keys(PROFILES) as (keyof typeof PROFILES)[]) {
			for (let seed = 1; seed <= 2; seed++) {
				const outcome = await run(scenarioOf(seed, { provider, isFaultless: true, hours: FEW_HOURS }), core);
				expect(outcome.violation?.message).toBeUndefined();
			}
		}
	});
});

describe("an hour without D1", () => {
	/** What the pool does to its cloud, in order: the first call of each kind for each proxy, since a delete is sent again until it is done. */
	const mutations = async (scenario: Scenario) => {
		const { trace, violation } = await run(scenario, core, { isTraced: true });
		expect(violation?.message).toBeUndefined();
		const firsts = new Map<string, { at: number; call: string | undefined }>();
		for (const line of trace) {
			const [, call, id] = /calls \{"call":"(create|delete|restart)","id":"(\w+)"/.exec(line) ?? [];
			if (call !== undefined && !firsts.has(`${call} ${id}`)) firsts.set(`${call} ${id}`, { at: secondsOf(line), call });
		}
		return [...firsts.values()];
	};

	test("changes nothing that is done to the cloud but the 30 s for which a drained VM waits", async () => {
		for (let seed = 1; seed <= 12; seed++) {
			const calm = {
				...scenarioOf(seed, { isFaultless: true, provider: "hetzner", isBounded: false, hours: FEW_HOURS }),
				quota: 1000,
				callsAnHour: 20_000,
				isUnused: true,
			};
			const orders = [
				{ at: 2 * HOUR + 10 * MINUTE, what: "scale", forMs: 0, p: 1, pool: 0, choice: 0.6 },
				{ at: 2 * HOUR + 40 * MINUTE, what: "scale", forMs: 0, p: 1, pool: 0, choice: 0.2 },
			] as const;
			const out = { at: 2 * HOUR, what: "databaseOut", forMs: HOUR, p: 1, pool: 0, choice: 0 } as const;
			const pools = calm.pools.slice(0, 1).map((pool) => ({ ...pool, ageLimitSeconds: 0, canProbe: true, demand: null }));
			const quiet = await mutations({ ...calm, pools, actions: orders });
			const without = await mutations({ ...calm, pools, actions: [out, ...orders] });
			expect(without.map(({ call }) => call)).toEqual(quiet.map(({ call }) => call));
			for (const [index, { at }] of without.entries()) {
				// A drain also waits for the proxy's next report, once it counts as hidden: an interval at the most.
				const allowed = 31 + (pools[0]?.intervalSeconds ?? 0);
				expect(Math.abs(at - (quiet[index]?.at ?? 0))).toBeLessThanOrEqual(allowed);
			}
		}
	});
});

function secondsOf(line: string): number {
	const [hours, minutes, seconds] = (line.split(" ")[0] ?? "").split(":").map(Number);
	return (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0);
}
