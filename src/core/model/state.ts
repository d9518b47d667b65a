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

/** The fields that are stored in a way. */
export function fieldsStored(storage: Storage): readonly Key[] {
	return FIELDS.filter(([, field]) => field.storage === storage).map(([key]) => key);
}

/** The vitals whose change does not wait. */
export const PROMPT: readonly Key[] = FIELDS.filter(([, { isPrompt }]) => isPrompt).map(([key]) => key);

const SHOWN = FIELDS.filter(([, { isShown }]) => isShown).map(([key]) => key);

/** Whether what readers are shown of two states is the same: of all that it is made of nothing was replaced. */
export function isShownAlike(a: State, b: State): boolean {
	return !isAnyReplaced(SHOWN, a, b);
}

/** Whether of some fields any was replaced. It is asked with every fact. */
export function isAnyReplaced(keys: readonly Key[], before: State, after: State): boolean {
	for (let i = 0; i < keys.length; i++) {
		const key = keys[i] as Key;
		if (before[key] !== after[key]) return true;
	}
	return false;
}

/** Whether two states say the same, field by field. */
export function saysTheSame(a: State, b: State): boolean {
	return FIELDS.every(([key]) => isAlike(a[key], b[key]));
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
	const initial = Object.fromEntries(FIELDS.map(([key, { shape }]) => [key, shape.initial])) as unknown as State;
	// Without a cloud there is no inventory to wait for.
	const reconciledAt = pool.provider === "static" ? now : null;
	return { ...initial, pool, run, bornAt: now, emptySince: now, reconciledAt };
}

/** A state as it was stored, by field; what is missing starts at its initial value. Throws where a field is not what it should be. */
export function revived(stored: Readonly<Record<string, unknown>>): State {
	return Object.fromEntries(
		FIELDS.map(([key, { shape }]) => {
			if (!Object.hasOwn(stored, key)) return [key, shape.initial];
			try {
				return [key, shape.revive(stored[key])];
			} catch (error) {
				throw new Error(`the stored ${key} cannot be read: ${error instanceof Error ? error.message : error}`);
			}
		}),
	) as unknown as State;
}
