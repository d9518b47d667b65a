import type { AgentConfig, Directives, HeartbeatBody } from "../agent/protocol.ts";
import type { EndpointConfiguration, Faults, StoredConfiguration } from "../config/configuration.ts";
import type { Command } from "./core/events.ts";
import type { InstanceIds } from "./core/instances.ts";
import type { Samples } from "./core/metrics.ts";
import type { RollingStatus } from "./core/rolling.ts";
import type { Id, LogEntry, Ms, PatchedRolling, Price, ProviderName, Run } from "./core/state.ts";

/** What the Worker asks of a pool's Durable Object. Errors are values: a class does not survive the call. */
export interface PoolRpc {
	/**
	 * Makes the pool, once; later calls with the same incarnation change nothing. The directory row must exist before. A pool of an
	 * endpoint brings its configuration, and begins paused.
	 */
	start(birth: PoolBirth, configuration?: StoredConfiguration): Promise<void>;
	/** The safety net: re-arms an alarm that is missing or overdue, and tells what a pool cannot know alone. Null: there is no pool here. */
	tick(facts: FleetFacts): Promise<PoolNames | null>;
	/** Carries an order out. Answers once the change can be read in D1, or after 3 s when D1 does not take it. */
	command(command: Command): Promise<CommandOutcome>;
	/** The configuration of its endpoint, its secrets masked; null where there is no pool. */
	configuration(): Promise<EndpointConfiguration | null>;
	/**
	 * Gives its endpoint another configuration, its secrets already encrypted for this pool; a mask keeps the secret that is stored.
	 * What is wrong with it is answered and nothing changed.
	 */
	reconfigure(configuration: StoredConfiguration): Promise<ConfigureOutcome>;
	/** Whether this is the endpoint's own key. */
	opens(key: string): Promise<boolean>;
	/** The keys under which something is kept with the endpoint; null where there is no pool. */
	metadataKeys(): Promise<readonly string[] | null>;
	/** What is kept under a key, as JSON, or null for nothing; undefined where there is no pool. */
	metadata(key: string): Promise<string | null | undefined>;
	/** Keeps JSON under a key; null forgets it. */
	setMetadata(key: string, json: string | null): Promise<MetadataOutcome>;
	/** How it stands, straight from the pool; null where there is none any more. */
	status(): Promise<PoolStatus | null>;
	/** The ids that the provider gave its VMs; null where there is no such pool any more. */
	instances(): Promise<InstanceIds | null>;
	/** What its proxies report and what was posted for them, as far as it is fresh; null where there is no such pool any more. */
	metrics(): Promise<Samples | null>;
	/** Every open session, by the client's `address:port`: the proxy's `address:port`. As the agents told last; null where there is no pool any more. */
	sessions(): Promise<Record<string, string> | null>;
	register(request: { token: string; key: string; address: string }): Promise<AgentAnswer>;
	heartbeat(request: { key: string; address: string; body: HeartbeatBody }): Promise<AgentAnswer>;
	/** The agent leaves: it is not listed until it registers again. `key` is its VM key. */
	unregister(request: { key: string; address: string }): Promise<AgentAnswer>;
	/** Whether this is the VM key of the pool's proxy at this address. Changes nothing. */
	proves(request: { key: string; address: string }): Promise<boolean>;
}

export interface PoolStatus {
	readonly run: Run;
	/** Proxies with open client connections at their last report. */
	readonly active: readonly string[];
	/** Open client connections, as its proxies reported them last. */
	readonly connections: number;
	/** Proxies whose agents have registered and are not on their way out. */
	readonly registered: readonly string[];
	readonly rolling: RollingStatus;
}

export interface PoolBirth {
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly deployment: Id;
	readonly incarnation: Ms;
	readonly source: "environment" | "api";
	readonly facts: FleetFacts;
}

/** Whose a pool is, as it knows it itself. */
export interface PoolNames {
	readonly provider: ProviderName;
}

