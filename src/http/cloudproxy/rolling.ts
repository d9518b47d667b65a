import { z } from "zod";
import { type RollingStatus, rollingInForce } from "../../core/model/rolling.ts";
import type { PatchedRolling, ProviderName, Rolling } from "../../core/model/state.ts";
import { type DirectoryEntry, findPool, listPools } from "../../d1/directory.ts";
import { patchedRollingIn, readSettings, writeSetting } from "../../d1/settings.ts";
import { eachPool, readFacts } from "../../fleet/fleet.ts";
import { askPool } from "../../rpc/reach.ts";
import { MAX_SCALING } from "../../settings/table.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { Conflict, NotFound } from "../base/errors.ts";
import { instanceNamed, providerNamed } from "./instances.ts";
import { readSources } from "./providers.ts";
import {
	ADMIN_FAULTS,
	bodyOf,
	booleanOrText,
	faults,
	instanceParam,
	json,
	METADATA,
	Metadata,
	providerParam,
	wholeNumber,
	wholeNumberOrText,
} from "./shapes.ts";

const fields = { enabled: z.boolean(), min_available: wholeNumber(0, MAX_SCALING), batch_size: wholeNumber(1, MAX_SCALING) };
const given = {
	enabled: booleanOrText(),
	min_available: wholeNumberOrText(0, MAX_SCALING),
	batch_size: wholeNumberOrText(1, MAX_SCALING),
};
const example = { enabled: true, min_available: 3, batch_size: 2 };

const RollingConfig = z.object(fields).openapi("RollingConfig", { example });
const Status = z
	.object({
		healthy: z.number().int().openapi({ description: "Ready; older than the age limit or not." }),
		pending: z.number().int().openapi({ description: "Launched and not ready yet." }),
		pending_recycle: z
			.number()
			.int()
			.openapi({ description: "Older than the age limit, or to be replaced by an order, and handed out until their turn comes." }),
		recycling: z.number().int().openapi({ description: "The same, draining or being deleted." }),
		last_update: z.iso.datetime(),
		healthy_ips: z.array(z.string()),
		pending_recycle_ips: z.array(z.string()),
		recycling_ips: z.array(z.string()),
	})
	.openapi("RollingStatus");
const RollingAnswer = z
	.object({ metadata: Metadata, message: z.string(), config: RollingConfig, status: z.record(z.string(), Status) })
	.openapi("RollingAnswer", {
		example: {
			metadata: METADATA,
			message: "Rolling deployment status retrieved successfully",
			config: example,
			status: {
				"digitalocean/default": {
					healthy: 4,
					pending: 1,
					pending_recycle: 2,
					recycling: 1,
					last_update: "2026-02-24T07:59:30.000Z",
					healthy_ips: ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"],
					pending_recycle_ips: ["192.0.2.1", "192.0.2.2"],
					recycling_ips: ["192.0.2.5"],
				},
			},
		},
	});

const about = {
	tags: ["Rolling deployments"],
	responses: { 200: json("Settings, and status by `provider/instance`.", RollingAnswer), ...ADMIN_FAULTS },
};
const getSchema = {
	...about,
	operationId: "getRolling",
	summary: "Show rolling deployments",
	description: "How proxies that reach AGE_LIMIT are replaced, and how far each running instance is with it.",
};
const patchSchema = {
	...about,
	operationId: "patchRolling",
	summary: "Set how aged proxies are replaced",
	description:
		"Holds for every instance and survives restarts and redeploys, until the environment's ROLLING_ settings change. Answers once every instance goes by it. Where `min_available` is not below an instance's target, one less than the target (at least one) stays ready.",
	request: {
		body: { required: true, content: { "application/json": { schema: bodyOf(given).openapi({ example }) } } },
	},
	responses: { ...about.responses, ...faults(400, 413, 422) },
};
const providerSchema = {
	...about,
	operationId: "getProviderRolling",
	summary: "Show rolling deployments of a provider",
	description: "The settings, which hold for all, and how far each running instance of this provider is.",
	request: { params: z.object({ provider: providerParam }) },
	responses: { ...about.responses, ...faults(404) },
};
const instanceSchema = {
	...about,
	operationId: "getInstanceRolling",
	summary: "Show the rolling deployment of an instance",
	description: "The settings, which hold for all, and how far this instance is; one that does not run has no status.",
	request: {
		params: z.object({ provider: providerParam, instance: instanceParam }),
	},
	responses: { ...about.responses, ...faults(404) },
};
const rollSchema = {
	...about,
	operationId: "rollInstance",
	summary: "Replace every proxy of an instance",
	description:
		"All that there are now, whatever their age, as aged ones are replaced: by the settings of rolling deployments, within the surge and the budget, each only once enough others are ready. A new VM each is launched, and billed. Changes nothing for those of an order before that is still under way.",
	request: instanceSchema.request,
	responses: { ...about.responses, ...faults(404, 409) },
};
const endRollSchema = {
	...about,
	operationId: "endRoll",
	summary: "End the replacement of every proxy of an instance",
	description: "Those that are on their way out go; the others stay. May be repeated.",
	request: instanceSchema.request,
	responses: { ...about.responses, ...faults(404) },
};

