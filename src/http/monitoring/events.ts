import { z } from "zod";
import type { Severity } from "../../core/model/state.ts";
import { EVENT_KINDS } from "../../core/model/told.ts";
import { readEvents } from "../../d1/events.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { ADMIN_FAULTS, faults, json, METADATA, Metadata } from "../cloudproxy/shapes.ts";
import { CURSOR, cursorOf, limitParam, poolParam, secondsOf } from "./shapes.ts";

const USUAL = 100;
const MOST = 1_000;
const SEVERITIES: readonly Severity[] = ["INFO", "WARNING", "ERROR"];

const PoolEvent = z
	.object({
		id: z.string().openapi({ description: "Also a cursor: events after this one are had with `since`." }),
		at: z.iso.datetime(),
		pool: z.string().nullable().openapi({ description: "`provider/instance`; null: no pool's." }),
		severity: z.enum(["INFO", "WARNING", "ERROR"]),
		kind: z.enum(EVENT_KINDS),
		proxy: z.string().nullable().openapi({ description: "A proxy's address or id, or its VM's; null: it is about the pool." }),
		text: z.string().openapi({ description: "What happened, as a sentence has it." }),
		actor: z.string().nullable().openapi({ description: "Whose key ordered it, by name; null: nobody ordered it." }),
	})
	.openapi("Event");
const EVENT: z.infer<typeof PoolEvent> = {
	id: "e1042",
	at: METADATA.timestamp,
	pool: "digitalocean/default",
	severity: "INFO",
	kind: "ready",
	proxy: "192.0.2.1",
	text: "ready 192.0.2.1: after 34 s",
	actor: null,
};
const EventsAnswer = z
	.object({
		metadata: Metadata,
		events: z.array(PoolEvent).openapi({ description: "The oldest first." }),
		next: z.string().openapi({ description: "The cursor to go on from with `since`, at once or later." }),
		more: z.boolean().openapi({ description: "There are more after these already." }),
		previous: z.string().nullable().openapi({ description: "The cursor with which `before` has older ones; null: there are none." }),
	})
	.openapi("Events", { example: { metadata: METADATA, events: [EVENT], next: "e1042", more: false, previous: "e1042" } });
const schema = {
	operationId: "listEvents",
	tags: ["Monitoring"],
	summary: "Read what happened in all pools",
	description:
		"One stream, kept for 30 days. Without `since` the newest are shown; with the cursor of an earlier answer what became known after it, each once. Of a pool, or from a severity on, a page may be short, or empty, while there is more.",
	request: {
		query: z.object({
			since: z.string().max(40).optional().openapi({
				description:
					"A cursor (`e1042`), or an instant (RFC 3339, or Unix seconds): of an instant the newest 5,000 at most. A cursor beyond the newest event, from before the database was lost, counts as the newest's.",
				example: "e1042",
			}),
			before: z.string().regex(CURSOR, "must be a cursor, as e1042").optional().openapi({ description: "A cursor: older ones than it." }),
			pool: poolParam,
			severity: z.enum(["INFO", "WARNING", "ERROR"]).optional().openapi({ description: "This one and what is worse." }),
			kind: z
				.string()
				.transform((text) => text.split(","))
				.pipe(z.array(z.enum(EVENT_KINDS, { error: `must be of ${EVENT_KINDS.join(", ")}` })))
				.optional()
				.openapi({ type: "string", description: "Of these kinds only, comma-separated.", example: "scaled,deployed" }),
			limit: limitParam(MOST, USUAL),
		}),
	},
	responses: { 200: json("A page.", EventsAnswer), ...faults(422), ...ADMIN_FAULTS },
};

/** `GET /events` */
export class ListEvents extends Operation {
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const { since, before, pool, severity, kind, limit } = (await this.getValidatedData<typeof schema>()).query;
		const after = since !== undefined && CURSOR.test(since) ? cursorOf(since) : null;
		const { events, next, hasMore, previous } = await readEvents(c.env.DB, {
			after,
			before: before === undefined ? null : cursorOf(before),
			since: since === undefined || after !== null ? null : secondsOf(since, "since") * 1_000,
			pool: pool ?? null,
			severities: SEVERITIES.slice(SEVERITIES.indexOf(severity ?? "INFO")),
			kinds: kind ?? null,
			most: limit,
		});
		return c.json({
			metadata: metadata(c),
			events: events.map(({ id, at, pool: of, proxy, severity: level, kind, text, actor }) => ({
				id: `e${id}`,
				at: new Date(at).toISOString(),
				pool: of === "" ? null : of,
				severity: level,
				kind,
				proxy: proxy === "" ? null : proxy,
				text,
				actor,
			})),
			next: `e${next}`,
			more: hasMore,
			previous: previous === null ? null : `e${previous}`,
		});
	}
}
