import { z } from "zod";
import { conditionOf } from "../../core/model/health.ts";
import { Cached, DatabaseUnavailable } from "../../d1/database.ts";
import { type Called, endpointNameOf, readCalled } from "../../d1/directory.ts";
import { orderedCredentialsIn, readSettings } from "../../d1/settings.ts";
import { type CredentialsInForce, inForce } from "../../fleet/credentials.ts";
import { whatIsLost } from "../../fleet/directory.ts";
import { readShadows } from "../../fleet/shadow.ts";
import { readReady } from "../../read-model/ready.ts";
import { readRemoving } from "../../read-model/removing.ts";
import type { PublishedPool } from "../../read-model/snapshot.ts";
import type { Env } from "../../rpc/env.ts";
import type { Config, PoolConfig } from "../../settings/environment.ts";
import { logWarning } from "../../values/log.ts";
import { requireKey } from "../base/auth.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { ApiError } from "../base/errors.ts";
import { noticeOf } from "./authentication.ts";
import { faults, json, METADATA } from "./shapes.ts";

/** How far behind the database may be. */
const BEHIND_SECONDS = 60;
/** Cron leaves its mark once a minute, so that a mark may be that old though nothing is behind. */
const MARK_EVERY_SECONDS = 60;
/** What strangers are told may be so old: however many ask, D1 is asked no more often. */
const STRANGERS_STALENESS_MS = 1_000;

const STATUS = ["healthy", "degraded", "paused", "stopped"] as const;
type Status = (typeof STATUS)[number];

const PoolHealth = z.object({
	status: z.enum(STATUS),
	state: z.enum(["running", "starting", "suspended", "paused", "stopped", "removing"]),
	ready: z.number().int(),
	wanted: z.number().int(),
	since: z.iso.datetime().nullable().openapi({ description: "Since when it has as many ready as are wanted, or has not." }),
	problems: z.array(z.string()),
});
type PoolHealth = z.infer<typeof PoolHealth>;
const Checks = z.object({
	database: z.string().optional(),
	configuration: z.array(z.string()).optional(),
	warnings: z.array(z.string()).optional().openapi({ description: "What works and had better be otherwise. They are not counted." }),
	pools: z.record(z.string(), PoolHealth).optional(),
});
const POOL: PoolHealth = {
	status: "degraded",
	state: "running",
	ready: 0,
	wanted: 2,
	since: METADATA.timestamp,
	problems: ["the provider refuses our credentials: Unable to authenticate you"],
};

const schema = {
	operationId: "getHealth",
	tags: ["Health"],
	summary: "Tell whether the deployment works",
	description:
		"Needs no key; `checks`, which holds sentences without secrets, is for who has one. `degraded`: the database fails or is behind by more than 60 seconds, or a pool is: it has too few proxies ready for longer than its boots usually take, its cloud refuses it, a circuit breaker is open, a VM is billed that no proxy explains, or a rule's metric is not reported. Pools that are deleted are shown until their VMs are gone. `paused`, `stopped`: nothing is wrong, and no pool is running.",
	security: [],
	request: {
		query: z.object({
			strict: z.string().optional().openapi({ description: "`1`: 503 unless `healthy`, for what watches status codes.", example: "1" }),
		}),
	},
	responses: {
		200: json(
			"What is known now.",
			z.object({
				status: z.enum(STATUS),
				timestamp: z.iso.datetime(),
				check_count: z.number().int().openapi({ description: "How many things are wrong, or worth knowing." }),
				checks: Checks.optional(),
			}),
			{ status: "degraded", timestamp: METADATA.timestamp, check_count: 1, checks: { pools: { "digitalocean-default": POOL } } },
		),
		...faults(422),
		503: { description: "With `strict=1`: the same, and the status is not `healthy`." },
	},
};

/** `GET /health`: answers whatever fails, and 200 unless it is asked to be strict. */
export class GetHealth extends Operation {
	/** A monitor that asks for something else than it means would never tell. */
	static override readonly refusesUnknownQuery = true;
	override schema = schema;

