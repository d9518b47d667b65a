/** How a pool stands, in numbers, as whoever collects them from outside wants them. */
import type { Ms } from "./basics.ts";
import { costOf } from "./cost.ts";
import { conditionOf } from "./health.ts";
import { summaryOf } from "./projection.ts";
import { countReady } from "./proxies.ts";
import { gaugesOf } from "./samples.ts";
import type { Phase, State } from "./state.ts";
import { countUp } from "./statics.ts";
import { measure } from "./table.ts";
import { spentSoFar, type Tally, trafficOf } from "./tally.ts";
import type { Traffic } from "./traffic.ts";

/** Numbers of one pool. What only grows is under `counters`. */
export interface Meters {
	readonly phases: Readonly<Record<Phase["at"], number>>;
	readonly wanted: number;
	readonly billed: number;
	readonly connections: number;
	/** Null: no price is known. */
	readonly cost: { readonly hourly: number; readonly currency: string } | null;
	/** What the pool's own settings allow an hour; null: no bound. */
	readonly maxHourlyCost: number | null;
	readonly isHealthy: boolean;
	readonly isPaused: boolean;
	readonly counters: {
		readonly creates: Tally["creates"];
		readonly deletes: Tally["deletes"];
		readonly boots: Tally["boots"];
		readonly providerCalls: Readonly<Record<string, number>>;
		readonly traffic: Traffic;
		/** Millionths, by currency. */
		readonly spent: Readonly<Record<string, number>>;
	};
}

export const PHASES: readonly Phase["at"][] = [
	"launching",
	"adopting",
	"booting",
	"ready",
	"unready",
	"draining",
	"restarting",
	"releasing",
	"deleting",
];

const phasesIn = measure<State["proxies"] extends ReadonlyMap<string, infer One> ? One : never, ReadonlyMap<Phase["at"], number>>(
	(_keys, values) => {
		const counts = new Map<Phase["at"], number>();
		for (const { phase } of values) counts.set(phase.at, (counts.get(phase.at) ?? 0) + 1);
		return counts;
	},
);

export function phasesOf({ proxies }: State): Readonly<Record<Phase["at"], number>> {
	const counts = Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Record<Phase["at"], number>;
	for (const part of phasesIn(proxies)) for (const [phase, count] of part) counts[phase] += count;
	return counts;
}

export function metersOf(state: State, now: Ms): Meters {
	const { wanted, billed, connections } = gaugesOf(state);
	const cost = costOf(state);
	const summary = { ...summaryOf(state), displayName: "", settings: {} };
	return {
		phases: phasesOf(state),
		wanted,
		billed,
		connections,
		cost: cost === null ? null : { hourly: cost.hourly, currency: cost.currency },
		maxHourlyCost: state.spec.maxHourlyCost,
		isHealthy: !conditionOf(summary, countReady(state) + countUp(state), now).isDegraded,
		isPaused: state.run !== "running",
		counters: {
			creates: state.tally.creates,
			deletes: state.tally.deletes,
			boots: state.tally.boots,
			providerCalls: state.providerCalls,
			traffic: trafficOf(state),
			spent: spentSoFar(state, now),
		},
	};
}
