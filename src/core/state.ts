/**
 * The stored facts of one pool. Everything that the pool does is derived from these by `plan`;
 * nothing here is an instruction. Values are replaced, never mutated: the shell writes the rows
 * whose object changed and no others.
 */

/** An instant (milliseconds since the Unix epoch) or a duration in milliseconds. */
export type Ms = number;
/** An intent's id, minted when the intent is stored. The VM's name is `muster-<deployment>-<id>`. */
export type Id = string;

/** A cloud's name, as the registry of drivers has it (`providers/index.ts`): it means nothing to the core. */
export type CloudName = string;
/** `static`: no cloud at all. Such a pool lists and creates nothing; it has backends that others run, or none. */
export type ProviderName = CloudName | "static";

/** By name: how much the value weighs in an average, and the value. */
export type Metrics = Readonly<Record<string, readonly [weight: number, value: number]>>;

/** Where a proxy stands in its life (design: launching → booting → ready ⇄ unready → draining → deleting → gone). */
export type Phase =
	/** `sentAt` null: no create was ever sent. Otherwise it was sent, and what came of it is not known yet. */
	| { readonly at: "launching"; readonly sentAt: Ms | null }
	| { readonly at: "booting"; readonly vm: string }
	| { readonly at: "ready"; readonly vm: string }
	| { readonly at: "unready"; readonly vm: string }
	/** `hiddenAt`: when a ready list without it was published; null while none was. `spare`: it only was one too many, and may come back. */
	| { readonly at: "draining"; readonly vm: string; readonly until: Ms; readonly hiddenAt: Ms | null; readonly spare: boolean }
	/** Clouds that restart in two calls resume at `step`; the others only know `off`. */
	| { readonly at: "restarting"; readonly vm: string; readonly step: "off" | "on" }
	/** A VM that others made gets our tags; `sentAt` null: no call went out yet. */
	| { readonly at: "adopting"; readonly vm: string; readonly sentAt: Ms | null }
	/** Our tags come off, then it is forgotten and runs on. Never back from here, and never deleted. */
	| { readonly at: "releasing"; readonly vm: string }
	/** `vm` null: a create was sent and its VM never seen; it is looked for until the consistency window closes. */
	| { readonly at: "deleting"; readonly vm: string | null; readonly acceptedAt: Ms | null };

/** A registration that came before the VM's address was known: believed once the inventory shows that address. */
export interface Claim {
	readonly address: string;
	readonly keyHash: string;
	readonly at: Ms;
}

/** One proxy: one VM running the agent, from its intent until its VM is known to be gone. */
export interface Proxy {
	readonly id: Id;
	readonly phase: Phase;
	/** When the phase began. */
	readonly since: Ms;
	/** Its VM was made by others and associated by an operator. */
	readonly isAdopted: boolean;
	/** When its create was sent; until then, when the intent was stored. */
	readonly createdAt: Ms;
	/** Why it is in this phase, as an operator would say it. */
	readonly why: string;
	readonly address: string | null;
	/** Its agent registered since its last boot that we know of. */
	readonly registered: boolean;
	/** It was ready at least once. */
	readonly wasReady: boolean;
	/** SHA-256 (hex) of the boot token; null until the create is sent. */
	readonly tokenHash: string | null;
	/** SHA-256 (hex) of the key that the agent minted; null until it registered. */
	readonly keyHash: string | null;
	readonly claim: Claim | null;
	/** Version of the proxy credentials that its agent has acknowledged. */
	readonly credentials: number;
	/** Fingerprint of the account's settings that it was launched with, which its price goes by; empty until its create is sent. */
	readonly account: string;
	/** When its provider first listed it as switched off, null while it does not. */
	readonly offSince: Ms | null;
	/** When something last hinted that its VM may be gone; a `find` is due. Cleared by any sighting. */
	readonly suspectAt: Ms | null;
	/** When a `find` last said "not found". Cleared by any sighting. */
	readonly absentAt: Ms | null;
	/** Calls about this proxy that failed in a row, and when the next may go out. */
	readonly tries: number;
	readonly retryAt: Ms;
	/** Probes that failed in a row. */
	readonly failedProbes: number;
	/** Posted for its address, beside what its agent reports; the newest names first. They count until others take their place. */
	readonly posted: Metrics;
}

/** What liveness and demand rest on. One row holds those of all proxies, written lazily: it lags, and a gap in it proves nothing. */
export interface Vitals {
	/** Last heartbeat or registration. */
	readonly heardAt: Ms;
	/** Last time an inventory call showed its VM. */
	readonly seenAt: Ms;
	/** Last probe, whatever its outcome. */
	readonly probedAt: Ms;
	/** Open client connections at the last report. */
	readonly active: number;
	/** When `active` was reported. */
	readonly reportedAt: Ms;
	readonly metrics: Readonly<Record<string, number>>;
	/** When `metrics` were reported: at its last heartbeat. */
	readonly metricsAt: Ms;
}

