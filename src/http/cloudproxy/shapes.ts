import { extendZodWithOpenApi } from "chanfana";
import { z } from "zod";
import { AGENT_PORT } from "../../agent/protocol.ts";
import { canonicalAddress } from "../../values/addresses.ts";
import { ValidationError } from "../base/errors.ts";

// The shapes that several routes share. Constants: a schema made for each request would cost more than the request.

extendZodWithOpenApi(z);

/** Of every answer in the examples. */
export const METADATA = { request_id: "123e4567-e89b-12d3-a456-426614174000", timestamp: "2026-02-24T08:00:00.000Z" };
export const Metadata = z.object({ request_id: z.uuid(), timestamp: z.iso.datetime() }).openapi("Metadata", { example: METADATA });

const PROXY = {
	ip: "192.0.2.1",
	port: AGENT_PORT,
	auth_enabled: true,
	url: `http://username:password@192.0.2.1:${AGENT_PORT}`,
	provider: "digitalocean",
	instance: "default",
	display_name: "My DigitalOcean Instance",
	region: "lon1",
	size: "s-1vcpu-512mb-10gb",
	country: "gb",
	server: `http://192.0.2.1:${AGENT_PORT}`,
	username: "username",
	password: "password",
	socks5: `socks5://username:password@192.0.2.1:${AGENT_PORT}`,
};
const COST = { hourly: 0.0119, currency: "USD", asOf: "2026-02-24T06:00:00.000Z" };
const AMOUNT = { amount: 0.01785, currency: "USD" };
/** In the examples. */
export const INSTANCE = {
	enabled: true,
	state: "running",
	ips: ["192.0.2.1", "192.0.2.2"],
	scaling: { min_scaling: 2, max_scaling: 5 },
	size: "s-1vcpu-512mb-10gb",
	region: "lon1",
	image: "ubuntu-24-04-x64",
	display_name: "My DigitalOcean Instance",
	cost: COST,
	billed: 3,
	spent_this_hour: [AMOUNT],
	max_replacements_per_hour: 6,
};
const SECOND = {
	...INSTANCE,
	cost: { ...COST, hourly: 0.00595 },
	ips: ["192.0.2.3"],
	scaling: { min_scaling: 1, max_scaling: 3 },
	region: "nyc1",
	display_name: "DigitalOcean nyc",
};
const INSTANCES = { default: INSTANCE, nyc: SECOND };

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
		region: z
			.string()
			.nullable()
			.openapi({ description: "Where its VM is: a region, zone or location of its cloud; null of a proxy that others run." }),
		size: z.string().nullable(),
		country: z.string().nullable().openapi({ description: "ISO 3166-1 alpha-2, of that region; null where it is not known." }),
		server: z
			.string()
			.openapi({ description: "The URL without the credentials, for clients that want these apart (Playwright, Puppeteer)." }),
		username: z.string().nullable().openapi({ description: "Null: it asks for no credentials." }),
		password: z.string().nullable(),
		socks5: z.string().nullable().openapi({ description: "The same proxy by SOCKS5; null for a static one, which may not speak it." }),
	})
	.openapi("Proxy", { example: PROXY });
export type Proxy = z.infer<typeof Proxy>;
/** As `GET /proxies.txt?format=json` lists it. `id`: 16 hexadecimal digits that no other proxy of the deployment has, by which sessions are ranked. */
export type ListedProxy = Proxy & { readonly id: string };

export const PROXY_LIST = { metadata: METADATA, total: 1, proxies: [PROXY] };
export const ProxyList = z
	.object({ metadata: Metadata, total: z.number().int(), proxies: z.array(Proxy) })
	.openapi("ProxyList", { example: PROXY_LIST });
export const ProxyAnswer = z
	.object({ metadata: Metadata, message: z.string(), proxy: Proxy })
	.openapi("ProxyAnswer", { example: { metadata: METADATA, message: "Random proxy retrieved successfully", proxy: PROXY } });

/** What is billed costs an hour, before tax; `asOf`: when the price of a VM was last confirmed. */
export const Cost = z
	.object({ hourly: z.number(), currency: z.string(), asOf: z.iso.datetime() })
	.openapi("Cost", { example: COST, description: "What everything that is billed costs an hour, before tax." });

