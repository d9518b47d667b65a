/**
 * A persistent map from ids to values, its keys in order: a change gives a new table that shares all but one chunk with the old one, so that
 * it costs the same in a pool of ten and in one of ten thousand (a chunk and the list of chunks are copied). Order by key makes it the same
 * whatever way it came about, and after it was stored and loaded.
 */

/** Entries of a chunk at the most; a full one is split in two. */
const MOST_ENTRIES = 128;
/** Two neighbours become one where they hold no more than this together. */
const FEW_ENTRIES = 48;

interface Chunk<Value> {
	readonly keys: readonly string[];
	readonly values: readonly Value[];
	/** What was worked out of this chunk, by the number of the measure. */
	readonly memo: unknown[];
}

/** One key's values in two tables; undefined where the table lacks it. */
export type Difference<Value> = readonly [key: string, before: Value | undefined, after: Value | undefined];

export class Table<Value> implements ReadonlyMap<string, Value> {
	readonly size: number;
	/** @internal */
	readonly chunks: readonly Chunk<Value>[];
	/** @internal What was worked out of the whole table, by the number of the measure. */
	readonly memo: unknown[] = [];
	/** The key that was looked for last, and where it stands, or would be put in: a fact about a proxy asks for it many times. */
	#sought: string | null = null;
	#isFound = false;
	#chunk = 0;
	#position = 0;

	private constructor(chunks: readonly Chunk<Value>[], size: number) {
		this.chunks = chunks;
		this.size = size;
	}

	static empty<Value>(): Table<Value> {
		return new Table<Value>([], 0);
	}

	/** Of entries in any order; of several with one key the last counts. */
	static of<Value>(entries: Iterable<readonly [string, Value]>): Table<Value> {
		const sorted = [...new Map(entries)].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
		const chunks: Chunk<Value>[] = [];
		const half = MOST_ENTRIES / 2;
		for (let from = 0; from < sorted.length; from += half) {
			const part = sorted.slice(from, from + half);
			chunks.push(
				chunkOf(
					part.map(([key]) => key),
					part.map(([, value]) => value),
				),
			);
		}
		return new Table(chunks, sorted.length);
	}

