/** How a proxy that others run is reached, as one text: in a pool's settings and in what it publishes. Empty: as the deployment's own proxies. */

export type Scheme = "http" | "socks5";

export interface Access {
	readonly scheme: Scheme;
	/** Null: it asks for none. */
	readonly login: readonly [username: string, password: string] | null;
	/** ISO 3166-1 alpha-2, in lower case; null: nobody said. */
	readonly country: string | null;
}

/** `socks5://user:password@de`; what is between is percent-encoded, so that it holds neither quotes nor brackets. */
export function accessText({ scheme, login, country }: Access): string {
	return `${scheme}://${login === null ? "" : login.map(encodeURIComponent).join(":")}@${country ?? ""}`;
}

/** Null where nothing is said: then it is HTTP with the deployment's credentials. */
export function accessOf(text: string | undefined): Access | null {
	const [, scheme, login = "", country = ""] = /^(http|socks5):\/\/([^@]*)@([a-z]{0,2})$/.exec(text ?? "") ?? [];
	if (scheme === undefined) return null;
	const [username = "", password = ""] = login.split(":").map(decodeURIComponent);
	return { scheme: scheme as Scheme, login: login === "" ? null : [username, password], country: country || null };
}
