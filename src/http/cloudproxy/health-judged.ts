/** What `/health` makes of what is seen: which pools are well, and what is wrong. Pure. */
import { z } from "zod";
import { conditionOf } from "../../core/model/health.ts";
import type { Called } from "../../d1/directory.ts";
import type { PublishedPool } from "../../read-model/snapshot.ts";
import type { Config, PoolConfig } from "../../settings/environment.ts";
import { noticeOf } from "./authentication.ts";
import { environmentsName, removedNames } from "./health-names.ts";
import type { Seen } from "./health-seen.ts";

export const STATUS = ["healthy", "degraded", "paused", "stopped"] as const;
type Status = (typeof STATUS)[number];

export const PoolHealth = z.object({
	status: z.enum(STATUS),
	state: z.enum(["running", "starting", "suspended", "paused", "stopped", "removing"]),
	ready: z.number().int(),
	wanted: z.number().int(),
	since: z.iso.datetime().nullable().openapi({ description: "Since when it has as many ready as are wanted, or has not." }),
	problems: z.array(z.string()),
});
export type PoolHealth = z.infer<typeof PoolHealth>;
export const Checks = z.object({
	database: z.string().optional(),
	configuration: z.array(z.string()).optional(),
	warnings: z.array(z.string()).optional().openapi({ description: "What works and had better be otherwise. They are not counted." }),
	pools: z.record(z.string(), PoolHealth).optional(),
});

/** What is wrong, and with what. */
export interface Health {
	readonly status: Status;
	/** How many things are wrong, or worth knowing. */
	readonly count: number;
	readonly checks: z.infer<typeof Checks>;
	/** Of these the pools that are deleted and whose VMs are not all gone yet, by the names that they have there. */
	readonly removing: Readonly<Record<string, PoolHealth>>;
	/** By these names the others stand there. */
	readonly called: Called;
}

export function judge(config: Config, { pools, removed, shadows, called, credentials, database }: Seen, now: number): Health {
	const live = healthOf(config, pools, shadows, called, now);
	const removing = removingHealth(removed, live, now);
	const health = { ...live, ...removing };
	const all = Object.values(health);
	const notice = credentials === null ? null : noticeOf(credentials, config.global);
	const isUnread = credentials?.isUnread === true;
	const problems = notice !== null && isUnread ? [...config.problems, notice] : config.problems;
	const warnings = notice !== null && !isUnread ? [...config.warnings, notice] : config.warnings;
	const count = (database === null ? 0 : 1) + problems.length + all.reduce((sum, { problems }) => sum + problems.length, 0);
	const checks: z.infer<typeof Checks> = {
		...(database === null ? {} : { database }),
		...(problems.length === 0 ? {} : { configuration: [...problems] }),
		...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
		...(all.length === 0 ? {} : { pools: health }),
	};
	// One that goes as it should says nothing of those that stay.
	const counted = [...Object.values(live), ...Object.values(removing).filter(({ status }) => status === "degraded")];
	return { status: database === null ? statusOf(counted) : "degraded", count, checks, removing, called };
}

function statusOf(pools: readonly PoolHealth[]): Status {
	const has = (status: Status) => pools.some((pool) => pool.status === status);
	if (has("degraded")) return "degraded";
	if (has("healthy")) return "healthy";
	return has("paused") ? "paused" : has("stopped") ? "stopped" : "healthy";
}

/** Every pool by its endpoint's name: how it stands, what is wrong with it, and what else its account holds. */
function healthOf(
	config: Config,
	pools: readonly PublishedPool[],
	shadows: Seen["shadows"],
	called: Called,
	now: number,
): Record<string, PoolHealth> {
	const health = new Map<string, PoolHealth>();
	for (const pool of pools) health.set(called(pool), publishedHealth(pool, called(pool), now));
	for (const pool of config.pools) {
		const key = environmentsName(pool, pools, called);
		const known = health.get(key);
		const shadow = shadows.get(pool.endpoint);
		const own = [...(shadow === undefined ? [] : [shadow]), ...(pool.problem === null ? [] : [pool.problem])];
		if (known === undefined) {
			if (pool.enabled || pool.problem !== null) health.set(pool.endpoint, awaited(pool, own));
			continue;
		}
		const unsaid = own.filter((problem) => !known.problems.includes(problem));
		if (unsaid.length > 0) health.set(key, { ...known, status: "degraded", problems: [...unsaid, ...known.problems] });
	}
	return Object.fromEntries(health);
}

/** Pools that are being removed. */
function removingHealth(
	removed: readonly PublishedPool[],
	live: Readonly<Record<string, PoolHealth>>,
	now: number,
): Record<string, PoolHealth> {
	const named = removedNames(removed, (name) => Object.hasOwn(live, name));
	return Object.fromEntries([...named].map(([name, pool]) => [name, publishedHealth(pool, null, now)]));
}

function publishedHealth({ summary, readyCount }: PublishedPool, endpoint: string | null, now: number): PoolHealth {
	if (summary === null) return { status: "healthy", state: "starting", ready: 0, wanted: 0, since: null, problems: [] };
	const { state, isDegraded, since, wanted, problems } = conditionOf(summary, readyCount, now, endpoint);
	const orphans = summary.orphans ?? summary.strays ?? 0;
	const others = summary.foreign.deployments;
	const isIdle = state === "paused" || state === "stopped" || state === "removing";
	return {
		status: isDegraded ? "degraded" : !isIdle ? "healthy" : state === "paused" ? "paused" : "stopped",
		state,
		ready: readyCount,
		wanted,
		since: since === null ? null : new Date(since).toISOString(),
		problems: [
			...problems,
			...(orphans > 0 ? [`${orphans} of its VMs have no proxy; they will be deleted.`] : []),
			...(others > 0 ? [`${others} VMs of other deployments are in its account; they are left alone.`] : []),
		],
	};
}

/** A pool that the environment names and that is not there yet. */
function awaited({ settings }: PoolConfig, problems: string[]): PoolHealth {
	const [status, state] = problems.length === 0 ? (["healthy", "starting"] as const) : (["degraded", "suspended"] as const);
	return { status, state, ready: 0, wanted: settings.spec.min, since: null, problems };
}
