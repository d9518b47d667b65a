/** Where a pool's VMs may be: the places that its settings list, and what keeps each of them closed. */
import type { Ms } from "./basics.ts";
import { BREAKER, type Breaker, forCanary } from "./breakers.ts";
import { record, type Shape, table, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";
import type { State } from "./state.ts";
import type { Table } from "./table.ts";

/** A region (zone, location) of a cloud, and a size (plan, type) that VMs have there. */
export interface Place {
	readonly region: string;
	readonly size: string;
}

/** How new VMs are spread over the places: the first that has room, as equally as can be, or the cheapest that has room. */
export type Spread = "pack" | "even" | "cheapest";

/** What is known of one place. */
export interface PlaceFacts {
	/** Sold out, a quota of the region, a size or image that is retired there: closes creates in this place alone, and lets one canary through. */
	readonly breaker: Breaker;
	/** How asking for its price went: failures in a row, and when to ask again. */
	readonly priceTries: number;
	readonly priceRetryAt: Ms;
	/** When the cloud was last asked whether it still has what the settings name; 0: never. */
	readonly checkedAt: Ms;
	/** What it has no more, in sentences; empty: all is there, as far as is known. */
	readonly gone: string;
}

export interface PlaceFields {
	/** By {@link placeKey}; a place of which nothing is to be said is left out. */
	readonly places: Table<PlaceFacts>;
}

export const PLACE: Shape<Place> = record<Place>({ region: value(""), size: value("") });
const FACTS: Shape<PlaceFacts> = record<PlaceFacts>({
	breaker: BREAKER,
	priceTries: value(0),
	priceRetryAt: value(0),
	checkedAt: value(0),
	gone: value(""),
});

export const placeSlice: Slice<PlaceFields> = { places: shown(fact(table(FACTS))) };

/** How a place is written, in settings and in sentences. Empty: a VM of which its place is not known, or which has the account's own. */
export function placeKey(place: Place | null): string {
	return place === null ? "" : `${place.region}:${place.size}`;
}

/** The places of a pool in the order in which they are tried; null: the one that its account names. */
export function placesIn({ spec }: { readonly spec: { readonly places: readonly Place[] } }): readonly (Place | null)[] {
	return spec.places.length === 0 ? [null] : spec.places;
}

export function factsOf({ places }: PlaceFields, key: string): PlaceFacts {
	return places.get(key) ?? FACTS.initial;
}

export function placeBreaker(state: PlaceFields, place: Place | null): Breaker {
	return factsOf(state, placeKey(place)).breaker;
}

/** The same with something else known of a place. */
export function withPlaceFacts<S extends PlaceFields>(state: S, key: string, change: Partial<PlaceFacts>): S {
	const after = { ...factsOf(state, key), ...change };
	const isNothing =
		after.breaker.failures === 0 && after.breaker.until === 0 && after.priceTries === 0 && after.checkedAt === 0 && after.gone === "";
	if (isNothing) return state.places.has(key) ? { ...state, places: state.places.without(key) } : state;
	return { ...state, places: state.places.with(key, after) };
}

/** Something has changed that may have mended what creates failed of: each place is tried at once, by one, and its price is asked for. */
export function mendedPlaces(places: PlaceFields["places"]): PlaceFields["places"] {
	let after: PlaceFields = { places };
	for (const [key, { breaker, priceTries, gone }] of places) {
		const isSame = forCanary(breaker) === breaker && priceTries === 0 && gone === "";
		if (!isSame) after = withPlaceFacts(after, key, { breaker: forCanary(breaker), priceTries: 0, priceRetryAt: 0, checkedAt: 0 });
	}
	return after.places;
}

/** Without what is known of places that are not among these. */
export function onlyPlaces(places: PlaceFields["places"], wanted: readonly (Place | null)[]): PlaceFields["places"] {
	const keys = new Set(wanted.map(placeKey));
	let after = places;
	for (const key of places.keys()) if (!keys.has(key)) after = after.without(key);
	return after;
}

/** Whether creates are refused in every place. */
export function areAllClosed(state: State): boolean {
	return placesIn(state).every((place) => placeBreaker(state, place).failures > 0);
}

/** Why each place is closed. */
export function sayClosed(state: State): string {
	const whys = placesIn(state).map((place) => {
		const { why } = placeBreaker(state, place);
		return state.spec.places.length > 1 ? `${placeKey(place)}: ${why}` : why;
	});
	return whys.join("; ");
}

/** Which places are closed, and until when each is tried again. */
export function sayAllClosed(state: State): string {
	const each = placesIn(state).map((place) => `${placeKey(place)} until ${new Date(placeBreaker(state, place).until).toISOString()}`);
	return `no place has room: ${each.join(", ")}`;
}
