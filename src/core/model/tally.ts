/** What a pool has done since it was made: counters that only grow, and the VMs that are gone and not told of yet. */
import type { Id, Ms } from "./basics.ts";
import { bounded } from "./bounds.ts";
import { priceOf } from "./cost.ts";
import { PLACE, type Place } from "./places.ts";
import { isUnsent, vmOf } from "./proxies.ts";
import { list, nullable, record, type Shape, value } from "./shape.ts";
import { fact, type Slice, vital } from "./slice.ts";
import type { Price, Proxy, State } from "./state.ts";
import { sumOf, type Traffic, totalCounted, trafficShape } from "./traffic.ts";

/** `created`: its VM was seen. `refused`: certainly none was made. `lost`: none appeared. */
export type CreateOutcome = "created" | "refused" | "lost";

/** Why a VM went, in words that are few. `vanished`: without having been deleted by us. `released`: it runs on, without us. */
export const END_REASONS = [
	"scale_in",
	"age",
	"roll",
	"unhealthy",
	"operator",
	"boot_failed",
	"off",
	"vanished",
	"released",
	"other",
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** Upper bounds of the boots' histogram, in seconds; above the last is one more. */
export const BOOT_BUCKETS_SECONDS = [10, 20, 30, 45, 60, 90, 120, 180, 300, 600] as const;

export interface Tally {
	readonly creates: Readonly<Partial<Record<CreateOutcome, number>>>;
	readonly deletes: Readonly<Partial<Record<EndReason, number>>>;
	/** Boots that reached "ready": how many in each bucket (see {@link BOOT_BUCKETS_SECONDS}), and their sum. */
	readonly boots: { readonly counts: readonly number[]; readonly sumMs: number };
	/** What clients have sent through proxies that are gone. */
	readonly gone: Traffic;
	/** What VMs that are gone have cost, in millionths, by currency. */
	readonly spent: Readonly<Record<string, number>>;
}

/** A VM that is gone. */
export interface EndedVm {
	readonly id: Id;
	readonly vm: string;
	readonly address: string | null;
	/** Fingerprint of the account's settings that it was launched with. */
	readonly account: string;
	/** Where it was, and how large; null: where and as the account says. */
	readonly place: Place | null;
	readonly createdAt: Ms;
	readonly readyAt: Ms | null;
	readonly endedAt: Ms;
	readonly reason: EndReason;
	readonly why: string;
	/** Null: its price is not known. */
	readonly hourly: number | null;
	readonly currency: string | null;
	/** From create to the end of its last started unit of time. */
	readonly cost: number | null;
}

export interface TallyFields {
	readonly tally: Tally;
	/** The newest last; each until it is published. */
	readonly ended: readonly EndedVm[];
	/** Calls to the cloud by what became of them: an HTTP status, or `lost`. */
	readonly providerCalls: Readonly<Record<string, number>>;
}

const ENDED: Shape<EndedVm> = record<EndedVm>({
	id: value(""),
	vm: value(""),
	address: value<string | null>(null),
	account: value(""),
	place: nullable(PLACE),
	createdAt: value(0),
	readyAt: value<Ms | null>(null),
	endedAt: value(0),
	reason: value<EndReason>("other"),
	why: value(""),
	hourly: value<number | null>(null),
	currency: value<string | null>(null),
	cost: value<number | null>(null),
});

export const tallySlice: Slice<TallyFields> = {
	tally: fact(
		record<Tally>({
			creates: value<Tally["creates"]>({}),
			deletes: value<Tally["deletes"]>({}),
			boots: record<Tally["boots"]>({ counts: value<readonly number[]>([]), sumMs: value(0) }),
			gone: trafficShape,
			spent: value<Tally["spent"]>({}),
		}),
	),
	ended: fact(list(ENDED)),
	providerCalls: vital(value<TallyFields["providerCalls"]>({})),
};

/** VMs that are gone and that D1 has not taken are bounded: the oldest go first when it is down for long. */
const KEPT_ENDED = 300;
/** Characters of why a VM went. */
const MOST_END_CHARS = 200;
export const MICRO = 1_000_000;

/** The counts with one more of `key`. */
function more<Key extends string>(counts: Readonly<Partial<Record<Key, number>>>, key: Key, by = 1): Partial<Record<Key, number>> {
	return { ...counts, [key]: (counts[key] ?? 0) + by };
}

export function withCreate(state: State, outcome: CreateOutcome): State {
	return { ...state, tally: { ...state.tally, creates: more(state.tally.creates, outcome) } };
}

export function withBoot(state: State, bootMs: Ms): State {
	const { boots } = state.tally;
	const bucket = BOOT_BUCKETS_SECONDS.findIndex((most) => bootMs <= most * 1000);
	const at = bucket < 0 ? BOOT_BUCKETS_SECONDS.length : bucket;
	const counts = Array.from({ length: BOOT_BUCKETS_SECONDS.length + 1 }, (_, i) => (boots.counts[i] ?? 0) + (i === at ? 1 : 0));
	return { ...state, tally: { ...state.tally, boots: { counts, sumMs: boots.sumMs + bootMs } } };
}

/** The state once calls to the cloud were answered, or lost. */
export function withCalls(state: State, calls: Readonly<Record<string, number>>): State {
	let providerCalls = state.providerCalls;
	for (const [code, count] of Object.entries(calls)) providerCalls = more(providerCalls, code, count) as Record<string, number>;
	return { ...state, providerCalls };
}

/** What a VM has cost until now, in millionths: to the end of the unit that it has begun. Null: its price is not known. */
export function costSoFar(
	state: State,
	proxy: Proxy,
	now: Ms,
): { readonly micro: number; readonly currency: string; readonly hourly: number } | null {
	const price = priceOf(state, proxy);
	return price && { micro: microSoFar(state, proxy, price, now), currency: price.currency, hourly: price.hourly };
}

function microSoFar(state: State, proxy: Proxy, price: Price, now: Ms): number {
	const unitMs = state.spec.billedSeconds * 1000;
	const lived = Math.max(0, now - proxy.createdAt);
	const billedMs = isUnsent(proxy) ? 0 : unitMs === 0 ? lived : Math.max(1, Math.ceil(lived / unitMs)) * unitMs;
	return Math.round((price.hourly * MICRO * billedMs) / 3_600_000);
}

/** What all VMs that the pool ever had have cost until now, in millionths, by currency. */
export function spentSoFar(state: State, now: Ms): Readonly<Record<string, number>> {
	const spent: Record<string, number> = { ...state.tally.spent };
	// Most were launched with the same settings, and cost the same.
	let [known, price]: [Proxy | null, Price | null] = [null, null];
	for (const proxy of state.proxies.values()) {
		if (known === null || known.account !== proxy.account || known.place !== proxy.place) [known, price] = [proxy, priceOf(state, proxy)];
		const micro = price === null ? 0 : microSoFar(state, proxy, price, now);
		if (price !== null && micro > 0) spent[price.currency] = (spent[price.currency] ?? 0) + micro;
	}
	return spent;
}

/** What clients have sent through all proxies that the pool ever had, as far as it was reported. */
export function trafficOf(state: State): Traffic {
	let { bytesIn, bytesOut, requests, errors, opened } = state.tally.gone;
	state.vitals.forEach(({ counted: { boot, last, before } }, id) => {
		// After a crash vitals may still hold what a proxy had that is gone since, and is counted among these.
		if (boot === "" || !state.proxies.has(id)) return;
		bytesIn += before.bytesIn + last.bytesIn;
		bytesOut += before.bytesOut + last.bytesOut;
		requests += before.requests + last.requests;
		errors += before.errors + last.errors;
		opened += before.opened + last.opened;
	});
	return { bytesIn, bytesOut, requests, errors, opened };
}

/** What a proxy leaves behind that is forgotten now. */
export function withEnded(state: State, id: Id, now: Ms): State {
	const proxy = state.proxies.get(id);
	const counted = state.vitals.get(id)?.counted;
	if (proxy === undefined) return state;
	const gone = counted === undefined ? state.tally.gone : sumOf(state.tally.gone, totalCounted(counted));
	const vm = vmOf(proxy);
	// No VM was ever seen of it, and none is known to have cost anything.
	if (vm === null || proxy.phase.at === "adopting")
		return gone === state.tally.gone ? state : { ...state, tally: { ...state.tally, gone } };
	const reason = reasonOf(proxy);
	const price = costSoFar(state, proxy, now);
	const { tally } = state;
	const spent = price === null ? tally.spent : (more(tally.spent, price.currency, price.micro) as Tally["spent"]);
	const deletes = reason === "released" ? tally.deletes : more(tally.deletes, reason);
	const ended: EndedVm = {
		id,
		vm,
		address: proxy.address,
		account: proxy.account,
		place: proxy.place,
		createdAt: proxy.createdAt,
		readyAt: proxy.readyAt,
		endedAt: now,
		reason,
		why: bounded(reason === "vanished" ? "its provider has it no more" : proxy.why, MOST_END_CHARS),
		hourly: price?.hourly ?? null,
		currency: price?.currency ?? null,
		cost: price === null ? null : price.micro / MICRO,
	};
	return { ...state, tally: { ...tally, gone, spent, deletes }, ended: [...state.ended, ended].slice(-KEPT_ENDED) };
}

const REASONS: readonly (readonly [RegExp, EndReason])[] = [
	[/^(one too many|not needed any more)/, "scale_in"],
	[/^older than the age limit/, "age"],
	[/^rolled by an operator/, "roll"],
	[/^replaced: /, "unhealthy"],
	[/^destroyed by an operator/, "operator"],
	[/^not ready \d+ s after/, "boot_failed"],
	[/^its VM is switched off/, "off"],
];

/** Why it goes, as its own reason has it. */
function reasonOf({ phase, why }: Proxy): EndReason {
	if (phase.at === "releasing") return "released";
	if (phase.at !== "deleting") return "vanished";
	return REASONS.find(([pattern]) => pattern.test(why))?.[1] ?? "other";
}
