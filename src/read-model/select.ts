import type { ReadyEntry } from "../core/model/published.ts";
import { countryOf } from "../providers/index.ts";
import { accessOf } from "../values/access.ts";
import { hash64, nameOf, scoreOf } from "../values/rendezvous.ts";
import { coolingFor } from "./cooling.ts";
import { type PublishedPool, pickReady, type ReadyProxy, readyPage, type Snapshot, snapshotOf, whereIs, withEntries } from "./snapshot.ts";

/** Which of the ready proxies a request is about. What is null or empty leaves nothing out; all texts are in lower case. */
export interface Selection {
	readonly providers: ReadonlySet<string> | null;
	/** Pools' names: those that differ in nothing else but case are all meant. */
	readonly instances: ReadonlySet<string> | null;
	/** Regions (or zones, or locations) as pools publish them. */
	readonly regions: ReadonlySet<string> | null;
	/** Muster's own proxies, or those that others run. */
	readonly sources: ReadonlySet<Source> | null;
	/** ISO 3166-1 alpha-2. */
	readonly countries: ReadonlySet<string> | null;
	/** Addresses that are not wanted. */
	readonly exclude: ReadonlySet<string>;
	/** A site (normalised): proxies that cool down for it are not wanted. */
	readonly host: string | null;
	/** Any text, as it is: the same one gets the same proxy while that is ready. */
	readonly session: string | null;
}

export const SOURCES = ["own", "static"] as const;
export type Source = (typeof SOURCES)[number];

export const EVERYTHING: Selection = {
	...{ providers: null, instances: null, regions: null, countries: null, sources: null },
	...{ exclude: new Set(), host: null, session: null },
};

/** Whether nothing is left out, and in no order of a session. */
export function isEverything(wanted: Selection): boolean {
	return isEveryPool(wanted) && wanted.exclude.size === 0 && wanted.host === null && wanted.session === null;
}

function isEveryPool({ providers, instances, regions, countries, sources }: Selection): boolean {
	return providers === null && instances === null && regions === null && countries === null && sources === null;
}

/** What a pool is selected by, or one of its proxies. */
export interface Whereabouts {
	readonly provider: string;
	readonly name: string;
	readonly regions: readonly string[];
	/** Countries beside those of its regions: of proxies that others run. Asked for only where countries matter. */
	readonly countries?: () => readonly string[];
}

/** Whether what is there is among what is asked for. */
export function isSelected({ provider, name, regions, countries }: Whereabouts, wanted: Selection): boolean {
	return (
		(wanted.providers === null || wanted.providers.has(provider)) &&
		(wanted.instances === null || wanted.instances.has(name.toLowerCase())) &&
		(wanted.regions === null || regions.some((region) => wanted.regions?.has(region.toLowerCase()))) &&
		(wanted.countries === null ||
			countries?.().some((country) => wanted.countries?.has(country)) ||
			regions.some((region) => wanted.countries?.has(countryOf(provider, region) ?? "")))
	);
}

/** Where a pool's proxies are, all of them together. */
export function whereaboutsOf({ provider, name, summary, parts }: PublishedPool): Whereabouts {
	const shown = summary?.settings.region;
	const own = summary?.places?.map(({ region }) => region) ?? [];
	return {
		provider,
		name,
		regions: own.length > 0 ? own : typeof shown === "string" ? [shown] : [],
		countries: () => parts.flatMap((part) => countriesIn(part.entries())),
	};
}

/** Of each list that was read, the countries of proxies that others run. */
const countriesKnown = new WeakMap<readonly ReadyEntry[], readonly string[]>();

function countriesIn(entries: readonly ReadyEntry[]): readonly string[] {
	let countries = countriesKnown.get(entries);
	if (countries === undefined) {
		countries = [...new Set(entries.flatMap((entry) => accessOf(entry[5])?.country ?? []))];
		countriesKnown.set(entries, countries);
	}
	return countries;
}

/** What of a snapshot is asked for; the snapshot itself where that is all of it. `now`: milliseconds since the epoch. */
export function selectFrom(snapshot: Snapshot, wanted: Selection, now: number): Snapshot {
	const { exclude, host } = wanted;
	if (isEverything({ ...wanted, session: null })) return snapshot;
	const pools = isEveryPool(wanted) ? snapshot.pools : snapshot.pools.filter((pool) => isSelected(whereaboutsOf(pool), wanted));
	const isPlaceAsked = wanted.regions !== null || wanted.countries !== null;
	return snapshotOf(
		pools.map((each) => {
			const pool = host === null ? each : withoutCooling(each, host, now);
			const isEach = isPlaceAsked && isSpread(pool);
			if (exclude.size === 0 && !isEach && wanted.sources === null) return pool;
			const isOfSource = ([id]: ReadyEntry) => wanted.sources === null || wanted.sources.has(sourceOf(id));
			return withEntries(pool, (entry) => !exclude.has(entry[1]) && isOfSource(entry) && (!isEach || isThere(pool, entry, wanted)));
		}),
	);
}

