import { canonicalAddress } from "../../values/addresses.ts";
import { ValidationError } from "../base/errors.ts";

/** An address as providers write it. Throws ValidationError. */
export function requireAddress(text: string, field: string): string {
	const address = canonicalAddress(text);
	if (address !== null) return address;
	throw new ValidationError("Invalid IP address format", [{ section: "query", field, message: "Invalid IP address format" }]);
}