	async handle(c: AppContext): Promise<Response> {
		const now = Date.now();
		const config = c.get("config");
		const isKnown = await hasKey(c);
		const seeing = () => look(c.env, config, now);
		const { status, count, checks } = judge(config, isKnown ? await seeing() : (await forStrangers.read(now, seeing)).value, now);
		const { strict } = (await this.getValidatedData<typeof schema>()).query;
		const isStrict = strict !== undefined && !["", "0", "false", "no"].includes(strict.toLowerCase());
		const body = { status, timestamp: new Date(now).toISOString(), check_count: count, ...(isKnown ? { checks } : {}) };
		return c.json(body, isStrict && status !== "healthy" ? 503 : 200);
	}
}

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

/** How the deployment stands now, for whoever has the admin key. Never throws. */
export async function healthNow(env: Env, config: Config, now: number): Promise<Health> {
	return judge(config, await look(env, config, now), now);
}

function judge(config: Config, { pools, removed, shadows, called, credentials, database }: Seen, now: number): Health {
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

interface Seen {
	readonly pools: readonly PublishedPool[];
	/** Those that are deleted and whose VMs are not all gone yet. */
	readonly removed: readonly PublishedPool[];
	readonly shadows: ReadonlyMap<string, string>;
	readonly called: Called;
	/** Null: it is not known. */
	readonly credentials: CredentialsInForce | null;
	/** What is wrong with the database, or null. */
	readonly database: string | null;
}

/** What was seen is kept with what failed: a D1 that hangs is not asked by each stranger either. */
const forStrangers = new Cached<Seen>("health", () => STRANGERS_STALENESS_MS);

/** Forgets what this isolate tells strangers. For tests. */
export function forgetHealth(): void {
	forStrangers.forget();
}

/** Whether the request may be told everything. A wrong key is no key here: the answer must come whatever fails. */
async function hasKey(c: AppContext): Promise<boolean> {
	try {
		await requireKey(c, async () => null);
		return true;
	} catch (error) {
		if (!(error instanceof ApiError || error instanceof DatabaseUnavailable)) logWarning("health", error);
		return false;
	}
}

/** Never throws. */
async function look(env: Env, config: Config, now: number): Promise<Seen> {
	let seen: Omit<Seen, "database"> = { pools: [], removed: [], shadows: new Map(), called: endpointNameOf, credentials: null };
	try {
		const { snapshot, ageMs } = await readReady(env.DB, now);
		const { pools } = snapshot;
		seen = { ...seen, pools };
		if (ageMs !== null) return { ...seen, database: `It does not answer; what it held ${Math.ceil(ageMs / 1_000)} s ago is shown.` };
		const [removed, shadows, called, settings] = await Promise.all([
			readRemoving(env.DB),
			readShadows(env.DB, config, pools),
			readCalled(env.DB),
			readSettings(env.DB, ["written_at", "unlisted", "credentials"]),
		]);
		seen = { pools, removed, shadows, called, credentials: inForce(env, orderedCredentialsIn(settings)) };
		const lost = await whatIsLost(env, settings);
		if (lost !== null) return { ...seen, database: lost };
		const mark = settings.get("written_at");
		const seconds = mark === undefined ? 0 : Math.floor((now - Number(mark)) / 1_000);
		const isBehind = seconds > BEHIND_SECONDS + MARK_EVERY_SECONDS;
		return { ...seen, database: isBehind ? `It has taken no write for ${seconds} s, or cron does not run.` : null };
	} catch (error) {
		// The reason may name what nobody without a key should read.
		logWarning("health", error);
		return {
			...seen,
			database: error instanceof DatabaseUnavailable ? "It does not answer." : "It refuses what it is asked; the log has why.",
		};
	}
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
		// It may have been renamed.
		const made = pools.find(({ source, provider, name }) => source === "environment" && provider === pool.provider && name === pool.name);
		const key = made === undefined ? pool.endpoint : called(made);
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

/** Pools that are being removed, by the names that their endpoints had; a name that is another pool's by now is told apart. */
function removingHealth(
	removed: readonly PublishedPool[],
	live: Readonly<Record<string, PoolHealth>>,
	now: number,
): Record<string, PoolHealth> {
	const health = new Map<string, PoolHealth>();
	for (const pool of removed) {
		const name = endpointNameOf(pool);
		let key = name;
		for (let copy = 1; Object.hasOwn(live, key) || health.has(key); copy++) key = `${name} (removed${copy === 1 ? "" : `, ${copy}`})`;
		health.set(key, publishedHealth(pool, null, now));
	}
	return Object.fromEntries(health);
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
