import { z } from "zod";
import { AGENT_PORT } from "../../agent/protocol.ts";
import { endpointText } from "../../agent/session.ts";
import type { Run } from "../../core/model/state.ts";
import { forgetReady } from "../../read-model/ready.ts";
import { askPool } from "../../rpc/reach.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { BadRequest } from "../base/errors.ts";
import { addressed, unknownEndpoint } from "./addressed.ts";
import { requireDone } from "./configuration.ts";
import { bodyFault, endpointFaults, endpointParams, orderFaults } from "./shapes.ts";

/** What this dialect calls the states. */
export const STATES: Readonly<Record<Run, string>> = { running: "RUNNING", paused: "PAUSED", stopped: "STOPPED", removing: "STOPPED" };
const ACTIONS: Readonly<Record<string, Run>> = { start: "running", pause: "paused", stop: "stopped" };

const StateShape = z.object({
	state: z.enum(["RUNNING", "PAUSED", "STOPPED"]),
	active: z
		.array(z.string())
		.openapi({ description: "Proxies with open connections, as `ip:port`, IPv6 in brackets.", example: ["192.0.2.1:8899"] }),
	manager: z.string().nullable().openapi({ description: "UUID of the pool's manager." }),
});
const EXAMPLE = { state: "RUNNING", active: ["192.0.2.1:8899"], manager: "6eaeca66-4992-4353-896c-915897e5f92b" };
const getSchema = {
	operationId: "getEndpointState",
	tags: ["Endpoints"],
	summary: "Read an endpoint's state",
	description: "Whether it runs, which of its proxies are in use, and which manager looks after it.",
	request: { params: endpointParams },
	responses: {
		200: { description: "Its state.", content: { "application/json": { schema: StateShape, example: EXAMPLE } } },
		...endpointFaults,
	},
};
const ActionBody = z.object({ action: z.string().openapi({ description: "start, pause or stop, in any case.", example: "start" }) });
const actSchema = {
	tags: ["Endpoints"],
	summary: "Start, pause or stop an endpoint",
	description:
		"RUNNING scales; PAUSED neither launches nor scales in; STOPPED goes to no proxy at all. Starting also resumes a pool that was stopped by one of its own checks.",
	request: {
		params: endpointParams,
		body: { required: true, content: { "application/json": { schema: ActionBody, example: { action: "start" } } } },
	},
	responses: {
		200: { description: "Done; the body is empty." },
		...orderFaults,
		...bodyFault("The body cannot be read, or names no known action."),
	},
};

/** `GET /v1.1/endpoints/{endpoint}/state` */
export class GetEndpointState extends Operation {
	static override readonly opensToProxies = true;
	override schema = getSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof getSchema>();
		const { object } = await addressed(c, params.endpoint);
		const status = (await askPool(c.env, object, (pool) => pool.status())) ?? unknownEndpoint(params.endpoint);
		const active = status.active.map((address) => endpointText(address, AGENT_PORT));
		return c.json({ state: STATES[status.run], active, manager: managerOf(object) });
	}
}

/** `POST /v1.1/endpoints/{endpoint}/state` */
export class PostEndpointState extends Operation {
	static override readonly isOrder = true;
	override schema = { ...actSchema, operationId: "actOnEndpoint" };
	async handle(c: AppContext): Promise<Response> {
		const { params, body } = await this.getValidatedData<typeof actSchema>();
		const run = ACTIONS[body.action.toLowerCase()];
		if (run === undefined) throw new BadRequest(`The action "${body.action}" is not one of ${Object.keys(ACTIONS).join(", ")}.`);
		const { object } = await addressed(c, params.endpoint);
		const outcome = await askPool(c.env, object, (pool) => pool.command({ do: "run", run }));
		forgetReady();
		requireDone(outcome);
		return c.body(null, 200);
	}
}

/** `PUT /v1.1/endpoints/{endpoint}/state`: the same. */
export class PutEndpointState extends PostEndpointState {
	override schema = { ...actSchema, operationId: "actOnEndpointByPut" };
}

/** A pool's manager is its Durable Object: the UUID is the start of its id. */
export function managerOf(object: string): string {
	return [object.slice(0, 8), object.slice(8, 12), object.slice(12, 16), object.slice(16, 20), object.slice(20, 32)].join("-");
}
