import { z } from "zod";
import { findEndpoint, listNames } from "../../d1/directory.ts";
import { aliasEndpoint, configureEndpoint, createEndpoint, deleteEndpoint, finishEndpoint } from "../../fleet/endpoints.ts";
import { forgetReady } from "../../read-model/ready.ts";
import { askPool } from "../../rpc/reach.ts";
import { unknownKeys } from "../../settings/endpoint.ts";
import { ENDPOINT_NAME, ENDPOINT_NAME_RULE } from "../../settings/kinds.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { BadRequest, Conflict } from "../base/errors.ts";
import { addressed, unknownEndpoint } from "./addressed.ts";
import {
	CONFIGURATION_EXAMPLE,
	ConfigurationShape,
	configurationBody,
	configurationFault,
	GIVEN_EXAMPLE,
	INI_EXAMPLE,
	readConfiguration,
	requireDone,
	warnOf,
} from "./configuration.ts";
import { forgetEndpointKeys } from "./endpoint-keys.ts";
import { bodyFault, endpointFaults, endpointParams, globalFaults } from "./shapes.ts";

const TAGS = ["Endpoints"];
const done = { 200: { description: "Done; the body is empty. Keys of a configuration that are unknown stand in the header Warning." } };
const taken = { 409: { description: "The name is taken." } };
const body = configurationBody(GIVEN_EXAMPLE, INI_EXAMPLE);
const about =
	"New endpoints are PAUSED. Secrets are encrypted at rest, and shown as `********`; that mask, posted back, keeps the stored secret.";

const listSchema = {
	operationId: "listEndpoints",
	tags: TAGS,
	summary: "List the names of all endpoints",
	description: "Aliases too.",
	responses: {
		200: {
			description: "Names.",
			content: { "application/json": { schema: z.array(z.string()), example: ["demo", "digitalocean-default"] } },
		},
		...globalFaults,
	},
};
const getSchema = {
	operationId: "getEndpoint",
	tags: TAGS,
	summary: "Read an endpoint's configuration",
	description: "As it was given, secrets masked; of a pool of the environment, what the environment comes to.",
	request: { params: endpointParams },
	responses: {
		200: {
			description: "By section and key.",
			content: { "application/json": { schema: ConfigurationShape, example: CONFIGURATION_EXAMPLE } },
		},
		...endpointFaults,
	},
};
const putSchema = {
	operationId: "createEndpoint",
	tags: TAGS,
	summary: "Create an endpoint",
	description: about,
	request: { params: endpointParams, body },
	responses: { ...done, ...configurationFault, ...globalFaults, ...taken },
};
const postSchema = {
	operationId: "setEndpoint",
	tags: TAGS,
	summary: "Create an endpoint, or give it another configuration",
	description: `${about} Of a pool of the environment everything may be changed but its cloud; its bounds and time-outs hold until the environment names others.`,
	request: { params: endpointParams, body },
	responses: {
		...done,
		...configurationFault,
		...globalFaults,
		409: { description: "The cloud cannot be changed now, or is the environment's, or the name is taken." },
	},
};
const deleteSchema = {
	operationId: "deleteEndpoint",
	tags: TAGS,
	summary: "Delete an endpoint, or one of its names",
	description: "With its last name its pool goes: its VMs are drained and deleted.",
	request: {
		params: endpointParams,
		query: z.object({
			keep: z.string().nullish().openapi({ description: "`true`: the VMs run on, and are not ours any more.", example: "false" }),
		}),
	},
	responses: {
		...done,
		...endpointFaults,
		...bodyFault("`keep` is neither true nor false."),
		409: { description: "The endpoint is the environment's, or its cloud cannot take tags off VMs." },
	},
};
const aliasSchema = {
	operationId: "aliasEndpoint",
	tags: TAGS,
	summary: "Give an endpoint a further name",
	description: "It shares everything with the name that it is an alias of.",
	request: {
		params: endpointParams,
		body: {
			required: true,
			content: {
				"application/json": { schema: z.string().openapi({ description: ENDPOINT_NAME_RULE, example: "new_name" }), example: "new_name" },
			},
		},
	},
	responses: { ...done, ...endpointFaults, ...bodyFault("The body is no name."), ...taken },
};