/** A back-off, stored. Closed while `until` is in the future. */
export interface Gate {
	readonly until: Ms;
	readonly failures: number;
	readonly why: string;
}

/** Proxy credentials; `version` grows by one at each change. An empty user name: from this version on none are asked for. */
export interface Credentials {
	readonly version: number;
	readonly username: string;
	readonly password: string;
}

/** Rolling replacement: at most `batchSize` in flight, never fewer than `minAvailable` ready. Disabled: all at once. */
export interface Rolling {
	readonly enabled: boolean;
	readonly minAvailable: number;
	readonly batchSize: number;
}

/** Rolling settings that an operator gave, and those of the environment at that time: they are void once these change. */
export interface PatchedRolling extends Rolling {
	readonly environment: Rolling;
}

/** How a static backend was found: probes that failed in a row, and since when it is up, or down. */
export interface StaticHealth {
	readonly isUp: boolean;
	readonly failures: number;
	readonly since: Ms;
}

/** The pool's settings as the core needs them. */
export interface Spec {
	readonly min: number;
	readonly max: number;
	readonly intervalSeconds: number;
	/** Consistency window of the provider (`unknown_timeout`). */
	readonly unknownTimeoutSeconds: number;
	/** Boot limit, and how long a proxy that was ready may be silent before it is replaced (`unregistered_timeout`). */
	readonly unregisteredTimeoutSeconds: number;
	/** Longest drain (`decommissioned_timeout`). */
	readonly decommissionedTimeoutSeconds: number;
	/** 0: no limit. */
	readonly ageLimitSeconds: number;
	/** How proxies that reach the age limit are replaced. */
	readonly rolling: Rolling;
	/** False where a firewall admits only the operator's addresses: then registration and heartbeats decide. */
	readonly canProbe: boolean;
	/** The provider restarts in two calls, off and on. */
	readonly twoStepRestart: boolean;
	/** The provider bills a VM by started units of so many seconds; 0: by what it took. */
	readonly billedSeconds: number;
	/** What the pool's VMs may cost an hour, in the currency of its cloud; null: whatever they cost. */
	readonly maxHourlyCost: number | null;
	/** The provider makes a VM in several calls, and can go on with one that was never switched on. */
	readonly finishesCreate: boolean;
	/** See rules.ts. None: the pool keeps `min` proxies. */
	readonly rules: readonly string[];
	/** How many proxies rules may add, and take away, in one interval. */
	readonly rampLimit: number;
	/** Scaling in waits until nothing asked for more during so many seconds. */
	readonly scaleInWindowSeconds: number;
	/** Name of the endpoint whose metrics stand for the pool's own; null: none. */
	readonly metricsSource: string | null;
	/** Proxies that others run: handed out while they answer, never created or deleted. */
	readonly statics: readonly StaticBackend[];
}

/** A proxy that Muster did not make. `address` is canonical, IPv4 or IPv6. */
export interface StaticBackend {
	readonly address: string;
	readonly port: number;
}

/** Running scales; paused neither launches nor scales in; stopped goes to 0; removing goes to 0 and is then forgotten. */
export type Run = "running" | "paused" | "stopped" | "removing";

export type Severity = "INFO" | "WARNING" | "ERROR";
export interface LogEntry {
	/** Unique within the pool, growing. */
	readonly seq: number;
	readonly at: Ms;
	readonly severity: Severity;
	readonly text: string;
}

/** A failure that repeats: one entry of the log, whose count is renewed now and then. */
export interface Repeat {
	readonly severity: Severity;
	readonly text: string;
	/** Its entry. */
	readonly seq: number;
	readonly count: number;
	readonly firstAt: Ms;
	/** When its entry was last written. */
	readonly writtenAt: Ms;
}

/** A proxy that failed, kept for the operator. */
export interface Failed {
	readonly id: Id;
	readonly vm: string | null;
	readonly address: string | null;
	readonly at: Ms;
	readonly why: string;
}

