/**
 * The stored facts of one pool. Everything that the pool does is derived from these by `plan`; nothing here is an instruction. Values are
 * replaced, never mutated: only what changed is written. Each slice says what of it is stored when, and what readers see.
 */
import { type BackendFields, backendSlice } from "./backends.ts";
import { type BanFields, banSlice } from "./bans.ts";
import type { Ms } from "./basics.ts";
import { type BreakerFields, breakerSlice } from "./breakers.ts";
import { type FirewallFields, firewallSlice } from "./firewall.ts";
import { type HealthFields, healthSlice } from "./health.ts";
import { type InventoryFields, inventorySlice } from "./inventory.ts";
import { type JournalFields, journalSlice } from "./journal.ts";
import { type LeaseFields, leaseSlice } from "./leases.ts";
import { type LivenessFields, livenessSlice } from "./liveness.ts";
import { type LoadFields, loadSlice } from "./load.ts";
import { type MoneyFields, moneySlice } from "./money.ts";
import { type NeighbourFields, neighbourSlice } from "./neighbours.ts";
import { type PlaceFields, placeSlice } from "./places.ts";
import { type Identity, type PoolFields, poolSlice, type Run } from "./pool.ts";
import { type PublicationFields, publicationSlice } from "./publication.ts";
import { type ReplacementFields, replacementSlice } from "./replacements.ts";
import { type SampleFields, sampleSlice } from "./samples.ts";
import type { Field, Slice, Storage } from "./slice.ts";
import { Table } from "./table.ts";
import { type TallyFields, tallySlice } from "./tally.ts";

export type * from "./backends.ts";
export type * from "./basics.ts";
export type * from "./breakers.ts";
export type * from "./firewall.ts";
export type * from "./health.ts";
export type * from "./inventory.ts";
export type * from "./journal.ts";
export type * from "./liveness.ts";
export type * from "./load.ts";
export type * from "./money.ts";
export type * from "./neighbours.ts";
export type * from "./places.ts";
export type * from "./pool.ts";
export type * from "./proxy.ts";
export type * from "./publication.ts";
export type * from "./replacements.ts";
export type * from "./samples.ts";
export type * from "./tally.ts";

export interface State
	extends PoolFields,
		InventoryFields,
		LivenessFields,
		BreakerFields,
		PlaceFields,
		NeighbourFields,
		MoneyFields,
		LoadFields,
		FirewallFields,
		BackendFields,
		HealthFields,
		ReplacementFields,
		BanFields,
		LeaseFields,
		JournalFields,
		TallyFields,
		SampleFields,
		PublicationFields {}

/** Every field of the state. A new slice is named here and in {@link State}. */
const SLICES: Slice<State> = {
	...poolSlice,
	...inventorySlice,
	...livenessSlice,
	...breakerSlice,
	...placeSlice,
	...neighbourSlice,
	...moneySlice,
	...loadSlice,
	...firewallSlice,
	...backendSlice,
	...healthSlice,
	...replacementSlice,
	...banSlice,
	...leaseSlice,
	...journalSlice,
	...tallySlice,
	...sampleSlice,
	...publicationSlice,
};

export type Key = keyof State;
const FIELDS = Object.entries(SLICES) as [Key, Field<unknown>][];

const INITIAL = { ...Object.fromEntries(FIELDS.map(([key, { shape }]) => [key, shape.initial])) } as unknown as State;

/** The fields that are stored in a way. */
export function fieldsStored(storage: Storage): readonly Key[] {
	return FIELDS.filter(([, field]) => field.storage === storage).map(([key]) => key);
}

/** Whether what readers are shown of two states is the same: of all that it is made of nothing was replaced, but for what may be. */
export function isShownAlike(a: State, b: State, but: Key | null = null): boolean {
	for (const key in b) if (a[key as Key] !== b[key as Key] && key !== but && SLICES[key as Key].isShown) return false;
	return true;
}

/** Of which fields any was replaced between two states: by how they are stored, and of the vitals those that do not wait. */
export interface Replaced {
	readonly facts: boolean;
	readonly rows: boolean;
	readonly vitals: boolean;
	readonly prompt: boolean;
}

/** It is asked with every fact. V8 looks the fields up that `for … in` goes through seven times as fast as those of a list of keys. */
export function replacedBetween(before: State, after: State): Replaced {
	const replaced = { facts: false, rows: false, vitals: false, prompt: false };
	for (const key in after) {
		if (before[key as Key] === after[key as Key]) continue;
		const { storage, isPrompt } = SLICES[key as Key];
		replaced[storage] = true;
		replaced.prompt ||= isPrompt;
	}
	return replaced;
}

/** Whether two states say the same, field by field. */
export function saysTheSame(a: State, b: State): boolean {
	for (const key in a) if (a[key as Key] !== b[key as Key] && !isAlike(a[key as Key], b[key as Key])) return false;
	return true;
}

/** Whether two values hold the same, in whatever order their fields were put in: that of what was loaded is another. */
export function isAlike(a: unknown, b: unknown): boolean {
	if (Object.is(a, b)) return true;
	if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
	if (Array.isArray(a) !== Array.isArray(b)) return false;
	if (a instanceof Table && b instanceof Table) return isAlike([...a], [...b]);
	const keys = Object.keys(a);
	if (keys.length !== Object.keys(b).length) return false;
	const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
	return keys.every((key) => Object.hasOwn(right, key) && isAlike(left[key], right[key]));
}

/** The state of a pool that has just been made; its settings follow as a `configure` command. */
export function newState(pool: Identity, now: Ms, run: Run = "running"): State {
	// Without a cloud there is no inventory to wait for.
	const reconciledAt = pool.provider === "static" ? now : null;
	return { ...INITIAL, pool, run, bornAt: now, emptySince: now, reconciledAt };
}

/** Those fields of a state that are stored here. Throws where one is not what it should be. */
export function revivedFields(stored: Readonly<Record<string, unknown>>): Partial<State> {
	const revived: Record<string, unknown> = {};
	for (const [key, { shape }] of FIELDS) {
		if (!Object.hasOwn(stored, key)) continue;
		try {
			revived[key] = shape.revive(stored[key]);
		} catch (error) {
			throw new Error(`the stored ${key} cannot be read: ${error instanceof Error ? error.message : error}`, { cause: error });
		}
	}
	return revived;
}

/** The state with these fields; what is missing starts at its initial value. */
export function revived(fields: Partial<State>): State {
	return { ...INITIAL, ...fields };
}
