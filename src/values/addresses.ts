import ipaddr from "ipaddr.js";

/**
 * One IPv4 or IPv6 address or network in its one spelling: `10.1.2.3/8` is `10.0.0.0/8`, `::ffff:192.0.2.1` is
 * `192.0.2.1/32`. Null for anything else, short and octal spellings of IPv4 included: different programs read those differently.
 */
export function normaliseCidr(text: string): string | null {
	const match = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text);
	if (match === null) return null;
	const [, host = "", length] = match;
	if (!(ipaddr.IPv4.isValidFourPartDecimal(host) || ipaddr.IPv6.isValid(host))) return null;
	const given = ipaddr.parse(host);
	const isMapped = given instanceof ipaddr.IPv6 && given.isIPv4MappedAddress();
	const address = isMapped ? given.toIPv4Address() : given;
	const bits = address.kind() === "ipv4" ? 32 : 128;
	// A mapped network's length counts the 96 bits in front of the IPv4 address.
	const prefix = length === undefined ? bits : Number(length) - (isMapped ? 96 : 0);
	if (prefix < 0 || prefix > bits) return null;
	const network = `${address.toString()}/${prefix}`;
	const base = bits === 32 ? ipaddr.IPv4.networkAddressFromCIDR(network) : ipaddr.IPv6.networkAddressFromCIDR(network);
	return `${base.toString()}/${prefix}`;
}

/** One address in its one spelling, as {@link normaliseCidr} reads it; null for anything else. */
export function canonicalAddress(text: string): string | null {
	return text.includes("/") ? null : (normaliseCidr(text)?.replace(/\/\d+$/, "") ?? null);
}

/** True for a network that restricts nothing. */
export const isEverywhere = (cidr: string) => cidr.endsWith("/0");
