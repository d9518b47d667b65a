import type { ReadyEntry } from "../core/model/published.ts";
import { hash64, nameOf, scoreOf } from "../values/rendezvous.ts";
import { type PublishedPool, pickReady, type ReadyProxy, readyPage, type Snapshot, snapshotOf, withEntries } from "./snapshot.ts";

/** Which of the ready proxies a request is about. What is null or empty leaves nothing out. */
export interface Selection {
	/** In lower case. */
	readonly provider: string | null;
	/** A pool's name, in lower case: names that differ in nothing else are all meant. */
	readonly instance: string | null;
	/** The pool's region (or zone, or location) as it publishes it. */
	readonly region: string | null;
	/** Addresses that are not wanted. */
	readonly exclude: ReadonlySet<string>;
	/** Any text: the same one gets the same proxy while that is ready. */
	readonly session: string | null;
}

export const EVERYTHING: Selection = { provider: null, instance: null, region: null, exclude: new Set(), session: null };

/** Whether nothing is left out, and in no order of a session. */
export function isEverything({ provider, instance, region, exclude, session }: Selection): boolean {
	return provider === null && instance === null && region === null && exclude.size === 0 && session === null;
}

/** Whether a pool is among those asked for. */
export function isSelected(
	pool: { readonly provider: string; readonly name: string; readonly region: unknown },
	wanted: Selection,
): boolean {
	return (
		(wanted.provider === null || pool.provider === wanted.provider) &&
		(wanted.instance === null || pool.name.toLowerCase() === wanted.instance) &&
		(wanted.region === null || pool.region === wanted.region)
	);
}

/** What of a snapshot is asked for; the snapshot itself where that is all of it. */
export function selectFrom(snapshot: Snapshot, wanted: Selection): Snapshot {
	const { exclude } = wanted;
	if (isEverything({ ...wanted, session: null })) return snapshot;
	const pools = snapshot.pools.filter((pool) =>
		isSelected({ provider: pool.provider, name: pool.name, region: pool.summary?.settings.region }, wanted),
	);
	return snapshotOf(exclude.size === 0 ? pools : pools.map((pool) => withEntries(pool, ([, address]) => !exclude.has(address))));
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
