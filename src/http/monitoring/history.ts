import { z } from "zod";
import { METRICS, type Metric } from "../../core/model/samples.ts";
import { LEVELS } from "../../d1/history.ts";
import { type History, historyOf, isGauge } from "../../read-model/history.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { invalidQuery } from "../base/errors.ts";
import { ADMIN_FAULTS, faults, json, METADATA, Metadata } from "../cloudproxy/shapes.ts";
import { instant, poolParam } from "./shapes.ts";

/** Points of one answer. */
const MOST_POINTS = 5_000;
const DAY_SECONDS = 24 * 3_600;
const SHORTEST_SECONDS = LEVELS[0].step;
/** As many points as a chart shows, where nobody says how many. */
const USUAL_POINTS = 400;

const MetricName = z.enum(METRICS).openapi("HistoryMetric");
const query = z.object({
	pool: poolParam,
	metric: z
		.string()
		.optional()
		.openapi({ description: `One or several of ${METRICS.join(", ")}, comma-separated; all unless given.`, example: "ready,wanted" }),
	from: instant("The beginning; a day ago unless given."),
	to: instant("The end; now unless given."),
	step: z
		.string()
		.regex(/^\d{1,9}$/, "must be a whole number of seconds, 60 or more")
		.transform(Number)
		.optional()
		.openapi({
			type: "integer",
			description:
				"Seconds between points, 60 or more; some 400 points unless given. What is older than a day is had by the quarter of an hour, and what is older than two weeks by the day.",
			example: 900,
		}),
	currency: z
		.string()
		.max(8)
		.optional()
		.openapi({ description: "Of the cost, where pools have several; the commonest unless given.", example: "USD" }),
});
const EXAMPLE = {
	metadata: METADATA,
	pool: "digitalocean/default",
	from: 1764000000,
	to: 1764001800,
	step: 900,
	metrics: ["ready", "requests"] as Metric[],
	currency: "USD",
	currencies: ["USD"],
	points: [
		{ at: 1764000000, seconds: 900, values: [2, 1520] },
		{ at: 1764000900, seconds: 900, values: [1.5, null] },
	],
	totals: { requests: 1520 },
};
const HistoryAnswer = z
	.object({
		metadata: Metadata,
		pool: z.string().nullable().openapi({ description: "Null: all pools together." }),
		from: z.number().int().openapi({ description: "Unix seconds, and like `to` as widened to whole points." }),
		to: z.number().int(),
		step: z.number().int().openapi({ description: "Seconds between points, as far as they are kept so close." }),
		metrics: z.array(MetricName),
		currency: z.string().nullable().openapi({ description: "Of the cost; null: none is known." }),
		currencies: z.array(z.string()),
		points: z.array(
			z.object({
				at: z.number().int().openapi({ description: "Unix seconds: where the point's stretch of time begins." }),
				seconds: z.number().int().openapi({ description: "How long that is." }),
				values: z.array(z.number().nullable()).openapi({
					description:
						"In the order of `metrics`: the mean of ready, wanted, billed and connections; how much was added of requests, errors, bytesIn, bytesOut, cost, and of outcomes that clients reported (`outcomesOk`: the good ones). Null: not known.",
				}),
			}),
		),
		totals: z.record(z.string(), z.number().nullable()).openapi({
			description: "What was added of each counter between `from` and `to`, exactly as far as it was counted.",
		}),
	})
	.openapi("History", { example: EXAMPLE });

const about = {
	tags: ["Monitoring"],
	request: { query },
};
const schema = {
	...about,
	operationId: "getHistory",
	summary: "See how pools fared",
	description:
		"By the minute for a day, by the quarter of an hour for two weeks, by the day for two years. The newest point may be two minutes old.",
	responses: { 200: json("A point for each stretch of time.", HistoryAnswer), ...faults(422), ...ADMIN_FAULTS },
};
const csvSchema = {
	...about,
	operationId: "getHistoryCsv",
	summary: "See how pools fared, as a table",
	description: "The same as comma-separated values (RFC 4180): a line for each stretch of time; what is not known is empty.",
	responses: {
		200: {
			description: "The table.",
			content: { "text/csv": { schema: z.string(), example: "at,seconds,ready\r\n2025-11-24T16:00:00.000Z,900,2\r\n" } },
		},
		...faults(422),
		...ADMIN_FAULTS,
	},
};

