import { readyEntryOf, rowOf } from "../core/model/projection.ts";
import type { ProxyRow, ReadyEntry } from "../core/model/published.ts";
import type { Id, Proxy, State } from "../core/model/state.ts";
import { staticEntries, staticRows } from "../core/model/statics.ts";

/** Where agents listen (`src/agent/protocol.ts`, which this file must not import: it runs in the simulation too). */
const USUAL_PORT = 8899;
/** A ready list's part is one row of D1: some 60 KB, and one row read for a thousand proxies. */
export const PART_SIZE = 1000;

/**
 * What of the proxies D1 is known to show, so that a publication sends only what changed. Members keep their part, so that one
 * change rewrites one part. It lives in memory: after it was lost everything is sent once, and D1 writes what differs.
 */
export class Ledger {
	private readonly partOf = new Map<Id, number>();
	/** The rows as they are shown, by what they are made of: proxies are never mutated, and static backends are few. */
	private shown: ReadonlyMap<Id, Proxy | string> | null = null;
	private shownParts: ReadonlyMap<number, string> = new Map();

	/** What is to be sent so that D1 shows `state`; `acknowledge` once it does. */
	changes(state: State): Changes {
		const parts = this.assign(state);
		const texts = new Map(parts.map((entries, part) => [part, JSON.stringify(entries)]));
		const changedParts = parts.flatMap((proxies, part) => (this.shownParts.get(part) === texts.get(part) ? [] : [{ part, proxies }]));
		const { shown } = this;
		const statics = staticRows(state);
		const rows = new Map<Id, Proxy | string>([...state.proxies, ...statics.map((row) => [row.id, JSON.stringify(row)] as const)]);
		const isNew = (id: Id) => shown?.get(id) !== rows.get(id);
		const changedProxies = [...state.proxies.values()].filter(({ id }) => isNew(id)).map(rowOf);
		const proxies = [...changedProxies, ...statics.filter(({ id }) => isNew(id))];
		const gone = shown === null ? [] : [...shown.keys()].filter((id) => !rows.has(id));
		return {
			parts: changedParts,
			partCount: parts.length,
			proxies,
			existing: shown === null ? [...rows.keys()] : null,
			gone,
			acknowledge: () => {
				this.shown = rows;
				this.shownParts = texts;
			},
		};
	}

	/** A publication went out and its fate is not known: the next one sends everything. */
	doubt(): void {
		this.shown = null;
		this.shownParts = new Map();
	}

	/** The ready list in as few parts as can be, each proxy in the part where it was, if that still exists. */
	private assign(state: State): ReadyEntry[][] {
		const own = [...state.proxies.values()].map(readyEntryOf).filter((entry) => entry !== null);
		const entries = [...own, ...staticEntries(state, USUAL_PORT)];
		const parts: ReadyEntry[][] = Array.from({ length: Math.ceil(entries.length / PART_SIZE) }, () => []);
		const homeless: ReadyEntry[] = [];
		for (const entry of entries) (parts[this.partOf.get(entry[0]) ?? -1] ?? homeless).push(entry);
		for (const part of parts) homeless.push(...part.splice(PART_SIZE));
		for (const part of parts) part.push(...homeless.splice(0, PART_SIZE - part.length));
		this.partOf.clear();
		for (const [number, part] of parts.entries()) for (const [id] of part) this.partOf.set(id, number);
		return parts;
	}
}

export interface Changes {
	readonly parts: readonly { readonly part: number; readonly proxies: readonly ReadyEntry[] }[];
	readonly partCount: number;
	readonly proxies: readonly ProxyRow[];
	readonly existing: readonly Id[] | null;
	readonly gone: readonly Id[];
	acknowledge(): void;
}
