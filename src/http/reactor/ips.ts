import { z } from "zod";
import { askPool } from "../../rpc/reach.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { addressed, unknownEndpoint } from "./addressed.ts";
import { endpointFaults, endpointParams } from "./shapes.ts";

const schema = {
	operationId: "listEndpointIps",
	tags: ["Endpoints"],
	summary: "List the addresses of an endpoint's registered proxies",
	description: "Those whose agents have registered, ready or not. Static backends never register.",
	request: { params: endpointParams },
	responses: {
		200: { description: "Their addresses.", content: { "application/json": { schema: z.array(z.string()), example: ["192.0.2.1"] } } },
		...endpointFaults,
	},
};

/** `GET /v1.1/endpoints/{endpoint}/ips` */
export class ListEndpointIps extends Operation {
	static override readonly opensToProxies = true;
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof schema>();
		const { object } = await addressed(c, params.endpoint);
		const status = (await askPool(c.env, object, (pool) => pool.status())) ?? unknownEndpoint(params.endpoint);
		return c.json(status.registered);
	}
}
