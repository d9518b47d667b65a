import type { ReadyEntry } from "../core/model/published.ts";
import { type PublishedPool, pickReady, placeOf, type ReadyProxy, readyPage, type Snapshot, snapshotOf, withEntries } from "./snapshot.ts";

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
		(wanted.region === null || regionsOf(pool.region).includes(wanted.region))
	);
}

/** A pool with several places shows all their regions. */
const regionsOf = (shown: unknown): readonly string[] => String(shown ?? "").split(", ");

/** What of a snapshot is asked for; the snapshot itself where that is all of it. */
export function selectFrom(snapshot: Snapshot, wanted: Selection): Snapshot {
	const { exclude } = wanted;
	if (isEverything({ ...wanted, session: null })) return snapshot;
	const pools = snapshot.pools.filter((pool) =>
		isSelected({ provider: pool.provider, name: pool.name, region: pool.summary?.settings.region }, wanted),
	);
	const { region } = wanted;
	const isKept = (pool: PublishedPool) => (entry: ReadyEntry) =>
		!exclude.has(entry[1]) && (region === null || !isSpread(pool) || placeOf({ pool, entry }).region === region);
	return snapshotOf(
		pools.map((pool) => (exclude.size === 0 && (region === null || !isSpread(pool)) ? pool : withEntries(pool, isKept(pool)))),
	);
}

/** Whether its proxies are in more than one place, or were before its settings changed: then each is asked for its own. */
function isSpread({ summary, parts }: PublishedPool): boolean {
	return (summary?.places?.length ?? 0) > 1 || parts.some((part) => part.entries().some((entry) => entry[4] !== undefined));
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

/*
 * Rendezvous hashing (Thaler and Ravishankar, 1998, https://doi.org/10.1109/90.663936): each proxy has a score for each session,
 * and the highest wins. A proxy that goes moves only the sessions that it had, and one that comes takes an equal share of
 * each other's; nothing has to be remembered of any session.
 */
interface Scored extends ReadyProxy {
	readonly score: number;
}

function* scores(snapshot: Snapshot, session: string): Generator<Scored> {
	const key = hash64(session);
	for (const pool of snapshot.pools) {
		for (const part of pool.parts) {
			const entries = part.entries();
			const hashes = hashesOf(pool, entries);
			for (const [index, entry] of entries.entries()) {
				const [high, low] = [hashes[2 * index] ?? 0, hashes[2 * index + 1] ?? 0];
				yield { pool, entry, score: scatter(high ^ key[0]) * 2 ** 20 + (scatter(low ^ key[1]) >>> 12) };
			}
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
		hashes = Uint32Array.from(entries.flatMap(([id]) => hash64(`${pool.object}/${id}`)));
		known.set(entries, hashes);
	}
	return hashes;
}

/** 64 bits of a text, as two halves: FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) from two beginnings, scattered. */
function hash64(text: string): readonly [high: number, low: number] {
	let [a, b] = [0x811c9dc5, 0x9747b28c];
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		a = Math.imul(a ^ code, 0x01000193);
		b = Math.imul(b ^ code, 0x85ebca6b);
		b = (b << 13) | (b >>> 19);
	}
	return [scatter(a), scatter(b)];
}

/** The finaliser of MurmurHash3 (public domain, https://github.com/aappleby/smhasher): each bit of the input moves half of the output's. */
function scatter(value: number): number {
	let mixed = value;
	mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
	mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
	return (mixed ^ (mixed >>> 16)) >>> 0;
}
