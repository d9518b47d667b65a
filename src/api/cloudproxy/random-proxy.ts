import { z } from "zod";
import type { Config } from "../../config.ts";
import { pickReady, readReady, type Snapshot } from "../../db/ready.ts";
import { type AppContext, Endpoint, metadata } from "../context.ts";
import { NotFound, ServiceUnavailable } from "../errors.ts";
import { stateAge } from "../headers.ts";
import { readyProxy } from "./proxy.ts";
import { ADMIN_FAULTS, faults, json, ProxyAnswer } from "./shapes.ts";

const STARTING_RETRY_SECONDS = 5;

const schema = {
	operationId: "getRandomProxy",
	tags: ["Proxies"],
	summary: "Get one ready proxy at random",
	description: "Each ready proxy is equally likely. What is known may be one second old; the Age header says when it is older.",
	request: { query: z.object({}) },
	responses: { 200: json("One ready proxy.", ProxyAnswer), ...faults(404), ...ADMIN_FAULTS },
};

/** `GET /random`. Nothing ready: 503 while a pool is starting, else 404. */
export class GetRandomProxy extends Endpoint {
	override schema = schema;

	async handle(c: AppContext): Promise<Response> {
		const { snapshot, ageMs } = await readReady(c.env.DB, Date.now());
		stateAge(c, ageMs);
		const picked = pickReady(snapshot, Math.random);
		if (!picked) {
			if (isStarting(c.get("config"), snapshot))
				throw new ServiceUnavailable("The pools are starting; no proxy is ready yet.", STARTING_RETRY_SECONDS);
			throw new NotFound("No proxies available");
		}
		return c.json({ metadata: metadata(c), message: "Random proxy retrieved successfully", proxy: readyProxy(picked) });
	}
}

/** Whether a pool that is to run has never read its provider's inventory, or is yet to be made. A suspended one does not start. */
function isStarting(config: Config, { pools }: Snapshot): boolean {
	const isHeldBack = (provider: string, name: string) =>
		config.pools.some((pool) => pool.provider === provider && pool.name === name && (!pool.enabled || pool.problem !== null));
	const isPublished = (provider: string, name: string) => pools.some((pool) => pool.provider === provider && pool.name === name);
	return (
		config.pools.some((pool) => pool.enabled && pool.problem === null && !isPublished(pool.provider, pool.name)) ||
		pools.some(
			(pool) => !isHeldBack(pool.provider, pool.name) && (!pool.summary || (pool.summary.run === "running" && !pool.summary.reconciled)),
		)
	);
}
