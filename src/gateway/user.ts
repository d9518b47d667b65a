import { normaliseHost } from "../values/hosts.ts";
import { readUsername, type Wishes } from "../values/username.ts";
import type { Exit } from "./exits.ts";

/** Which exits a client wants. */
export interface Choice {
	/** The same text keeps to the same exit. */
	readonly session: string | null;
	/** How long a session keeps to it; null: as long as it is ready. */
	readonly lifetimeSeconds: number | null;
	/** Only exits that this destination does not ban. */
	readonly host: string | null;
	/** What narrows the exits down, as a text: equal ones admit the same. Empty: any. */
	readonly filter: string;
	/** All of it but the lifetime, as a query of Muster's with its question mark, or empty. */
	readonly query: string;
	admits(exit: Exit): boolean;
}

/** A user name that begins with a known one, and goes on in a way that is not understood. Its message says how, without the name. */
export class BadUser extends Error {}

export const ANY: Choice = choiceFor({});

export function ofSession(session: string): Choice {
	return choiceFor({ session });
}

/** Null: the name is none of these. Throws BadUser. */
export function choiceOf(given: string, names: readonly string[]): Choice | null {
	const read = readUsername(given, names);
	if (read.ok) return Object.keys(read.wishes).length === 0 ? ANY : choiceFor(withHost(read.wishes));
	if (names.some((name) => given.startsWith(`${name}-`))) throw new BadUser(read.message);
	return null;
}

/** With the site in its one spelling. Muster would refuse another list for each text that is none. Throws BadUser. */
function withHost(wishes: Wishes): Wishes {
	if (wishes.host === undefined) return wishes;
	const host = normaliseHost(wishes.host);
	if (host === null) throw new BadUser("host must be a host name or an address");
	return { ...wishes, host };
}

function choiceFor({ session, lifetimeSeconds, host, ...narrowing }: Wishes): Choice {
	const wanted = Object.entries(narrowing).map(([key, value]) => [key as keyof typeof narrowing, value.toLowerCase()] as const);
	const sets = wanted.map(([key, value]) => [key, new Set(value.split(",").map((name) => name.trim()))] as const);
	const query = new URLSearchParams([...wanted.map(([key, value]) => [key, value] as [string, string])]);
	if (host !== undefined) query.set("host", host);
	if (session !== undefined) query.set("session", session);
	return {
		session: session ?? null,
		lifetimeSeconds: lifetimeSeconds ?? null,
		host: host ?? null,
		filter: wanted
			.map(([key, value]) => `${key}=${value}`)
			.sort()
			.join("&"),
		query: query.size === 0 ? "" : `?${query}`,
		admits: (exit) => sets.every(([key, names]) => names.has(exit[key] ?? "")),
	};
}
