import { z } from "zod";
import { calledBy, type DirectoryEntry, findEndpoint, listNames, listPools } from "../../d1/directory.ts";
import { LOG_KEPT, readLog } from "../../d1/logs.ts";
import { listManagers, writeSetting } from "../../d1/settings.ts";
import { readFacts, tickPools } from "../../fleet/fleet.ts";
import { askPool } from "../../rpc/reach.ts";
import { joinedFaults, masked, sealSecrets } from "../../settings/configuration.ts";
import { withKeptSecrets } from "../../settings/kept-secrets.ts";
import { ENDPOINT_NAME, ENDPOINT_NAME_RULE } from "../../settings/kinds.ts";
import { DEFAULT_MANAGER, readManager, unknownToManagers } from "../../settings/manager.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { BadRequest, NotFound } from "../base/errors.ts";
import { ConfigurationShape, configurationBody, configurationFault, invalid, readConfiguration, warnOf } from "./configuration.ts";
import { LOG_EXAMPLE, LogShape, logQuery, shown, sinceMs } from "./log.ts";
import { globalFaults } from "./shapes.ts";
import { managerOf } from "./state.ts";

// Here a pool's manager is its Durable Object, and its name is that of the pool's endpoint.

const TAGS = ["Managers"];
const EXAMPLE = { manager: { interval: 10 } };
const UUID = "6eaeca66-4992-4353-896c-915897e5f92b";
const nameParams = z.object({
	manager: z.string().openapi({ description: "A name of an endpoint, or `default` for all that have none of their own.", example: "demo" }),
});
const done = { 200: { description: "Done; the body is empty." } };
const unknown = { 404: { description: "There is no such configuration." } };

const listSchema = {
	operationId: "listManagerConfigurations",
	tags: TAGS,
	summary: "List the managers that have a configuration",
	description: "Those at work without one of their own are not among them.",
	responses: {
		200: { description: "Names.", content: { "application/json": { schema: z.array(z.string()), example: ["default", "demo"] } } },
		...globalFaults,
	},
};
const getSchema = {
	operationId: "getManagerConfiguration",
	tags: TAGS,
	summary: "Read a manager's configuration",
	description: "As it was given, secrets masked.",
	request: { params: nameParams },
	responses: {
		200: { description: "By section and key.", content: { "application/json": { schema: ConfigurationShape, example: EXAMPLE } } },
		...unknown,
		...globalFaults,
	},
};
const postSchema = {
	operationId: "setManagerConfiguration",
	tags: TAGS,
	summary: "Give a manager a configuration",
	description:
		"`manager.interval` is how often, in seconds, the pool is looked at. An endpoint's own configuration here goes before `default`, and that before the `manager` section of the endpoint. It holds at once.",
	request: { params: nameParams, body: configurationBody(EXAMPLE, "[manager]\ninterval = 10\n") },
	responses: { ...done, ...configurationFault, ...globalFaults },
};
const deleteSchema = {
	operationId: "deleteManagerConfiguration",
	tags: TAGS,
	summary: "Remove a manager's configuration",
	description: "Its pool is looked at as `default` says from then on, or as its endpoint does.",
	request: { params: nameParams },
	responses: { ...done, ...unknown, ...globalFaults },
};
const activeSchema = {
	operationId: "listActiveManagers",
	tags: TAGS,
	summary: "List the managers at work",
	description: "One for each pool.",
	responses: {
		200: { description: "Their UUIDs.", content: { "application/json": { schema: z.array(z.string()), example: [UUID] } } },
		...globalFaults,
	},
};
const InfoShape = z
	.object({
		name: z.string(),
		keys: z.array(z.string()),
		clouds: z.array(z.string()),
		loadbalancers: z.array(z.string()),
		endpoints: z.array(z.string()),
	})
	.nullable();
const infoSchema = {
	operationId: "getActiveManager",
	tags: TAGS,
	summary: "Describe a manager at work",
	description: "Here a manager is a pool's own object, and manages that pool.",
	request: { params: z.object({ manager: z.string().openapi({ description: "Its UUID.", example: UUID }) }) },
	responses: {
		200: {
			description: "What it manages; null where there is none.",
			content: {
				"application/json": {
					schema: InfoShape,
					example: { name: "demo", keys: [], clouds: ["digitalocean"], loadbalancers: [], endpoints: ["demo"] },
				},
			},
		},
		...globalFaults,
	},
};
const logSchema = {
	operationId: "getManagerLog",
	tags: TAGS,
	summary: "Read a manager's log",
	description: `That of its pool: the newest ${LOG_KEPT} entries, the oldest first.`,
	request: { params: nameParams, query: logQuery },
	responses: {
		200: {
			description: "Instant (seconds), severity, text; none where there is no such manager.",
			content: { "application/json": { schema: LogShape, example: LOG_EXAMPLE } },
		},
		...globalFaults,
	},
};

