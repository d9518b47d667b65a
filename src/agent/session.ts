import ipaddr from "ipaddr.js";

/**
 * The one spelling of a session, or of any address with its port: `192.0.2.1:50123`, `[2001:db8::1]:50123`. An IPv4 address in IPv6
 * clothes is IPv4, as a dual-stack socket shows it. Null for anything else.
 */
export function normaliseSession(text: string): string | null {
	const match = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([1-9]\d{0,4})$/.exec(text);
	if (match === null) return null;
	const [, v6, v4 = "", port] = match;
	if (Number(port) > 65_535) return null;
	if (v6 === undefined) return ipaddr.IPv4.isValidFourPartDecimal(v4) ? text : null;
	if (!ipaddr.IPv6.isValid(v6)) return null;
	const address = ipaddr.IPv6.parse(v6);
	return address.isIPv4MappedAddress() ? `${address.toIPv4Address()}:${port}` : `[${address}]:${port}`;
}

/** An address and a port as one text, IPv6 in brackets. */
export function endpointText(address: string, port: number): string {
	return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
