/** What waits for a time or for an operator, as a sentence of when it is read: a summary is not published anew because time passes, or because an endpoint is renamed. */
import type { Ms } from "./basics.ts";
import type { PoolSummary, Waiting } from "./published.ts";
import type { Run } from "./state.ts";

/** How an endpoint is started; null: its name is not known. */
function startOf(endpoint: string | null): string {
	return endpoint === null ? "a start of the pool" : `start (POST /v1.1/endpoints/${endpoint}/state with {"action":"start"})`;
}

/** What a pool does that an operator has stopped or paused; null where it runs, or is being removed. */
export function idleness(run: Run): Waiting | null {
	if (run === "stopped") return { what: "STOPPED: it keeps no proxy", until: null };
	return run === "paused" ? { what: "PAUSED: it neither launches nor scales in", until: null } : null;
}

/** When it goes on, and how to have it go on now. `endpoint`: by which name the pool is reached; null: not known. One that is being removed cannot be started. */
export function sayWaiting({ what, until }: Waiting, run: Run, endpoint: string | null, now: Ms): string {
	if (until === null) return `${what} until ${startOf(endpoint)}`;
	if (until <= now) return `${what}; it is tried again within a minute`;
	const by = run === "removing" ? "" : `, or now by ${startOf(endpoint)}`;
	return `${what}; tried again at ${new Date(until).toISOString()}${by}`;
}

/** All that an operator should know of a pool, a sentence each. `endpoint` as in {@link sayWaiting}. */
export function sentencesOf(
	summary: Pick<PoolSummary, "run" | "waiting" | "problems">,
	endpoint: string | null,
	now: Ms,
): readonly string[] {
	const { run, waiting = [], problems } = summary;
	return [...waiting.map((one) => sayWaiting(one, run, endpoint, now)), ...problems];
}