const Amount = z.object({ amount: z.number(), currency: z.string() }).openapi("Amount", { example: AMOUNT });

/** Beside these fields: every setting of the provider that is no secret. */
export const InstanceShape = z
	.looseObject({
		enabled: z.boolean(),
		state: z
			.enum(["running", "starting", "suspended", "paused", "stopped", "removing"])
			.optional()
			.openapi({ description: "Missing where it has not run yet." }),
		ips: z.array(z.string()),
		scaling: z.object({ min_scaling: z.number().int(), max_scaling: z.number().int() }),
		size: z.string().nullable(),
		region: z.string().nullable(),
		display_name: z.string(),
		cost: Cost.nullable().optional(),
		billed: z
			.number()
			.int()
			.optional()
			.openapi({ description: "VMs that are billed, those that are gone and whose hour was begun included." }),
		spent_this_hour: z.array(Amount).optional().openapi({ description: "What this hour costs, one amount for each currency." }),
		max_replacements_per_hour: z
			.number()
			.int()
			.optional()
			.openapi({ description: "How many destroyed proxies are replaced in an hour; the successors of more wait." }),
		unpriced: z.string().optional().openapi({ description: "Why the cost is not known." }),
		problems: z.array(z.string()).optional(),
	})
	.openapi("Instance", { example: INSTANCE });
const Instances = z.record(z.string(), InstanceShape);
export const ProviderShape = InstanceShape.extend({ instances: Instances }).openapi("Provider", {
	example: { ...INSTANCE, instances: INSTANCES },
});
const RemovingPoolShape = z
	.object({
		provider: z.string(),
		instance: z.string(),
		vms: z.number().int().openapi({ description: "VMs that exist, or may." }),
		billed: z.number().int().openapi({ description: "These, and those that are gone and whose hour was begun." }),
		cost: Cost.nullable().optional(),
		unpriced: z.string().optional().openapi({ description: "Why the cost is not known." }),
		spent_this_hour: z.array(Amount),
		problems: z.array(z.string()).openapi({ description: "What keeps its VMs from being deleted." }),
	})
	.openapi("RemovingPool", {
		example: {
			provider: "digitalocean",
			instance: "gone",
			vms: 1,
			billed: 1,
			cost: COST,
			spent_this_hour: [AMOUNT],
			problems: ["the provider refuses our credentials: Unable to authenticate you"],
		},
	});
export const ProviderList = z
	.object({
		metadata: Metadata,
		vms: z.number().int().openapi({ description: "VMs that exist, or may, those of removed pools included. 0: nothing goes on costing." }),
		billed: z.number().int().openapi({
			description:
				"VMs that may cost money, those of removed pools that are not gone yet, and those that are gone and whose hour was begun included.",
		}),
		cost: z.array(Cost).openapi({
			description: "The sum over all instances and removed pools whose cost is known, one for each currency.",
		}),
		spent_this_hour: z.array(Amount).openapi({ description: "What this hour costs, one amount for each currency." }),
		providers: z.record(z.string(), ProviderShape),
		removing: z.array(RemovingPoolShape).openapi({ description: "Pools that are deleted and whose VMs are not all gone yet." }),
	})
	.openapi("ProviderList", {
		example: {
			metadata: METADATA,
			vms: 3,
			billed: 3,
			cost: [{ ...COST, hourly: 0.01785 }],
			spent_this_hour: [AMOUNT],
			providers: { digitalocean: { ...INSTANCE, instances: INSTANCES } },
			removing: [],
		},
	});
export const ProviderAnswer = z
	.object({ metadata: Metadata, message: z.string(), provider: InstanceShape, instances: Instances })
	.openapi("ProviderAnswer", {
		example: {
			metadata: METADATA,
			message: "Provider 'digitalocean' configuration retrieved successfully",
			provider: INSTANCE,
			instances: INSTANCES,
		},
	});
export const InstanceAnswer = z
	.object({ metadata: Metadata, message: z.string(), provider: z.string(), instance: z.string(), config: InstanceShape })
	.openapi("InstanceAnswer", {
		example: {
			metadata: METADATA,
			message: "Provider 'digitalocean' instance 'default' configuration retrieved successfully",
			provider: "digitalocean",
			instance: "default",
			config: INSTANCE,
		},
	});

