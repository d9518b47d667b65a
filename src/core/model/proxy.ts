/** One proxy: what is stored of it, and where it stands in its life. */
import { BANS, type Ban } from "./bans.ts";
import type { Id, Metrics, Ms } from "./basics.ts";
import { LEASE, type Lease } from "./leases.ts";
import { PLACE, type Place } from "./places.ts";
import { nullable, oneOf, record, type Shape, value } from "./shape.ts";

/** Where a proxy stands in its life (docs/architecture.md: launching → booting → ready ⇄ unready → draining → deleting → gone). */
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

/** One proxy: one VM running the agent, from its intent until its VM is known to be gone. Replaced, never mutated. */
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
	/** When it first was; null: it never was, or before that was stored. */
	readonly readyAt: Ms | null;
	/** SHA-256 (hex) of the boot token; null until the create is sent. */
	readonly tokenHash: string | null;
	/** The same of a first create that was sent and never answered, where it was sent once more: the VM may be of either. */
	readonly formerTokenHash: string | null;
	/** SHA-256 (hex) of the key that the agent minted; null until it registered. */
	readonly keyHash: string | null;
	readonly claim: Claim | null;
	/** Version of the proxy credentials that its agent has acknowledged. */
	readonly credentials: number;
	/** Fingerprint of the account's settings that it was launched with, which its price goes by; empty until its create is sent. */
	readonly account: string;
	/** Where its VM is to be, named before the create is sent; null: where the account says, as of those that an earlier version made, or others. */
	readonly place: Place | null;
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
	/** Sites that have banned it, as clients report: see bans.ts. */
	readonly bans: readonly Ban[];
	/** Who has it for himself; null: nobody. See leases.ts. */
	readonly lease: Lease | null;
	/** Version of its agent, as it said when it registered last; empty: not known. */
	readonly agent: string;
	/** An operator has ordered that all that were there be replaced, it among them. */
	readonly isRolled: boolean;
}

type At<Name extends Phase["at"]> = Extract<Phase, { readonly at: Name }>;

/** A field that a phase is stored with says here what it starts at where an earlier version did not know it. */
const PHASE = oneOf<Phase>(
	{ at: "launching", sentAt: null },
	{
		launching: record<At<"launching">>({ at: value("launching" as const), sentAt: value<Ms | null>(null) }),
		booting: record<At<"booting">>({ at: value("booting" as const), vm: value("") }),
		ready: record<At<"ready">>({ at: value("ready" as const), vm: value("") }),
		unready: record<At<"unready">>({ at: value("unready" as const), vm: value("") }),
		draining: record<At<"draining">>({
			at: value("draining" as const),
			vm: value(""),
			until: value(0),
			hiddenAt: value<Ms | null>(null),
			spare: value<boolean>(false),
		}),
		restarting: record<At<"restarting">>({ at: value("restarting" as const), vm: value(""), step: value<"off" | "on">("off") }),
		adopting: record<At<"adopting">>({ at: value("adopting" as const), vm: value(""), sentAt: value<Ms | null>(null) }),
		releasing: record<At<"releasing">>({ at: value("releasing" as const), vm: value("") }),
		deleting: record<At<"deleting">>({
			at: value("deleting" as const),
			vm: value<string | null>(null),
			acceptedAt: value<Ms | null>(null),
		}),
	},
);

export const PROXY: Shape<Proxy> = record<Proxy>({
	id: value(""),
	phase: PHASE,
	since: value(0),
	isAdopted: value<boolean>(false),
	createdAt: value(0),
	why: value(""),
	address: value<string | null>(null),
	registered: value<boolean>(false),
	wasReady: value<boolean>(false),
	readyAt: value<Ms | null>(null),
	tokenHash: value<string | null>(null),
	formerTokenHash: value<string | null>(null),
	keyHash: value<string | null>(null),
	claim: nullable(record<Claim>({ address: value(""), keyHash: value(""), at: value(0) })),
	credentials: value(0),
	account: value(""),
	place: nullable(PLACE),
	offSince: value<Ms | null>(null),
	suspectAt: value<Ms | null>(null),
	absentAt: value<Ms | null>(null),
	tries: value(0),
	retryAt: value(0),
	failedProbes: value(0),
	posted: value<Metrics>({}),
	bans: BANS,
	lease: LEASE,
	agent: value(""),
	isRolled: value<boolean>(false),
});

/** A proxy as its intent is stored: nothing is known of it yet but where it is to be. */
export function intentOf(id: Id, now: Ms, place: Place | null = null): Proxy {
	return { ...PROXY.initial, id, place, since: now, createdAt: now };
}
