import { z } from "zod";
import { HOUR_SECONDS, hourOf } from "../../core/model/bans.ts";
import { OUTCOMES_KEPT } from "../../d1/history.ts";
import { type Fared, outcomesOf } from "../../read-model/outcomes.ts";
import { findByAddress } from "../../read-model/proxies.ts";
import { canonicalAddress } from "../../values/addresses.ts";
import { normaliseHost } from "../../values/hosts.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { invalidQuery } from "../base/errors.ts";
import { ADMIN_FAULTS, faults, json, METADATA, Metadata } from "../cloudproxy/shapes.ts";
import { instant, limitParam, poolParam } from "./shapes.ts";

const DAY_SECONDS = 24 * HOUR_SECONDS;
const ID = /^[\w:.-]{1,64}$/;
const DAYS = OUTCOMES_KEPT / DAY_SECONDS;

const Counts = {
	outcomes: z.number().int().openapi({ description: "How many were reported." }),
	ok: z.number().int().openapi({ description: "How many of them were good." }),
	success_rate: z.number().nullable().openapi({ description: "The share of those, 0 to 1; null: nothing was reported." }),
};
const COUNTS = { outcomes: 100, ok: 96, success_rate: 0.96 };
const Answer = z
	.object({
		metadata: Metadata,
		pool: z.string().nullable().openapi({ description: "Null: all pools together." }),
		host: z.string().nullable().openapi({ description: "The site that was asked for." }),
		proxy: z.string().nullable().openapi({ description: "The id of the proxy that was asked for." }),
		from: z.number().int().openapi({
			description:
				"Unix seconds, and like `to` as widened to whole hours; later than was asked for where all sites together come to more than can be read at once.",
		}),
		to: z.number().int(),
		points: z.array(
			z.object({
				at: z.number().int().openapi({ description: "Unix seconds: where the point's hour begins." }),
				seconds: z.number().int().openapi({ description: "How long that is." }),
				...Counts,
			}),
		),
		totals: z.object(Counts),
		hosts: z.array(z.object({ host: z.string(), ...Counts })).openapi({
			description: "The sites of which most was reported. Empty where one site or proxy was asked for, and so is `proxies`.",
		}),
		proxies: z.array(
			z.object({
				proxy: z.string().openapi({ description: "Its id." }),
				pool: z.string(),
				ip: z.string().nullable().openapi({ description: "Null: it is gone." }),
				...Counts,
			}),
		),
	})
	.openapi("OutcomeHistory", {
		example: {
			...{ metadata: METADATA, pool: null, host: null, proxy: null, from: 1763996400, to: 1764000000 },
			points: [{ at: 1763996400, seconds: HOUR_SECONDS, ...COUNTS }],
			totals: COUNTS,
			hosts: [{ host: "example.com", ...COUNTS }],
			proxies: [{ proxy: "k2j3h4g5f6d7s8a9", pool: "digitalocean/default", ip: "192.0.2.1", ...COUNTS }],
		},
	});

const schema = {
	tags: ["Monitoring"],
	operationId: "getOutcomeHistory",
	summary: "See how requests fared, by site and by proxy",
	description: `What clients reported, hour by hour for ${DAYS} days: of one site, of one proxy, or of all, and then with the sites and proxies that most was reported of. The newest hour may lack a quarter of an hour.`,
	request: {
		query: z.object({
			pool: poolParam,
			host: z.string().max(260).optional().openapi({ description: "One site.", example: "example.com" }),
			proxy: z.string().max(64).optional().openapi({ description: "One proxy: its id, or its address as long as it is there." }),
			from: instant(`The beginning; a day ago unless given, and no more than ${DAYS} days.`),
			to: instant("The end; now unless given."),
			limit: limitParam(2_000, 100),
		}),
	},
	responses: { 200: json("A point for each hour.", Answer), ...faults(422), ...ADMIN_FAULTS },
};

/** `GET /history/outcomes` */
export class GetOutcomeHistory extends Operation {
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const given = (await this.getValidatedData<typeof schema>()).query;
		const { pool = null, limit: most } = given;
		const now = Math.floor(Date.now() / 1000);
		const end = Math.min(given.to ?? now, now);
		const begin = given.from ?? end - DAY_SECONDS;
		if (begin >= end) throw invalidQuery("from", "must be before to");
		const from = hourOf(Math.max(begin, now - OUTCOMES_KEPT));
		const to = Math.max(from, hourOf(end - 1) + HOUR_SECONDS);
		const one = await oneOf(c, given);
		const { hours, hosts, proxies, from: begun } = await outcomesOf(c.env.DB, { from, to, pool }, one, most);
		const points = Array.from({ length: (to - begun) / HOUR_SECONDS }, (_, index) => {
			const at = begun + index * HOUR_SECONDS;
			return { at, seconds: HOUR_SECONDS, ...shown(hours.get(at) ?? { outcomes: 0, ok: 0 }) };
		});
		const sum = (field: keyof Fared) => [...hours.values()].reduce((total, hour) => total + hour[field], 0);
		return c.json({
			...{ metadata: metadata(c), pool, host: null, proxy: null, ...one, from: begun, to, points },
			totals: shown({ outcomes: sum("outcomes"), ok: sum("ok") }),
			hosts: hosts.map(({ host, ...fared }) => ({ host, ...shown(fared) })),
			proxies: proxies.map(({ proxy, pool: owner, ip, ...fared }) => ({ proxy, pool: owner, ip, ...shown(fared) })),
		});
	}
}

/** The site, or the proxy's id, that was asked for; null: neither. Throws ValidationError, DatabaseUnavailable. */
async function oneOf(
	c: AppContext,
	{ host, proxy }: { readonly host?: string | undefined; readonly proxy?: string | undefined },
): Promise<{ readonly host: string } | { readonly proxy: string } | null> {
	if (host !== undefined && proxy !== undefined)
		throw invalidQuery("proxy", "must not be given beside host: what is counted is of a site or of a proxy");
	if (host !== undefined) {
		const name = normaliseHost(host);
		if (name === null) throw invalidQuery("host", "must be a host name or an address");
		return { host: name };
	}
	if (proxy === undefined) return null;
	const address = canonicalAddress(proxy);
	const id = address === null ? proxy : (await findByAddress(c.env.DB, address))?.id;
	if (id === undefined || !ID.test(id)) throw invalidQuery("proxy", "must be a proxy's id, or the address of one that is there");
	return { proxy: id };
}

function shown({ outcomes, ok }: Fared) {
	return { outcomes, ok, success_rate: outcomes === 0 ? null : Math.round((1_000 * ok) / outcomes) / 1_000 };
}
