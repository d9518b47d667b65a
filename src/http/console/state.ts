import { z } from "zod";
import manifest from "../../../package.json" with { type: "json" };
import { AGENT_VERSION } from "../../agent/protocol.ts";
import type { Samples } from "../../core/model/metrics.ts";
import { listPools } from "../../d1/directory.ts";
import { readLog } from "../../d1/logs.ts";
import { eachPool } from "../../fleet/fleet.ts";
import { listProxiesOf, listUnready, type ShownProxy } from "../../read-model/proxies.ts";
import { homeOf, type PublishedPool, placeOfKey } from "../../read-model/snapshot.ts";
import type { PoolDetails, ProxyDetails } from "../../rpc/pool.ts";
import { PoolUnreachable, tryPool } from "../../rpc/reach.ts";
import type { Config } from "../../settings/environment.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { healthNow } from "../cloudproxy/health.ts";
import type { Health } from "../cloudproxy/health-judged.ts";
import { type Instance, instancesOf } from "../cloudproxy/instances.ts";
import { readSources } from "../cloudproxy/providers.ts";
import { publishedProxy } from "../cloudproxy/proxies.ts";
import { ADMIN_FAULTS, faults, json } from "../cloudproxy/shapes.ts";
import { type ConsolePool, type ConsoleProxy, ConsoleState, type Load, type UnreadyProxy } from "./shapes.ts";

/** Of a fleet in trouble; a bar shows as many at the most, and a pool's own view has all. */
const MOST_UNREADY = 1_000;
const MOST_LOG_LINES = 200;
const NO_BOOT_KNOWN_MS = 120_000;

const schema = {
	operationId: "getConsoleState",
	tags: ["Console"],
	summary: "Read everything that a view of the console shows",
	description:
		"Of all pools, and of one of them its proxies and its log. Reads D1 alone, at a row for each pool and each proxy, unless the load is asked for, which each pool is asked for by itself: `billed_requests` says what that came to.",
	request: {
		query: z.object({
			pool: z
				.string()
				.regex(/^[^/]+\/[^/]+$/, { error: "must be a provider and an instance, as in digitalocean/default" })
				.optional()
				.openapi({ description: "The pool whose proxies are wanted.", example: "digitalocean/default" }),
			load: z
				.enum(["all", "pool"], { error: "must be all or pool" })
				.optional()
				.openapi({ description: "Whose load is wanted: that of all pools, or of the pool that is named.", example: "pool" }),
		}),
	},
	responses: { 200: json("What there is.", ConsoleState), ...faults(422), ...ADMIN_FAULTS },
};

/** `GET /ui/state` */
export class GetConsoleState extends Operation {
	override schema = schema;

	async handle(c: AppContext): Promise<Response> {
		const { pool, load } = (await this.getValidatedData<typeof schema>()).query;
		const [now, config] = [Date.now(), c.get("config")];
		const [sources, directory, unready, health] = await Promise.all([
			readSources(c),
			listPools(c.env.DB),
			listUnready(c.env.DB, MOST_UNREADY),
			healthNow(c.env, config, now),
		]);
		const published = sources.snapshot.pools;
		const asked = published.find(({ provider, name }) => `${provider}/${name}` === pool);
		const measured = load === "all" ? published : load === "pool" && asked ? [asked] : [];
		const [details, proxies, log] = await Promise.all([
			detailsOf(c, measured),
			asked ? listProxiesOf(c.env.DB, asked.object) : [],
			asked ? readLog(c.env.DB, asked.object, 0, MOST_LOG_LINES) : [],
		]);
		const unreadyOf = Map.groupBy(unready, ({ object }) => object);
		const pools = published.map((one) =>
			poolOf(one, instancesOf(one.provider, sources).get(one.name), health, unreadyOf.get(one.object) ?? [], details.get(one.object)),
		);
		const answer: ConsoleState = {
			metadata: metadata(c),
			version: manifest.version,
			agent: AGENT_VERSION,
			billed_requests: 1 + measured.length,
			status: health.status,
			problems: [
				...(health.checks.configuration ?? []),
				...(health.checks.database === undefined ? [] : [health.checks.database]),
				...Object.entries(health.removing).flatMap(([name, { problems }]) =>
					problems.map((problem) => `${name}, which is deleted: ${problem}`),
				),
			],
			budget: budgetOf(config.global.maxHourlyCost),
			billed: directory.reduce((sum, { billable }) => sum + billable, 0),
			pools,
			selected: asked
				? {
						provider: asked.provider,
						instance: asked.name,
						proxies: proxies.map((proxy) => proxyOf(asked, proxy, details.get(asked.object))),
						log: log.map(({ at, severity, text }) => ({ at: time(at), severity, text })),
					}
				: null,
		};
		return c.json(answer);
	}
}