/** Path parameters. */
export const providerParam = z.string().openapi({ description: "A provider's name.", example: "digitalocean" });
export const instanceParam = z
	.string()
	.openapi({ description: "An instance's name; the one without a name is `default`.", example: "default" });

const ErrorAnswer = z.object({ metadata: Metadata, error: z.string(), detail: z.string() }).openapi("Error", {
	example: { metadata: METADATA, error: "ValidationError", detail: "Invalid IP address format" },
});

/** A whole number within bounds, with one message for whatever is wrong with it. */
export function wholeNumber(min: number, max: number): z.ZodNumber {
	const kind = `a whole number ${max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`}`;
	const error = `must be ${kind}`;
	return z
		.number({ error: ({ input }) => (input === undefined ? `is required: ${kind}` : error) })
		.int({ error })
		.min(min, { error })
		.max(max, { error });
}

/** Words that the original takes for a boolean (Pydantic's), beside true and false themselves. */
const WORDS: Readonly<Record<string, boolean>> = {
	...{ true: true, "1": true, yes: true, y: true, on: true, t: true },
	...{ false: false, "0": false, no: false, n: false, off: false, f: false },
};

/** A whole number in a body, or the same as text, as the original takes it. */
export function wholeNumberOrText(min: number, max: number) {
	const asNumber = (given: unknown) => (typeof given === "string" && /^\s*[+-]?\d{1,15}(\.0*)?\s*$/.test(given) ? Number(given) : given);
	return z.preprocess(asNumber, wholeNumber(min, max)).openapi({ type: "integer", minimum: min, maximum: max });
}

/** A boolean in a body, or a word or number for one, as the original takes it. */
export function booleanOrText() {
	const asBoolean = (given: unknown) => {
		const word = typeof given === "string" || typeof given === "number" ? String(given).trim().toLowerCase() : "";
		return Object.hasOwn(WORDS, word) ? WORDS[word] : given;
	};
	return z
		.preprocess(
			asBoolean,
			z.boolean({ error: ({ input }) => (input === undefined ? "is required: true or false" : "must be true or false") }),
		)
		.openapi({ type: "boolean" });
}

/** An address as providers write it. Throws ValidationError. */
export function requireAddress(text: string, field: string): string {
	const address = canonicalAddress(text);
	if (address !== null) return address;
	throw new ValidationError("Invalid IP address format", [{ section: "query", field, message: "Invalid IP address format" }]);
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

/** A JSON answer for a route's `responses`; the example is the schema's own unless another one is given. */
export function json<Schema extends z.ZodType>(description: string, schema: Schema, example?: z.input<Schema>) {
	return { description, content: { "application/json": example === undefined ? { schema } : { schema, example } } };
}

const FAULTS = {
	400: ["The request cannot be read.", "BadRequest", "The body is not JSON."],
	401: ["The key is missing or wrong.", "Unauthorized", "The key is wrong."],
	403: ["The key is an endpoint's or a proxy's.", "Forbidden", "This key opens its own endpoint's routes; this one needs the admin key."],
	404: ["There is no such thing.", "NotFound", "Proxy '192.0.2.1' not found"],
	409: ["That cannot be done now.", "Conflict", "This proxy is being deleted."],
	413: ["The body is too large.", "PayloadTooLarge", "The request's body is larger than 64 KiB."],
	422: ["A value is not what it may be.", "ValidationError", "limit must be a whole number from 1 to 100."],
	429: [
		"Too many wrong keys came from this address.",
		"TooManyRequests",
		"Too many wrong keys came from this address; wait before you send another.",
	],
	503: [
		"The deployment is closed, is starting, or cannot reach its database.",
		"ServiceUnavailable",
		"The pools are starting; no proxy is ready yet.",
	],
} as const;

/** The errors that a route may answer with, for its `responses`. */
export function faults(...statuses: readonly (keyof typeof FAULTS)[]) {
	return Object.fromEntries(
		statuses.map((status) => {
			const [description, error, detail] = FAULTS[status];
			return [status, json(description, ErrorAnswer, { metadata: METADATA, error, detail })];
		}),
	);
}

/** Those of every route that needs the admin key. */
export const ADMIN_FAULTS = faults(401, 403, 429, 503);
