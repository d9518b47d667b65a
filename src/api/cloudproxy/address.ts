import ipaddr from "ipaddr.js";
import { ValidationError } from "../errors.ts";

/** An address as providers write it. Four decimal parts for IPv4: ipaddr.js alone would also take `1` or `0x7f.1`. Throws ValidationError. */
export function canonicalAddress(text: string, field: string): string {
	if (ipaddr.IPv4.isValidFourPartDecimal(text)) return text;
	if (ipaddr.IPv6.isValid(text) && !text.includes("%")) return ipaddr.IPv6.parse(text).toString();
	throw new ValidationError("Invalid IP address format", [{ section: "query", field, message: "Invalid IP address format" }]);
}
