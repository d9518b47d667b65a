import { z } from "zod";
import type { Outcome } from "../../fleet/endpoints.ts";
import { type EndpointConfiguration, type Faults, parseConfiguration, UnreadableConfiguration } from "../../settings/configuration.ts";
import type { AppContext } from "../base/context.ts";
import { BadRequest, refused, ValidationError } from "../base/errors.ts";

// Configurations in requests and answers, an endpoint's and a manager's alike.

export const CONFIGURATION_EXAMPLE = {
	endpoint: { cloud: "digitalocean" },
	scaling: { min_instances: 1, max_instances: 6, rules: ["2<=active<=4"] },
	"cloud:digitalocean": { access_token: "********", region: "lon1" },
};
/** The same as it is given: with a token, which the local cloud of `npm run dev` takes too. */
export const GIVEN_EXAMPLE = { ...CONFIGURATION_EXAMPLE, "cloud:digitalocean": { access_token: "local-demo", region: "lon1" } };
export const INI_EXAMPLE =
	"[endpoint]\ncloud = digitalocean\n\n[scaling]\nmin_instances = 1\nmax_instances = 6\nrules = 2<=active<=4\n\n[cloud:digitalocean]\naccess_token = local-demo\n";

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
/** By section and key. */
export const ConfigurationShape = z.record(z.string(), z.record(z.string(), z.union([scalar, z.array(scalar)])));
const FaultsShape = z.record(z.string(), z.record(z.string(), z.string()));

/** A body that the handler reads itself, with {@link readConfiguration}: what the description says of it is not enforced. */
export function configurationBody(example: object, ini: string) {
	const schema = z.any().openapi({ type: "object", description: "By section and key, or the INI text in a JSON string." });
	return {
		required: false,
		description: "The full configuration: a JSON object, or INI text, as it is or in a JSON string.",
		content: { "application/json": { schema, example }, "text/plain": { schema: z.string(), example: ini } },
	};
}

/** A header must stay small. */
const MOST_WARNINGS = 20;
const MOST_WARNING_CHARS = 80;

/** 400 of a route that takes a configuration. */
export const configurationFault = {
	400: {
		description: "What is wrong, by section and key; or, as text, that the body cannot be read.",
		content: {
			"application/json": {
				schema: FaultsShape,
				example: { scaling: { max_instances: "must not be less than min_instances" } },
			},
		},
	},
};

/** The body as a configuration. Throws BadRequest. Call it before the rest of the request is validated, which uses the body up. */
export async function readConfiguration(c: AppContext): Promise<EndpointConfiguration> {
	try {
		return parseConfiguration(await c.req.text());
	} catch (error) {
		if (error instanceof UnreadableConfiguration) throw new BadRequest(error.message);
		throw error;
	}
}

/** Lists what of a configuration is of no effect in the answer's Warning header (RFC 7234, 5.5): its body is empty in this dialect. */
export function warnOf(c: AppContext, unknown: readonly string[]): void {
	if (unknown.length === 0) return;
	const named = unknown
		.slice(0, MOST_WARNINGS)
		.map((place) => encodeURIComponent(place.slice(0, MOST_WARNING_CHARS).toWellFormed()).replaceAll("%3A", ":"));
	const more = unknown.length > named.length ? ` and ${unknown.length - named.length} more` : "";
	c.header("Warning", `299 muster "unknown and of no effect: ${named.join(", ")}${more}"`);
}

/** Throws what keeps something from being done. */
export function requireDone(outcome: Outcome): void {
	if (outcome.ok) return;
	if (outcome.error === "invalid") throw invalid(outcome.faults);
	throw refused(outcome);
}

export function invalid(faults: Faults): ValidationError {
	const issues = Object.entries(faults).flatMap(([section, values]) =>
		Object.entries(values).map(([field, message]) => ({ section, field, message })),
	);
	return new ValidationError("The configuration has faults.", issues);
}
