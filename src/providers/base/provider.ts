import type { z } from "zod";
import type { Failure } from "../../core/model/failure.ts";
import type { Price, Rate, Vm } from "../../core/model/state.ts";
import type { AccountTable, Shown } from "./account.ts";
import type { Countries } from "./countries.ts";

/**
 * What a cloud must be able to do for Muster: make one VM, show what exists, take one away, restart one.
 *
 * A driver decides nothing. It never retries a mutating call (an answer that was lost is looked up by the
 * pool, with `find`), never swallows an error, and never touches a VM that it was not told to touch.
 * Every method either resolves or throws a {@link ProviderError} that says what kind of failure it was.
 */
export interface Provider {
	/** Lists show the account's region alone: each region that a pool is in is asked. */
	readonly isRegional?: true;

	/**
	 * Makes one VM and returns it as the cloud describes it in its answer (its address is often not known yet).
	 * Also sees to it that the firewall for the proxy port exists and lets `request.allow` in (once per isolate and
	 * account, found again by name, never one per VM).
	 *
	 * Throws `unknown` when the VM may have been made nevertheless (time-out, dropped connection, 5xx), `conflict`
	 * when a VM of that name exists, and any other kind only when certainly nothing was made.
	 */
	create(request: CreateRequest): Promise<Vm>;

	/**
	 * Makes the firewall for the proxy port let in `allow` and nobody else, for the VMs that exist: its settings changed and
	 * perhaps no create will come. Resolves when the cloud has taken it, or has no VM to protect.
	 */
	protect(wanted: Protection): Promise<void>;

	/** Every VM of the account that carries the tag `muster`, all pages, whoever's it is. Throws rather than return a part. */
	list(): Promise<readonly Vm[]>;

	/**
	 * Looks one VM up, by the cloud's id where it is known, else by its unique name; never through a paged list where the
	 * cloud has a direct way. Null only when the cloud itself says that there is none. A VM whose tags do not name this
	 * deployment and intent is null too: the name alone proves nothing.
	 */
	find(wanted: Wanted): Promise<Vm | null>;

	/** Deletes one VM and what its create left behind. Resolves when the cloud has accepted it; `notFound` when there is no such VM. */
	delete(vm: string): Promise<void>;

	/**
	 * Power-cycles one VM. Clouds with a call of their own for it do all of it at step `off` and have
	 * `twoStepRestart` false; the others stop at `off` and start at `on`.
	 */
	restart(vm: string, step: "off" | "on"): Promise<void>;

	/**
	 * What one VM of the account's size and region costs an hour while it runs, its public IPv4 address included, before tax: from the
	 * cloud's catalogue, or from a dated table of Muster's own where the cloud has none that the account may read.
	 * Throws `invalid` where the size has no price there, with a sentence that says so.
	 */
	hourlyPrice(): Promise<Price>;

	/**
	 * What the account's settings name and the cloud does not have now, at the account's place: by its catalogue, never by a create. Own images are left out
	 * where no catalogue shows them. `auth`: the account may not read it, which says nothing of what else it may.
	 */
	retired(): Promise<readonly Retired[]>;

	/**
	 * Any one VM of the account, whoever's it is and whatever its tags, as `list` would describe it; null only when the cloud itself
	 * says that there is none (an id that it cannot even read is none). Every driver that can retag has it.
	 */
	get?(vm: string): Promise<Vm | null>;

	/**
	 * Makes the tags that say whose a VM is (`tags.ts`) exactly these, or takes all of them off (null), `muster` included; other tags stay,
	 * and the VM runs on. Missing where the cloud cannot do it.
	 *
	 * May be repeated after any failure: it goes on from what it finds. Where it takes several calls, a VM that is half tagged is
	 * never one that says that it is this pool's without its intent: what names the deployment goes first and, like `muster`, comes last.
	 * `notFound` when there is no such VM; `unknown` when it may have been done.
	 */
	retag?(vm: string, tags: CreateRequest["tags"] | null): Promise<void>;
}

/** What is not there any more, and the name of what comes nearest; null: nothing is like it. */
export interface Retired {
	readonly what: "size" | "image";
	readonly name: string;
	readonly nearest: string | null;
}

/** What a deployment's firewall is to be. */
export interface Protection {
	readonly tags: { readonly deployment: string };
	/** CIDRs that may reach the proxy port; empty: any address. */
	readonly allow: readonly string[];
	/** The port that the agent listens on. */
	readonly port: number;
}

