import { z } from "zod";
import { OUTCOMES, type Reported } from "../../core/model/bans.ts";
import { eachPool } from "../../fleet/fleet.ts";
import { findAllAt, type Whereabouts } from "../../read-model/proxies.ts";
import { forgetReady, readReady } from "../../read-model/ready.ts";
import type { Snapshot } from "../../read-model/snapshot.ts";
import type { CommandOutcome, PoolOutcomes } from "../../rpc/pool.ts";
import { askPool, PoolUnreachable, tryPool } from "../../rpc/reach.ts";
import { canonicalAddress } from "../../values/addresses.ts";
import { normaliseHost } from "../../values/hosts.ts";
import { type AppContext, laterOf, metadata, Operation } from "../base/context.ts";
import { type Issue, ValidationError } from "../base/errors.ts";
import { ADMIN_FAULTS, bodyOf, faults, json, METADATA, Metadata, wholeNumber } from "./shapes.ts";

const MAX_REPORTS = 500;
const MAX_BODY_BYTES = 512 * 1024;

const Report = bodyOf({
	ip: z.string({ error: "is required: the proxy's address" }).openapi({ description: "The proxy's address." }),
	host: z
		.string({ error: "is required: the site's host" })
		.openapi({ description: "The site: a host name or an address; a port is passed over." }),
	outcome: z.enum(OUTCOMES, { error: `must be one of ${OUTCOMES.join(", ")}` }),
	session: z.string().max(200).optional().openapi({ description: "The session that it was for." }),
	status: wholeNumber(0, 999).optional().openapi({ description: "The HTTP status of the answer." }),
	ms: z.number({ error: "must be milliseconds" }).min(0).max(86_400_000).optional().openapi({ description: "How long it took." }),
});
const EXAMPLE = [
	{ ip: "192.0.2.1", host: "example.com", outcome: "ok" as const, status: 200, ms: 312 },
	{ ip: "192.0.2.2", host: "example.com", outcome: "banned" as const, status: 403 },
];
const LENGTH = { error: `The body must be a report, or a list of 1 to ${MAX_REPORTS}` };
const Reports = z.array(Report).min(1, LENGTH).max(MAX_REPORTS, LENGTH);
const OneOrMore = z.union([Report, Reports]).openapi({ example: EXAMPLE });

const Answer = z
	.object({
		metadata: Metadata,
		message: z.string(),
		accepted: z.number().int(),
		unknown: z.array(z.string()).openapi({ description: "Addresses that no proxy has (any more)." }),
		refused: z
			.array(z.string())
			.openapi({ description: "Addresses of proxies whose pool cannot take reports in now, or does not answer." }),
	})
	.openapi("ReportAnswer", {
		example: { metadata: METADATA, message: "Outcomes reported successfully", accepted: 2, unknown: [], refused: [] },
	});

const reportSchema = {
	operationId: "reportOutcomes",
	tags: ["Outcomes"],
	summary: "Report what came of requests",
	description: `One report, or a list of up to ${MAX_REPORTS}. A proxy that was banned (or asked for a captcha) cools down for that site: with \`host\`, selections leave it out until its time is up (\`BAN_COOL_DOWN\`, twice as long each time that it is banned again within a day, up to a day) or an \`ok\` for that site is reported of it.`,
	request: { body: { required: true, content: { "application/json": { schema: OneOrMore } } } },
	responses: { 200: json("How many were taken in.", Answer), ...faults(400, 413, 422), ...ADMIN_FAULTS },
};

/** `POST /report` */
export class ReportOutcomes extends Operation {
	static override readonly maxBodyBytes = MAX_BODY_BYTES;
	override schema = reportSchema;

