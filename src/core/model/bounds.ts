/** Bounds in bytes of what is stored in one row: texts come from clouds, agents and callers, who may send anything. */

/** Characters of a reason, and of a text that lists several. */
export const MOST_WHY_CHARS = 500;
export const MOST_LIST_CHARS = 2_000;
/** Ids that one sentence names. */
const MOST_NAMED = 20;
/** A UTF-16 unit without control characters or halves of surrogate pairs is at most so long as JSON in UTF-8. */
const MOST_BYTES_A_CHARACTER = 3;
const CONTROL = /\p{Cc}/gu;

/** A text of at most so many characters, on one line, that any store takes: control characters become spaces, halves of surrogate pairs U+FFFD. */
export function bounded(text: string, mostChars: number = MOST_WHY_CHARS): string {
	// Cut in the middle of a pair it would end in half of one.
	const short = text.length <= mostChars ? text : `${text.slice(0, mostChars - 1)}…`;
	return short.toWellFormed().replace(CONTROL, " ");
}

/** Whether a text has control characters, which nobody may post. */
export function hasControls(text: string): boolean {
	return text.search(CONTROL) >= 0;
}

/** The bytes that a text takes in a row: as JSON, in UTF-8. */
export function storedBytes(text: string): number {
	let bytes = 2;
	for (const character of text) {
		const code = character.codePointAt(0) ?? 0;
		if (code < 0x20 || (code >= 0xd800 && code <= 0xdfff)) bytes += 6;
		else if (character === '"' || character === "\\") bytes += 2;
		else bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	}
	return bytes;
}

/** The newest of a list, whose last is the newest: at most so many, and at most so many bytes, of which each takes `perItem` beside its text. */
export function newest<Item>(
	items: readonly Item[],
	{
		most,
		bytes,
		perItem,
		textOf,
	}: { readonly most: number; readonly bytes: number; readonly perItem: number; readonly textOf: (item: Item) => string },
): readonly Item[] {
	const kept = items.length > most ? items.slice(-most) : items;
	const atMost = kept.reduce((sum, item) => sum + MOST_BYTES_A_CHARACTER * textOf(item).length + perItem, 0);
	if (atMost <= bytes) return kept;
	let left = bytes;
	let from = kept.length;
	while (from > 0) {
		left -= storedBytes(textOf(kept[from - 1] as Item)) + perItem;
		if (left < 0) break;
		from--;
	}
	return kept.slice(from);
}

/** Ids as a sentence has them: the first few, and how many more. */
export function named(ids: readonly string[]): string {
	const some = ids.slice(0, MOST_NAMED).map((id) => bounded(id, 100));
	return `${some.join(", ")}${ids.length > some.length ? ` and ${ids.length - some.length} more` : ""}`;
}