function poolOf(
	pool: PublishedPool,
	instance: Instance | undefined,
	{ checks, called }: Health,
	unready: readonly ShownProxy[],
	details: PoolDetails | undefined,
): ConsolePool {
	const { provider, name, source, readyCount, summary } = pool;
	const endpoint = called(pool);
	const own = checks.pools?.[endpoint];
	return {
		...(instance as ConsolePool),
		ips: [],
		provider,
		instance: name,
		endpoint,
		source,
		status: own?.status ?? "healthy",
		state: own?.state ?? "starting",
		since: own?.since ?? null,
		ready: readyCount,
		wanted: own?.wanted ?? 0,
		unready: unready.map(unreadyProxy),
		problems: [...(own?.problems ?? [])],
		usual_boot_seconds: Math.round((summary?.usualBootMs ?? NO_BOOT_KNOWN_MS) / 1_000),
		vms: summary?.billable ?? 0,
		outdated: details === undefined ? null : outdatedOf(details),
		load: details === undefined ? null : sumOf(details.samples),
	};
}

function unreadyProxy({ id, address, phase, since, why }: ShownProxy): UnreadyProxy {
	return { id, address, phase, since: time(since), why };
}

function proxyOf(pool: PublishedPool, shown: ShownProxy, details: PoolDetails | undefined): ConsoleProxy {
	const { id, vm, address, phase, since, createdAt, why, credentials, place } = shown;
	const { region, size } = placeOfKey(place) ?? homeOf(pool.summary);
	const sample = address === null ? undefined : details?.samples.byAddress[address];
	const own = details?.proxies[id];
	const of = (metric: string) => sample?.[metric]?.[1];
	const { provider, name, summary } = pool;
	const client = { provider, name, summary, credentials: pool.credentials, credentialsVersion: credentials };
	return {
		id,
		vm,
		region,
		size,
		address,
		phase,
		since: time(since),
		created_at: time(createdAt),
		why,
		url: address === null ? null : publishedProxy({ ...client, id, address, place }).url,
		load:
			sample === undefined
				? null
				: {
						connections: of("active") ?? 0,
						requests: of("requests") ?? 0,
						bytes: of("bytes") ?? 0,
						errors: of("errors") ?? 0,
						cpu: of("cpu") ?? null,
					},
		price: own?.price ? { hourly: own.price.hourly, currency: own.price.currency } : null,
		agent: own?.agent || null,
		outcomes: own?.outcomes ? faredOf(own.outcomes) : null,
	};
}

function faredOf({ cooling, ok, banned, captcha, error, timeout }: NonNullable<ProxyDetails["outcomes"]>): ConsoleProxy["outcomes"] {
	const reported = ok + banned + captcha + error + timeout;
	return { reported, success_rate: reported === 0 ? 0 : Math.round((1_000 * ok) / reported) / 1_000, cooling };
}

/** Agents that said which version they are, and it is not the one that new VMs get. */
function outdatedOf({ proxies }: PoolDetails): number {
	return Object.values(proxies).filter(({ agent }) => agent !== "" && agent !== AGENT_VERSION).length;
}

function sumOf({ byAddress }: Samples): Load {
	const all = Object.values(byAddress);
	const sum = (metric: string) => all.reduce((total, sample) => total + (sample[metric]?.[1] ?? 0), 0);
	return { connections: sum("active"), requests: sum("requests"), bytes: sum("bytes"), errors: sum("errors") };
}

/** What each pool tells of its proxies, by its object; those that do not answer are left out. */
async function detailsOf(c: AppContext, pools: readonly PublishedPool[]): Promise<ReadonlyMap<string, PoolDetails>> {
	const answers = await eachPool(pools, async ({ object }) => {
		const details = await tryPool(c.env, object, (pool) => pool.details());
		return details === null || details instanceof PoolUnreachable ? null : ([object, details] as const);
	});
	return new Map(answers.filter((answer) => answer !== null));
}

/** A number holds in each currency. */
function budgetOf(bounds: Config["global"]["maxHourlyCost"]): ConsoleState["budget"] {
	return typeof bounds === "number"
		? [{ hourly: bounds, currency: null }]
		: Object.entries(bounds ?? {}).map(([currency, hourly]) => ({ hourly, currency }));
}

function time(at: number): string {
	return new Date(at).toISOString();
}
