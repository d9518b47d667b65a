import { z } from "zod";
import { MOST_METRICS } from "../../core/model/metrics.ts";
import { isMetricName } from "../../core/model/rules.ts";
import type { Metrics } from "../../core/model/state.ts";
import { askPool } from "../../rpc/reach.ts";
import { canonicalAddress } from "../../values/addresses.ts";
import { requireBody } from "../base/body.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { BadRequest, ValidationError } from "../base/errors.ts";
import { addressed, unknownEndpoint } from "./addressed.ts";
import { requireDone } from "./configuration.ts";
import { bodyFault, endpointFaults, endpointParams, orderFaults } from "./shapes.ts";

const USUAL_WEIGHT = 1;
/** One proxy among a thousand may have its word outweigh them all, and no more. */
const MOST_PROXYS_WEIGHT = 1_000;

const VALUE_RULE = "must be a number, or a weight (at least 0) and a number: [1.0, 7.2]";
const NAME_RULE = "is no name of a metric: a letter, then at most 39 letters, digits, underscores, dots and hyphens";

const Value = z
	.union([z.number(), z.tuple([z.number(), z.number()])], VALUE_RULE)
	.refine((given) => typeof given === "number" || given[0] >= 0, VALUE_RULE)
	.refine(
		(given) => typeof given === "number" || Number.isFinite(given[0] * given[1]),
		"is too large: its weight times its value is no number any more",
	);
const NamedValues = z.record(z.string(), Value, "must be an object with a weight and a value by metric").superRefine((metrics, context) => {
	const names = Object.keys(metrics);
	for (const name of names) if (!isMetricName(name)) context.addIssue({ code: "custom", path: [name], message: NAME_RULE });
	if (names.length > MOST_METRICS) context.addIssue({ code: "custom", message: `must be at most ${MOST_METRICS} metrics` });
});
// A record leaves this name out without a word.
const MetricsBody = z
	.unknown()
	.superRefine((given, context) => {
		if (given !== null && typeof given === "object" && Object.hasOwn(given, "__proto__"))
			context.addIssue({ code: "custom", path: ["__proto__"], message: NAME_RULE });
	})
	.pipe(NamedValues);
const SampleShape = z.record(z.string(), z.tuple([z.number(), z.number()]));
const SAMPLE = { metric: [1.0, 7.2] };

const ipParams = endpointParams.extend({ ip: z.string().openapi({ description: "A proxy's address.", example: "192.0.2.1" }) });
const getSchema = {
	operationId: "getEndpointMetrics",
	tags: ["Endpoints"],
	summary: "Read the averages of an endpoint's metrics",
	description:
		"The weighted mean of each metric over what the agents report (`active`, `requests`, `bytes`, `errors`, `cpu`, `load`) and what was posted.",
	request: { params: endpointParams },
	responses: {
		200: {
			description: "By name.",
			content: { "application/json": { schema: z.record(z.string(), z.number()), example: { active: 3.5, cpu: 0.2 } } },
		},
		...endpointFaults,
	},
};
const getOfIpSchema = {
	operationId: "getEndpointIpMetrics",
	tags: ["Endpoints"],
	summary: "Read one address's metrics",
	description: "None where no proxy has that address, or it has not reported lately.",
	request: { params: ipParams },
	responses: {
		200: { description: "Weight and value by name.", content: { "application/json": { schema: SampleShape, example: SAMPLE } } },
		...endpointFaults,
	},
};
const body = {
	required: true,
	content: {
		"application/json": {
			schema: MetricsBody.openapi({ description: "Weight and value by name; a bare number weighs 1." }),
			example: SAMPLE,
		},
	},
};
const postResponses = {
	200: { description: "Done; the body is empty." },
	...orderFaults,
	...bodyFault("The body, or the address, cannot be read; `{section: {key: message}}` where single metrics are wrong."),
};
const postSchema = {
	operationId: "postEndpointMetrics",
	tags: ["Endpoints"],
	summary: "Post metrics of an endpoint as a whole",
	description: "They count beside those of its proxies. Without the endpoint's name they are those of the proxy that posts them.",
	request: { params: endpointParams, body },
	responses: postResponses,
};
const postOfIpSchema = {
	operationId: "postEndpointIpMetrics",
	tags: ["Endpoints"],
	summary: "Post metrics of one address",
	description:
		"They stand beside what its agent reports, and in its place where the name is the same. What no proxy has is accepted, and not kept.",
	request: { params: ipParams, body },
	responses: postResponses,
};

/** `GET /v1.1/endpoints/{endpoint}/metrics` */
export class GetEndpointMetrics extends Operation {
	static override readonly opensToProxies = true;
	override schema = getSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof getSchema>();
		const { object } = await addressed(c, params.endpoint);
		const samples = (await askPool(c.env, object, (pool) => pool.metrics())) ?? unknownEndpoint(params.endpoint);
		return c.json(samples.averages);
	}
}

/** `GET /v1.1/endpoints/{endpoint}/metrics/{ip}` */
export class GetEndpointIpMetrics extends Operation {
	static override readonly opensToProxies = true;
	override schema = getOfIpSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof getOfIpSchema>();
		const { object } = await addressed(c, params.endpoint);
		const samples = (await askPool(c.env, object, (pool) => pool.metrics())) ?? unknownEndpoint(params.endpoint);
		const address = canonicalAddress(params.ip) ?? "";
		return c.json(Object.hasOwn(samples.byAddress, address) ? samples.byAddress[address] : {});
	}
}

/** `POST /v1.1/endpoints/{endpoint}/metrics` */
export class PostEndpointMetrics extends Operation {
	static override readonly opensToProxies = true;
	override schema = postSchema;
	async handle(c: AppContext): Promise<Response> {
		await requireBody(c);
		const { params, body } = await this.getValidatedData<typeof postSchema>();
		return post(c, params.endpoint, null, body);
	}
}

/** `POST /v1.1/endpoints/{endpoint}/metrics/{ip}` */
export class PostEndpointIpMetrics extends Operation {
	static override readonly opensToProxies = true;
	override schema = postOfIpSchema;
	async handle(c: AppContext): Promise<Response> {
		await requireBody(c);
		const { params, body } = await this.getValidatedData<typeof postOfIpSchema>();
		const address = canonicalAddress(params.ip);
		if (address === null) throw new BadRequest(`"${params.ip}" is no IP address.`);
		return post(c, params.endpoint, address, body);
	}
}

/** Whoever posts as a proxy posts its own, whatever the path says. */
async function post(c: AppContext, name: string, address: string | null, body: z.infer<typeof MetricsBody>): Promise<Response> {
	const { object, caller } = await addressed(c, name);
	if (c.get("holder") === "proxy") requireModestWeights(body);
	const metrics: Metrics = Object.fromEntries(
		Object.entries(body).map(([metric, given]) => [metric, typeof given === "number" ? [USUAL_WEIGHT, given] : given] as const),
	);
	const outcome = await askPool(c.env, object, (pool) => pool.command({ do: "metrics", address: caller ?? address, metrics }));
	requireDone(outcome);
	return c.body(null, 200);
}

/** Whoever has a proxy could otherwise decide for all of them. Throws ValidationError. */
function requireModestWeights(body: z.infer<typeof MetricsBody>): void {
	const heavy = Object.entries(body).filter(([, given]) => typeof given !== "number" && given[0] > MOST_PROXYS_WEIGHT);
	const message = `must not weigh more than ${MOST_PROXYS_WEIGHT} where a proxy posts it`;
	if (heavy.length > 0)
		throw new ValidationError(
			message,
			heavy.map(([field]) => ({ section: "body", field, message })),
		);
}
