import { z } from "zod";
import { LOG_KEPT, readLog } from "../../db/logs.ts";
import type { LogEntry, Severity } from "../../pool/core/state.ts";
import { type AppContext, Endpoint } from "../context.ts";
import { addressed } from "./addressed.ts";
import { endpointFaults, endpointParams } from "./shapes.ts";

/** Between two instants of the log (milliseconds) and far above what is lost of one that is given in seconds with six decimals. */
const ROUNDING_MS = 0.01;

export const LogShape = z.array(z.tuple([z.number(), z.enum(["INFO", "WARNING", "ERROR"]), z.string()]));
export const LOG_EXAMPLE = [[1764000000.25, "INFO", "target changed 2 => 4"]];
export const logQuery = z.object({
	since: z.string().nullish().openapi({
		description: "Only what is younger than this instant, in seconds since the epoch. What is no number is passed over.",
		example: "1764000000.25",
	}),
});
const readSchema = {
	operationId: "getEndpointLog",
	tags: ["Endpoints"],
	summary: "Read an endpoint's log",
	description: `Why the endpoint is as large as it is: the newest ${LOG_KEPT} entries, the oldest first.`,
	request: { params: endpointParams, query: logQuery },
	responses: {
		200: { description: "Instant (seconds), severity, text.", content: { "application/json": { schema: LogShape, example: LOG_EXAMPLE } } },
		...endpointFaults,
	},
};

/** `GET /v1.1/endpoints/{endpoint}/log` */
export class GetEndpointLog extends Endpoint {
	override schema = readSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params, query } = await this.getValidatedData<typeof readSchema>();
		const { object } = await addressed(c, params.endpoint);
		return c.json(shown(await readLog(c.env.DB, object, sinceMs(query.since), LOG_KEPT)));
	}
}

/** Entries as this dialect shows them: instants in seconds. */
export function shown(entries: readonly Omit<LogEntry, "seq">[]): readonly (readonly [number, Severity, string])[] {
	return entries.map(({ at, severity, text }) => [at / 1_000, severity, text]);
}

/** The instant (milliseconds) after which entries are asked for: `since` is seconds; what is no number asks for all. */
export function sinceMs(since: string | null | undefined): number {
	const seconds = Number(since?.trim() || Number.NaN);
	return Number.isFinite(seconds) ? seconds * 1_000 + ROUNDING_MS : Number.NEGATIVE_INFINITY;
}
