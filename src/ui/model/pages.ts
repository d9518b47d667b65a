/** A stream that is read page by page, the newest first. */

export interface Pages<Entry> {
	readonly entries: readonly Entry[];
	/** The cursor with which older ones are had; null: there are none. */
	readonly previous: string | null;
}

/** With the newest page as it is now: what was read of older ones stays, unless more came meanwhile than a page holds. */
export function withNewest<Entry extends { readonly id: string }>(known: Pages<Entry>, newest: Pages<Entry>): Pages<Entry> {
	const last = newest.entries.at(-1);
	const at = known.entries.findIndex(({ id }) => id === last?.id);
	return at < 0 ? newest : { entries: [...newest.entries, ...known.entries.slice(at + 1)], previous: known.previous };
}

/** With the page that was had by the cursor `before`, once however often that was asked for. */
export function withOlder<Entry>(known: Pages<Entry>, older: Pages<Entry>, before: string): Pages<Entry> {
	return known.previous === before ? { entries: [...known.entries, ...older.entries], previous: older.previous } : known;
}
