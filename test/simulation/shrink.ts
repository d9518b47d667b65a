import type { Core } from "./core.ts";
import { faultsEndAt, type Scenario } from "./scenario.ts";
import { type Outcome, run } from "./world.ts";

/** Runs that a search for a shorter schedule may take. */
const MOST_RUNS = 300;

/**
 * A schedule that still breaks a promise, with as few lines and pools as a greedy search finds: halves first, then single lines.
 * `failing` is an outcome with a violation.
 */
export async function shrink(failing: Outcome, core: Core): Promise<Outcome> {
	let best = failing;
	let runs = 0;
	const isStillFailing = async (scenario: Scenario): Promise<boolean> => {
		if (runs++ >= MOST_RUNS) return false;
		const outcome = await run(scenario, core);
		if (outcome.violation?.promise !== failing.violation?.promise) return false;
		best = outcome;
		return true;
	};
	for (let size = Math.ceil(best.scenario.actions.length / 2); size >= 1; size = Math.floor(size / 2)) {
		for (let from = 0; from < best.scenario.actions.length; ) {
			const { actions } = best.scenario;
			const isDropped = await isStillFailing({ ...best.scenario, actions: [...actions.slice(0, from), ...actions.slice(from + size)] });
			if (!isDropped) from += size;
		}
	}
	for (let index = best.scenario.pools.length - 1; index > 0; index--) {
		await isStillFailing({ ...best.scenario, pools: best.scenario.pools.filter((_, at) => at !== index) });
	}
	for (const hours of [5, 8]) {
		if (hours < best.scenario.hours && (await isStillFailing(shortened(best.scenario, hours)))) break;
	}
	return run(best.scenario, core, { isTraced: true });
}

/** The schedule cut off where its last faults must end. */
function shortened(scenario: Scenario, hours: number): Scenario {
	const end = faultsEndAt({ hours });
	const actions = scenario.actions
		.filter(({ at }) => at < end)
		.map((action) => ({ ...action, forMs: Math.min(action.forMs, end - action.at) }));
	return { ...scenario, hours, actions };
}

/** What a person needs to see of a failing run: the promise, the schedule, and the end of what happened to the VM in question. */
export function report(outcome: Outcome): string {
	const { scenario, violation, trace } = outcome;
	const ids = [...(violation?.message.matchAll(/\b([a-z0-9]{16}|vm\d+)\b/g) ?? [])].map(([id]) => id);
	const history = trace.filter((line) => ids.length === 0 || ids.some((id) => line.includes(id)));
	return [
		`seed ${scenario.seed} on ${scenario.provider}: ${violation?.message}`,
		`pools: ${JSON.stringify(scenario.pools)}`,
		`page size ${scenario.pageSize}, ${scenario.callsAnHour} calls an hour, quota ${scenario.quota}, ${scenario.hours} h`,
		"schedule:",
		...scenario.actions.map((action) => `  ${JSON.stringify(action)}`),
		`history${ids.length > 0 ? ` of ${[...new Set(ids)].join(", ")}` : ""}:`,
		...history.slice(-40).map((line) => `  ${line}`),
	].join("\n");
}