	async handle(c: AppContext): Promise<Response> {
		const good = reportsIn(await c.req.json());
		const found = await find(c, new Set(good.map(({ ip }) => ip)));
		const known = good.flatMap((report) => {
			const at = found.get(report.ip);
			return at === undefined ? [] : [{ ip: report.ip, object: at.object, reported: reportedOf(at.id, report) }];
		});
		const byPool = [...Map.groupBy(known, ({ object }) => object)];
		const told = await Promise.all(
			byPool.map(async ([object, some]) => {
				const reports = some.map(({ reported }) => reported);
				const outcome = await tryPool(c.env, object, (pool) => pool.command({ do: "report", reports }));
				return { some, outcome };
			}),
		);
		// What some have taken in is not to be sent again because of the others.
		const silent = told.flatMap(({ outcome }) => (outcome instanceof PoolUnreachable ? [outcome] : []));
		if (silent[0] !== undefined && silent.length === told.length) throw silent[0];
		if (known.some(({ reported }) => reported.outcome === "banned" || reported.outcome === "captcha")) forgetReady();
		const answered = (what: "ok" | "notFound" | "conflict" | "silent") =>
			told.filter(({ outcome }) => saidIn(outcome) === what).flatMap(({ some }) => some);
		const ipsOf = (some: readonly { readonly ip: string }[]) => [...new Set(some.map(({ ip }) => ip))];
		return c.json({
			metadata: metadata(c),
			message: "Outcomes reported successfully",
			accepted: answered("ok").length,
			// A pool that is gone has no proxies.
			unknown: ipsOf([...good.filter(({ ip }) => !found.has(ip)), ...answered("notFound")]),
			refused: ipsOf([...answered("conflict"), ...answered("silent")]),
		});
	}
}

function saidIn(outcome: CommandOutcome | PoolUnreachable): "ok" | "notFound" | "conflict" | "silent" {
	if (outcome instanceof PoolUnreachable) return "silent";
	return outcome.ok ? "ok" : outcome.error;
}

type Checked = z.infer<typeof Report>;

/** The reports of a body, each address and host in its one spelling. Throws ValidationError, which says which report is wrong, and how. */
function reportsIn(body: unknown): readonly Checked[] {
	// Not by the union, which would only say that neither fits.
	const parsed = Reports.safeParse(Array.isArray(body) ? body : [body]);
	const issues = parsed.success
		? parsed.data.flatMap(wrongIn)
		: parsed.error.issues.map(({ path, message }): Issue => ({ section: "body", field: path.join("."), message }));
	if (parsed.success && issues.length === 0) return parsed.data.map((report) => ({ ...report, ...normalised(report) }));
	throw new ValidationError([...new Set(issues.map(({ field, message }) => `${field} ${message}.`.trim()))].slice(0, 10).join(" "), issues);
}

function normalised({ ip, host }: Checked): { readonly ip: string; readonly host: string } {
	return { ip: canonicalAddress(ip) ?? "", host: normaliseHost(host) ?? "" };
}

function wrongIn(report: Checked, index: number): readonly Issue[] {
	const { ip, host } = normalised(report);
	const issue = (field: string, message: string): Issue => ({ section: "body", field: `${index}.${field}`, message });
	return [
		...(ip === "" ? [issue("ip", "must be an IP address")] : []),
		...(host === "" ? [issue("host", "must be a host name or an address")] : []),
	];
}

function reportedOf(id: string, { host, outcome, ms }: Checked): Reported {
	return { id, host, outcome, ...(ms === undefined ? {} : { ms }) };
}

const known = new WeakMap<Snapshot, ReadonlyMap<string, Whereabouts>>();

/** Which proxies have these addresses: by the ready lists, and of the others (leased ones among them) by D1. */
async function find(c: AppContext, addresses: ReadonlySet<string>): Promise<ReadonlyMap<string, Whereabouts>> {
	const { snapshot } = await readReady(c.env.DB, Date.now(), laterOf(c));
	const ready =
		known.get(snapshot) ??
		new Map(
			snapshot.pools.flatMap(({ object, parts }) =>
				parts.flatMap((part) => part.entries().map(([id, address]) => [address, { object, id }] as const)),
			),
		);
	known.set(snapshot, ready);
	const found = new Map(
		[...addresses].flatMap((address) => [[address, ready.get(address)] as const]).filter(([, at]) => at !== undefined),
	) as Map<string, Whereabouts>;
	const others = [...addresses].filter((address) => !found.has(address));
	if (others.length > 0) for (const { address, object, id } of await findAllAt(c.env.DB, others)) found.set(address, { object, id });
	return found;
}

