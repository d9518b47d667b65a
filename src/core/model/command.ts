/** What operators order, and what settings say. */
import type { Reported } from "./bans.ts";
import type { Id, Metrics, Ms, ProviderName, Severity } from "./basics.ts";
import type { Rate } from "./inventory.ts";
import type { LeaseWishes } from "./leases.ts";
import type { Run, Spec } from "./pool.ts";

/** An operator's order. */
export type Command =
	| { readonly do: "scale"; readonly min: number; readonly max: number }
	/** `accountKey`: tells its account from others by credentials alone. `provider`: another one may be named while the pool has no VM; missing, it stays. */
	| {
			readonly do: "configure";
			readonly settings: Settings;
			readonly account: string;
			readonly accountKey?: string;
			readonly provider?: ProviderName;
	  }
	/** `keep`: a pool that is removed leaves its VMs running, without our tags. */
	| { readonly do: "run"; readonly run: Run; readonly keep?: boolean }
	/** A client asked for a proxy and found none; `callers`: so many at about the same time, one where it is missing. `from`: the isolate that they asked. */
	| { readonly do: "wake"; readonly callers?: number; readonly from?: Id }
	/** Sets metrics by name: an address's (one that no proxy has is accepted, and not kept), or with null the endpoint's. Malformed ones are left out. */
	| { readonly do: "metrics"; readonly address: string | null; readonly metrics: Metrics }
	/** Replaces every proxy that there is now, as aged ones are replaced; off: those that have not begun to go stay. */
	| { readonly do: "roll"; readonly isOn: boolean }
	| { readonly do: "destroy"; readonly id: Id }
	| { readonly do: "restart"; readonly id: Id }
	/** Closes a client's connection (`client:port`, canonical), whichever proxy it goes through, or only if that is the one with this address. */
	| { readonly do: "drop"; readonly session: string; readonly address?: string }
	/** Takes in a VM of the pool's account that others made, by its provider's id. */
	| { readonly do: "adopt"; readonly vm: string }
	/** Lets a VM go and leaves it running; by its provider's id, or the proxy's. */
	| { readonly do: "release"; readonly id: string }
	/** An operator vouches for what has this address (canonical), or does so no more. */
	| { readonly do: "confirm"; readonly address: string }
	| { readonly do: "leave"; readonly address: string }
	/** What clients' requests came to. */
	| { readonly do: "report"; readonly reports: readonly Reported[] }
	/** Leases of these new ids, each for one proxy, which the next plan names. */
	| { readonly do: "lease"; readonly ids: readonly Id[]; readonly seconds: number; readonly wishes: LeaseWishes }
	/** Has a lease last so long from now on. */
	| { readonly do: "renewLease"; readonly id: Id; readonly seconds: number }
	/** Whichever of these there are end. */
	| { readonly do: "endLeases"; readonly ids: readonly Id[] }
	/** Another pool (its object) wants so many proxies of this one beside its own; 0: none any more. */
	| { readonly do: "assist"; readonly from: Id; readonly count: number }
	/** Another pool of the account was told to wait until then, or has little left of its quota. */
	| { readonly do: "limited"; readonly until: Ms; readonly rate: Rate | null }
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
