import { accepts } from "hono/accepts";
import { z } from "zod";
import manifest from "../../../package.json" with { type: "json" };
import { type Meters, PHASES } from "../../core/model/meters.ts";
import type { Budget } from "../../core/model/state.ts";
import { BOOT_BUCKETS_SECONDS, END_REASONS, MICRO } from "../../core/model/tally.ts";
import { type Records, readRecords } from "../../d1/history.ts";
import { exposition, type Family, FORMATS, type Format, type Sample } from "../../values/exposition.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { ADMIN_FAULTS } from "../cloudproxy/shapes.ts";

const OPEN_TYPE = "application/openmetrics-text";
const EXAMPLE =
	'# HELP muster_proxies Proxies by phase.\n# TYPE muster_proxies gauge\nmuster_proxies{provider="digitalocean",pool="default",phase="ready"} 2\n';
const schema = {
	operationId: "getMetrics",
	tags: ["Monitoring"],
	summary: "Read the numbers of all pools, for Prometheus",
	description:
		"In Prometheus's text format 0.0.4, or as OpenMetrics 1.0 where `Accept` prefers that. As cron collected them, once a minute: a scrape reads one row, however large the fleet. See docs/monitoring.",
	responses: {
		200: {
			description: "All series.",
			content: {
				"text/plain": { schema: z.string(), example: EXAMPLE },
				[OPEN_TYPE]: { schema: z.string(), example: `${EXAMPLE}# EOF\n` },
			},
		},
		...ADMIN_FAULTS,
	},
};

/** `GET /metrics` */
export class GetMetrics extends Operation {
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const records = await readRecords(c.env.DB);
		const format: Format =
			accepts(c, { header: "Accept", supports: [OPEN_TYPE, "text/plain"], default: "text/plain" }) === OPEN_TYPE ? "openmetrics" : "text";
		const body = exposition(familiesOf(records, c.get("config").global.maxHourlyCost), format);
		c.header("Content-Type", FORMATS[format]);
		c.header("Vary", "Accept");
		return c.body(body);
	}
}

interface Pool {
	readonly labels: { readonly provider: string; readonly pool: string };
	readonly at: number;
	readonly meters: Meters;
}

