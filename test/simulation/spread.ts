import { expect } from "vitest";
import { loadCore } from "./core.ts";
import { HOUR, MINUTE, type PoolSetup, type Scenario, scenarioOf } from "./scenario.ts";
import { World } from "./world.ts";

const REGIONS = ["nbg1", "fsn1", "hel1", "ash"] as const;
const BATCH = 8;
const ROLLED_AT = 20 * MINUTE;

/** So many proxies over four places, all of which an operator has replaced a while after they are there. */
function scenario(count: number): Scenario {
	const calm = scenarioOf(1, { isFaultless: true, provider: "hetzner", isBounded: false, isPlaced: false, isLined: true });
	const [usual] = calm.pools;
	if (usual === undefined) throw new Error("there is a pool");
	const pool: PoolSetup = {
		...usual,
		min: count,
		max: count,
		intervalSeconds: 60,
		decommissionedTimeoutSeconds: 30,
		ageLimitSeconds: 0,
		rolling: { enabled: true, minAvailable: count / 2, batchSize: BATCH },
		canProbe: true,
		places: REGIONS.map((region) => ({ region, size: "small" })),
		spread: "even",
	};
	const roll = { at: ROLLED_AT, what: "roll", forMs: 0, p: 1, pool: 0, choice: 0 } as const;
	return { ...calm, pools: [pool], callsAnHour: 100_000, pageSize: 200, isUnused: true, actions: [roll] };
}

/** Has them replaced, and expects that at no moment a place is further from the others than it may be. */
export async function expectEven(count: number): Promise<void> {
	const world = new World(scenario(count), await loadCore());
	world.begin();
	await world.until(world.startedAt + ROLLED_AT - MINUTE);
	const former = [...(world.hosts[0]?.state?.proxies.values() ?? [])].filter(({ phase }) => phase.at === "ready");
	expect(REGIONS.map((region) => former.filter(({ place }) => place?.region === region).length)).toEqual(REGIONS.map(() => count / 4));
	const isThere = () => former.some(({ id }) => world.hosts[0]?.state?.proxies.has(id));
	for (let at = ROLLED_AT; isThere(); at += MINUTE) {
		expect(at, "all are replaced in time").toBeLessThan(8 * HOUR);
		await world.until(world.startedAt + at);
	}
	// What is meant to stay is even to within one; of what is handed out a place is behind by no more than its share of the batch.
	expect(world.watch.places.widest.kept).toBe(1);
	expect(world.watch.places.widest.ready).toBeLessThanOrEqual(BATCH / REGIONS.length);
}