/** `GET /v1.1/managers/configs` */
export class ListManagerConfigs extends Operation {
	override schema = listSchema;
	async handle(c: AppContext): Promise<Response> {
		return c.json([...(await listManagers(c.env.DB)).keys()]);
	}
}

/** `GET /v1.1/managers/configs/{manager}` */
export class GetManagerConfig extends Operation {
	override schema = getSchema;
	async handle(c: AppContext): Promise<Response> {
		const { manager } = (await this.getValidatedData<typeof getSchema>()).params;
		const stored = (await listManagers(c.env.DB)).get(manager);
		if (stored === undefined) throw unconfigured(manager);
		return c.json(masked(stored));
	}
}

/** `POST /v1.1/managers/configs/{manager}` */
export class PostManagerConfig extends Operation {
	static override readonly isOrder = true;
	static override readonly takesText = true;
	override schema = postSchema;
	async handle(c: AppContext): Promise<Response> {
		const given = await readConfiguration(c);
		const { manager } = (await this.getValidatedData<typeof postSchema>()).params;
		if (!ENDPOINT_NAME.test(manager)) throw new BadRequest(`A manager's name must be ${ENDPOINT_NAME_RULE}.`);
		const { global, addresses } = c.get("config");
		const sealed = sealSecrets(global.encryptionKeys, `manager ${manager}`, given);
		if (sealed.stored === null) throw invalid(sealed.faults);
		const { merged, faults } = withKeptSecrets(sealed.stored, (await listManagers(c.env.DB)).get(manager) ?? {}, addresses);
		const all = joinedFaults(faults, readManager(given, global).faults);
		if (Object.keys(all).length > 0) throw invalid(all);
		await writeSetting(c.env.DB, `manager:${manager}`, JSON.stringify(merged));
		await tell(c, manager);
		warnOf(c, unknownToManagers(given));
		return c.body(null, 200);
	}
}

/** `DELETE /v1.1/managers/configs/{manager}` */
export class DeleteManagerConfig extends Operation {
	static override readonly isOrder = true;
	override schema = deleteSchema;
	async handle(c: AppContext): Promise<Response> {
		const { manager } = (await this.getValidatedData<typeof deleteSchema>()).params;
		if (!(await listManagers(c.env.DB)).has(manager)) throw unconfigured(manager);
		await writeSetting(c.env.DB, `manager:${manager}`, null);
		await tell(c, manager);
		return c.body(null, 200);
	}
}

/** `GET /v1.1/managers/active` */
export class ListActiveManagers extends Operation {
	override schema = activeSchema;
	async handle(c: AppContext): Promise<Response> {
		return c.json((await livePools(c)).map(({ object }) => managerOf(object)));
	}
}

/** `GET /v1.1/managers/active/{manager}` */
export class GetActiveManager extends Operation {
	override schema = infoSchema;
	async handle(c: AppContext): Promise<Response> {
		const { manager } = (await this.getValidatedData<typeof infoSchema>()).params;
		const entry = (await livePools(c)).find(({ object }) => managerOf(object) === manager.toLowerCase());
		if (entry === undefined) return c.json(null);
		const names = (await listNames(c.env.DB)).filter(({ object }) => object === entry.object);
		return c.json({
			name: calledBy(names)(entry),
			keys: [],
			clouds: entry.provider === "static" ? [] : [entry.provider],
			loadbalancers: [],
			endpoints: names.map(({ name }) => name),
		});
	}
}

/** `GET /v1.1/managers/log/{manager}` */
export class GetManagerLog extends Operation {
	override schema = logSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params, query } = await this.getValidatedData<typeof logSchema>();
		const object = await findEndpoint(c.env.DB, params.manager);
		return c.json(object === null ? [] : shown(await readLog(c.env.DB, object, sinceMs(query.since), LOG_KEPT)));
	}
}

async function livePools(c: AppContext): Promise<readonly DirectoryEntry[]> {
	return (await listPools(c.env.DB)).filter(({ removedAt }) => removedAt === null);
}

/** Tells the pools that a configuration concerns. What is not told now is told by cron within a minute. */
async function tell(c: AppContext, manager: string): Promise<void> {
	const facts = await readFacts(c.env);
	if (manager === DEFAULT_MANAGER) return tickPools(c.env, facts);
	const object = await findEndpoint(c.env.DB, manager);
	if (object !== null) await askPool(c.env, object, (pool) => pool.tick(facts));
}

function unconfigured(manager: string): NotFound {
	return new NotFound(`There is no configuration of a manager "${manager}".`);
}
