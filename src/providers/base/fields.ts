import { z } from "zod";
import { BOOLEANS } from "../../values/settings-text.ts";

/** Kinds of settings that several clouds share, for their schemas. A message ends the sentence "NAME must be …". */

/** A key or token: it travels in a header, so one line of printable ASCII without spaces. */
export const secret = (what: string) => {
	const must = `${what}: up to 4,096 printable ASCII characters without spaces`;
	return z.string(must).regex(/^[\x21-\x7e]{1,4096}$/, must);
};

/** A name as clouds give their sizes, regions and images. */
export const slug = (example: string) => {
	const must = `a slug such as ${example}`;
	return z.string(must).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, must);
};

/** Yes or no. */
export const flag = (usual: boolean) => {
	const must = "True, true, 1 or yes, or False, false, 0 or no";
	return z
		.string(must)
		.refine((text) => BOOLEANS[text.toLowerCase()] !== undefined, must)
		.transform((text) => BOOLEANS[text.toLowerCase()] ?? usual)
		.default(usual);
};

/** Scheme and host of an API, perhaps with a path in front of the API's own (a proxy, the local cloud). */
export const apiUrl = (usual: string) => webAddress(usual).default(usual);

/** An http(s) address, without a slash at its end. */
export const webAddress = (example: string) => {
	const must = `an http(s) address such as ${example}, without user, query or fragment`;
	return z
		.string(must)
		.refine((text) => isPlainUrl(text), must)
		.transform((text) => text.replace(/\/+$/, ""));
};

export function isPlainUrl(text: string): boolean {
	const url = URL.parse(text);
	if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return false;
	return url.username === "" && url.password === "" && !/[?#]/.test(text);
}
