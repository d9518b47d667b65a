import type { Command } from "../core/model/command.ts";
import type { Ms, Rate } from "../core/model/state.ts";
import { findEndpoint, poolsOfAccount } from "../d1/directory.ts";
import type { Env } from "../rpc/env.ts";
import { askPool } from "../rpc/reach.ts";
import { withinMs } from "../values/deadline.ts";

/** A pass waits no longer than this for other pools. */
const DEADLINE_MS = 5_000;

/**
 * Tells another pool how many proxies it is to have beside its own. `endpoint`: its name, or `provider/name` of a pool of the environment; `object` is the asking
 * pool's. A sentence where there is none of that name, or it is the asking one. Throws DatabaseUnavailable, PoolUnreachable, or an error after 5 s.
 */
export async function askAssist(env: Env, endpoint: string, object: string, count: number): Promise<string | null> {
	const other = await withinMs(DEADLINE_MS, findEndpoint(env.DB, endpoint.replace("/", "-")));
	if (other === null) return `FALLBACK "${endpoint}" is no pool`;
	if (other === object) return `FALLBACK "${endpoint}" is this pool itself`;
	const outcome = await withinMs(
		DEADLINE_MS,
		askPool(env, other, (pool) => pool.command({ do: "assist", from: object, count })),
	);
	return outcome.ok ? null : `FALLBACK "${endpoint}": ${outcome.message}`;
}

/** Tells the other pools of an account of its rate limit. Who does not answer learns it from the cloud. Throws DatabaseUnavailable. */
export async function tellLimit(env: Env, account: string, object: string, until: Ms, rate: Rate | null): Promise<void> {
	const others = (await withinMs(DEADLINE_MS, poolsOfAccount(env.DB, account))).filter((one) => one !== object);
	const command: Command = { do: "limited", until, rate };
	await withinMs(DEADLINE_MS, Promise.allSettled(others.map((one) => askPool(env, one, (pool) => pool.command(command)))));
}