export interface CreateRequest extends Protection {
	/** Unique: `muster-<deployment>-<intent>`; valid as a host name, at most 63 characters. */
	readonly name: string;
	readonly tags: { readonly deployment: string; readonly pool: string; readonly intent: string };
	/** cloud-init user data as plain text; the driver encodes it as its cloud wants it. At most 32,768 bytes, and 16,384 gzipped. */
	readonly userData: string;
	/**
	 * The VM that an earlier create of this intent made and never switched on: it gets these user data and is switched on, and none is made.
	 * `notFound` when it is gone. Only where the cloud's definition `finishesCreate`.
	 */
	readonly unfinished?: string;
}

export interface Wanted {
	readonly vm: string | null;
	readonly name: string;
	readonly tags: { readonly deployment: string; readonly intent: string };
}

/**
 * A cloud as Muster knows it: what `src/providers/index.ts` registers. `Account` is what their schemas make of the `settings`.
 * (Methods, not function properties: the registry holds definitions of different accounts as `ProviderDefinition<unknown>`,
 * and hands each only accounts that its own schemas made.)
 */
export interface ProviderDefinition<Account = unknown> {
	/** As an operator reads it: "DigitalOcean". */
	readonly displayName: string;
	/** In which countries its regions are: `countries.ts` beside the driver. */
	readonly countries: Countries;
	/** The account's settings. `api_url` (scheme and host of the API) belongs to every account's. */
	readonly settings: AccountTable;
	/** All of them at once (`schemaOf`). */
	readonly schema: z.ZodType<Account>;
	/** Settings as operators see them, `size` and `region` among them (a plan is a size, a zone a region). Gets no secret. */
	shown(settings: Readonly<Partial<Account>>): Readonly<Record<string, Shown>>;
	/** The cloud restarts in two calls, off and on. */
	readonly twoStepRestart: boolean;
	/** The cloud bills a VM by started units of so many seconds (3,600: an hour and a minute cost two hours), or by its smallest such charge. */
	readonly billedSeconds: number;
	/** What can be known of a create whose answer was lost. */
	readonly absence: Absence;
	/** What a deployment made there besides VMs, and what goes by hand once it has ended: "the firewall muster-<deployment>". */
	readonly leavesBehind: string;
	/** A create takes several calls, and one that was cut between them can be gone on with (`CreateRequest.unfinished`). */
	readonly finishesCreate?: true;
	/** Cheap and without effect: no call goes out before a method of the driver is called. */
	create(account: Account, context: ProviderContext): Provider;
}

/**
 * What a cloud guarantees after a create whose answer was lost, so that the pool knows how long "there is none" must be waited for.
 * `isImmediate` is true only where the cloud says so, and so far none does. Each driver names its sources beside it, read in November 2026.
 */
export interface Absence {
	/** What `find` looks a VM up by whose id is not known; all of them come from the intent. */
	readonly lookup: "name" | "tag" | "token";
	/** A look-up that begins after the cloud took a create shows its VM, so that a first "there is none" proves it. */
	readonly isImmediate: boolean;
	/**
	 * What the cloud itself makes of the very same create, sent once more, while the first VM may be there: it refuses (`conflict`), gives
	 * that VM (`same`), or makes a `second`. Where it is not `second`, sending it again is as good as proof, and needs no waiting.
	 */
	readonly repeat: "conflict" | "same" | "second";
}

/** What a driver is given besides its account's settings. */
export interface ProviderContext {
	/** The platform's fetch. Every call must go through `request` of `http.ts`, which bounds, times and counts it. */
	readonly fetch: typeof fetch;
	/** Milliseconds since the epoch. */
	readonly now: () => number;
	/** Called before each outbound call; throws a `transient` ProviderError when the pass has no call left. */
	readonly countCall: () => void;
	/** Called with the rate limit that an answer states. */
	readonly observeRate: (rate: Rate) => void;
	/** Called with each call's HTTP status, or `lost` where none came; missing: nobody counts them. */
	readonly observeAnswer?: (code: string) => void;
	/** Resolves so many milliseconds later, for clouds that want to be asked again for the outcome of what they accepted. */
	readonly wait: (ms: number) => Promise<void>;
}

/** A provider call that failed, with the provider's own sentence and without any secret. */
export class ProviderError extends Error {
	readonly failure: Failure;
	/** The cloud's own code for it, where its driver reads one: what it means is known to that driver alone. */
	readonly code: string | null;
	constructor(failure: Failure, code: string | null = null, options?: ErrorOptions) {
		super(failure.message, options);
		this.name = "ProviderError";
		this.failure = failure;
		this.code = code;
	}
}
