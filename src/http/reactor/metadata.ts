import { z } from "zod";
import { askPool } from "../../rpc/reach.ts";
import { requirePrintable } from "../base/body.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { BadRequest, Conflict } from "../base/errors.ts";
import { addressed, unknownEndpoint } from "./addressed.ts";
import { bodyFault, endpointFaults, endpointParams } from "./shapes.ts";

const MAX_KEY_LENGTH = 200;
/** A hundred of these are 1.6 MB: they fit in what one object may hold many times over. */
const MAX_VALUE_BYTES = 16 * 1024;

const TAGS = ["Endpoints"];
const params = endpointParams.extend({
	key: z.string().openapi({ description: `Any name of up to ${MAX_KEY_LENGTH} characters.`, example: "owner" }),
});
const value = z.any().openapi({ description: "Any JSON.", example: "team-a" });
const done = { 200: { description: "Done; the body is empty." } };

const listSchema = {
	operationId: "listMetadata",
	tags: TAGS,
	summary: "List the keys of what is kept with an endpoint",
	description: "In alphabetical order.",
	request: { params: endpointParams },
	responses: {
		200: { description: "Keys.", content: { "application/json": { schema: z.array(z.string()), example: ["owner"] } } },
		...endpointFaults,
	},
};
const getSchema = {
	operationId: "getMetadata",
	tags: TAGS,
	summary: "Read what is kept with an endpoint under a key",
	description: "As it was given.",
	request: { params },
	responses: {
		200: { description: "What was kept; null where nothing is.", content: { "application/json": { schema: value, example: "team-a" } } },
		...endpointFaults,
	},
};
const setSchema = {
	tags: TAGS,
	summary: "Keep something with an endpoint under a key",
	description: "Nothing of it is a secret: it is stored and answered as it is.",
	request: { params, body: { required: true, content: { "application/json": { schema: value, example: "team-a" } } } },
	responses: {
		...done,
		...endpointFaults,
		...bodyFault("The key is too long."),
		409: { description: "So many keys are in use already." },
		413: { description: "The value is too large." },
	},
};
const deleteSchema = {
	operationId: "deleteMetadata",
	tags: TAGS,
	summary: "Forget what is kept with an endpoint under a key",
	description: "A key under which nothing is kept is no fault.",
	request: { params },
	responses: { ...done, ...endpointFaults },
};

/** `GET /v1.1/endpoints/{endpoint}/metadata` */
export class ListMetadata extends Operation {
	override schema = listSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof listSchema>();
		const { object } = await addressed(c, params.endpoint);
		return c.json((await askPool(c.env, object, (pool) => pool.metadataKeys())) ?? unknownEndpoint(params.endpoint));
	}
}

/** `GET /v1.1/endpoints/{endpoint}/metadata/{key}` */
export class GetMetadata extends Operation {
	override schema = getSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof getSchema>();
		const { object } = await addressed(c, params.endpoint);
		const json = await askPool(c.env, object, (pool) => pool.metadata(params.key));
		if (json === undefined) unknownEndpoint(params.endpoint);
		return c.body(json ?? "null", 200, { "Content-Type": "application/json" });
	}
}

/** `POST /v1.1/endpoints/{endpoint}/metadata/{key}` */
export class SetMetadata extends Operation {
	static override readonly maxBodyBytes = MAX_VALUE_BYTES;
	override schema = { ...setSchema, operationId: "setMetadata" };
	async handle(c: AppContext): Promise<Response> {
		const text = await c.req.text();
		const { params } = await this.getValidatedData<typeof setSchema>();
		if (params.key.length > MAX_KEY_LENGTH) throw new BadRequest(`A key has at most ${MAX_KEY_LENGTH} characters.`);
		requirePrintable(params.key, "key");
		if (text.trim() === "") throw new BadRequest("The body must be JSON.");
		const { object } = await addressed(c, params.endpoint);
		// Null is what a key without a value answers too.
		const json = text.trim() === "null" ? null : text;
		const outcome = await askPool(c.env, object, (pool) => pool.setMetadata(params.key, json));
		if (!outcome.ok && outcome.error === "full") throw new Conflict("So many keys are in use already: delete one first.");
		if (!outcome.ok) unknownEndpoint(params.endpoint);
		return c.body(null, 200);
	}
}

/** `PUT /v1.1/endpoints/{endpoint}/metadata/{key}`: the same. */
export class PutMetadata extends SetMetadata {
	override schema = { ...setSchema, operationId: "setMetadataByPut" };
}

/** `DELETE /v1.1/endpoints/{endpoint}/metadata/{key}` */
export class DeleteMetadata extends Operation {
	override schema = deleteSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof deleteSchema>();
		const { object } = await addressed(c, params.endpoint);
		const outcome = await askPool(c.env, object, (pool) => pool.setMetadata(params.key, null));
		if (!outcome.ok) unknownEndpoint(params.endpoint);
		return c.body(null, 200);
	}
}
