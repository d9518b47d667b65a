import { z } from "zod";
import { AGENT_PORT } from "../../agent/protocol.ts";
import { findEndpoint } from "../../db/directory.ts";
import { forgetReady } from "../../db/ready.ts";
import type { Run } from "../../pool/core/state.ts";
import { askPool } from "../../pool/reach.ts";
import { type AppContext, Endpoint } from "../context.ts";
import { BadRequest, NotFound } from "../errors.ts";

const STATES: Readonly<Record<Run, string>> = { running: "RUNNING", paused: "PAUSED", stopped: "STOPPED", removing: "STOPPED" };
const ACTIONS: Readonly<Record<string, Run>> = { start: "running", pause: "paused", stop: "stopped" };

const params = z.object({ endpoint: z.string() });
const StateShape = z.object({
	state: z.enum(["RUNNING", "PAUSED", "STOPPED"]),
	active: z.array(z.string()).openapi({ description: "Proxies with open connections, as `ip:port`.", example: ["192.0.2.1:8899"] }),
	manager: z.string().nullable().openapi({ description: "UUID of the pool's manager." }),
});
const faults = {
	400: { description: "The body cannot be read, or names no known action." },
	401: { description: "unauthorized" },
	404: { description: "There is no such endpoint." },
	503: { description: "The pool or the database does not answer now." },
};
const getSchema = {
	operationId: "getEndpointState",
	tags: ["Endpoints"],
	summary: "Read an endpoint's state",
	request: { params },
	responses: { 200: { description: "Its state.", content: { "application/json": { schema: StateShape } } }, ...faults },
};
const ActionBody = z.object({ action: z.string().openapi({ description: "start, pause or stop, in any case.", example: "start" }) });
const actSchema = {
	tags: ["Endpoints"],
	summary: "Start, pause or stop an endpoint",
	description:
		"RUNNING scales; PAUSED neither launches nor scales in; STOPPED goes to no proxy at all. Starting also resumes a pool that was stopped by one of its own checks.",
	request: { params, body: { required: true, content: { "application/json": { schema: ActionBody } } } },
	responses: { 200: { description: "Done; the body is empty." }, ...faults },
};

/** `GET /v1.1/endpoints/{endpoint}/state` */
export class GetEndpointState extends Endpoint {
	override schema = getSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof getSchema>();
		const object = await objectOf(c, params.endpoint);
		const status = await askPool(c.env, object, (pool) => pool.status());
		if (status === null) throw unknown(params.endpoint);
		const active = status.active.map((address) => `${address}:${AGENT_PORT}`);
		return c.json({ state: STATES[status.run], active, manager: managerOf(object) });
	}
}

/** `POST /v1.1/endpoints/{endpoint}/state` */
export class PostEndpointState extends Endpoint {
	override schema = { ...actSchema, operationId: "actOnEndpoint" };
	async handle(c: AppContext): Promise<Response> {
		const { params, body } = await this.getValidatedData<typeof actSchema>();
		const run = ACTIONS[body.action.toLowerCase()];
		if (run === undefined) throw new BadRequest(`The action "${body.action}" is not one of ${Object.keys(ACTIONS).join(", ")}.`);
		const outcome = await askPool(c.env, await objectOf(c, params.endpoint), (pool) => pool.command({ do: "run", run }));
		forgetReady();
		if (!outcome.ok) throw unknown(params.endpoint);
		return c.body(null, 200);
	}
}

/** `PUT /v1.1/endpoints/{endpoint}/state`: the same. */
export class PutEndpointState extends PostEndpointState {
	override schema = { ...actSchema, operationId: "actOnEndpointByPut" };
}

async function objectOf(c: AppContext, endpoint: string): Promise<string> {
	const object = await findEndpoint(c.env.DB, endpoint);
	if (object === null) throw unknown(endpoint);
	return object;
}

function unknown(endpoint: string): NotFound {
	return new NotFound(`There is no endpoint "${endpoint}".`);
}

/** A pool's manager is its Durable Object: the UUID is the start of its id. */
function managerOf(object: string): string {
	return [object.slice(0, 8), object.slice(8, 12), object.slice(12, 16), object.slice(16, 20), object.slice(20, 32)].join("-");
}
