import type { AppContext } from "./context.ts";
import { type Issue, ValidationError } from "./errors.ts";

/** Where nothing else will do the key travels in the query, of any route. */
const KEY_PARAMETER = "auth_key";

/**
 * Refuses parameters that a route does not know, and those that are given more than once: a spelling mistake (`sesion`) would
 * otherwise be passed over, and what it was to do not be done. Throws ValidationError, which names the nearest that is known.
 */
export function requireKnownQuery(c: AppContext, known: readonly string[]): void {
	requireQuery(c, known, (name) => `is no parameter here${hint(name, known)}`);
}

/**
 * In Reactor's dialect unknown parameters are passed over, as it did; but not one that must be meant for another (`?keeep=true` of an endpoint that
 * is deleted). Throws ValidationError.
 */
export function requireNoMisspelling(c: AppContext, known: readonly string[]): void {
	requireQuery(c, known, (name) => {
		const nearest = nearestOf(name, known);
		return nearest === null ? null : `is no parameter here; ${nearest} is`;
	});
}

/** `wrongWith` says what is wrong with a parameter that is not known; null: nothing. */
function requireQuery(c: AppContext, known: readonly string[], wrongWith: (name: string) => string | null): void {
	const issues = Object.entries(c.req.queries()).flatMap(([name, values]): Issue[] => {
		const isKnown = known.includes(name) || name === KEY_PARAMETER;
		const times = values.length === 2 ? "twice" : `${values.length} times`;
		const message = !isKnown ? wrongWith(name) : values.length === 1 ? null : `is given ${times}`;
		return message === null ? [] : [{ section: "query", field: name.slice(0, 100), message }];
	});
	if (issues.length > 0) throw new ValidationError(issues.map(({ field, message }) => `${field} ${message}.`).join(" "), issues);
}

function hint(name: string, known: readonly string[]): string {
	if (known.length === 0) return ", which takes none";
	const nearest = nearestOf(name, known);
	return nearest === null ? `; known are ${known.join(", ")}` : `; ${nearest} is`;
}

/** The name that was most likely meant; null where none is like it. */
export function nearestOf(name: string, known: readonly string[]): string | null {
	const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
	const given = plain(name).slice(0, 40);
	if (given === "") return null;
	const ranked = known
		.map((candidate) => {
			const other = plain(candidate);
			const isPart = given.length >= 2 && (other.startsWith(given) || given.startsWith(other));
			return { candidate, distance: isPart ? 1 : editDistance(given, other), most: Math.max(2, Math.floor(other.length / 3)) };
		})
		.filter(({ distance, most }) => distance <= most)
		.sort((a, b) => a.distance - b.distance);
	return ranked[0]?.candidate ?? null;
}

/** Letters to add, take away or replace to make one text of the other (Levenshtein). */
function editDistance(from: string, to: string): number {
	let row = Array.from({ length: to.length + 1 }, (_, index) => index);
	for (const [index, letter] of [...from].entries()) {
		const next = [index + 1];
		for (const [at, other] of [...to].entries()) {
			const replaced = (row[at] ?? 0) + (letter === other ? 0 : 1);
			next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
		}
		row = next;
	}
	return row[to.length] ?? 0;
}