/** `GET /v1.1/endpoints` */
export class ListEndpoints extends Operation {
	override schema = listSchema;
	async handle(c: AppContext): Promise<Response> {
		return c.json((await listNames(c.env.DB)).map(({ name }) => name));
	}
}

/** A pasted list of 5,000 proxies is some 300 KB. */
const MAX_CONFIGURATION_BYTES = 512 * 1024;

/** `GET /v1.1/endpoints/{endpoint}` */
export class GetEndpoint extends Operation {
	override schema = getSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof getSchema>();
		const { object } = await addressed(c, params.endpoint);
		const configuration = await askPool(c.env, object, (pool) => pool.configuration());
		return c.json(configuration ?? unknownEndpoint(params.endpoint));
	}
}

/** `PUT /v1.1/endpoints/{endpoint}` */
export class PutEndpoint extends Operation {
	static override readonly isOrder = true;
	static override readonly takesText = true;
	static override readonly maxBodyBytes = MAX_CONFIGURATION_BYTES;
	override schema = putSchema;
	async handle(c: AppContext): Promise<Response> {
		const given = await readConfiguration(c);
		const name = endpointName((await this.getValidatedData<typeof putSchema>()).params.endpoint);
		const config = c.get("config");
		const object = await findEndpoint(c.env.DB, name);
		const outcome =
			object === null ? await createEndpoint(c.env, config, name, given, Date.now()) : await finishEndpoint(c.env, config, object, given);
		forgetReady();
		forgetEndpointKeys();
		if (outcome === null) throw new Conflict(`There is an endpoint "${name}" already; POST changes it.`);
		requireDone(outcome);
		warnOf(c, unknownKeys(given));
		return c.body(null, 200);
	}
}

/** `POST /v1.1/endpoints/{endpoint}` */
export class PostEndpoint extends Operation {
	static override readonly isOrder = true;
	static override readonly takesText = true;
	static override readonly maxBodyBytes = MAX_CONFIGURATION_BYTES;
	override schema = postSchema;
	async handle(c: AppContext): Promise<Response> {
		const given = await readConfiguration(c);
		const { endpoint } = (await this.getValidatedData<typeof postSchema>()).params;
		const config = c.get("config");
		const object = await findEndpoint(c.env.DB, endpoint);
		const outcome =
			object === null
				? await createEndpoint(c.env, config, endpointName(endpoint), given, Date.now())
				: ((await finishEndpoint(c.env, config, object, given)) ?? (await configureEndpoint(c.env, config, object, given)));
		forgetReady();
		forgetEndpointKeys();
		requireDone(outcome);
		warnOf(c, unknownKeys(given));
		return c.body(null, 200);
	}
}

/** `DELETE /v1.1/endpoints/{endpoint}` */
export class DeleteEndpoint extends Operation {
	static override readonly isOrder = true;
	override schema = deleteSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params, query } = await this.getValidatedData<typeof deleteSchema>();
		const keep = query.keep?.toLowerCase() ?? "false";
		if (keep !== "true" && keep !== "false") throw new BadRequest("keep must be true or false.");
		const { object } = await addressed(c, params.endpoint);
		const outcome = await deleteEndpoint(c.env, c.get("config"), object, params.endpoint, keep === "true", Date.now());
		forgetReady();
		forgetEndpointKeys();
		requireDone(outcome);
		return c.body(null, 200);
	}
}

/** `POST /v1.1/endpoints/{endpoint}/alias` */
export class AliasEndpoint extends Operation {
	static override readonly isOrder = true;
	override schema = aliasSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params, body } = await this.getValidatedData<typeof aliasSchema>();
		const { object } = await addressed(c, params.endpoint);
		requireDone(await aliasEndpoint(c.env, c.get("config"), object, endpointName(body)));
		return c.body(null, 200);
	}
}

function endpointName(text: string): string {
	if (!ENDPOINT_NAME.test(text)) throw new BadRequest(`An endpoint's name must be ${ENDPOINT_NAME_RULE}.`);
	return text;
}