export interface State {
	readonly pool: {
		/** The Durable Object's id, in hex. */
		readonly object: string;
		readonly provider: ProviderName;
		readonly name: string;
		readonly deployment: Id;
		/** When this pool was made: leads every published version, so that a pool made anew under a name is another. */
		readonly incarnation: Ms;
		/** Tells this incarnation's VMs from those of every other pool; part of their tags. */
		readonly tag: string;
	};
	readonly spec: Spec;
	readonly run: Run;
	/** Why the pool neither launches nor deletes (a bad setting), or null. */
	readonly suspended: string | null;
	/** The bounds that the environment named last; a PATCHed bound wins until these change. Null: not from the environment. */
	readonly environment: { readonly min: number; readonly max: number } | null;
	/** The deployment's rolling settings where an operator gave some; null: those of the environment hold. */
	readonly patchedRolling: PatchedRolling | null;
	/** The address that agents call; nothing is launched while it is null. */
	readonly agentUrl: string | null;
	/** Fingerprint of the provider account's settings: a change of them may have mended what the provider refused. */
	readonly account: string;
	/** The newest last; older ones are kept while a proxy still uses them. Empty: proxies never asked for any. See credentials.ts. */
	readonly credentials: readonly Credentials[];
	/** Addresses (CIDR) that may use the proxies; empty: any. */
	readonly allow: readonly string[];
	/** Whom the cloud's firewall is known to admit (null: nothing was made yet), and how changing it went. See firewall.ts. */
	readonly firewall: { readonly admits: readonly string[] | null; readonly tries: number; readonly retryAt: Ms; readonly why: string };
	/** What VMs cost and what may be spent. See cost.ts, pricing.ts and budget.ts. */
	readonly money: Money;
	readonly proxies: ReadonlyMap<Id, Proxy>;
	/** VMs tagged for this pool without an intent of theirs. */
	readonly strays: ReadonlyMap<string, Stray>;
	/** The last 20. */
	readonly failed: readonly Failed[];
	readonly gates: {
		/** Rate limits: closes every call to the provider. */
		readonly rate: Gate;
		/** Refused credentials: closes every call to the provider until they may have been mended. */
		readonly auth: Gate;
		/** Capacity, quota and requests that the provider calls invalid: closes creates. */
		readonly launch: Gate;
		/** Boots that never became ready: lets one canary at a time through. */
		readonly boots: Gate;
		/** The inventory could not be read. */
		readonly list: Gate;
		/** D1 could not be written. */
		readonly publish: Gate;
	};
	/** The target that was in force at the last plan; a change of it is logged. */
	readonly target: number;
	/** How many proxies there were at the last plan, and how many of them ready; a change is logged. */
	readonly counted: { readonly all: number; readonly ready: number };
	/** When rules last changed the target, and whether they raised it. Stored at once: neither the ramp nor the window starts anew with an instance. */
	readonly ramped: { readonly at: Ms; readonly isRise: boolean };
	/** When a client last asked for a proxy and found none; 0: never, or it does not matter any more. */
	readonly wokenAt: Ms;
	/** Metrics posted for the endpoint as a whole, the newest names first. */
	readonly custom: Metrics;
	/** What was said of the present rules and metrics source: once is enough. */
	readonly told: readonly string[];
	/** What D1 is known to hold: hash of the projection, and version (grows by one at each attempt). */
	readonly published: { readonly hash: string; readonly version: number };
	/** Entries not yet known to be in D1. */
	readonly log: readonly LogEntry[];
	readonly logSeq: number;
	/** The failures that were logged last. */
	readonly repeats: readonly Repeat[];
	readonly bornAt: Ms;
	/** Since when the pool has had no proxy; null while it has one. */
	readonly emptySince: Ms | null;
	/** Whole lists in a row that held nothing of a removed pool, read after its last VM can have shown up. */
	readonly looks: number;
	/** By `address:port`: how the static backends were found; those never probed are left out. */
	readonly statics: ReadonlyMap<Id, StaticHealth>;
	/** A removed pool leaves its VMs running. */
	readonly keep: boolean;
	/** VMs that were let go, the newest last: however late a list shows their tags, they are no strays. */
	readonly released: readonly string[];
	/** Addresses that an operator has confirmed before a VM was known to have them. */
	readonly confirmations: readonly { readonly address: string; readonly at: Ms }[];
	/** Sessions that an operator wants closed. */
	readonly drops: readonly Drop[];
	/** The directory was asked to forget the pool: whatever comes of that, it does not come back; a pool of its name is another one. */
	readonly leaving: boolean;
	/** D1 shows client connections of the pool, or may. */
	readonly showsSessions: boolean;
	readonly forgotten: boolean;
	/** When the first whole inventory was read; null: the pool is still starting. */
	readonly reconciledAt: Ms | null;
	/** An invariant that did not hold: creates and deletes stop until an operator starts the pool again. */
	readonly breach: string | null;