	get(key: string): Value | undefined {
		return this.has(key) ? this.chunks[this.#chunk]?.values[this.#position] : undefined;
	}

	has(key: string): boolean {
		if (key === this.#sought) return this.#isFound;
		this.#sought = key;
		this.#chunk = Math.max(0, this.find(key));
		const keys = this.chunks[this.#chunk]?.keys;
		this.#position = keys === undefined ? 0 : positionIn(keys, key);
		this.#isFound = keys?.[this.#position] === key;
		return this.#isFound;
	}

	/** The entry at a place in the order, 0 for the first; undefined beyond the last. */
	at(index: number): readonly [string, Value] | undefined {
		let left = index;
		for (const { keys, values } of this.chunks) {
			if (left < keys.length) return [keys[left] as string, values[left] as Value];
			left -= keys.length;
		}
		return undefined;
	}

	/** The table with `key` set; itself where it was so already. */
	with(key: string, value: Value): Table<Value> {
		const isThere = this.has(key);
		const [index, at] = [this.#chunk, this.#position];
		const chunk = this.chunks[index];
		if (chunk === undefined) return new Table([chunkOf([key], [value])], 1);
		if (isThere) {
			if (chunk.values[at] === value) return this;
			const values = chunk.values.slice();
			values[at] = value;
			const chunks = this.chunks.slice();
			chunks[index] = chunkOf(chunk.keys, values);
			const after = new Table(chunks, this.size);
			// Whoever changes a value asks for it again.
			after.#sought = key;
			after.#isFound = true;
			after.#chunk = index;
			after.#position = at;
			return after;
		}
		const keys = inserted(chunk.keys, at, key);
		const values = inserted(chunk.values, at, value);
		const half = MOST_ENTRIES / 2;
		const chunks =
			keys.length <= MOST_ENTRIES
				? [chunkOf(keys, values)]
				: [chunkOf(keys.slice(0, half), values.slice(0, half)), chunkOf(keys.slice(half), values.slice(half))];
		return new Table(replaced(this.chunks, index, chunks), this.size + 1);
	}

	/** The table without `key`; itself where it has none. */
	without(key: string): Table<Value> {
		if (!this.has(key)) return this;
		const [index, at] = [this.#chunk, this.#position];
		const chunk = this.chunks[index] as Chunk<Value>;
		const keys = chunk.keys.filter((_, position) => position !== at);
		const values = chunk.values.filter((_, position) => position !== at);
		const next = this.chunks[index + 1];
		if (next !== undefined && keys.length + next.keys.length <= FEW_ENTRIES) {
			const both = chunkOf([...keys, ...next.keys], [...values, ...next.values]);
			return new Table([...this.chunks.slice(0, index), both, ...this.chunks.slice(index + 2)], this.size - 1);
		}
		return new Table(replaced(this.chunks, index, keys.length === 0 ? [] : [chunkOf(keys, values)]), this.size - 1);
	}

	// Iterators of arrays are several times as fast as generators.
	entries(): MapIterator<[string, Value]> {
		return this.toJSON().values();
	}

	keys(): MapIterator<string> {
		return joined(this.chunks.map(({ keys }) => keys)).values();
	}

	values(): MapIterator<Value> {
		return joined(this.chunks.map(({ values }) => values)).values();
	}

	[Symbol.iterator](): MapIterator<[string, Value]> {
		return this.entries();
	}

	forEach(callback: (value: Value, key: string, table: ReadonlyMap<string, Value>) => void): void {
		for (const { keys, values } of this.chunks) for (let i = 0; i < keys.length; i++) callback(values[i] as Value, keys[i] as string, this);
	}

	/** As it is stored: the entries, in order. */
	toJSON(): [string, Value][] {
		const entries: [string, Value][] = [];
		for (const { keys, values } of this.chunks) for (let i = 0; i < keys.length; i++) entries.push([keys[i] as string, values[i] as Value]);
		return entries;
	}

	/** The last chunk whose first key is not above `key`; -1 where all are. */
	private find(key: string): number {
		let low = 0;
		let high = this.chunks.length - 1;
		while (low <= high) {
			const middle = (low + high) >>> 1;
			if (((this.chunks[middle] as Chunk<Value>).keys[0] as string) <= key) low = middle + 1;
			else high = middle - 1;
		}
		return high;
	}
}

function joined<One>(lists: readonly (readonly One[])[]): readonly One[] {
	return lists.length === 1 ? (lists[0] as readonly One[]) : (lists.flat() as readonly One[]);
}

function chunkOf<Value>(keys: readonly string[], values: readonly Value[]): Chunk<Value> {
	return { keys, values, memo: [] };
}

/** Where `key` stands among sorted keys, or would be put in. */
function positionIn(keys: readonly string[], key: string): number {
	let low = 0;
	let high = keys.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((keys[middle] as string) < key) low = middle + 1;
		else high = middle;
	}
	return low;
}

function inserted<One>(list: readonly One[], at: number, one: One): One[] {
	const copy = list.slice();
	copy.splice(at, 0, one);
	return copy;
}

function replaced<One>(list: readonly One[], at: number, others: readonly One[]): One[] {
	const copy = list.slice();
	copy.splice(at, 1, ...others);
	return copy;
}

/** What differs between two tables: first what was changed or is gone, then what came, both in order. Chunks that they share are passed over. */
export function differences<Value>(before: Table<Value>, after: Table<Value>): readonly Difference<Value>[] {
	if (before === after) return [];
	const found: Difference<Value>[] = [];
	const added: Difference<Value>[] = [];
	const [old, young] = [before.chunks, after.chunks];
	let [a, b, i, j] = [0, 0, 0, 0];
	while (a < old.length || b < young.length) {
		const [was, is] = [old[a], young[b]];
		// Whoever comes to a chunk that both have waits there for the other.
		if (was === is && i === 0 && j === 0) {
			a++;
			b++;
			continue;
		}
		const [key, other] = [was?.keys[i], is?.keys[j]];
		const isOld = key !== undefined && (other === undefined || key <= other);
		const isYoung = other !== undefined && (key === undefined || other <= key);
		const value = isOld ? was?.values[i] : undefined;
		const now = isYoung ? is?.values[j] : undefined;
		if (!isOld) added.push([other as string, undefined, now]);
		else if (value !== now) found.push([key, value, now]);
		if (isOld && ++i === was?.keys.length) [a, i] = [a + 1, 0];
		if (isYoung && ++j === is?.keys.length) [b, j] = [b + 1, 0];
	}
	return found.concat(added);
}

let measures = 0;

/** Works something out of a table once, and keeps it with the table, which never changes. */
function once<Value, Found extends NonNullable<unknown>>(find: (table: Table<Value>) => Found): (table: Table<Value>) => Found {
	const number = measures++;
	return (table) => {
		const known = table.memo[number] as Found | undefined;
		if (known !== undefined) return known;
		const found = find(table);
		table.memo[number] = found;
		return found;
	};
}

/** What whoever works with a table keeps with it; undefined: nothing yet. */
export interface Note<Value, Kept> {
	of(table: Table<Value>): Kept | undefined;
	keep(table: Table<Value>, kept: Kept): void;
}

/** A note that goes with the table: V8 finds it sooner than in a WeakMap, which the collector has to go through as well. */
export function noteOn<Value, Kept>(): Note<Value, Kept> {
	const number = measures++;
	return {
		of: (table) => table.memo[number] as Kept | undefined,
		keep: (table, kept) => {
			table.memo[number] = kept;
		},
	};
}

/**
 * A quantity of a table that is the sum, the least, the list … of those of its chunks, each worked out once: asking for it again after one
 * change looks at one chunk. What is given for a chunk must depend on its keys and values alone.
 */
export function measure<Value, Part extends NonNullable<unknown>>(
	ofChunk: (keys: readonly string[], values: readonly Value[]) => Part,
): (table: Table<Value>) => readonly Part[] {
	const number = measures++;
	return once((table) =>
		table.chunks.map((chunk) => {
			const known = chunk.memo[number] as Part | undefined;
			if (known !== undefined) return known;
			const part = ofChunk(chunk.keys, chunk.values);
			chunk.memo[number] = part;
			return part;
		}),
	);
}

/** The sum over a table; see {@link measure}. */
export function summed<Value>(of: (value: Value, key: string) => number): (table: Table<Value>) => number {
	const parts = measure<Value, number>((keys, values) => values.reduce((sum, value, i) => sum + of(value, keys[i] as string), 0));
	return once((table) => {
		let sum = 0;
		for (const part of parts(table)) sum += part;
		return sum;
	});
}

/** The values of a table that fulfil a condition, in order; see {@link measure}. */
export function filtered<Value>(isMeant: (value: Value) => boolean): (table: Table<Value>) => readonly Value[] {
	const parts = measure<Value, readonly Value[]>((_keys, values) => values.filter(isMeant));
	return once((table) => joined(parts(table)));
}
