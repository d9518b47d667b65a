import type { AgentConfig, Directives, HeartbeatBody } from "../agent/protocol.ts";
import type { Seen } from "../core/facts/listing.ts";
import type { Foreseen } from "../core/foresee.ts";
import type { OutcomesOfHour, OutcomeTotals } from "../core/model/bans.ts";
import type { Causes } from "../core/model/causes.ts";
import type { Command } from "../core/model/command.ts";
import type { InstanceIds } from "../core/model/instances.ts";
import type { LeaseShown, LeaseWishes } from "../core/model/leases.ts";
import type { Meters } from "../core/model/meters.ts";
import type { Samples } from "../core/model/metrics.ts";
import type { PoolSummary } from "../core/model/published.ts";
import type { RollingStatus } from "../core/model/rolling.ts";
import type { Sample } from "../core/model/samples.ts";
import type { Id, Ms, PatchedRolling, Price, ProviderName, Run, Verdict } from "../core/model/state.ts";
import type { AccountCheck } from "../providers/base/check.ts";
import type { EndpointConfiguration, Faults, StoredConfiguration } from "../settings/configuration.ts";
import type { StoredCredentials } from "../settings/ordered-credentials.ts";

/** What the Worker asks of a pool's Durable Object. Errors are values: a class does not survive the call. */
export interface PoolRpc {
	/**
	 * Makes the pool, once; later calls with the same incarnation change nothing. The directory row must exist before. A pool of an
	 * endpoint brings its configuration, and begins paused.
	 */
	start(initial: InitialPool, configuration?: StoredConfiguration): Promise<void>;
	/**
	 * The safety net: re-arms an alarm that is missing or overdue, and tells what a pool cannot know alone. `seen`: its row in the directory, where
	 * cron has looked; `since`: the samples after this instant (Unix seconds) are told. Null: there is no pool here.
	 */
	tick(facts: FleetFacts, seen?: Seen, since?: number): Promise<PoolNames | null>;
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
	/** What it would do now, and why; null where there is none any more. Changes nothing. */
	foresee(): Promise<Foreseen | null>;
	/** Lists its account's VMs, and tells what the cloud answered; null where there is no pool any more, or it has no cloud. Changes nothing. */
	check(): Promise<AccountCheck | null>;
	/** The ids that the provider gave its VMs; null where there is no such pool any more. */
	instances(): Promise<Instances | null>;
	/** What its proxies report and what was posted for them, as far as it is fresh; null where there is no such pool any more. */
	metrics(): Promise<Samples | null>;
	/** What its proxies report, and what else of each is not published; null where there is no pool any more. */
	details(): Promise<PoolDetails | null>;
	/** Every open session, by the client's `address:port`: the proxy's `address:port`. As the agents told last; null where there is no pool any more. */
	sessions(): Promise<Record<string, string> | null>;
	/** What clients have reported, by site and by proxy; null where there is no pool any more. */
	outcomes(): Promise<PoolOutcomes | null>;
	/** Leases proxies: one for each of these new ids, as far as there are any. Answers once they have left the list in D1. May be repeated. */
	lease(request: LeaseRequest): Promise<LeaseOutcome>;
	/** Every lease, with the proxy that it names; null where there is no pool any more. */
	leases(): Promise<readonly LeaseShown[] | null>;
	/** Fetches our own `/probe` page through its proxy at this address, as a client would; null where it has none there. Changes nothing. */
	fetchThrough(address: string): Promise<Fetched | null>;
	/** `agent`: its version. */
	register(request: { token: string; key: string; address: string; agent?: string }): Promise<AgentAnswer>;
	heartbeat(request: { key: string; address: string; body: HeartbeatBody }): Promise<AgentAnswer>;
	/** The agent leaves: it is not listed until it registers again. `key` is its VM key. */
	unregister(request: { key: string; address: string }): Promise<AgentAnswer>;
	/** Whether this is the VM key of the pool's proxy at this address. Changes nothing. */
	proves(request: { key: string; address: string }): Promise<boolean>;
}

export interface PoolDetails {
	readonly samples: Samples;
	readonly proxies: Readonly<Record<Id, ProxyDetails>>;
}

export interface ProxyDetails {
	/** Version of its agent; empty: not known. */
	readonly agent: string;
	/** What its VM costs; null: not known. */
	readonly price: Price | null;
	/** What clients reported of it, and for how many sites it cools down; null: nothing. */
	readonly outcomes: ({ readonly cooling: number } & OutcomeTotals) | null;
}

