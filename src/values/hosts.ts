/** Longest name that the DNS has (RFC 1035). */
const MAX_HOST_CHARS = 253;

/**
 * A destination's host in its one spelling: lower case, international names in their ASCII form, no port and no dot at the end; an IPv6 address
 * in brackets. Takes `host`, `host:port`, an address, or a whole URL. Null for anything else.
 */
export function normaliseHost(text: string): string | null {
	const url = urlOf(text.trim());
	const host = url?.hostname.replace(/\.$/, "") ?? "";
	return host === "" || host.length > MAX_HOST_CHARS || host.includes("..") ? null : host;
}

function urlOf(given: string): URL | null {
	// Of other schemes the parser leaves the host as it is.
	if (/^[a-z][a-z0-9+.-]*:\/\//i.test(given)) return URL.parse(given.replace(/^[^:]+/, "http"));
	if (/[\s/\\?#@]/.test(given)) return null;
	const isBareIpv6 = (given.match(/:/g) ?? []).length > 1 && !given.startsWith("[");
	return URL.parse(`http://${isBareIpv6 ? `[${given}]` : given}`);
}
