import { type Cooling, coolingOf } from "../core/model/bans.ts";
import { onlyPlaceOf, readyEntryOf, rowOf } from "../core/model/projection.ts";
import type { ProxyRow, ReadyEntry } from "../core/model/published.ts";
import type { Id, Proxy, State } from "../core/model/state.ts";
import { staticEntries, staticRows } from "../core/model/statics.ts";
import { type CoolingChange, changeOfCooling } from "./cooling.ts";

/** Where agents listen (`src/agent/protocol.ts`, which this file must not import: it runs in the simulation too). */
const USUAL_PORT = 8899;
/** A ready list's part is one row of D1: some 60 KB, and one row read for a thousand proxies. */
const PART_SIZE = 1000;

/** A part in which more places changed is sent whole: so few are some 1.5 KB. */
const MAX_PLACES = 30;

/** One part of the ready list that changed. */
export interface PartChange {
	readonly part: number;
	/** The whole part as it is now. */
	readonly proxies: readonly ReadyEntry[];
	/** Where D1 is known to hold the part as it was, all that has to be sent. Missing: the whole part is. */
	readonly edit?: PartEdit;
}

export interface PartEdit {
	/** The places in which another proxy stands now, or one where there was none; in ascending order. */
	readonly places: readonly number[];
	/** How many proxies the part had. */
	readonly countBefore: number;
}

export interface Changes {
	/** The version on which these changes rest: D1 must hold it. Null: all is sent, whatever D1 holds. */
	readonly over: number | null;
	readonly parts: readonly PartChange[];
	/** Parts with this number or a higher one do not exist. */
	readonly partCount: number;
	readonly proxies: readonly ProxyRow[];
	readonly existing: readonly Id[] | null;
	readonly gone: readonly Id[];
	/** Null: it is as D1 shows it. */
	readonly cooling: CoolingChange | null;
	acknowledge(): void;
}

type Parts = readonly (readonly ReadyEntry[])[];

/**
 * What of the proxies D1 is known to show, so that a publication sends only what changed. Members of the ready list keep their place,
 * so that one change is one place of one part. It lives in memory: after it was lost everything is sent once, and D1 writes what differs.
 */
export class Ledger {
	/** The ready list as it was last laid out, whether or not D1 took it. */
	private parts: Parts = [];
	private shown: Shown | null = null;

	/** What is to be sent so that D1 shows `state`, as the version that this is published as; `acknowledge` once it does. */
	changes(state: State): Changes {
		const { version } = state.published;
		const { shown } = this;
		const parts = laidOut(readyEntriesOf(state), this.parts);
		this.parts = parts;
		const statics = staticRows(state);
		const cooling = coolingOf(state);
		const rows = new Map<Id, Proxy | string>([...state.proxies, ...statics.map((row) => [row.id, JSON.stringify(row)] as const)]);
		const isNew = (id: Id) => shown?.rows.get(id) !== rows.get(id);
		const changedProxies = [...state.proxies.values()].filter(({ id }) => isNew(id)).map(rowOf);
		return {
			over: shown?.version ?? null,
			parts: parts.flatMap((proxies, part) => changeOf(part, proxies, shown?.parts[part])),
			partCount: parts.length,
			proxies: [...changedProxies, ...statics.filter(({ id }) => isNew(id))],
			existing: shown === null ? [...rows.keys()] : null,
			gone: shown === null ? [] : [...shown.rows.keys()].filter((id) => !rows.has(id)),
			cooling: changeOfCooling(shown?.cooling ?? null, cooling),
			acknowledge: () => {
				this.shown = { version, rows, parts, cooling };
			},
		};
	}

	/** A publication went out and its fate is not known: the next one sends everything. */
	doubt(): void {
		this.shown = null;
	}
}

interface Shown {
	readonly version: number;
	/** The rows by what they are made of: proxies are never mutated, and static backends are few. */
	readonly rows: ReadonlyMap<Id, Proxy | string>;
	readonly parts: Parts;
	readonly cooling: Cooling;
}

function readyEntriesOf(state: State): readonly ReadyEntry[] {
	const isOnlyPlace = onlyPlaceOf(state);
	const own = [...state.proxies.values()].map((proxy) => readyEntryOf(proxy, isOnlyPlace)).filter((entry) => entry !== null);
	return [...own, ...staticEntries(state, USUAL_PORT)];
}

/**
 * The ready list in as few parts as can be, each proxy in the place where it was before, if that part still exists. Who comes takes the
 * place of one that went; a place that stays empty is filled with the last of its part.
 */
function laidOut(entries: readonly ReadyEntry[], before: Parts): Parts {
	const homeless = new Map(entries.map((entry) => [entry[0], entry]));
	const parts = Array.from({ length: Math.ceil(entries.length / PART_SIZE) }, (_, part) =>
		(before[part] ?? []).map(([id]) => {
			const entry = homeless.get(id) ?? null;
			homeless.delete(id);
			return entry;
		}),
	);
	const waiting = homeless.values();
	const next = () => waiting.next().value ?? null;
	for (const part of parts) for (const [place, entry] of part.entries()) if (entry === null) part[place] = next();
	for (const part of parts) {
		while (part.length < PART_SIZE) {
			const entry = next();
			if (entry === null) break;
			part.push(entry);
		}
	}
	return parts.map(closed);
}

/** Without its empty places. */
function closed(part: readonly (ReadyEntry | null)[]): readonly ReadyEntry[] {
	const left = [...part];
	const whole: ReadyEntry[] = [];
	for (let place = 0; place < left.length; place++) {
		while (left.length > place && left.at(-1) === null) left.pop();
		const entry = left[place] ?? left.pop();
		if (entry) whole.push(entry);
	}
	return whole;
}

/** How a part differs from what D1 shows; empty: not at all. `before` undefined: it is not known to show any. */
function changeOf(part: number, proxies: readonly ReadyEntry[], before: readonly ReadyEntry[] | undefined): readonly PartChange[] {
	if (before === undefined) return [{ part, proxies }];
	const places = proxies.flatMap((entry, place) => (isSame(entry, before[place]) ? [] : [place]));
	const shrunkBy = Math.max(0, before.length - proxies.length);
	if (places.length === 0 && shrunkBy === 0) return [];
	if (places.length > MAX_PLACES || shrunkBy > MAX_PLACES) return [{ part, proxies }];
	return [{ part, proxies, edit: { places, countBefore: before.length } }];
}

function isSame(a: ReadyEntry, b: ReadyEntry | undefined): boolean {
	return b !== undefined && a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3] && a[4] === b[4] && a[5] === b[5];
}
