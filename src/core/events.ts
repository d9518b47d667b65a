/** What befalls a pool (commands, events) and what it does (effects). */
import type {
	Budget,
	Id,
	Measurements,
	Metrics,
	Ms,
	PatchedRolling,
	Price,
	ProviderName,
	Rate,
	Rolling,
	Run,
	Severity,
	Spec,
	State,
} from "./state.ts";

/** Whose a VM is, read from its tags; null where the tag is missing. */
export interface VmTags {
	readonly deployment: string | null;
	readonly pool: string | null;
	readonly intent: string | null;
}

/** One VM as its provider shows it. */
export interface Vm {
	/** The provider's id. */
	readonly vm: string;
	readonly name: string;
	readonly state: "starting" | "running" | "off" | "going";
	/** Public IPv4, null until it has one. */
	readonly address: string | null;
	readonly tags: VmTags;
}

/**
 * Why a provider call failed.
 * - `auth`: credentials refused. `quota`, `capacity`: nothing was made, back off. `rate`: nothing was done, honour `retryAt`.
 * - `notFound`. `conflict`: exists already, or is busy. `invalid`: the request is wrong, retrying cannot help.
 * - `transient`: certainly not done, may be retried. `unknown`: may or may not have been done; look before acting again.
 */
export type FailureKind = "auth" | "quota" | "capacity" | "rate" | "notFound" | "conflict" | "transient" | "invalid" | "unknown";
export interface Failure {
	readonly kind: FailureKind;
	/** The provider's own sentence, without secrets. */
	readonly say: string;
	readonly retryAt?: Ms;
}

/** An operator's order. */
export type Command =
	| { readonly do: "scale"; readonly min: number; readonly max: number }
	/** `provider`: another one may be named while the pool has no VM; missing, it stays. */
	| { readonly do: "configure"; readonly settings: Settings; readonly account: string; readonly provider?: ProviderName }
	/** `keep`: a pool that is removed leaves its VMs running, without our tags. */
	| { readonly do: "run"; readonly run: Run; readonly keep?: boolean }
	/** A client asked for a proxy and found none. */
	| { readonly do: "wake" }
	/** Sets metrics by name: an address's (one that no proxy has is accepted, and not kept), or with null the endpoint's. Malformed ones are left out. */
	| { readonly do: "metrics"; readonly address: string | null; readonly metrics: Metrics }
	| { readonly do: "destroy"; readonly id: Id }
	| { readonly do: "restart"; readonly id: Id }
	/** Closes a client's connection (`client:port`, canonical), whichever proxy it goes through. */
	| { readonly do: "drop"; readonly session: string }
	/** Takes in a VM of the pool's account that others made, by its provider's id. */
	| { readonly do: "adopt"; readonly vm: string }
	/** Lets a VM go and leaves it running; by its provider's id, or the proxy's. */
	| { readonly do: "release"; readonly id: string }
	/** An operator vouches for what has this address (canonical), or does so no more. */
	| { readonly do: "confirm"; readonly address: string }
	| { readonly do: "leave"; readonly address: string }
	/** An entry of an operator's own. */
	| { readonly do: "log"; readonly severity: Severity; readonly text: string };

/** What the environment (or an endpoint's configuration) says of a pool. */
export interface Settings {
	readonly spec: Spec;
	readonly suspended: string | null;
	readonly agentUrl: string | null;
	readonly credentials: { readonly username: string; readonly password: string } | null;
	readonly allow: readonly string[];
	/** True: `spec.min` and `spec.max` are the environment's, and yield to a PATCHed bound until they change. */
	readonly fromEnvironment: boolean;
}

export type Verdict =
	/** The agent proved its key; `active` is its number of open client connections, null where no agent says it. */
	{ readonly is: "ok"; readonly active: number | null } | { readonly is: "refused" | "credentials" | "silent" | "egress" | "impostor" };

