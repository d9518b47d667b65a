/** Who may call a server that listens on loopback: a browser there is everybody's whose page it shows. */

/** Whom a server admits besides programs and pages of this machine's own names. */
export interface Door {
	/** Further host names that it is called by (`muster.example.org`). */
	readonly hosts: readonly string[];
	/** Further origins whose pages may call it (`https://app.example.org`); `*`: any. */
	readonly origins: readonly string[];
	/** Whether a link on another site's page may lead to it: only where a GET changes nothing. */
	readonly admitsLinks: boolean;
}

/**
 * Why a request is refused, in one sentence; null: it may pass. Three ways in are closed: a foreign name that was made to point at
 * 127.0.0.1 (DNS rebinding), calls of another site's page that name their origin, and those that name none (a form, an image), which
 * browsers mark as `cross-site` or `same-site`. What is no browser sends none of these headers.
 */
export function refusalOf(method: string, headers: Headers, door: Door): string | null {
	const host = headers.get("host");
	const name = URL.parse(`http://${host}`)?.hostname;
	if (host !== null && (name === undefined || !(isLoopback(name) || door.hosts.includes(name))))
		return `Not for the host '${name ?? host.slice(0, 100)}': this server answers to localhost and loopback addresses.`;
	if (door.origins.includes("*")) return null;
	const origin = headers.get("origin");
	if (origin !== null) return isAdmitted(origin, host, door) ? null : `Not for pages of ${origin.slice(0, 100)}.`;
	const site = headers.get("sec-fetch-site");
	if (site === null || site === "same-origin" || site === "none") return null;
	const isLink = method === "GET" && headers.get("sec-fetch-mode") === "navigate" && headers.get("sec-fetch-dest") === "document";
	return isLink && door.admitsLinks ? null : "Not for pages of other sites.";
}

/** The server's own pages, by any of its names, and those that the door names. */
function isAdmitted(origin: string, host: string | null, door: Door): boolean {
	if (door.origins.includes(origin)) return true;
	const from = URL.parse(origin);
	const own = URL.parse(`http://${host}`);
	return from !== null && own !== null && from.protocol === "http:" && from.host === own.host;
}

/** Names that cannot be made to point elsewhere: `localhost` and what ends in it (RFC 6761), 127.0.0.0/8, ::1. */
function isLoopback(name: string): boolean {
	return name === "localhost" || name.endsWith(".localhost") || name === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(name);
}
