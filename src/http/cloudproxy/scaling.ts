import { z } from "zod";
import type { ProviderName } from "../../core/model/state.ts";
import { idleness, sayWaiting } from "../../core/model/waiting.ts";
import { endpointNameOf, findPool, readCalled } from "../../d1/directory.ts";
import { writeSetting } from "../../d1/settings.ts";
import { forgetReady } from "../../read-model/ready.ts";
import { askPool } from "../../rpc/reach.ts";
import type { PoolConfig } from "../../settings/environment.ts";
import { MAX_SCALING } from "../../settings/table.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { Conflict } from "../base/errors.ts";
import { configuredInstance, DEFAULT_INSTANCE, type Instance, instance, instancesOf, providerNamed, unknownInstance } from "./instances.ts";
import { instanceAnswer, providerAnswer, readSources } from "./providers.ts";
import {
	ADMIN_FAULTS,
	bodyOf,
	faults,
	InstanceAnswer,
	instanceParam,
	json,
	ProviderAnswer,
	providerParam,
	wholeNumberOrText,
} from "./shapes.ts";

const Bounds = bodyOf({ min_scaling: wholeNumberOrText(0, MAX_SCALING), max_scaling: wholeNumberOrText(0, MAX_SCALING) })
	.refine(({ min_scaling, max_scaling }) => max_scaling >= min_scaling, {
		path: ["max_scaling"],
		error: "must not be less than min_scaling",
	})
	.openapi({ example: { min_scaling: 2, max_scaling: 5 } });
const body = { required: true, content: { "application/json": { schema: Bounds } } };
const description =
	"Takes effect at once and survives restarts and redeploys, until the environment names other bounds. A disabled instance will start with them.";

const providerSchema = {
	operationId: "scaleProvider",
	tags: ["Providers"],
	summary: "Set how many proxies a provider's default instance keeps",
	description,
	request: { params: z.object({ provider: providerParam }), body },
	responses: { 200: json("The provider.", ProviderAnswer), ...faults(400, 404, 409, 413, 422), ...ADMIN_FAULTS },
};
const instanceSchema = {
	operationId: "scaleInstance",
	tags: ["Providers"],
	summary: "Set how many proxies an instance keeps",
	description,
	request: { params: z.object({ provider: providerParam, instance: instanceParam }), body },
	responses: { 200: json("The instance.", InstanceAnswer), ...faults(400, 404, 409, 413, 422), ...ADMIN_FAULTS },
};
const DONE = "scaling configuration updated successfully";

/** `PATCH /providers/{provider}`: its default instance. */
export class ScaleProvider extends Operation {
	static override readonly isOrder = true;
	override schema = providerSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params, body } = await this.getValidatedData<typeof providerSchema>();
		const provider = providerNamed(params.provider);
		const { scaled, notice } = await scale(c, provider, DEFAULT_INSTANCE, body);
		const others = instancesOf(provider, await readSources(c));
		return providerAnswer(
			c,
			provider,
			new Map([[DEFAULT_INSTANCE, scaled], ...[...others].filter(([name]) => name !== DEFAULT_INSTANCE)]),
			DONE + notice,
		);
	}
}

/** `PATCH /providers/{provider}/{instance}` */
export class ScaleInstance extends Operation {
	static override readonly isOrder = true;
	override schema = instanceSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params, body } = await this.getValidatedData<typeof instanceSchema>();
		const provider = providerNamed(params.provider);
		const { scaled, notice } = await scale(c, provider, params.instance, body);
		return instanceAnswer(c, provider, params.instance, scaled, DONE + notice);
	}
}

/** What came of a change, and what the answer's message says beside that it was done. */
interface Scaled {
	readonly scaled: Instance;
	readonly notice: string;
}

function inWords({ min, max }: { readonly min: number; readonly max: number }): string {
	return min === max ? String(min) : `${min} to ${max}`;
}

/** Throws NotFound, Conflict, DatabaseUnavailable, PoolUnreachable. */
async function scale(c: AppContext, provider: ProviderName, name: string, bounds: z.infer<typeof Bounds>): Promise<Scaled> {
	const config = c.get("config").pools.find((pool) => pool.provider === provider && pool.name === name) ?? null;
	const scaled = await scaleNow(c, config, provider, name, bounds);
	if (scaled && config?.enabled !== false) return scaled;
	if (!config) throw unknownInstance(provider, name);

	// Kept for the pool that will be made once it is enabled. A disabled one that is still there will be forgotten, and is another.
	const { min, max } = config.settings.spec;
	const waiting = { min: bounds.min_scaling, max: bounds.max_scaling, environment: { min, max } };
	await writeSetting(c.env.DB, `scaling:${provider}:${name}`, JSON.stringify(waiting));
	// Cron may have entered the pool meanwhile. It looks for bounds after that: either it finds these, or the pool is found here.
	return scaled ?? (await scaleNow(c, config, provider, name, bounds)) ?? { scaled: configuredInstance(config, waiting), notice: "" };
}

/** Null where there is no such pool, or none any more: the directory outlives a pool by a moment. */
async function scaleNow(
	c: AppContext,
	config: PoolConfig | null,
	provider: ProviderName,
	name: string,
	bounds: z.infer<typeof Bounds>,
): Promise<Scaled | null> {
	const entry = await findPool(c.env.DB, provider, name);
	if (!entry) return null;
	const outcome = await askPool(c.env, entry.object, (pool) =>
		pool.command({ do: "scale", min: bounds.min_scaling, max: bounds.max_scaling }),
	);
	forgetReady();
	if (outcome.ok) {
		const { summary } = outcome;
		const idle = idleness(summary.run);
		// It is done, whatever D1 says now.
		const endpoint = (await readCalled(c.env.DB).catch(() => endpointNameOf))(entry);
		const notice = idle === null ? "" : `. ${sayWaiting(idle, summary.run, endpoint, Date.now())}, and then ${inWords(summary)}`;
		return { scaled: instance(config, summary, outcome.addresses, endpoint), notice };
	}
	if (outcome.error === "conflict") throw new Conflict(outcome.message);
	return null;
}
