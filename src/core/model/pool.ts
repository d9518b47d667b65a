/** Which pool it is, what it is to do, and the settings that it goes by. */
import type { Id, Ms, ProviderName } from "./basics.ts";
import { PLACE, type Place, type Spread } from "./places.ts";
import { list, nullable, record, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";

export interface Identity {
	/** The Durable Object's id, in hex. */
	readonly object: string;
	readonly provider: ProviderName;
	readonly name: string;
	readonly deployment: Id;
	/** When this pool was made: leads every published version, so that a pool made anew under a name is another. */
	readonly incarnation: Ms;
	/** Tells this incarnation's VMs from those of every other pool; part of their tags. */
	readonly tag: string;
}

/** Running scales; paused neither launches nor scales in; stopped goes to 0; removing goes to 0 and is then forgotten. */
export type Run = "running" | "paused" | "stopped" | "removing";

/** Proxy credentials; `version` grows by one at each change. An empty user name: from this version on none are asked for. */
export interface Credentials {
	readonly version: number;
	readonly username: string;
	readonly password: string;
}

/** What was asked for from some change on. */
export interface KnownCredentials extends Credentials {
	/** How long a proxy that goes by these takes clients with them, once it has later ones: the shortest that any order since has said. */
	readonly formerSeconds: number;
}

/** Rolling replacement: at most `batchSize` in flight, never fewer than `minAvailable` ready. Disabled: as many as the surge has room for. */
export interface Rolling {
	readonly enabled: boolean;
	readonly minAvailable: number;
	readonly batchSize: number;
}

/** Rolling settings that an operator gave, and those of the environment at that time: they are void once these change. */
export interface PatchedRolling extends Rolling {
	readonly environment: Rolling;
}

/** What an operator ordered, over the API, that all proxies ask for. */
export interface OrderedCredentials {
	/** A later order has a higher one; 0: there never was any. */
	readonly revision: number;
	/** `revoked`: the deployment's own hold again. `unread`: it was told and could not be decrypted, so that what was asked for before stays. */
	readonly is: "none" | "set" | "revoked" | "unread";
	/** Empty unless it is set. */
	readonly username: string;
	readonly password: string;
	/** How long each proxy takes clients with former credentials, once it has these. */
	readonly formerSeconds: number;
}

/** Until when clients may hold old URLs, unless an operator says otherwise. */
export const FORMER_CREDENTIALS_SECONDS = 600;

/** A proxy that Muster did not make. `address` is canonical, IPv4 or IPv6. */
export interface StaticBackend {
	readonly address: string;
	readonly port: number;
	/** How it is spoken to, its own credentials and its country, where it is not as the deployment's own (`values/access.ts`); else empty. */
	readonly access: string;
	/** Tells those apart that share an address and a port, and differ by the user that they ask for; empty: it is alone there. */
	readonly mark: string;
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
	/** How many proxies that operators destroy may be replaced in an hour; null: see replacements.ts. */
	readonly maxReplacementsPerHour: number | null;
	/** How long a proxy cools down for a site that has banned it, at first. */
	readonly banCoolDownSeconds: number;
	/** A proxy that so many sites have banned is replaced; 0: none is for that. */
	readonly replaceBanned: number;
	/** Sites (normalised) one of whose bans is enough for that. */
	readonly replaceBannedBy: readonly string[];
	/** The provider makes a VM in several calls, and can go on with one that was never switched on. */
	readonly finishesCreate: boolean;
	/** A create that is sent once more under its intent makes no second VM: the provider refuses it, or gives what is there. */
	readonly repeatsCreate: boolean;
	/** See rules.ts. None: the pool keeps `min` proxies. */
	readonly rules: readonly string[];
	/** How many proxies rules may add, and take away, in one interval. */
	readonly rampLimit: number;
	/** Scaling in waits until nothing asked for more during so many seconds. */
	readonly scaleInWindowSeconds: number;
	/** Name of the endpoint whose metrics stand for the pool's own; null: none. */
	readonly metricsSource: string | null;
	/** Where VMs may be, in the order in which they are tried; none: where the account says. */
	readonly places: readonly Place[];
	readonly spread: Spread;
	/** The most VMs in one place; null: as many as there may be at all. */
	readonly maxPerPlace: number | null;
	/** The pool that stands in for what this one cannot place for so many seconds, as an endpoint or as `provider/name`; null: none does. */
	readonly fallback: string | null;
	readonly fallbackAfterSeconds: number;
	/** Proxies that others run: handed out while they answer, never created or deleted. */
	readonly statics: readonly StaticBackend[];
	/** Host names (with their ports) that stand for such proxies, and of which no address is known. */
	readonly unresolved: readonly string[];
}

const ROLLING_FIELDS = { enabled: value<boolean>(false), minAvailable: value(3), batchSize: value(2) };
const ROLLING = record<Rolling>(ROLLING_FIELDS);

const SPEC = record<Spec>({
	min: value(0),
	max: value(0),
	intervalSeconds: value(30),
	unknownTimeoutSeconds: value(120),
	unregisteredTimeoutSeconds: value(600),
	decommissionedTimeoutSeconds: value(600),
	ageLimitSeconds: value(0),
	rolling: ROLLING,
	canProbe: value<boolean>(true),
	twoStepRestart: value<boolean>(false),
	billedSeconds: value(0),
	maxHourlyCost: value<number | null>(null),
	maxReplacementsPerHour: value<number | null>(null),
	banCoolDownSeconds: value(900),
	replaceBanned: value(0),
	replaceBannedBy: list(value("")),
	finishesCreate: value<boolean>(false),
	repeatsCreate: value<boolean>(false),
	rules: list(value("")),
	rampLimit: value(5),
	scaleInWindowSeconds: value(300),
	metricsSource: value<string | null>(null),
	places: list(PLACE),
	spread: value<Spread>("pack"),
	maxPerPlace: value<number | null>(null),
	fallback: value<string | null>(null),
	fallbackAfterSeconds: value(300),
	statics: list(record<StaticBackend>({ address: value(""), port: value(0), access: value(""), mark: value("") })),
	unresolved: list(value("")),
});

/** Before any setting is known, and what the settings themselves go by where nobody says otherwise. */
export const NEW_SPEC: Spec = SPEC.initial;

export interface PoolFields {
	readonly pool: Identity;
	readonly bornAt: Ms;
	readonly run: Run;
	/** A removed pool leaves its VMs running. */
	readonly keep: boolean;
	/** The directory was asked to forget the pool: whatever comes of that, it does not come back; a pool of its name is another one. */
	readonly leaving: boolean;
	readonly forgotten: boolean;
	/** An invariant that did not hold: creates and deletes stop until an operator starts the pool again. */
	readonly breach: string | null;
	/** Why what is stored of the pool cannot be read, or null: then nothing is stored either, and it can only be removed. */
	readonly unreadable: string | null;
	readonly spec: Spec;
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
	readonly credentials: readonly KnownCredentials[];
	/** The newest order that the pool was told of: it stands over the deployment's own credentials. */
	readonly orderedCredentials: OrderedCredentials;
	/** Addresses (CIDR) that may use the proxies; empty: any. */
	readonly allow: readonly string[];
}

export const poolSlice: Slice<PoolFields> = {
	pool: fact(
		record<Identity>({
			object: value(""),
			provider: value<ProviderName>("static"),
			name: value(""),
			deployment: value(""),
			incarnation: value(0),
			tag: value(""),
		}),
	),
	bornAt: fact(value(0)),
	run: shown(fact(value<Run>("running"))),
	keep: fact(value<boolean>(false)),
	leaving: fact(value<boolean>(false)),
	forgotten: fact(value<boolean>(false)),
	breach: shown(fact(value<string | null>(null))),
	unreadable: shown(fact(value<string | null>(null))),
	spec: shown(fact(SPEC)),
	suspended: shown(fact(value<string | null>(null))),
	environment: fact(nullable(record<{ readonly min: number; readonly max: number }>({ min: value(0), max: value(0) }))),
	patchedRolling: fact(nullable(record<PatchedRolling>({ ...ROLLING_FIELDS, environment: ROLLING }))),
	agentUrl: shown(fact(value<string | null>(null))),
	account: shown(fact(value(""))),
	credentials: shown(
		fact(
			list(
				record<KnownCredentials>({
					version: value(0),
					username: value(""),
					password: value(""),
					formerSeconds: value(FORMER_CREDENTIALS_SECONDS),
				}),
			),
		),
	),
	orderedCredentials: fact(
		record<OrderedCredentials>({
			revision: value(0),
			is: value<OrderedCredentials["is"]>("none"),
			username: value(""),
			password: value(""),
			formerSeconds: value(FORMER_CREDENTIALS_SECONDS),
		}),
	),
	allow: fact(list(value(""))),
};
