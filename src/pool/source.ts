import type { Measurements } from "../core/model/state.ts";
import { findEndpoint } from "../d1/directory.ts";
import type { Env } from "../rpc/env.ts";
import { askPool } from "../rpc/reach.ts";
import { withinMs } from "../values/deadline.ts";

/** Demand is decided with what is there; a pass waits no longer than this for another pool. */
const SOURCE_DEADLINE_MS = 3_000;

/**
 * What the proxies of another endpoint report; a sentence where there is none of that name, or it is the asking pool's own.
 * `object` is the asking pool's. Throws DatabaseUnavailable, PoolUnreachable, or an error after 3 s.
 */
export function measureEndpoint(env: Env, endpoint: string, object: string): Promise<Measurements | string> {
	return withinMs(SOURCE_DEADLINE_MS, ask(env, endpoint, object));
}

async function ask(env: Env, endpoint: string, object: string): Promise<Measurements | string> {
	const source = await findEndpoint(env.DB, endpoint);
	if (source === object) return `metrics_source "${endpoint}" is this endpoint itself`;
	const samples = source === null ? null : await askPool(env, source, (pool) => pool.metrics());
	if (samples === null) return `metrics_source "${endpoint}" is no endpoint`;
	const { averages, reporting, missing, isUnused } = samples;
	return { averages, reporting, missing, isUnused };
}