const Counted = {
	ok: z.number().int(),
	banned: z.number().int(),
	captcha: z.number().int(),
	error: z.number().int(),
	timeout: z.number().int(),
	success_rate: z.number().openapi({ description: "The share of `ok`, 0 to 1." }),
	mean_ms: z.number().nullable().openapi({ description: "What the good ones took on average, as far as it was reported." }),
	last_reported: z.iso.datetime(),
};
const COUNTED = { ok: 90, banned: 9, captcha: 0, error: 1, timeout: 0, success_rate: 0.9, mean_ms: 312, last_reported: METADATA.timestamp };
const HostRow = z.object({
	host: z.string(),
	cooling: z.number().int().openapi({ description: "Proxies that cool down for it." }),
	...Counted,
});
const ProxyRow = z.object({ ip: z.string(), provider: z.string(), instance: z.string(), cooling: z.number().int(), ...Counted });
const Outcomes = z.object({ metadata: Metadata, hosts: z.array(HostRow), proxies: z.array(ProxyRow) }).openapi("Outcomes", {
	example: {
		metadata: METADATA,
		hosts: [{ host: "example.com", cooling: 1, ...COUNTED }],
		proxies: [{ ip: "192.0.2.1", provider: "digitalocean", instance: "default", cooling: 1, ...COUNTED }],
	},
});

const outcomesSchema = {
	operationId: "listOutcomes",
	tags: ["Outcomes"],
	summary: "List what came of requests, by site and by proxy",
	description: "The sites that were reported last, and the proxies that fare worst, each up to `limit`. Asked of the pools themselves.",
	request: {
		query: z.object({
			pool: z
				.string()
				.max(200)
				.optional()
				.openapi({ description: "One pool, as `provider/instance`; all unless given.", example: "digitalocean/default" }),
			limit: wholeNumber(1, 2_000).default(100).openapi({ description: "How many of each to list at most.", example: 100 }),
		}),
	},
	responses: { 200: json("Both lists.", Outcomes), ...faults(422), ...ADMIN_FAULTS },
};

/** `GET /outcomes` */
export class ListOutcomes extends Operation {
	override schema = outcomesSchema;

	async handle(c: AppContext): Promise<Response> {
		const { pool, limit } = (await this.getValidatedData<typeof outcomesSchema>()).query;
		const { snapshot } = await readReady(c.env.DB, Date.now(), laterOf(c));
		const asked = snapshot.pools.filter(({ provider, name }) => pool === undefined || pool === `${provider}/${name}`);
		const told = await eachPool(asked, async ({ object, provider, name }) => ({
			...{ provider, instance: name },
			outcomes: await askPool(c.env, object, (one) => one.outcomes()),
		}));
		const hosts = new Map<string, PoolOutcomes["hosts"][number]>();
		for (const { outcomes } of told) for (const row of outcomes?.hosts ?? []) hosts.set(row.host, added(row, hosts.get(row.host)));
		const proxies = told.flatMap(({ outcomes, ...owner }) =>
			(outcomes?.proxies ?? []).map(({ address, ...row }) => ({ ip: address, ...owner, ...shownCounts(row) })),
		);
		return c.json({
			metadata: metadata(c),
			hosts: [...hosts.values()]
				.sort((a, b) => b.at - a.at)
				.slice(0, limit)
				.map(({ host, ...row }) => ({ host, ...shownCounts(row) })),
			proxies: proxies.sort((a, b) => a.success_rate - b.success_rate).slice(0, limit),
		});
	}
}

type CountsRow = Omit<PoolOutcomes["hosts"][number], "host">;

function added(a: PoolOutcomes["hosts"][number], b: PoolOutcomes["hosts"][number] | undefined): PoolOutcomes["hosts"][number] {
	if (b === undefined) return a;
	const sum = (field: keyof CountsRow) => a[field] + b[field];
	return {
		...{ host: a.host, cooling: sum("cooling"), ok: sum("ok"), banned: sum("banned"), captcha: sum("captcha"), error: sum("error") },
		...{ timeout: sum("timeout"), okMs: sum("okMs"), timed: sum("timed"), at: Math.max(a.at, b.at) },
	};
}

function shownCounts({ cooling, ok, banned, captcha, error, timeout, okMs, timed, at }: CountsRow) {
	const all = ok + banned + captcha + error + timeout;
	return {
		...{ cooling, ok, banned, captcha, error, timeout },
		success_rate: all === 0 ? 0 : Math.round((1_000 * ok) / all) / 1_000,
		mean_ms: timed === 0 ? null : Math.round(okMs / timed),
		last_reported: new Date(at).toISOString(),
	};
}
