/**
 * The stored form of a pool: one row of facts, a row for each proxy, and the vitals, which are written lazily. What stores rows (a Durable
 * Object's SQLite, the simulator's) only keeps texts.
 */
import { fieldsStored, isAnyReplaced, type Key, PROMPT, type Proxy, revived, type State } from "../core/model/state.ts";
import { differences } from "../core/model/table.ts";

/** Grows when a version stores what an earlier one would misread. Rows without a number are of format 0. */
export const FORMAT = 1;

/** The platform takes 2 MB a row; vitals of a thousand proxies with a thousand sessions each are more, and take several. */
export const MOST_ROW_CHARS = 1_400_000;

const FACTS = fieldsStored("facts");
const VITALS = fieldsStored("vitals");

/** Fields that earlier versions stored by other names. */
const FORMER_NAMES: Readonly<Record<string, Key>> = { gates: "breakers", strays: "orphans" };

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

const NO_CHANGES: RowChanges = { facts: null, proxies: [], vitals: null };

/** Whether there is anything to store. */
export function isEmpty({ facts, proxies, vitals }: RowChanges): boolean {
	return facts === null && proxies.length === 0 && vitals === null;
}

/** What differs between the rows of two states; `before` null: nothing is stored yet. Vitals wait until they are due, or one of them does not wait. */
export function changesBetween(before: State | null, after: State, areVitalsDue: boolean): RowChanges {
	const isReplaced = (keys: readonly Key[]) => before === null || isAnyReplaced(keys, before, after);
	const areWritten = areVitalsDue || isReplaced(PROMPT);
	if (before?.proxies === after.proxies && !areWritten && !isReplaced(FACTS)) return NO_CHANGES;
	const proxies = before === null ? new Map<string, Proxy>() : before.proxies;
	return {
		facts: isReplaced(FACTS) ? () => factsText(after) : null,
		proxies: [...differences<Proxy>(proxies, after.proxies)].map(([id, , proxy]) => [
			id,
			proxy === undefined ? null : () => JSON.stringify(proxy),
		]),
		vitals: areWritten && isReplaced(VITALS) ? () => vitalsText(after) : null,
	};
}

/** The same where vitals alone are to be stored; `stored`: a state whose vitals the rows hold. */
export function vitalsBetween(stored: State, after: State): RowChanges {
	return isAnyReplaced(VITALS, stored, after) ? { ...NO_CHANGES, vitals: () => vitalsText(after) } : NO_CHANGES;
}

function factsText(state: State): string {
	return JSON.stringify({ format: FORMAT, ...Object.fromEntries(FACTS.map((key) => [key, state[key]])) });
}

function vitalsText(state: State): readonly string[] {
	const text = JSON.stringify(Object.fromEntries(VITALS.map((key) => [key, state[key]])));
	// A byte a character, wherever it is cut.
	const ascii = text.replace(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
	const pieces: string[] = [];
	for (let from = 0; from < ascii.length; from += MOST_ROW_CHARS) pieces.push(ascii.slice(from, from + MOST_ROW_CHARS));
	return pieces;
}

/** The state that rows hold. Throws, with a sentence, where they cannot be read, or where a newer version has written them. */
export function decode({ facts, proxies, vitals }: StoredRows): State {
	const { format, ...stored } = fieldsOf(facts);
	if (format !== undefined && !(typeof format === "number" && format <= FORMAT)) {
		throw new Error(`a newer version has stored it (format ${String(format)}, this one reads up to ${FORMAT}): deploy that version again`);
	}
	const entries = proxies.map((row) => {
		const proxy = fieldsOf(row);
		return [proxy.id, proxy];
	});
	const lagging = vitals.length === 0 ? {} : fieldsOf(vitals.join(""));
	return revived({ ...renamed(stored), ...lagging, proxies: entries });
}

function renamed(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
	return Object.fromEntries(
		Object.entries(fields).map(([name, value]) => [Object.hasOwn(FORMER_NAMES, name) ? FORMER_NAMES[name] : name, value]),
	);
}

function fieldsOf(json: string): Record<string, unknown> {
	const parsed: unknown = JSON.parse(json);
	if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed)) throw new Error("a stored row is no record");
	return parsed as Record<string, unknown>;
}