interface Asked {
	readonly pool: string | null;
	readonly from: number;
	readonly to: number;
	readonly step: number;
	readonly metrics: readonly Metric[];
	readonly history: History;
}

/** `GET /history` */
export class GetHistory extends Operation {
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const { history, ...asked } = await look(c, (await this.getValidatedData<typeof schema>()).query);
		const { points, totals, currency, currencies } = history;
		const counted = asked.metrics.flatMap((metric, index) => (isGauge(metric) ? [] : [[metric, totals[index] ?? null] as const]));
		return c.json({ metadata: metadata(c), ...asked, currency, currencies, points, totals: Object.fromEntries(counted) });
	}
}

/** `GET /history.csv` */
export class GetHistoryCsv extends Operation {
	override schema = csvSchema;
	async handle(c: AppContext): Promise<Response> {
		const { history, metrics } = await look(c, (await this.getValidatedData<typeof csvSchema>()).query);
		const lines = history.points.map(({ at, seconds, values }) =>
			[new Date(at * 1000).toISOString(), seconds, ...values.map((value) => value ?? "")].join(","),
		);
		c.header("Content-Type", "text/csv; charset=utf-8; header=present");
		c.header("Content-Disposition", 'attachment; filename="history.csv"');
		return c.body([["at", "seconds", ...metrics].join(","), ...lines, ""].join("\r\n"));
	}
}

/** Throws ValidationError, DatabaseUnavailable. */
async function look(c: AppContext, given: z.infer<typeof query>): Promise<Asked> {
	const now = Date.now();
	const to = given.to ?? Math.floor(now / 1000);
	const from = given.from ?? to - DAY_SECONDS;
	if (from >= to) throw invalidQuery("from", "must be before to");
	const step = given.step ?? usualStep(to - from, Math.floor(now / 1000) - from);
	if (step < SHORTEST_SECONDS) throw invalidQuery("step", `must be ${SHORTEST_SECONDS} or more`);
	if ((to - from) / step > MOST_POINTS)
		throw invalidQuery("step", `asks for more than ${MOST_POINTS} points: make it longer, or the time shorter`);
	const pool = given.pool ?? null;
	const metrics = metricsIn(given.metric);
	const history = await historyOf(c.env.DB, { from, to, step, metrics, pool, currency: given.currency ?? null }, now);
	const [first, last] = [history.points[0], history.points.at(-1)];
	return {
		pool,
		from: first?.at ?? from,
		to: last === undefined ? to : last.at + last.seconds,
		step: history.points.reduce((least, { seconds }) => Math.min(least, seconds), last?.seconds ?? step),
		metrics,
		history,
	};
}

/** As close as the samples are, as far back as is asked, and not closer than a chart shows. */
function usualStep(seconds: number, ageSeconds: number): number {
	const finest = LEVELS.find(({ kept }) => ageSeconds <= kept) ?? LEVELS[LEVELS.length - 1];
	const most = Math.ceil(seconds / USUAL_POINTS / SHORTEST_SECONDS) * SHORTEST_SECONDS;
	return Math.max(finest?.step ?? SHORTEST_SECONDS, most);
}

function metricsIn(text: string | undefined): readonly Metric[] {
	if (text === undefined || text.trim() === "") return METRICS;
	const names = [...new Set(text.split(",").map((name) => name.trim()))];
	const wrong = names.find((name) => !(METRICS as readonly string[]).includes(name));
	if (wrong !== undefined)
		throw invalidQuery("metric", `must be one or several of ${METRICS.join(", ")}, and "${wrong.slice(0, 40)}" is none`);
	return names as Metric[];
}
