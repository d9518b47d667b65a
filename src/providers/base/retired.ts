import type { Retired } from "./provider.ts";

/** What settings name and a cloud has no more, and which of what there is comes nearest. */

/** Empty: it is there. `names`: what there is now; `nearest` is chosen of `offered`, where not all of that is to be had for long. */
export function retiredUnless(
	what: Retired["what"],
	name: string,
	names: readonly string[],
	offered: readonly string[] = names,
): readonly Retired[] {
	return names.includes(name) ? [] : [{ what, name, nearest: nearestTo(name, offered) }];
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
