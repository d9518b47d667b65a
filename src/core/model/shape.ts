/**
 * How a stored value is read back: by its known fields, never by what it looks like, so that nothing that a caller names can change its kind.
 * What an earlier version did not store starts at its initial value, at any depth.
 */
import { Table } from "./table.ts";

export interface Shape<Value> {
	/** Of a pool, a proxy, … that has just been made. */
	readonly initial: Value;
	/** Throws where the stored value is not of this shape. */
	revive(stored: unknown): Value;
	/** What JSON holds is the value. */
	readonly isPlain?: true;
}

/** Whatever JSON holds, as it is: numbers, texts, and records whose keys are anybody's. */
export function value<Value>(initial: Value): Shape<Value> {
	return { initial, revive: (stored) => stored as Value, isPlain: true };
}

/** A record of known fields. What it holds beside them is dropped. */
export function record<Value extends object>(fields: { readonly [Key in keyof Value]-?: Shape<Value[Key]> }): Shape<Value> {
	const shapes = Object.entries(fields) as [string, Shape<unknown>][];
	const initial = Object.fromEntries(shapes.map(([key, shape]) => [key, shape.initial])) as Value;
	const nested = shapes.filter(([, { isPlain }]) => !isPlain);
	return {
		initial,
		revive(stored) {
			const held = recordOf(stored);
			if (!hasJust(held, shapes)) {
				return Object.fromEntries(
					shapes.map(([key, shape]) => [key, Object.hasOwn(held, key) ? shape.revive(held[key]) : shape.initial]),
				) as Value;
			}
			const revived = { ...held };
			for (const [key, shape] of nested) revived[key] = shape.revive(held[key]);
			return revived as Value;
		},
	};
}

/** Whether a record has these fields in their order and no others, as this version stores it. */
function hasJust(held: Readonly<Record<string, unknown>>, shapes: readonly (readonly [string, unknown])[]): boolean {
	let count = 0;
	for (const key in held) if (shapes[count++]?.[0] !== key) return false;
	return count === shapes.length;
}

/** One of several records, told apart by their field `at`. */
export function oneOf<Value extends { readonly at: string }>(
	initial: Value,
	shapes: { readonly [At in Value["at"]]: Shape<Extract<Value, { readonly at: At }>> },
): Shape<Value> {
	return {
		initial,
		revive(stored) {
			const { at } = recordOf(stored);
			if (typeof at !== "string" || !Object.hasOwn(shapes, at)) throw new Error(`nothing is known of a stored "${String(at)}"`);
			return shapes[at as Value["at"]].revive(stored) as Value;
		},
	};
}

/** Null, or of that shape; null in the beginning. */
export function nullable<Value>(shape: Shape<Value>): Shape<Value | null> {
	return { initial: null, revive: (stored) => (stored === null ? null : shape.revive(stored)) };
}

export function list<Value>(of: Shape<Value>): Shape<readonly Value[]> {
	return {
		initial: [],
		revive(stored) {
			if (!Array.isArray(stored)) throw new Error("what should be a stored list is none");
			return of.isPlain ? stored : stored.map((one) => of.revive(one));
		},
	};
}

export function table<Value>(of: Shape<Value>): Shape<Table<Value>> {
	return {
		initial: Table.empty(),
		revive(stored) {
			const entries = entriesOf(stored);
			return Table.of(
				entries.map((entry) => {
					if (!Array.isArray(entry) || typeof entry[0] !== "string") throw new Error("an entry of a stored table has no key");
					return [entry[0], of.revive(entry[1])] as const;
				}),
			);
		},
	};
}

/** Until 0.1 a table was stored as `{"map": entries}`. */
function entriesOf(stored: unknown): readonly unknown[] {
	if (Array.isArray(stored)) return stored;
	const { map } = recordOf(stored);
	if (!Array.isArray(map)) throw new Error("what should be a stored table is none");
	return map;
}

function recordOf(stored: unknown): Record<string, unknown> {
	if (stored === null || typeof stored !== "object" || Array.isArray(stored)) throw new Error("what should be a stored record is none");
	return stored as Record<string, unknown>;
}
