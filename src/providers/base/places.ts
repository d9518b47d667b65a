import { z } from "zod";
import type { Place } from "../../core/model/state.ts";
import { listOf } from "../../values/kinds.ts";
import { readSetting } from "../../values/setting.ts";
import type { AccountSetting, AccountTable } from "./account.ts";

/** Where an account's VMs may be: what its settings say of it in any of their spellings, as a list of places. */

const MOST_PLACES = 50;
const PLACES_RULE = `regions (zones, locations) with a size each, such as nbg1:cx23, comma-separated, ${MOST_PLACES} at most`;

/** What is a region and a size the cloud's own settings of them say. */
const PLACE_TEXT = /^[\w.-]{1,100}( *: *[\w.-]{1,100})?$/;

/** The setting of that name, for the table of each cloud's accounts. One that names a single place is the same as its region and size. */
export const placesSetting = {
	schema: z
		.string(PLACES_RULE)
		.refine((text) => {
			const items = listOf(text);
			return items.length > 0 && items.length <= MOST_PLACES && items.every((item) => PLACE_TEXT.test(item));
		}, PLACES_RULE)
		.optional(),
	isHidden: true,
	is: "where VMs may be, in the order in which they are tried: `region:size`, comma-separated; a region without a size has the setting's. Lists in the settings of region and size mean each with each",
} satisfies AccountSetting<string | undefined>;

/** The settings that are an account's region and its size, by their fields. */
function placeFields(table: AccountTable): { readonly region: string | undefined; readonly size: string | undefined } {
	const field = (what: "region" | "size") =>
		Object.keys(table).find((name) => table[name]?.shownAs === what) ?? (Object.hasOwn(table, what) ? what : undefined);
	return { region: field("region"), size: field("size") };
}

/** Whether what is given as this field may be a list, of which each item is read by itself. */
export function isPlaceField(table: AccountTable, field: string): boolean {
	const { region, size } = placeFields(table);
	return field === region || field === size || table[field]?.isOverruled === true;
}

/** The account as it is with its region and size replaced by a place's. */
export function placedAccount<Account>(table: AccountTable, account: Account, place: Place): Account {
	const { region, size } = placeFields(table);
	const overruled = Object.keys(table).filter((field) => table[field]?.isOverruled);
	return {
		...account,
		...Object.fromEntries(overruled.map((field) => [field, undefined])),
		...(region === undefined ? {} : { [region]: place.region }),
		...(size === undefined ? {} : { [size]: place.size }),
	};
}

/** What the settings of an account say of its places, as texts that were given (undefined: they were not). */
export interface GivenPlaces {
	readonly texts: Readonly<Record<string, string | undefined>>;
	/** What was made of the first item of each. */
	readonly values: Readonly<Record<string, unknown>>;
}

/** The places, and what is wrong with them: the field, and what follows its name in a sentence. */
export interface ReadPlaces {
	readonly places: readonly Place[];
	readonly faults: readonly (readonly [field: string, fault: string])[];
}

export function readPlaces(table: AccountTable, { texts, values }: GivenPlaces): ReadPlaces {
	const { region, size } = placeFields(table);
	if (region === undefined || size === undefined) return { places: [], faults: [] };
	const faults: (readonly [string, string])[] = [];
	/** One item as its setting reads it; null, and a fault, where it is none. */
	const read = (field: string, text: string | undefined, blamed = field): string | null => {
		const { value, fault } = readSetting(table[field] as AccountSetting, text);
		if (fault !== null) faults.push([blamed, fault]);
		return fault === null && typeof value === "string" ? value : null;
	};
	// Another spelling of the region wins over it.
	const overruling = Object.keys(table).find((field) => table[field]?.isOverruled && texts[field] !== undefined);
	const usual = (field: string) => (values[field] === undefined || values[field] === null ? [] : [String(values[field])]);
	const list = (field: string) => {
		const items = listOf(texts[field]);
		return items.length <= 1 ? usual(field) : items.flatMap((item) => read(field, item) ?? []);
	};
	const regions = list(overruling ?? region);
	const sizes = list(size);
	const product = regions.flatMap((one) => sizes.map((other) => ({ region: one, size: other })));
	const given = texts.places === undefined ? [] : listOf(texts.places);
	const named = given.flatMap((item): Place[] => {
		const at = item.indexOf(":");
		const where = read(region, at < 0 ? item : item.slice(0, at).trim(), "places");
		const what = at < 0 ? (sizes[0] ?? null) : read(size, item.slice(at + 1).trim(), "places");
		return where === null || what === null ? [] : [{ region: where, size: what }];
	});
	const all = given.length === 0 ? product : named;
	const unique = [...new Map(all.map((place) => [`${place.region}:${place.size}`, place])).values()];
	if (unique.length > MOST_PLACES) faults.push([given.length === 0 ? region : "places", `must be ${PLACES_RULE}`]);
	return { places: unique.slice(0, MOST_PLACES), faults };
}

/** Their regions and sizes as operators see them: each once, with commas. */
export function shownPlaces(places: readonly Place[]): { readonly region: string; readonly size: string } | Record<string, never> {
	if (places.length < 2) return {};
	const joined = (of: (place: Place) => string) => [...new Set(places.map(of))].join(", ");
	return { region: joined(({ region }) => region), size: joined(({ size }) => size) };
}

/** The first item of what may be a list. */
export function firstOf(text: string | undefined): string | undefined {
	return listOf(text)[0];
}

/** An account's values with its places: the first of them where nothing else is said, and all of them where there are several. */
export function withPlaces(
	table: AccountTable,
	values: Readonly<Record<string, unknown>>,
	places: readonly Place[],
): Readonly<Record<string, unknown>> {
	const first = places[0];
	const { places: _given, ...rest } = values;
	if (first === undefined) return rest;
	const { region, size } = placeFields(table);
	const isUnplaced = places.length === 1 && rest[region ?? ""] === first.region && rest[size ?? ""] === first.size;
	if (isUnplaced || (places.length === 1 && _given === undefined)) return rest;
	const text = places.map((place) => `${place.region}:${place.size}`).join(", ");
	return { ...placedAccount(table, rest, first), ...(places.length > 1 ? { places: text } : {}) };
}
