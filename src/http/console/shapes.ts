import { z } from "zod";
import { INSTANCE, InstanceShape, METADATA, Metadata } from "../cloudproxy/shapes.ts";

// What the console is shown: one answer that has everything a view needs, so that a tab that is open costs one request a look.

const PHASES = ["launching", "adopting", "booting", "restarting", "ready", "unready", "draining", "releasing", "deleting"] as const;
const moment = z.iso.datetime();

const LOAD = { connections: 12, requests: 3.2, bytes: 48_000, errors: 0 };
const MOMENT = "2026-02-24T08:00:00.000Z";
const UNREADY = {
	id: "k3v9x0c2m8q1z7ta",
	address: null,
	phase: "booting" as const,
	since: MOMENT,
	why: "launched",
};
const POOL = {
	...INSTANCE,
	provider: "digitalocean",
	instance: "default",
	endpoint: "digitalocean-default",
	source: "environment" as const,
	status: "healthy" as const,
	state: "running" as const,
	since: MOMENT,
	ready: 2,
	wanted: 3,
	unready: [UNREADY],
	problems: [],
	usual_boot_seconds: 120,
	load: LOAD,
	vms: 3,
	outdated: 1,
};
const PROXY = {
	...UNREADY,
	vm: "400000007",
	region: "lon1",
	size: "s-1vcpu-512mb-10gb",
	created_at: MOMENT,
	url: null,
	load: { ...LOAD, cpu: 0.2 },
	price: { hourly: 0.00595, currency: "USD" },
	agent: "1.4.0",
	outcomes: { reported: 120, success_rate: 0.95, cooling: 1 },
};

/** What an agent reports of its proxy, and the sums of these over a pool. */
export const Load = z
	.object({
		connections: z.number().openapi({ description: "Open client connections." }),
		requests: z.number().openapi({ description: "Requests a second." }),
		bytes: z.number().openapi({ description: "Bytes a second, both ways." }),
		errors: z.number().openapi({ description: "Errors a second." }),
	})
	.openapi("Load", { example: LOAD });
export type Load = z.infer<typeof Load>;

export const ConsoleProxy = z
	.object({
		id: z.string(),
		vm: z.string().nullable().openapi({ description: "The cloud's id of its VM; null: not known yet." }),
		region: z.string().nullable(),
		size: z.string().nullable(),
		address: z.string().nullable(),
		phase: z.enum(PHASES),
		since: moment.openapi({ description: "When the phase began." }),
		created_at: moment,
		why: z.string().openapi({ description: "Why it is in this phase." }),
		url: z.string().nullable().openapi({ description: "What a client uses, credentials included; null: it has no address yet." }),
		load: Load.extend({ cpu: z.number().nullable() })
			.openapi("ProxyLoad", { example: PROXY.load })
			.nullable()
			.openapi({ description: "Null: nothing fresh was reported." }),
		price: z
			.object({ hourly: z.number(), currency: z.string() })
			.nullable()
			.openapi({ description: "What its VM costs; null: not known, or the pool was not asked." }),
		agent: z.string().nullable().openapi({ description: "Version of its agent; null: not known, or the pool was not asked." }),
		outcomes: z.object({ reported: z.number().int(), success_rate: z.number(), cooling: z.number().int() }).nullable().openapi({
			description: "How requests through it fared, as clients report, and for how many sites it cools down; null: nothing was reported.",
		}),
	})
	.openapi("ConsoleProxy", { example: PROXY });
export type ConsoleProxy = z.infer<typeof ConsoleProxy>;

const UnreadyProxy = ConsoleProxy.pick({ id: true, address: true, phase: true, since: true, why: true }).openapi("ConsoleUnreadyProxy", {
	example: UNREADY,
});
export type UnreadyProxy = z.infer<typeof UnreadyProxy>;

export const ConsolePool = InstanceShape.extend({
	provider: z.string(),
	instance: z.string(),
	endpoint: z.string().openapi({ description: "Its name below /v1.1/endpoints." }),
	source: z.enum(["environment", "api"]),
	status: z.enum(["healthy", "degraded", "paused", "stopped"]),
	since: moment.nullable().openapi({ description: "Since when it has as many ready as are wanted, or has not." }),
	ready: z.number().int(),
	wanted: z.number().int(),
	unready: z.array(UnreadyProxy).openapi({ description: "Those that are on their way in or out." }),
	problems: z.array(z.string()).openapi({ description: "A sentence each." }),
	usual_boot_seconds: z.number().openapi({ description: "What nineteen in twenty of its boots took, and two minutes at the least." }),
	vms: z.number().int().openapi({
		description: "VMs whose cost `cost` is: those that there are. `billed` has besides them those that are gone and whose hour was begun.",
	}),
	outdated: z.number().int().nullable().openapi({
		description: "Proxies whose agents are older than the one that new VMs get; null: not asked for, or the pool does not answer.",
	}),
	load: Load.nullable().openapi({ description: "Sums over its proxies; null: not asked for, or the pool does not answer." }),
}).openapi("ConsolePool", { example: POOL });
export type ConsolePool = z.infer<typeof ConsolePool>;

export const LogLine = z.object({ at: moment, severity: z.string(), text: z.string() }).openapi("ConsoleLogLine");

export const ConsoleState = z
	.object({
		metadata: Metadata,
		version: z.string().openapi({ description: "Of Muster." }),
		agent: z.string().openapi({ description: "Version of the agent that new VMs get." }),
		billed_requests: z.number().int().openapi({ description: "Requests, those to pools included, that this answer cost." }),
		status: z.enum(["healthy", "degraded", "paused", "stopped"]),
		problems: z.array(z.string()).openapi({ description: "Of the deployment as a whole." }),
		budget: z.array(z.object({ hourly: z.number(), currency: z.string().nullable() })).openapi({
			description: "What all VMs together may cost an hour; a null currency: in each; empty: whatever they cost.",
		}),
		billed: z.number().int().openapi({ description: "VMs that may cost money." }),
		pools: z.array(ConsolePool),
		selected: z
			.object({ provider: z.string(), instance: z.string(), proxies: z.array(ConsoleProxy), log: z.array(LogLine) })
			.nullable()
			.openapi({ description: "The pool that was asked for; null: none was, or there is none." }),
	})
	.openapi("ConsoleState", {
		example: {
			metadata: METADATA,
			version: "1.0.0",
			agent: "1.4.0",
			billed_requests: 2,
			status: "healthy",
			problems: [],
			budget: [{ hourly: 0.5, currency: null }],
			billed: 3,
			pools: [POOL],
			selected: {
				provider: "digitalocean",
				instance: "default",
				proxies: [PROXY],
				log: [{ at: MOMENT, severity: "INFO", text: "target changed 2 => 3" }],
			},
		},
	});
export type ConsoleState = z.infer<typeof ConsoleState>;