export interface LeaseRequest {
	readonly ids: readonly Id[];
	readonly seconds: number;
	readonly wishes: LeaseWishes;
}

export type LeaseOutcome =
	| { readonly ok: true; readonly leases: readonly LeaseShown[] }
	| { readonly ok: false; readonly error: "notFound" | "conflict"; readonly message: string };

/** `cooling`: proxies that cool down for the site, or sites that the proxy cools down for. `timed`: of how many `ok` it was said how long they took. */
export interface PoolOutcomes {
	readonly hosts: readonly ({ readonly host: string; readonly cooling: number } & OutcomeTotals)[];
	readonly proxies: readonly ({ readonly address: string; readonly cooling: number } & OutcomeTotals)[];
}

/** The header in which our `/probe` tells from where it was called. */
export const EXIT_HEADER = "X-Client-Address";

/** What came of a page that was fetched through a proxy. */
export interface Fetched {
	readonly verdict: Verdict["is"];
	/** From the connection's start to the answer's end. */
	readonly ms: number;
	/** The address that we were called from; null: it was not seen. */
	readonly exit: string | null;
}

export interface Instances extends InstanceIds {
	/** Where each is, by its provider's id. */
	readonly places: Readonly<Record<string, Whereabouts>>;
}

/** Where a VM is, as far as is known. `country`: ISO 3166-1 alpha-2, in lower case. */
export interface Whereabouts {
	readonly region: string | null;
	readonly size: string | null;
	readonly country: string | null;
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

export interface InitialPool {
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
	/** The id of the deployment that made it. */
	readonly deployment?: Id;
	/** It is being emptied and then forgotten. */
	readonly isRemoved?: boolean;
	/** How it fares; missing where nobody asked. */
	readonly told?: Told;
	/** The order of the proxies' credentials that it goes by, where it was told of an earlier one, or of none: D1 has lost it. */
	readonly credentials?: StoredCredentials;
}

/** How a pool fares, as cron collects it. */
export interface Told {
	/** `provider/name`. */
	readonly pool: string;
	/** Of its costs; empty: no price is known. */
	readonly currency: string;
	readonly meters: Meters;
	/** What operators are alerted to. */
	readonly causes: Causes;
	/** In order of time. */
	readonly samples: readonly Sample[];
	/** How requests fared by site and by proxy, where it is time to write the history; missing otherwise. */
	readonly hours?: readonly OutcomesOfHour[];
}

export interface FleetFacts {
	/** The address that agents call (`/v1.1/url`, else `PUBLIC_URL`, else the remembered origin); null: not known yet. */
	readonly agentUrl: string | null;
	/** The rolling settings that an operator gave; null: the environment's hold. */
	readonly rolling: PatchedRolling | null;
	/** What an operator ordered that proxies ask for; null: nothing ever. Missing: nobody looked. */
	readonly credentials?: StoredCredentials | null;
	/** Proxies of the whole deployment: the heartbeat interval is stretched by it. */
	readonly proxies: number;
	/** What all pools have reserved of the deployment's budget, by currency; missing or null: nobody looked. */
	readonly allotted?: Readonly<Record<string, number>> | null;
	/** Every id that the deployment ever had; missing: nobody looked. */
	readonly deployments?: readonly Id[];
	/** Seconds between looks, by endpoint name, that managers' configurations name; `default` for those without one of their own. Missing: none do. */
	readonly intervals?: Readonly<Record<string, number>>;
}

export type ConfigureOutcome =
	| { readonly ok: true; readonly provider: ProviderName }
	| { readonly ok: false; readonly error: "notFound" | "conflict"; readonly message: string }
	| { readonly ok: false; readonly error: "invalid"; readonly faults: Faults };

export type MetadataOutcome = { readonly ok: true } | { readonly ok: false; readonly error: "notFound" | "full" };

export type CommandOutcome =
	| { readonly ok: true; readonly summary: PoolSummary; readonly addresses: readonly string[] }
	| { readonly ok: false; readonly error: "notFound" | "conflict"; readonly message: string };

export type AgentAnswer = { readonly ok: true; readonly directives: Directives } | { readonly ok: false; readonly message: string };

export type { AccountCheck, AgentConfig };
