import { extendZodWithOpenApi } from "chanfana";
import { z } from "zod";
import { AGENT_PORT } from "../../agent/protocol.ts";

// The shapes that several routes share. Constants: a schema made for each request would cost more than the request.

extendZodWithOpenApi(z);

export const Metadata = z
	.object({ request_id: z.uuid(), timestamp: z.iso.datetime() })
	.openapi("Metadata", { example: { request_id: "123e4567-e89b-12d3-a456-426614174000", timestamp: "2026-02-24T08:00:00.000Z" } });

/** A proxy as CloudProxy's API shows it. */
export const Proxy = z
	.object({
		ip: z.string(),
		port: z.number().int(),
		auth_enabled: z.boolean(),
		url: z.string().openapi({ description: "With the credentials that the proxy accepts, percent-encoded." }),
		provider: z.string(),
		instance: z.string(),
		display_name: z.string(),
	})
	.openapi("Proxy", {
		example: {
			ip: "192.0.2.1",
			port: AGENT_PORT,
			auth_enabled: true,
			url: `http://username:password@192.0.2.1:${AGENT_PORT}`,
			provider: "digitalocean",
			instance: "default",
			display_name: "DigitalOcean",
		},
	});
export type Proxy = z.infer<typeof Proxy>;

export const ProxyList = z.object({ metadata: Metadata, total: z.number().int(), proxies: z.array(Proxy) });
export const ProxyAnswer = z.object({ metadata: Metadata, message: z.string(), proxy: Proxy });

/** Beside these fields: every setting of the provider that is no secret. */
export const InstanceShape = z
	.looseObject({
		enabled: z.boolean(),
		ips: z.array(z.string()),
		scaling: z.object({ min_scaling: z.number().int(), max_scaling: z.number().int() }),
		size: z.string().nullable(),
		region: z.string().nullable(),
		display_name: z.string(),
		problems: z.array(z.string()).optional(),
	})
	.openapi("Instance");
const Instances = z.record(z.string(), InstanceShape);
export const ProviderShape = InstanceShape.extend({ instances: Instances });
export const ProviderAnswer = z.object({ metadata: Metadata, message: z.string(), provider: InstanceShape, instances: Instances });
export const InstanceAnswer = z.object({
	metadata: Metadata,
	message: z.string(),
	provider: z.string(),
	instance: z.string(),
	config: InstanceShape,
});

export const ErrorAnswer = z
	.object({ metadata: Metadata, error: z.string(), detail: z.string() })
	.openapi("Error", { example: { error: "ValidationError", detail: "Invalid IP address format" } });

/** A whole number within bounds, with one message for whatever is wrong with it. */
export function wholeNumber(min: number, max: number): z.ZodNumber {
	const error = `must be a whole number ${max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`}`;
	return z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
}

/** A JSON body with these fields and no others. */
export function bodyOf<Shape extends z.ZodRawShape>(shape: Shape) {
	const fields = Object.keys(shape).join(", ");
	return z.strictObject(shape, {
		error: (issue) =>
			issue.code === "unrecognized_keys"
				? `must not have the field ${issue.keys.map((key) => JSON.stringify(key.slice(0, 100))).join(", ")}; allowed are ${fields}`
				: `must be a JSON object with the fields ${fields}`,
	});
}

/** A JSON answer for a route's `responses`. */
export function json<Schema extends z.ZodType>(description: string, schema: Schema) {
	return { description, content: { "application/json": { schema } } };
}

const FAULTS = {
	400: "The request cannot be read.",
	401: "The key is missing or wrong.",
	404: "There is no such thing.",
	409: "That cannot be done now.",
	413: "The body is too large.",
	422: "A value is not what it may be.",
	429: "Too many failed keys from this address.",
	503: "The deployment is closed, is starting, or cannot reach its database.",
} as const;

/** The errors that a route may answer with, for its `responses`. */
export function faults(...statuses: readonly (keyof typeof FAULTS)[]) {
	return Object.fromEntries(statuses.map((status) => [status, json(FAULTS[status], ErrorAnswer)]));
}

/** Those of every route that needs the admin key. */
export const ADMIN_FAULTS = faults(401, 429, 503);