	// What follows is volatile: kept in memory, written at most once in two intervals with the vitals row.
	readonly vitals: ReadonlyMap<Id, Vitals>;
	/** Open client connections by proxy, `client:port` (IPv6 in brackets), sorted, as last reported; proxies without any are left out. */
	readonly sessions: ReadonlyMap<Id, readonly string[]>;
	/** What D1 is known to show of them (a hash), and when it was last asked to. */
	readonly sessionsShown: { readonly hash: string; readonly at: Ms };
	/** When each static backend was last probed. */
	readonly staticsProbed: ReadonlyMap<Id, Ms>;
	readonly listedAt: Ms;
	/** VMs tagged `muster` that are other pools' or other deployments': counted, never touched. */
	readonly foreign: { readonly pools: number; readonly deployments: number };
	/** The account's rate limit as the provider stated it last. */
	readonly rate: Rate | null;
	readonly sampledAt: Ms;
	/** What all pools of the deployment have reserved of its budget, by currency; null: nobody said. Only a hint: D1 decides. */
	readonly leased: Readonly<Record<string, number>> | null;
	/** The interval that agents are told, in seconds: stretched so that a deployment stays within its plan. */
	readonly heartbeatSeconds: number;
	/** When rules last decided on the target, which they do once an interval. */
	readonly decidedAt: Ms;
	/** The sizes that rules asked for lately, the newest last, without those that a later one outdid. See window.ts. */
	readonly scaleInWindow: readonly Wish[];
	/** What the endpoint that `metricsSource` names answered last. */
	readonly source: Source | null;
	/** When it was last asked. */
	readonly sourceAskedAt: Ms;
}

/** A size that was asked for. */
export interface Wish {
	readonly at: Ms;
	readonly target: number;
}

/** What a pool's proxies report, all in all. */
export interface Measurements {
	/** By name: the weighted mean of all fresh samples. */
	readonly averages: Readonly<Record<string, number>>;
	/** Addresses with a fresh sample. */
	readonly reporting: number;
	/** Proxies that were ready, are to stay, and have not reported for too long. */
	readonly missing: number;
	/** There is no proxy that anybody could be using: what agents would report is 0, and not unknown. */
	readonly isUnused: boolean;
}

export interface Source extends Measurements {
	readonly endpoint: string;
	readonly at: Ms;
}

/** A session (`client:port`) to be closed, and since when. */
export interface Drop {
	readonly session: string;
	readonly at: Ms;
}

/** What one VM costs. */
export interface Price {
	/** In units of the currency, before tax, the public IPv4 address included. */
	readonly hourly: number;
	/** ISO 4217: USD, EUR. */
	readonly currency: string;
	/** When the cloud said so; the date of the price list where Muster brings its own. */
	readonly asOf: Ms;
}

/** A price that was asked for with these settings of the account. */
export interface KnownPrice extends Price {
	readonly account: string;
	readonly askedAt: Ms;
}

/** What the deployment may spend an hour: one amount for each currency apart, or amounts by currency (one that is not named: nothing). */
export type Budget = number | Readonly<Record<string, number>>;

/** The part of the deployment's budget that D1 has granted to this pool. */
export interface Lease {
	/** Of the newest request; a request that arrives after a newer one changes nothing. */
	readonly version: number;
	/** What the pool's VMs may cost an hour: D1 holds this much for it, or more. */
	readonly hourly: number;
	/** D1 is known to hold just this much. */
	readonly isSettled: boolean;
	/** All parts together were more than the budget then, so that what becomes free of this one is not to be used again. */
	readonly isOver: boolean;
	/** The last request got less than it asked for. */
	readonly isRefused: boolean;
	/** When D1 last answered. */
	readonly at: Ms;
	readonly tries: number;
	readonly retryAt: Ms;
	readonly why: string;
}

export interface Money {
	/** Of the present settings, and of former ones as long as a VM that was launched with them is there. */
	readonly prices: readonly KnownPrice[];
	/** How asking for the price went: failures in a row, when to ask again, and what was wrong. */
	readonly pricing: { readonly tries: number; readonly retryAt: Ms; readonly why: string };
	/** VMs that are gone and billed until the end of a started unit: how long, and what an hour. */
	readonly charges: readonly { readonly until: Ms; readonly hourly: number }[];
	/** What the deployment may spend; null: whatever it takes. */
	readonly budget: Budget | null;
	readonly lease: Lease;
	/** Why a bound on cost keeps VMs from being launched that are wanted; null: none does. */
	readonly held: string | null;
}

/** When lists first and last showed it, and when the next call about it may go out. */
export interface Stray {
	readonly firstSeenAt: Ms;
	readonly seenAt: Ms;
	readonly tries: number;
	readonly retryAt: Ms;
}

/** A provider's statement of its rate limit, from its answer's headers. */
export interface Rate {
	readonly limit: number;
	readonly remaining: number;
	readonly resetAt: Ms;
}