/** No id of an own proxy holds a colon. */
const sourceOf = (id: string): Source => (id.includes(":") ? "static" : "own");

/** A proxy that others run is in the country that its list says, and in no region. */
function isThere(pool: PublishedPool, entry: ReadyEntry, wanted: Selection): boolean {
	const { provider, name } = pool;
	if (sourceOf(entry[0]) === "own") return isSelected({ provider, name, regions: [whereIs({ pool, entry }).region ?? ""] }, wanted);
	const country = accessOf(entry[5])?.country ?? null;
	return isSelected({ provider, name, regions: [], countries: () => (country === null ? [] : [country]) }, wanted);
}

/** Whether its proxies are in more than one place, or were before its settings changed: then each is asked for its own. */
export function isSpread({ summary, parts }: PublishedPool): boolean {
	return (
		(summary?.places?.length ?? 0) > 1 ||
		parts.some((part) => part.entries().some((entry) => entry[4] !== undefined || entry[5] !== undefined))
	);
}

function withoutCooling(pool: PublishedPool, host: string, now: number): PublishedPool {
	const cooling = coolingFor(pool, host);
	const isCooling = (id: string) => (cooling.get(id) ?? 0) * 1_000 > now;
	return [...cooling.keys()].some(isCooling) ? withEntries(pool, ([id]) => !isCooling(id)) : pool;
}

/** Of proxies that all cool down for a host the one that has first done so, and when (milliseconds since the epoch). Null where there is none. */
export function coolestOf(snapshot: Snapshot, host: string): { readonly ready: ReadyProxy; readonly until: number } | null {
	let coolest: { readonly ready: ReadyProxy; readonly until: number } | null = null;
	for (const pool of snapshot.pools) {
		const cooling = coolingFor(pool, host);
		for (const part of pool.parts) {
			for (const entry of part.entries()) {
				const until = (cooling.get(entry[0]) ?? 0) * 1_000;
				if (coolest === null || until < coolest.until) coolest = { ready: { pool, entry }, until };
			}
		}
	}
	return coolest;
}

/** One ready proxy: the session's, or any, each equally likely. Null where there is none. `random` gives numbers in [0, 1). */
export function pickFrom(snapshot: Snapshot, session: string | null, random: () => number): ReadyProxy | null {
	if (session === null) return pickReady(snapshot, random);
	let best: Scored | null = null;
	for (const scored of scores(snapshot, session)) if (best === null || isBefore(scored, best)) best = scored;
	return best && { pool: best.pool, entry: best.entry };
}

/** At most `limit` ready proxies from `offset` on: in an order that stays while nothing changes, or from the session's best to its worst. */
export function pageFrom(snapshot: Snapshot, session: string | null, offset: number, limit: number): readonly ReadyProxy[] {
	if (session === null) return readyPage(snapshot, offset, limit);
	const ranked = [...scores(snapshot, session)].sort((a, b) => b.score - a.score || (isBefore(a, b) ? -1 : 1));
	return ranked.slice(offset, offset + limit).map(({ pool, entry }) => ({ pool, entry }));
}

interface Scored extends ReadyProxy {
	readonly score: number;
}

function* scores(snapshot: Snapshot, session: string): Generator<Scored> {
	const key = hash64(session);
	for (const pool of snapshot.pools) {
		for (const part of pool.parts) {
			const entries = part.entries();
			const hashes = hashesOf(pool, entries);
			for (const [index, entry] of entries.entries())
				yield { pool, entry, score: scoreOf(hashes[2 * index] ?? 0, hashes[2 * index + 1] ?? 0, key) };
		}
	}
}

function isBefore(a: Scored, b: Scored): boolean {
	return a.score > b.score || (a.score === b.score && a.entry[0] < b.entry[0]);
}

/** Of each list that was read, the two halves of its proxies' hashes in turn: they are the same for every session. */
const known = new WeakMap<readonly ReadyEntry[], Uint32Array>();

function hashesOf(pool: PublishedPool, entries: readonly ReadyEntry[]): Uint32Array {
	let hashes = known.get(entries);
	if (hashes === undefined) {
		hashes = Uint32Array.from(entries.flatMap(([id]) => hash64(nameOf(pool.object, id))));
		known.set(entries, hashes);
	}
	return hashes;
}
