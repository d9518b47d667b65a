import { type Hash, hash64, hashOf, scoreOf } from "../values/rendezvous.ts";
import type { Upstream } from "./upstream.ts";

/** A proxy of the fleet, as this gateway uses it. It stays the same object for as long as the list shows it unchanged. */
export class Exit {
	/** What Muster knows it by. */
	readonly id: string;
	readonly ip: string;
	readonly port: number;
	/** The header line that proves who asks, with its end; empty where the proxy asks for nothing. Only ever sent to this proxy. */
	readonly authorizationLine: string;
	/** User name at this proxy, or null. */
	readonly user: string | null;
	readonly provider: string;
	readonly instance: string;
	readonly region: string | null;
	readonly country: string | null;
	/** The same as numbers, by which sessions rank it. */
	readonly hash: Hash;
	/** Kept connections that nobody uses, the last used one last. */
	readonly idle: Upstream[] = [];
	/** Until when it is passed over, since a connection to it failed. */
	suspectUntilMs = 0;
	isGone = false;

	constructor(listed: Listed) {
		this.id = listed.id;
		this.ip = listed.ip;
		this.port = listed.port;
		this.provider = listed.provider.toLowerCase();
		this.instance = listed.instance.toLowerCase();
		this.region = listed.region?.toLowerCase() ?? null;
		this.country = listed.country?.toLowerCase() ?? null;
		this.hash = hashOf(listed.id);
		const { username, password } = new URL(listed.url);
		this.user = username === "" ? null : decodeURIComponent(username);
		const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
		this.authorizationLine = username === "" ? "" : `Proxy-Authorization: Basic ${Buffer.from(login).toString("base64")}\r\n`;
	}
}

/** A proxy as Muster lists it, as far as it is used here. */
export interface Listed {
	readonly ip: string;
	readonly port: number;
	/** With credentials. */
	readonly url: string;
	readonly provider: string;
	readonly instance: string;
	readonly region: string | null;
	readonly country: string | null;
	/** 16 hexadecimal digits, of no other proxy. */
	readonly id: string;
}

/** What an answer lists; null where it is no list. A proxy that is not understood is left out. */
export function listedIn(body: unknown): readonly Listed[] | null {
	return Array.isArray(body) ? (body as readonly unknown[]).filter(isListed) : null;
}

function isListed(value: unknown): value is Listed {
	if (typeof value !== "object" || value === null) return false;
	const { id, ip, port, url, provider, instance } = value as Partial<Record<string, unknown>>;
	return (
		typeof id === "string" &&
		typeof ip === "string" &&
		typeof port === "number" &&
		typeof url === "string" &&
		// Those that speak nothing but SOCKS are not understood.
		URL.parse(url)?.protocol === "http:" &&
		typeof provider === "string" &&
		typeof instance === "string"
	);
}

/** The one that a session keeps to: the same that Muster's `/random?session=` gives. Null where there are none. */
export function bestFor(session: string, exits: readonly Exit[]): Exit | null {
	const key = hash64(session);
	let best: Exit | null = null;
	let most = -1;
	for (const exit of exits) {
		const score = scoreOf(exit.hash[0], exit.hash[1], key);
		if (score > most) [best, most] = [exit, score];
	}
	return best;
}
