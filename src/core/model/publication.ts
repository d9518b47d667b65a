/** What D1 is known to hold. */
import type { Ms } from "./basics.ts";
import { list, record, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";

/** How the pool stands in the directory (D1), which can be lost or be restored from an older copy. */
export interface Listing {
	/** Since when the directory is known to lack the pool; null: it has it, as far as is known. */
	readonly unlistedAt: Ms | null;
	/** The endpoint names that it had; empty: its own one. */
	readonly names: readonly string[];
	/** Why it cannot be entered; empty: nothing is in the way. */
	readonly taken: string;
	/** When it was entered again last; 0: never. */
	readonly enteredAt: Ms;
	/** The version that the directory showed at the last look, where that was less than what was published; -1: it was not. */
	readonly behind: number;
	/** Another pool has its place and is at work: this one is emptied, whatever names it. */
	readonly isSuperseded: boolean;
}

export interface PublicationFields {
	/** Hash of the projection, and version (grows by one at each attempt). */
	readonly published: { readonly hash: string; readonly version: number };
	readonly listing: Listing;
}

export const publicationSlice: Slice<PublicationFields> = {
	published: fact(record<PublicationFields["published"]>({ hash: value(""), version: value(0) })),
	listing: shown(
		fact(
			record<Listing>({
				unlistedAt: value<Ms | null>(null),
				names: list(value("")),
				taken: value(""),
				enteredAt: value(0),
				behind: value(-1),
				isSuperseded: value<boolean>(false),
			}),
		),
	),
};
