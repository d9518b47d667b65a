import { type Place, placesIn } from "../core/model/places.ts";
import type { State } from "../core/model/state.ts";

/** One place for each region in which the pool may have VMs: those of its settings, and those that its proxies are in. */
export function regionsOf(state: State): readonly (Place | null)[] {
	const regions = new Map<string | null, Place | null>();
	const add = (place: Place | null) => {
		const region = place?.region ?? null;
		if (!regions.has(region)) regions.set(region, place);
	};
	for (const place of placesIn(state)) add(place);
	// What has none named is where the account says, which is the first place.
	for (const { place } of state.proxies.values()) if (place !== null) add(place);
	return [...regions.values()];
}