/** Every series, each once. A pool that was told of twice under one name (it was made anew, and the old one is emptied) is the newer. */
export function familiesOf(records: Records, budget: Budget | null): readonly Family[] {
	const newest = new Map<string, Pool>();
	for (const { pool, at, meters } of Object.values(records)) {
		const known = newest.get(pool);
		if (known !== undefined && known.at >= at && known.meters.billed >= meters.billed) continue;
		const [provider = "", name = ""] = [pool.slice(0, pool.indexOf("/")), pool.slice(pool.indexOf("/") + 1)];
		newest.set(pool, { labels: { provider, pool: name }, at, meters });
	}
	const pools = [...newest].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pool]) => pool);
	const each = (read: (pool: Pool) => number | null): Sample[] =>
		pools.flatMap((pool) => {
			const value = read(pool);
			return value === null ? [] : [{ labels: pool.labels, value }];
		});
	const by = (label: string, read: (pool: Pool) => Readonly<Record<string, number | undefined>>): Sample[] =>
		pools.flatMap((pool) => Object.entries(read(pool)).map(([key, value = 0]) => ({ labels: { ...pool.labels, [label]: key }, value })));
	const currencies = new Set(pools.flatMap(({ meters }) => meters.cost?.currency ?? []));
	return [
		{
			name: "muster_build",
			type: "info",
			help: "The version that answers.",
			samples: [{ labels: { version: manifest.version }, value: 1 }],
		},
		{
			name: "muster_pool_collected_timestamp_seconds",
			type: "gauge",
			help: "When the pool's numbers were collected.",
			samples: each(({ at }) => at / 1000),
		},
		{
			name: "muster_pool_healthy",
			type: "gauge",
			help: "Whether nothing is wrong with the pool: 1, or 0 where /health calls it degraded.",
			samples: each(({ meters }) => Number(meters.isHealthy)),
		},
		{
			name: "muster_pool_running",
			type: "gauge",
			help: "Whether the pool runs: 0 where it is paused, stopped or being removed.",
			samples: each(({ meters }) => Number(!meters.isPaused)),
		},
		{
			name: "muster_proxies",
			type: "gauge",
			help: "Proxies by phase.",
			samples: by("phase", ({ meters }) => Object.fromEntries(PHASES.map((phase) => [phase, meters.phases[phase]]))),
		},
		{
			name: "muster_proxies_desired",
			type: "gauge",
			help: "Proxies that the pool is to have ready.",
			samples: each(({ meters }) => meters.wanted),
		},
		{ name: "muster_vms_billed", type: "gauge", help: "VMs that may be billed.", samples: each(({ meters }) => meters.billed) },
		{ name: "muster_connections", type: "gauge", help: "Open client connections.", samples: each(({ meters }) => meters.connections) },
		{
			name: "muster_cost_per_hour",
			type: "gauge",
			help: "What the pool's VMs cost an hour, in units of the currency; missing where no price is known.",
			samples: pools.flatMap(({ labels, meters: { cost } }) =>
				cost === null ? [] : [{ labels: { ...labels, currency: cost.currency }, value: cost.hourly }],
			),
		},
		{
			name: "muster_pool_budget_per_hour",
			type: "gauge",
			help: "What the pool's VMs may cost an hour; missing where there is no bound.",
			samples: pools.flatMap(({ labels, meters: { cost, maxHourlyCost } }) =>
				cost === null || maxHourlyCost === null ? [] : [{ labels: { ...labels, currency: cost.currency }, value: maxHourlyCost }],
			),
		},
		{
			name: "muster_budget_per_hour",
			type: "gauge",
			help: "What all VMs of the deployment may cost an hour; missing where there is no bound.",
			samples:
				budget === null
					? []
					: typeof budget === "number"
						? [...currencies].sort().map((currency) => ({ labels: { currency }, value: budget }))
						: Object.entries(budget).map(([currency, value]) => ({ labels: { currency }, value })),
		},
		{
			name: "muster_cost",
			type: "counter",
			help: "What all VMs that the pool ever had have cost.",
			samples: by("currency", ({ meters }) => scaled(meters.counters.spent)),
		},
		{
			name: "muster_vm_creates",
			type: "counter",
			help: "Creates of VMs by what became of them.",
			samples: by("outcome", ({ meters }) => ({ created: 0, refused: 0, lost: 0, ...meters.counters.creates })),
		},
		{
			name: "muster_vm_deletes",
			type: "counter",
			help: "VMs that are gone, by why.",
			samples: by("reason", ({ meters }) => ({
				...Object.fromEntries(END_REASONS.filter((reason) => reason !== "released").map((reason) => [reason, 0])),
				...meters.counters.deletes,
			})),
		},
		{
			name: "muster_provider_calls",
			type: "counter",
			help: "Calls to the cloud by the status of the answer; lost where there was none.",
			samples: by("code", ({ meters }) => meters.counters.providerCalls),
		},
		{
			name: "muster_agent_bytes",
			type: "counter",
			help: "Bytes through proxies: in from clients, out to them.",
			samples: by("direction", ({ meters: { counters } }) => ({ in: counters.traffic.bytesIn, out: counters.traffic.bytesOut })),
		},
		{
			name: "muster_agent_requests",
			type: "counter",
			help: "Requests and tunnels through proxies.",
			samples: each(({ meters }) => meters.counters.traffic.requests),
		},
		{
			name: "muster_agent_errors",
			type: "counter",
			help: "Requests through proxies that came to nothing.",
			samples: each(({ meters }) => meters.counters.traffic.errors),
		},
		{
			name: "muster_agent_connections",
			type: "counter",
			help: "Client connections that were opened.",
			samples: each(({ meters }) => meters.counters.traffic.opened),
		},
		{
			name: "muster_boot_seconds",
			type: "histogram",
			help: "From a VM's create until it first was ready.",
			spreads: pools.map(({ labels, meters: { counters } }) => ({
				labels,
				bounds: BOOT_BUCKETS_SECONDS,
				counts: counters.boots.counts,
				sum: counters.boots.sumMs / 1000,
			})),
		},
	];
}

function scaled(micro: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
	return Object.fromEntries(Object.entries(micro).map(([currency, amount]) => [currency, amount / MICRO]));
}