export type Event =
	| { readonly on: "command"; readonly command: Command }
	| { readonly on: "registered"; readonly id: Id; readonly address: string; readonly keyHash: string }
	| {
			readonly on: "heartbeat";
			readonly id: Id;
			readonly active: number;
			readonly metrics: Readonly<Record<string, number>>;
			readonly credentials: number;
			/** Canonical; fewer than `active` where there are more than a report holds. */
			readonly sessions: readonly string[];
	  }
	/** The agent leaves: it must register again before it is listed. */
	| { readonly on: "unregistered"; readonly id: Id }
	/** Committed before the call goes out; also fences an instance that a deploy has superseded. */
	| { readonly on: "sent"; readonly effect: Effect; readonly tokenHash?: string }
	| { readonly on: "created"; readonly id: Id; readonly vm: Vm; readonly rate?: Rate }
	| { readonly on: "found"; readonly id: Id; readonly vm: Vm | null; readonly startedAt: Ms; readonly rate?: Rate }
	/** The VM has our tags. */
	| { readonly on: "adopted"; readonly id: Id; readonly vm: Vm; readonly rate?: Rate }
	/** The provider accepted a delete or a restart, or has taken our tags off. */
	| { readonly on: "accepted"; readonly effect: Effect; readonly rate?: Rate }
	/** The provider says that what was to be deleted does not exist. */
	| { readonly on: "gone"; readonly id: Id; readonly rate?: Rate }
	| { readonly on: "strayGone"; readonly vm: string; readonly rate?: Rate }
	/** Whole lists only. A VM missing from it becomes a `find`, not a death. */
	| { readonly on: "listed"; readonly startedAt: Ms; readonly vms: readonly Vm[]; readonly rate?: Rate }
	| { readonly on: "probed"; readonly id: Id; readonly verdict: Verdict; readonly startedAt: Ms }
	| { readonly on: "staticProbed"; readonly id: Id; readonly verdict: Verdict }
	| { readonly on: "failed"; readonly effect: Effect; readonly failure: Failure; readonly rate?: Rate }
	| { readonly on: "agentUrl"; readonly url: string }
	/** What an operator (null: nobody) and the environment say of rolling replacement. */
	| { readonly on: "rolling"; readonly patched: PatchedRolling | null; readonly environment: Rolling }
	| { readonly on: "published"; readonly hash: string; readonly version: number; readonly startedAt: Ms; readonly logSeq: number }
	/** D1 shows the sessions of which this is the hash. */
	| { readonly on: "sessionsShown"; readonly hash: string }
	/** What the endpoint that is the source of the pool's metrics answered; a sentence where it cannot be one. */
	| { readonly on: "measured"; readonly endpoint: string; readonly startedAt: Ms; readonly found: Measurements | string }
	/** How many proxies the whole deployment has, and how many requests a day its plan allows: for the heartbeat interval. `leased`: see State. */
	| { readonly on: "fleet"; readonly proxies: number; readonly dailyRequests: number; readonly leased?: State["leased"] }
	/** What one VM costs with these settings of the account. */
	| { readonly on: "priced"; readonly account: string; readonly price: Price; readonly rate?: Rate }
	/** What the deployment may spend. */
	| { readonly on: "budget"; readonly budget: Budget | null }
	/** D1 holds this much of the budget for the pool; `isRefused`: less than was asked for. `isOver`: see Lease. */
	| { readonly on: "reserved"; readonly version: number; readonly hourly: number; readonly isRefused: boolean; readonly isOver: boolean }
	/** The directory knows the pool no more; its storage may go. */
	| { readonly on: "forgotten" };

/** Something to do in the world, in order of priority when the pass's budget runs out. */
export type Effect =
	| { readonly call: "delete"; readonly id: Id; readonly vm: string }
	| { readonly call: "deleteStray"; readonly vm: string }
	| { readonly call: "find"; readonly id: Id; readonly vm: string | null }
	| { readonly call: "publish"; readonly hash: string; readonly version: number }
	/** Shows in D1 which sessions are open. */
	| { readonly call: "sessions" }
	| { readonly call: "list" }
	/** Asks what one VM costs. */
	| { readonly call: "price"; readonly account: string }
	/** Has D1 hold `hold` of the deployment's budget for this pool, and up to `count` times `price` more as far as `bound` allows. */
	| {
			readonly call: "reserve";
			readonly version: number;
			readonly currency: string;
			readonly hold: number;
			readonly price: number;
			readonly count: number;
			readonly bound: number;
	  }
	/** Makes the firewall in front of the pool's VMs admit these addresses (CIDR; none: everyone) and no others. */
	| { readonly call: "firewall"; readonly allow: readonly string[] }
	/** Puts our tags on a VM that others made; takes them off one that is to run on without us. */
	| { readonly call: "adopt"; readonly id: Id; readonly vm: string }
	| { readonly call: "release"; readonly id: Id; readonly vm: string }
	/** Takes an emptied pool out of the directory. */
	| { readonly call: "forget" }
	/** Goes on with a create that was cut between its calls. */
	| { readonly call: "finish"; readonly id: Id; readonly vm: string }
	| { readonly call: "create"; readonly id: Id }
	| { readonly call: "restart"; readonly id: Id; readonly vm: string; readonly step: "off" | "on" }
	| { readonly call: "probeStatic"; readonly id: Id; readonly address: string; readonly port: number }
	/** `keyHash` null: no agent of ours is there, and a plain request is all that can be asked. */
	| { readonly call: "probe"; readonly id: Id; readonly address: string; readonly keyHash: string | null }
	/** Asks another pool what its proxies report. */
	| { readonly call: "measure"; readonly endpoint: string };

/** What to do now, the state that says so, and when to look again. */
export interface Plan {
	readonly state: State;
	readonly effects: readonly Effect[];
	/** There is nothing to do, and planning anew at the same instant would say the same. */
	readonly isFinal: boolean;
	readonly wakeAt: Ms;
}
