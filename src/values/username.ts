/*
 * What clients write after the proxies' user name, so that one URL says which proxy they want:
 *
 *     user name = name *( "-" key "-" value )
 *     key       = "session" / "country" / "region" / "provider" / "instance" / "host" / "lifetime"
 *     value     = 1*( any character but "-" / "--" )        ; "--" is one "-"
 *
 * In any order, each key once: `user-session-a1-country-de`, `user-region-us--east--1`. The gateway obeys it; a proxy's agent only takes the name for
 * what it is (PARAMETERS in `agent.py`). This file imports nothing, so that the gateway can have it.
 */

export const KEYS = ["session", "country", "region", "provider", "instance", "host", "lifetime"] as const;
export type Key = (typeof KEYS)[number];

/** What a user name asks for; what it does not name is not there. */
export interface Wishes {
	readonly session?: string;
	/** As in a query: countries, comma-separated. */
	readonly country?: string;
	readonly region?: string;
	readonly provider?: string;
	readonly instance?: string;
	readonly host?: string;
	/** How long the session keeps its exit. */
	readonly lifetimeSeconds?: number;
}

export type Read =
	| { readonly ok: true; readonly name: string; readonly wishes: Wishes }
	/** `say`: what is wrong with it, without the name. */
	| { readonly ok: false; readonly message: string };

/** Longest value, in characters, as of a query's. */
const MAX_VALUE_CHARS = 200;
const MAX_LIFETIME_SECONDS = 86_400;
const UNIT_SECONDS = { s: 1, m: 60, h: 3_600 } as const;
const PARAMETER = /-([a-z]+)-((?:[^-]|--)+)/y;

/** Reads a user name, which begins with one of these: with the longest that leaves something readable. */
export function readUsername(given: string, names: readonly string[]): Read {
	if (names.includes(given)) return { ok: true, name: given, wishes: {} };
	const begun = names.filter((name) => given.startsWith(`${name}-`)).sort((a, b) => b.length - a.length);
	let fault: Read = { ok: false, message: "the user name is none that is known" };
	for (const [index, name] of begun.entries()) {
		const wishes = readWishes(given.slice(name.length));
		if (typeof wishes !== "string") return { ok: true, name, wishes };
		if (index === 0) fault = { ok: false, message: wishes };
	}
	return fault;
}

/** A user name that asks for this. */
export function writeUsername(name: string, { lifetimeSeconds, ...texts }: Wishes): string {
	const lifetime = lifetimeSeconds === undefined ? undefined : `${lifetimeSeconds}s`;
	const given: Readonly<Partial<Record<Key, string | undefined>>> = { ...texts, lifetime };
	return name + KEYS.map((key) => (given[key] === undefined ? "" : `-${key}-${given[key].replaceAll("-", "--")}`)).join("");
}

/** What follows the name, or what is wrong with it. */
function readWishes(text: string): Wishes | string {
	const wishes: { -readonly [key in keyof Wishes]: Wishes[key] } = {};
	const seen = new Set<string>();
	let at = 0;
	while (at < text.length) {
		PARAMETER.lastIndex = at;
		const [whole, key = "", escaped = ""] = PARAMETER.exec(text) ?? [];
		if (whole === undefined) return "what follows the user name must be -key-value, with a hyphen in a value written twice";
		if (!isKey(key)) return `${key.slice(0, 20)} is no key; known are ${KEYS.join(", ")}`;
		if (seen.has(key)) return `${key} is given twice`;
		seen.add(key);
		const value = escaped.replaceAll("--", "-");
		if (value.length > MAX_VALUE_CHARS) return `${key} must be 1 to ${MAX_VALUE_CHARS} characters`;
		if (key === "lifetime") {
			const seconds = secondsOf(value);
			if (seconds === null) return "lifetime must be like 30s, 10m or 2h, up to 24h";
			wishes.lifetimeSeconds = seconds;
		} else wishes[key] = value;
		at += whole.length;
	}
	return wishes;
}

function isKey(text: string): text is Key {
	return (KEYS as readonly string[]).includes(text);
}

function secondsOf(text: string): number | null {
	const [, count = "", unit = "s"] = /^([1-9]\d{0,4})([smh])$/.exec(text) ?? [];
	const seconds = Number(count) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS];
	return seconds >= 1 && seconds <= MAX_LIFETIME_SECONDS ? seconds : null;
}
