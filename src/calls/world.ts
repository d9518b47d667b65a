import type { ResultOf } from "../core/effects/index.ts";
import type { ChargesLeft } from "../core/model/cost.ts";
import type { PoolSummary } from "../core/model/published.ts";
import type { Credentials, Id, Identity, Measurements, Ms, Place, Rate, State, Verdict } from "../core/model/state.ts";
import type { Held, Reservation } from "../d1/allotments.ts";
import type { Provider } from "../providers/base/provider.ts";
import type { Ledger } from "../read-model/ledger.ts";
import type { Publication } from "../read-model/publish.ts";
import type { Scheme } from "../values/access.ts";

/** What effects need of the world. Production and the simulator each bring their own. */
export interface World {
	readonly now: () => Ms;
	/** The cloud as seen from one place; without one, or null: from where the account says. Throws a ProviderError where the account's settings are missing. */
	readonly provider: (place?: Place | null) => Provider;
	/** The rate limit that the provider's last answer stated; null where there was none since. */
	readonly takeRate: () => Rate | null;
	/** How many answers of the provider came since, by HTTP status, or `lost`. */
	readonly takeAnswers: () => Readonly<Record<string, number>>;
	/** The boot token that was minted for this intent. Throws a ProviderError where it was lost. */
	readonly takeToken: (id: Id) => string;
	/** cloud-init user data for a VM that boots with this token. */
	readonly userData: (state: State, token: string) => Promise<string>;
	readonly probe: (target: ProbeTarget) => Promise<Verdict>;
	readonly probePlainly: (target: PlainTarget) => Promise<Verdict>;
	/** Whether a proxy opens a way to us, through which nothing is sent. */
	readonly knock: (target: PlainTarget) => Promise<boolean>;
	/** What of the proxies D1 is known to show. */
	readonly ledger: Ledger;
	readonly names: () => Pick<PoolSummary, "displayName" | "settings" | "countries">;
	readonly database: Database;
	/** What another endpoint's proxies report, or a sentence why it cannot be asked. Throws where it does not answer now. */
	readonly measure: (endpoint: string) => Promise<Measurements | string>;
	/** Tells another pool how many proxies it is to have beside its own; a sentence where it cannot. Throws where it does not answer now. */
	readonly assist: (endpoint: string, count: number) => Promise<string | null>;
	/** Tells the other pools of this account of its rate limit. */
	readonly shareLimit: (accountKey: string, until: Ms, rate: Rate | null) => Promise<void>;
	/** Counts an outbound connection that no driver makes. */
	readonly countCall: () => void;
	/** Tells the log of an error that is no cloud's answer, with its stack and what caused it: the pool keeps its message alone. */
	readonly tell: (what: string, error: unknown) => void;
}

/** A pool that the directory has lost. */
export interface LostPool extends Pick<Identity, "object" | "provider" | "name" | "incarnation" | "deployment"> {
	/** Its endpoint names; empty: its own one. */
	readonly names: readonly string[];
	/** It is being removed, and has no names any more. */
	readonly removedAt: Ms | null;
}

/** D1, as far as effects write it. Throws where it does not answer. */
export interface Database {
	/** False: another version is there. Null: the directory does not know the pool. */
	publish(publication: Publication): Promise<boolean | null>;
	/** Puts the pool into the directory, which has lost it, and the deployment's id where that is lost too. */
	enter(lost: LostPool): Promise<ResultOf<"enter">>;
	/** Null: a newer request is there, or the directory does not know the pool. */
	reserve(wanted: Reservation): Promise<Held | null>;
	forget(object: string, charges: ChargesLeft | null, now: Ms): Promise<void>;
}

export interface ProbeTarget {
	readonly address: string;
	/** SHA-256 (hex) of the VM key, with which the agent proves itself. */
	readonly keyHash: string;
	readonly credentials: Credentials | null;
}

export interface PlainTarget {
	readonly address: string;
	readonly port: number;
	/** How the proxy is spoken to; missing: by HTTP. */
	readonly scheme?: Scheme;
	readonly credentials: Credentials | null;
	/** What is asked for through the proxy; null: nobody knows yet. */
	readonly agentUrl: string | null;
}
