import { ProviderError } from "./provider.ts";

/** A list that goes on beyond is going in circles. */
const MAX_PAGES = 100;

/**
 * Every item of a list that comes in pages, or an error: never a part of it.
 * `read` gets the cursor of a page (a number, a token; first `first`) and answers its items and the next page's cursor, null
 * after the last. `what` begins the sentence of a list that does not end: "DigitalOcean: the pages of /v2/droplets".
 */
export async function allPages<T, C extends string | number>(
	what: string,
	first: C,
	read: (cursor: C) => Promise<{ readonly items: readonly T[]; readonly next: C | null }>,
): Promise<T[]> {
	const all: T[] = [];
	const seen = new Set<C>();
	for (let cursor: C | null = first; !seen.has(cursor) && seen.size < MAX_PAGES; ) {
		seen.add(cursor);
		const page: { readonly items: readonly T[]; readonly next: C | null } = await read(cursor);
		all.push(...page.items);
		if (page.next === null) return all;
		cursor = page.next;
	}
	throw new ProviderError({ kind: "transient", say: `${what} do not come to an end` });
}
