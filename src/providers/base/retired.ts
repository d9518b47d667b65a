import type { Retired } from "./provider.ts";

/** What settings name and a cloud has no more, and which of what there is comes nearest. */

/** Null: it is there. `names`: what there is now. */
export function retiredUnless(what: Retired["what"], name: string, names: readonly string[]): Retired | null {
	return names.includes(name) ? null : { what, name, nearest: nearestTo(name, names) };
}

/** The name that is most alike: by how much of its beginning is the same, then by length, then the last of those that are alike, which is the newest mostly. */
function nearestTo(name: string, names: readonly string[]): string | null {
	let best: string | null = null;
	for (const one of [...names].sort()) if (best === null || likeness(name, one) >= likeness(name, best)) best = one;
	return best;
}

function likeness(name: string, other: string): number {
	let same = 0;
	while (same < name.length && name[same] === other[same]) same++;
	return same - Math.abs(name.length - other.length) / 1000;
}
