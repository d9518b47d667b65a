import { z } from "zod";
import { END_REASONS } from "../../core/model/tally.ts";
import { type GoneVm, readVms, sumVms } from "../../d1/vms.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { invalidQuery } from "../base/errors.ts";
import { ADMIN_FAULTS, faults, json, METADATA, Metadata } from "../cloudproxy/shapes.ts";
import { instant, limitParam, poolParam } from "./shapes.ts";

const USUAL = 100;
const MOST = 1_000;
const DAY_SECONDS = 24 * 3_600;
const CURSOR = /^\d{1,15}\.[0-9a-f]{64}\.[a-z0-9]{1,32}$/;

const Vm = z
	.object({
		pool: z.string(),
		vm: z.string().openapi({ description: "The provider's id." }),
		proxy: z.string().openapi({ description: "The proxy's id." }),
		address: z.string().nullable(),
		size: z.string().nullable().openapi({ description: "Null: the account's settings have changed since." }),
		region: z.string().nullable(),
		created_at: z.iso.datetime(),
		ready_after: z.number().int().nullable().openapi({ description: "Seconds from the create until it served; null: it never did." }),
		deleted_at: z.iso.datetime().openapi({ description: "When it was known to be gone." }),
		reason: z.enum(END_REASONS),
		why: z.string(),
		hourly: z.number().nullable().openapi({ description: "What it cost an hour; null: not known." }),
		cost: z.number().nullable().openapi({ description: "From create to delete, as its cloud bills: by started hours where it does." }),
		currency: z.string().nullable(),
	})
	.openapi("GoneVm");
const VM: z.infer<typeof Vm> = {
	pool: "digitalocean/default",
	vm: "512345678",
	proxy: "k2j3h4g5f6d7s8a9",
	address: "192.0.2.1",
	size: "s-1vcpu-512mb-10gb",
	region: "lon1",
	created_at: "2026-02-24T06:00:00.000Z",
	ready_after: 34,
	deleted_at: METADATA.timestamp,
	reason: "scale_in",
	why: "one too many",
	hourly: 0.00595,
	cost: 0.0119,
	currency: "USD",
};
const Sum = z.object({ currency: z.string().nullable(), count: z.number().int(), cost: z.number().nullable() });
const VmsAnswer = z
	.object({
		metadata: Metadata,
		vms: z.array(Vm).openapi({ description: "The last to go first." }),
		totals: z
			.array(Sum)
			.openapi({ description: "Of all between `from` and `to`, by currency (null: of unknown price). Empty on further pages." }),
		next: z.string().nullable().openapi({ description: "The cursor with which `before` has the next page; null: there is none." }),
	})
	.openapi("GoneVms", { example: { metadata: METADATA, vms: [VM], totals: [{ currency: "USD", count: 1, cost: 0.0119 }], next: null } });
const schema = {
	operationId: "listGoneVms",
	tags: ["Monitoring"],
	summary: "See what each VM cost from create to delete",
	description: "VMs that are gone, for 90 days.",
	request: {
		query: z.object({
			pool: poolParam,
			from: instant("Those that went since then; 30 days ago unless given."),
			to: instant("And until then; now unless given."),
			before: z
				.string()
				.regex(CURSOR, "must be the cursor of another page")
				.optional()
				.openapi({ description: "The cursor of the page before." }),
			limit: limitParam(MOST, USUAL),
		}),
	},
	responses: { 200: json("A page.", VmsAnswer), ...faults(422), ...ADMIN_FAULTS },
};

/** `GET /history/vms` */
export class ListGoneVms extends Operation {
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const { pool = null, from, to, before, limit } = (await this.getValidatedData<typeof schema>()).query;
		const now = Math.floor(Date.now() / 1000) + 1;
		const span = { from: (from ?? (to ?? now) - 30 * DAY_SECONDS) * 1_000, to: (to ?? now) * 1_000, pool };
		if (span.from >= span.to) throw invalidQuery("from", "must be before to");
		const [vms, totals] = await Promise.all([
			readVms(c.env.DB, { ...span, before: before === undefined ? null : cursor(before), most: limit }),
			before === undefined ? sumVms(c.env.DB, span) : [],
		]);
		const last = vms.length === limit ? vms.at(-1) : undefined;
		return c.json({
			metadata: metadata(c),
			vms: vms.map(shown),
			totals: totals.map(({ currency, count, cost }) => ({ currency, count, cost: cost === null ? null : Math.round(cost * 1e6) / 1e6 })),
			next: last === undefined ? null : `${last.endedAt}.${last.object}.${last.id}`,
		});
	}
}

function cursor(text: string): Pick<GoneVm, "endedAt" | "object" | "id"> {
	const [endedAt = "", object = "", id = ""] = text.split(".");
	return { endedAt: Number(endedAt), object, id };
}

function shown({
	pool,
	vm,
	id,
	address,
	size,
	region,
	createdAt,
	readyAt,
	endedAt,
	reason,
	why,
	hourly,
	cost,
	currency,
}: GoneVm): z.infer<typeof Vm> {
	return {
		pool,
		vm,
		proxy: id,
		address,
		size,
		region,
		created_at: new Date(createdAt).toISOString(),
		ready_after: readyAt === null ? null : Math.round((readyAt - createdAt) / 1000),
		deleted_at: new Date(endedAt).toISOString(),
		reason,
		why,
		hourly,
		cost,
		currency,
	};
}