export interface FleetFacts {
	/** The address that agents call (`/v1.1/url`, else `PUBLIC_URL`, else the remembered origin); null: not known yet. */
	readonly agentUrl: string | null;
	/** The rolling settings that an operator gave; null: the environment's hold. */
	readonly rolling: PatchedRolling | null;
	/** Proxies of the whole deployment: the heartbeat interval is stretched by it. */
	readonly proxies: number;
	/** What all pools have reserved of the deployment's budget, by currency; missing or null: nobody looked. */
	readonly leased?: Readonly<Record<string, number>> | null;
	/** Seconds between looks, by endpoint name, that managers' configurations name; `default` for those without one of their own. Missing: none do. */
	readonly intervals?: Readonly<Record<string, number>>;
}

export type ConfigureOutcome =
	| { readonly ok: true; readonly provider: ProviderName }
	| { readonly ok: false; readonly error: "notFound" | "conflict"; readonly say: string }
	| { readonly ok: false; readonly error: "invalid"; readonly faults: Faults };

export type MetadataOutcome = { readonly ok: true } | { readonly ok: false; readonly error: "notFound" | "full" };

export type CommandOutcome =
	| { readonly ok: true; readonly summary: PoolSummary; readonly ips: readonly string[] }
	| { readonly ok: false; readonly error: "notFound" | "conflict"; readonly say: string };

export type AgentAnswer = { readonly ok: true; readonly directives: Directives } | { readonly ok: false; readonly say: string };

export type { AgentConfig };

/** What is published of a pool as a whole (`pools.summary` in D1, as JSON). Holds no secret. */
export interface PoolSummary {
	readonly displayName: string;
	readonly run: Run;
	readonly min: number;
	readonly max: number;
	readonly target: number;
	/** It is empty while nobody uses it, and a client that finds no proxy has one started. */
	readonly wakes: boolean;
	/** Every non-secret setting of the provider, under its lower-case name (`region`, `size`, `image`, …). */
	readonly settings: Readonly<Record<string, string | number | boolean | null>>;
	/** The first whole inventory was read: before that the pool is starting. */
	readonly reconciled: boolean;
	/** VMs that may cost money, from their intents until they are known to be gone. */
	readonly billable: number;
	/** What these cost an hour; null: not known. (Missing in what an earlier version published.) */
	readonly cost?: Price | null;
	/** Why it is not known, as far as anybody said. */
	readonly unpriced?: string | null;
	/** Sentences; empty: nothing is wrong. A bad setting, a closed gate, an unknown agent URL, a VM that cannot be deleted, … */
	readonly problems: readonly string[];
	/** The provider cannot be reached or refuses us: `/health` is degraded. */
	readonly degraded: boolean;
	readonly strays: number;
	readonly foreign: { readonly pools: number; readonly deployments: number };
}

/** One version of what a pool shows in D1; `db/publish.ts` writes it as one transaction, only over an older (incarnation, version). */
export interface Publication {
	readonly object: string;
	readonly incarnation: Ms;
	readonly version: number;
	readonly now: Ms;
	readonly summary: PoolSummary;
	/** By version: username and password, for the proxies' URLs. */
	readonly credentials: Readonly<Record<string, readonly [username: string, password: string]>>;
	/** The ready list in parts of at most 1,000; only those that changed. `proxies` as compact tuples. */
	readonly parts: readonly { readonly part: number; readonly proxies: readonly ReadyEntry[] }[];
	/** Parts with this number or a higher one do not exist. */
	readonly partCount: number;
	/** Rows that changed. */
	readonly proxies: readonly ProxyRow[];
	/** Every id that exists: rows of this pool with another id are deleted. Null: use `gone` (nothing else can be there). */
	readonly existing: readonly Id[] | null;
	readonly gone: readonly Id[];
	readonly log: readonly LogEntry[];
}

/** A ready proxy: id, address, version of the credentials it accepts (0: none asked), and its port where it is not 8899. */
export type ReadyEntry = readonly [id: Id, address: string, credentials: number, port?: number];

export interface ProxyRow {
	readonly id: Id;
	readonly vm: string | null;
	readonly address: string | null;
	readonly phase: "launching" | "booting" | "ready" | "unready" | "draining" | "restarting" | "adopting" | "releasing" | "deleting";
	readonly credentials: number;
	readonly since: Ms;
	readonly createdAt: Ms;
	readonly why: string;
}
