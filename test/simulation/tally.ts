import type { Outcome } from "./world.ts";

/** What many runs come to. Plain data: it passes between threads. */
export interface Tally {
	runs: number;
	simulatedHours: number;
	made: number;
	passes: number;
	heartbeats: number;
	reports: number;
	readonly faults: Record<string, number>;
	readonly effects: Record<string, number>;
	readonly failing: { readonly seed: number; readonly message: string }[];
	/** Where they were asked for. */
	readonly digests: { readonly seed: number; readonly digest: string }[];
}

export function newTally(): Tally {
	return { runs: 0, simulatedHours: 0, made: 0, passes: 0, heartbeats: 0, reports: 0, faults: {}, effects: {}, failing: [], digests: [] };
}

export function count(tally: Tally, outcome: Outcome): void {
	tally.runs++;
	tally.simulatedHours += outcome.simulatedMs / 3_600_000;
	tally.made += outcome.made;
	tally.passes += outcome.passes;
	tally.heartbeats += outcome.heartbeats;
	tally.reports += outcome.reports;
	for (const [name, times] of outcome.faults) tally.faults[name] = (tally.faults[name] ?? 0) + times;
	for (const [name, times] of outcome.effects) tally.effects[name] = (tally.effects[name] ?? 0) + times;
	if (outcome.digest !== null) tally.digests.push({ seed: outcome.scenario.seed, digest: outcome.digest });
	if (outcome.violation !== null) tally.failing.push({ seed: outcome.scenario.seed, message: outcome.violation.message });
}

export function add(sum: Tally, part: Tally): void {
	for (const key of ["runs", "simulatedHours", "made", "passes", "heartbeats", "reports"] as const) sum[key] += part[key];
	for (const key of ["faults", "effects"] as const) {
		for (const [name, times] of Object.entries(part[key])) sum[key][name] = (sum[key][name] ?? 0) + times;
	}
	sum.failing.push(...part.failing);
	sum.digests.push(...part.digests);
}
