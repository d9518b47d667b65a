import { z } from "zod";
import { MOST_LOG_CHARS } from "../../core/model/limits.ts";
import type { LogEntry, Severity } from "../../core/model/state.ts";
import { LOG_KEPT, readLog } from "../../d1/logs.ts";
import { askPool } from "../../rpc/reach.ts";
import { requirePrintable } from "../base/body.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { BadRequest } from "../base/errors.ts";
import { addressed } from "./addressed.ts";
import { requireDone } from "./configuration.ts";
import { bodyFault, endpointFaults, endpointParams, orderFaults } from "./shapes.ts";

/** The severities by the names that clients use for them. */
const SEVERITIES: Readonly<Record<string, Severity>> = { INFO: "INFO", WARN: "WARNING", WARNING: "WARNING", ERROR: "ERROR" };
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

const postSchema = {
	operationId: "postEndpointLog",
	tags: ["Endpoints"],
	summary: "Add an entry of your own to an endpoint's log",
	description: "It stands among the pool's own entries.",
	request: {
		params: endpointParams,
		query: z.object({
			level: z.string().nullish().openapi({ description: "INFO (unless it is given), WARNING or ERROR, in any case.", example: "WARNING" }),
		}),
		body: {
			required: true,
			content: {
				"application/json": {
					schema: z.string().max(MOST_LOG_CHARS, `must be at most ${MOST_LOG_CHARS} characters`),
					example: "the nightly run begins",
				},
			},
		},
	},
	responses: {
		200: { description: "Done; the body is empty." },
		...orderFaults,
		...bodyFault("The body is no JSON string, too long or blank, or the level is unknown."),
	},
};

/** `GET /v1.1/endpoints/{endpoint}/log` */
export class GetEndpointLog extends Operation {
	override schema = readSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params, query } = await this.getValidatedData<typeof readSchema>();
		const { object } = await addressed(c, params.endpoint);
		return c.json(shown(await readLog(c.env.DB, object, sinceMs(query.since), LOG_KEPT)));
	}
}

/** `POST /v1.1/endpoints/{endpoint}/log` */
export class PostEndpointLog extends Operation {
	override schema = postSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params, query, body } = await this.getValidatedData<typeof postSchema>();
		const severity = SEVERITIES[(query.level ?? "INFO").toUpperCase()];
		if (severity === undefined) throw new BadRequest(`The level "${query.level}" is not one of INFO, WARNING, ERROR.`);
		const text = body.trim();
		if (text === "") throw new BadRequest("The message is blank.");
		requirePrintable(text, "message");
		const { object } = await addressed(c, params.endpoint);
		const outcome = await askPool(c.env, object, (pool) => pool.command({ do: "log", severity, text }));
		requireDone(outcome);
		return c.body(null, 200);
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
