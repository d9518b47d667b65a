/** A slice of a pool's state: fields that belong together, each with its shape, how it is stored, and whether readers see it. */
import type { Shape } from "./shape.ts";

/**
 * - `facts`: with the next commit, in the one row of facts.
 * - `rows`: with the next commit, a row for each entry that changed.
 * - `vitals`: at the end of a pass, at most once in nearly an interval (or 30 s), and else once in two, but for what is prompt; in the row of vitals. It lags, and a gap in it proves nothing.
 */
export type Storage = "facts" | "rows" | "vitals";

export interface Field<Value> {
	readonly shape: Shape<Value>;
	readonly storage: Storage;
	/** A change of it changes what is published. */
	readonly isShown: boolean;
	/** Of the vitals: a change of it has them written with the next commit. What must not be lost, and has no room among the facts. */
	readonly isPrompt: boolean;
}

export type Slice<Fields> = { readonly [Key in keyof Fields]: Field<Fields[Key]> };

/** Stored with the next commit. */
export function fact<Value>(shape: Shape<Value>): Field<Value> {
	return { shape, storage: "facts", isShown: false, isPrompt: false };
}

/** Stored lazily, with the vitals. */
export function vital<Value>(shape: Shape<Value>): Field<Value> {
	return { shape, storage: "vitals", isShown: false, isPrompt: false };
}

/** Stored with the next commit, each entry in a row of its own. */
export function rows<Value>(shape: Shape<Value>): Field<Value> {
	return { shape, storage: "rows", isShown: false, isPrompt: false };
}

/** Stored with the vitals, which its change does not let wait. They may take several rows, the facts take one. */
export function promptVital<Value>(shape: Shape<Value>): Field<Value> {
	return { ...vital(shape), isPrompt: true };
}

/** Of what is published. */
export function shown<Value>(field: Field<Value>): Field<Value> {
	return { ...field, isShown: true };
}
