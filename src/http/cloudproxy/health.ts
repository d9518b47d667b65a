import { z } from "zod";
import { DatabaseUnavailable } from "../../d1/database.ts";
import { endpointNameOf } from "../../d1/directory.ts";
import { readSettings } from "../../d1/settings.ts";
import { whatIsLost } from "../../fleet/directory.ts";
import { readReady } from "../../read-model/ready.ts";
import type { PublishedPool } from "../../read-model/snapshot.ts";
import type { Env } from "../../rpc/env.ts";
import type { Config } from "../../settings/environment.ts";
import { logWarning } from "../../values/log.ts";
import { type AppContext, Endpoint } from "../base/context.ts";
import { json, METADATA } from "./shapes.ts";

/** How far behind the database may be. */
const BEHIND_SECONDS = 60;
/** Cron leaves its mark once a minute, so that a mark may be that old though nothing is behind. */
const MARK_EVERY_SECONDS = 60;

const Checks = z.object({
	database: z.string().optional(),
	configuration: z.array(z.string()).optional(),
	pools: z.record(z.string(), z.array(z.string())).optional(),
});

const schema = {
	operationId: "getHealth",
	tags: ["Health"],
	summary: "Tell whether the deployment works",
	description:
		"Needs no key. `degraded` when a pool cannot reach its provider, or the database fails or is behind by more than 60 seconds. `checks` is there when there is something to say, and holds sentences without secrets.",
	security: [],
	responses: {
		200: json(
			"What is known now.",
			z.object({ status: z.enum(["healthy", "degraded"]), timestamp: z.iso.datetime(), checks: Checks.optional() }),
			{ status: "healthy", timestamp: METADATA.timestamp },
		),
	},
};

/** `GET /health`: answers whatever fails, and 200 always. */
export class GetHealth extends Endpoint {
	override schema = schema;

	async handle(c: AppContext): Promise<Response> {
		const now = Date.now();
		const { pools, database } = await look(c.env, now);
		const config = c.get("config");
		const notes = poolNotes(config, pools);
		const checks: z.infer<typeof Checks> = {
			...(database === null ? {} : { database }),
			...(config.problems.length === 0 ? {} : { configuration: [...config.problems] }),
			...(Object.keys(notes).length === 0 ? {} : { pools: notes }),
		};
		const isDegraded = database !== null || pools.some((pool) => pool.summary?.degraded);
		return c.json({
			status: isDegraded ? "degraded" : "healthy",
			timestamp: new Date(now).toISOString(),
			...(Object.keys(checks).length === 0 ? {} : { checks }),
		});
	}
}

async function look(env: Env, now: number): Promise<{ pools: readonly PublishedPool[]; database: string | null }> {
	let pools: readonly PublishedPool[] = [];
	try {
		const { snapshot, ageMs } = await readReady(env.DB, now);
		pools = snapshot.pools;
		if (ageMs !== null) return { pools, database: `It does not answer; what it held ${Math.ceil(ageMs / 1_000)} s ago is shown.` };
		const settings = await readSettings(env.DB, ["written_at", "unlisted"]);
		const lost = await whatIsLost(env, settings);
		if (lost !== null) return { pools, database: lost };
		const mark = settings.get("written_at");
		const seconds = mark === undefined ? 0 : Math.floor((now - Number(mark)) / 1_000);
		const isBehind = seconds > BEHIND_SECONDS + MARK_EVERY_SECONDS;
		return { pools, database: isBehind ? `It has taken no write for ${seconds} s, or cron does not run.` : null };
	} catch (error) {
		// The reason may name what nobody without a key should read.
		logWarning("health", error);
		return {
			pools,
			database: error instanceof DatabaseUnavailable ? "It does not answer." : "It refuses what it is asked; the log has why.",
		};
	}
}

/** By endpoint name: what is wrong with a pool, and what else its account holds. */
function poolNotes(config: Config, pools: readonly PublishedPool[]): Record<string, string[]> {
	const notes = new Map<string, string[]>();
	for (const pool of pools) {
		const { summary } = pool;
		if (!summary) continue;
		const { strays, foreign } = summary;
		const others = foreign.deployments;
		notes.set(endpointNameOf(pool), [
			...summary.problems,
			...(strays > 0 ? [`${strays} of its VMs have no proxy; they will be deleted.`] : []),
			...(others > 0 ? [`${others} VMs of other deployments are in its account; they are left alone.`] : []),
		]);
	}
	for (const { endpoint, problem } of config.pools) {
		const said = notes.get(endpoint) ?? [];
		if (problem !== null && !said.includes(problem)) notes.set(endpoint, [problem, ...said]);
	}
	return Object.fromEntries([...notes].filter(([, sentences]) => sentences.length > 0));
}
