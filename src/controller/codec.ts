/**
 * The stored form of a pool: one row of facts, a row for each proxy, and the vitals, which are written lazily. What stores rows (a Durable
 * Object's SQLite, the simulator's) only keeps texts.
 */
import {
	fieldsStored,
	type Key,
	type Proxy,
	type Replaced,
	replacedBetween,
	revived,
	revivedFields,
	type State,
} from "../core/model/state.ts";
import { differences, Table } from "../core/model/table.ts";

/** Grows when a version stores what an earlier one would misread. Rows without a number are of format 0. */
export const FORMAT = 1;

/** The platform takes 2 MB a row; vitals of a thousand proxies with a thousand sessions each are more, and take several. */
export const MOST_ROW_CHARS = 1_400_000;

/** What makes a row of a state: all that is not of its kind is undefined, which JSON leaves out. */
const NO_OTHERS = {
	facts: nothingOf(...fieldsStored("vitals"), ...fieldsStored("rows")),
	vitals: nothingOf(...fieldsStored("facts"), ...fieldsStored("rows")),
};

function nothingOf(...keys: readonly Key[]): { readonly [Field in Key]?: undefined } {
	return Object.fromEntries(keys.map((key) => [key, undefined]));
}

/** Fields that earlier versions stored by other names. */
const FORMER_NAMES: Readonly<Record<string, Key>> = { gates: "breakers", strays: "orphans", leased: "allotted" };

/**
 * A pool's allotment is stored by the name it once had: to a version from before, which a deployment may go back to, it would otherwise be a new one, and D1
 * refuses all requests whose numbers it has seen.
 */
const ALLOTMENT_STORED = "lease";

/** What is stored of a pool. */
export interface StoredRows {
	readonly facts: string;
	/** One for each proxy, in any order. */
	readonly proxies: readonly string[];
	/** In pieces; empty where none was ever written. */
	readonly vitals: readonly string[];
}

/** What a commit changes of the rows. Texts are made when they are asked for. */
export interface RowChanges {
	readonly facts: (() => string) | null;
	/** By proxy; null: its row goes. */
	readonly proxies: readonly (readonly [id: string, row: (() => string) | null])[];
	readonly vitals: (() => readonly string[]) | null;
}

const ALL: Replaced = { facts: true, rows: true, vitals: true, prompt: true };
const NO_CHANGES: RowChanges = { facts: null, proxies: [], vitals: null };

/** Whether there is anything to store. */
export function isEmpty({ facts, proxies, vitals }: RowChanges): boolean {
	return facts === null && proxies.length === 0 && vitals === null;
}

/** What differs between the rows of two states; `before` null: nothing is stored yet. Vitals wait until they are due, or one of them does not wait. */
export function changesBetween(before: State | null, after: State, areVitalsDue: boolean): RowChanges {
	const { facts, rows, vitals, prompt } = before === null ? ALL : replacedBetween(before, after);
	const areWritten = vitals && (areVitalsDue || prompt);
	if (!facts && !rows && !areWritten) return NO_CHANGES;
	return {
		facts: facts ? () => factsText(after) : null,
		proxies: rows ? proxiesBetween(before?.proxies ?? Table.empty<Proxy>(), after.proxies) : [],
		vitals: areWritten ? () => vitalsText(after) : null,
	};
}

function proxiesBetween(before: State["proxies"], after: State["proxies"]): RowChanges["proxies"] {
	return differences(before, after).map(([id, , proxy]) => [id, proxy === undefined ? null : () => JSON.stringify(proxy)]);
}

/** The same where vitals alone are to be stored; `stored`: a state whose vitals the rows hold. */
export function vitalsBetween(stored: State, after: State): RowChanges {
	return replacedBetween(stored, after).vitals ? { ...NO_CHANGES, vitals: () => vitalsText(after) } : NO_CHANGES;
}

function factsText(state: State): string {
	const { allotment, ...money } = state.money;
	return JSON.stringify({ format: FORMAT, ...state, money: { ...money, [ALLOTMENT_STORED]: allotment }, ...NO_OTHERS.facts });
}

function vitalsText(state: State): readonly string[] {
	const text = JSON.stringify({ ...state, ...NO_OTHERS.vitals });
	// A byte a character, wherever it is cut.
	const ascii = text.replace(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
	const pieces: string[] = [];
	for (let from = 0; from < ascii.length; from += MOST_ROW_CHARS) pieces.push(ascii.slice(from, from + MOST_ROW_CHARS));
	return pieces;
}

/** Makes something of a text. Whoever reads rows again and again may keep what was made of each, since it depends on the text alone. */
export type Reading = <Made>(text: string, make: (text: string) => Made) => Made;

/** The state that rows hold. Throws, with a sentence, where they cannot be read, or where a newer version has written them. */
export function decode({ facts, proxies, vitals }: StoredRows, read: Reading = (text, make) => make(text)): State {
	const table = Table.of(
		proxies.map((row) => {
			const proxy = read(row, proxyOf);
			return [proxy.id, proxy] as const;
		}),
	);
	const lagging = vitals.length === 0 ? {} : read(vitals.join(""), (text) => revivedFields(renamed(fieldsOf(text))));
	return revived({ ...read(facts, factsOf), ...lagging, proxies: table });
}

function factsOf(text: string): Partial<State> {
	const { format, ...stored } = fieldsOf(text);
	if (format !== undefined && !(typeof format === "number" && format <= FORMAT)) {
		throw new Error(`a newer version has stored it (format ${String(format)}, this one reads up to ${FORMAT}): deploy that version again`);
	}
	return revivedFields(renamed(stored));
}

/** The same by the names that fields have now. */
function renamed(stored: Record<string, unknown>): Record<string, unknown> {
	for (const [former, key] of Object.entries(FORMER_NAMES)) if (Object.hasOwn(stored, former)) stored[key] = stored[former];
	const { money } = stored;
	if (isRecord(money) && Object.hasOwn(money, ALLOTMENT_STORED)) stored.money = { ...money, allotment: money[ALLOTMENT_STORED] };
	return stored;
}

function proxyOf(text: string): Proxy {
	const { proxies } = revivedFields({ proxies: [["", fieldsOf(text)]] });
	return proxies?.get("") as Proxy;
}

function fieldsOf(json: string): Record<string, unknown> {
	const parsed: unknown = JSON.parse(json);
	if (!isRecord(parsed)) throw new Error("a stored row is no record");
	return parsed;
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return value !== null && typeof value === "object" && !Array.isArray(value);
}