/** `GET /rolling` */
export class GetRolling extends Operation {
	override schema = getSchema;
	handle(c: AppContext): Promise<Response> {
		return answer(c, () => true, "Rolling deployment status retrieved successfully");
	}
}

/** `PATCH /rolling`: kept in D1 first, so that a pool that is made meanwhile learns of it too. */
export class PatchRolling extends Operation {
	static override readonly isOrder = true;
	override schema = patchSchema;
	async handle(c: AppContext): Promise<Response> {
		const { body } = await this.getValidatedData<typeof patchSchema>();
		const patched: PatchedRolling = {
			enabled: body.enabled,
			minAvailable: body.min_available,
			batchSize: body.batch_size,
			environment: c.get("config").global.rolling,
		};
		await writeSetting(c.env.DB, "rolling", JSON.stringify(patched));
		const facts = await readFacts(c.env);
		await eachPool(await listPools(c.env.DB), ({ object }) => askPool(c.env, object, (pool) => pool.tick(facts)));
		return answer(c, () => true, "Rolling deployment configuration updated successfully");
	}
}

/** `GET /rolling/{provider}` */
export class GetProviderRolling extends Operation {
	override schema = providerSchema;
	async handle(c: AppContext): Promise<Response> {
		const provider = providerNamed((await this.getValidatedData<typeof providerSchema>()).params.provider);
		return answer(c, (pool) => pool.provider === provider, retrieved(provider));
	}
}

/** `GET /rolling/{provider}/{instance}`: one that is known and does not run has no status. */
export class GetInstanceRolling extends Operation {
	override schema = instanceSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof instanceSchema>();
		const provider: ProviderName = providerNamed(params.provider);
		instanceNamed(provider, params.instance, await readSources(c));
		const isWanted = (pool: DirectoryEntry) => pool.provider === provider && pool.name === params.instance;
		return answer(c, isWanted, retrieved(`${provider}/${params.instance}`));
	}
}

/** `POST /rolling/{provider}/{instance}` */
export class RollInstance extends Operation {
	static override readonly isOrder = true;
	override schema = rollSchema;
	async handle(c: AppContext): Promise<Response> {
		return roll(c, (await this.getValidatedData<typeof rollSchema>()).params, true);
	}
}

/** `DELETE /rolling/{provider}/{instance}` */
export class EndRoll extends Operation {
	static override readonly isOrder = true;
	override schema = endRollSchema;
	async handle(c: AppContext): Promise<Response> {
		return roll(c, (await this.getValidatedData<typeof endRollSchema>()).params, false);
	}
}

/** Throws NotFound, Conflict. */
async function roll(c: AppContext, params: { provider: string; instance: string }, isOn: boolean): Promise<Response> {
	const provider = providerNamed(params.provider);
	const name = `${provider}/${params.instance}`;
	const entry = await findPool(c.env.DB, provider, params.instance);
	const outcome = entry === null ? null : await askPool(c.env, entry.object, (pool) => pool.command({ do: "roll", isOn }));
	if (outcome === null || (!outcome.ok && outcome.error === "notFound")) {
		instanceNamed(provider, params.instance, await readSources(c));
		throw new NotFound(`Provider '${provider}' instance '${params.instance}' does not run: it has no proxies.`);
	}
	if (!outcome.ok) throw new Conflict(outcome.message);
	const message = isOn ? `Every proxy of '${name}' is being replaced` : `No more proxies of '${name}' are being replaced`;
	return answer(c, (pool) => pool.provider === provider && pool.name === params.instance, message);
}

const retrieved = (what: string) => `Rolling deployment status for '${what}' retrieved successfully`;

/** Throws DatabaseUnavailable, PoolUnreachable. */
async function answer(c: AppContext, isWanted: (pool: DirectoryEntry) => boolean, message: string): Promise<Response> {
	const [entries, settings] = await Promise.all([listPools(c.env.DB), readSettings(c.env.DB, ["rolling"])]);
	const pools = entries.filter((pool) => pool.removedAt === null && isWanted(pool));
	const statuses = await eachPool(pools, async ({ object, provider, name }) => {
		const status = await askPool(c.env, object, (pool) => pool.status());
		return status === null ? [] : [[`${provider}/${name}`, shown(status.rolling)] as const];
	});
	return c.json({
		metadata: metadata(c),
		message,
		config: configOf(rollingInForce(patchedRollingIn(settings), c.get("config").global.rolling)),
		status: Object.fromEntries(statuses.flat().sort(([a], [b]) => (a < b ? -1 : 1))),
	});
}

function configOf({ enabled, minAvailable, batchSize }: Rolling): z.infer<typeof RollingConfig> {
	return { enabled, min_available: minAvailable, batch_size: batchSize };
}

function shown({ healthy, pending, pendingRecycle, recycling, lastUpdate }: RollingStatus): z.infer<typeof Status> {
	return {
		healthy: healthy.length,
		pending,
		pending_recycle: pendingRecycle.length,
		recycling: recycling.length,
		last_update: new Date(lastUpdate).toISOString(),
		healthy_ips: [...healthy],
		pending_recycle_ips: [...pendingRecycle],
		recycling_ips: [...recycling],
	};
}
