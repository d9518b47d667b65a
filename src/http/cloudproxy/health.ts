import { z } from "zod";
import { Cached, DatabaseUnavailable } from "../../d1/database.ts";
import type { Env } from "../../rpc/env.ts";
import type { Config } from "../../settings/environment.ts";
import { logWarning } from "../../values/log.ts";
import { requireKey } from "../base/auth.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { ApiError } from "../base/errors.ts";
import { Checks, type Health, judge, type PoolHealth, STATUS } from "./health-judged.ts";
import { look, type Seen } from "./health-seen.ts";
import { faults, json, METADATA } from "./shapes.ts";

/** What strangers are told may be so old: however many ask, D1 is asked no more often. */
const STRANGERS_STALENESS_MS = 1_000;

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

/** How the deployment stands now, for whoever has the admin key. Never throws. */
export async function healthNow(env: Env, config: Config, now: number): Promise<Health> {
	return judge(config, await look(env, config, now), now);
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
