import { z } from "zod";
import type { Command } from "../../core/model/command.ts";
import { forgetReady } from "../../read-model/ready.ts";
import { askPool } from "../../rpc/reach.ts";
import { requirePrintable } from "../base/body.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { BadRequest } from "../base/errors.ts";
import { addressed, unknownEndpoint } from "./addressed.ts";
import { requireDone } from "./configuration.ts";
import { bodyFault, endpointFaults, endpointParams } from "./shapes.ts";

const TAGS = ["Instances"];
/** Asks for the map of all VMs by state. */
const MAP_TYPE = "application/vnd.reactor.map+json";
const Ids = z.array(z.string());
const Where = z.object({ region: z.string().nullable(), size: z.string().nullable(), country: z.string().nullable() });
const InstancesShape = z.union([
	Ids,
	z.object({ active: Ids, decommissioned: Ids, errored: Ids, discarded: Ids }),
	z.record(z.string(), Where).openapi({ description: "With `state=places`: by id." }),
]);
const instanceParams = endpointParams.extend({
	instance: z.string().openapi({ description: "The VM's id, as its cloud has it.", example: "487211873" }),
});
const listSchema = {
	operationId: "listEndpointInstances",
	tags: TAGS,
	summary: "List an endpoint's VMs",
	description: `A list of ids, as Reactor's documentation has it. With \`?state=all\`, \`?map=1\` or \`Accept: ${MAP_TYPE}\` the map of all by state, and to Reactor's own client too, which is told by the \`User-Agent\` of the library that it asks with (\`Python-httplib2/…\`): it reads nothing else, and asks with no other sign.`,
	request: {
		params: endpointParams,
		query: z.object({
			state: z.string().nullish().openapi({
				description:
					"`all`: every VM, by state (active, decommissioned, errored, discarded). `places`: where each VM is: region, size and country by its id. Without it: the ids of the active ones.",
				example: "all",
			}),
			map: z.string().nullish().openapi({ description: "`1`: the same as `state=all`.", example: "1" }),
		}),
	},
	responses: {
		200: {
			description: "Ids, as their cloud has them.",
			content: { "application/json": { schema: InstancesShape, example: ["487211873", "487211902"] } },
		},
		...endpointFaults,
		...bodyFault("`state` is neither `all` nor `places`."),
	},
};
const associateSchema = {
	operationId: "associateEndpointInstance",
	tags: TAGS,
	summary: "Take in a VM that others made",
	description:
		"It must be at the endpoint's cloud, in its account. It gets our tags, counts like every other, and may be deleted; it is handed out once its address is registered and a probe through it passes.",
	request: { params: instanceParams },
	responses: {
		200: { description: "Done; the body is empty." },
		...endpointFaults,
		404: { description: "There is no such endpoint, or its cloud has no such VM." },
		409: { description: "There would be too many VMs, it is another pool's, or the cloud cannot tag one that exists." },
	},
};
const disassociateSchema = {
	operationId: "disassociateEndpointInstance",
	tags: TAGS,
	summary: "Let a VM go, and leave it running",
	description: "Our tags come off; nobody looks after it from then on.",
	request: { params: instanceParams },
	responses: {
		200: { description: "Done; the body is empty." },
		...endpointFaults,
		404: { description: "There is no such endpoint, or it has no such VM." },
		409: { description: "The cloud cannot take tags off a VM." },
	},
};

/** `GET /v1.1/endpoints/{endpoint}/instances` */
export class ListEndpointInstances extends Operation {
	override schema = listSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params, query } = await this.getValidatedData<typeof listSchema>();
		const state = query.state ?? (isMapWanted(c, query.map) ? "all" : "active");
		if (state !== "active" && state !== "all" && state !== "places")
			throw new BadRequest(`state must be all or places, or not be there; "${state}" is neither.`);
		const { object } = await addressed(c, params.endpoint);
		const { active, decommissioned, errored, discarded, places } =
			(await askPool(c.env, object, (pool) => pool.instances())) ?? unknownEndpoint(params.endpoint);
		if (state === "places") return c.json(places);
		return c.json(state === "all" ? { active, decommissioned, errored, discarded } : active);
	}
}

/**
 * Whether the map by state is wanted and not the list of the documentation. Reactor's own client (reactor/apiclient.py) reads the map alone
 * and asks as the documentation does; what tells it is the name of its library.
 */
function isMapWanted(c: AppContext, map: string | null | undefined): boolean {
	if (map !== null && map !== undefined) return !["0", "false"].includes(map.toLowerCase());
	if (c.req.header("Accept")?.toLowerCase().includes(MAP_TYPE)) return true;
	return /^Python-httplib2\//i.test(c.req.header("User-Agent") ?? "");
}

/** `POST /v1.1/endpoints/{endpoint}/instances/{instance}` */
export class AssociateEndpointInstance extends Operation {
	static override readonly isOrder = true;
	override schema = associateSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof associateSchema>();
		requirePrintable(params.instance, "VM's id");
		return order(c, params.endpoint, { do: "adopt", vm: params.instance });
	}
}

/** `DELETE /v1.1/endpoints/{endpoint}/instances/{instance}` */
export class DisassociateEndpointInstance extends Operation {
	static override readonly isOrder = true;
	override schema = disassociateSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof disassociateSchema>();
		return order(c, params.endpoint, { do: "release", id: params.instance });
	}
}

async function order(c: AppContext, name: string, command: Command): Promise<Response> {
	const { object } = await addressed(c, name);
	const outcome = await askPool(c.env, object, (pool) => pool.command(command));
	forgetReady();
	requireDone(outcome);
	return c.body(null, 200);
}
