import { z } from "zod";

/** Kinds of settings that several clouds' accounts share, beside those of `values/kinds.ts`. A message ends the sentence "NAME must be …". */

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

/** A slug that has a default. */
export const usualSlug = (usual: string) => slug(usual).default(usual);

/** The ids that several clouds give their things: `00000000-0000-0000-0000-000000000000`. */
export const uuid = (must: string) => z.string(must).regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/, must);

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

/** What one VM costs an hour where Muster's own table lacks it, or is out of date; null: that table's. */
export const statedPrice = () => {
	const must = "what one VM costs an hour, in US dollars, such as 0.0092";
	return z
		.string(must)
		.regex(/^\d{1,6}(\.\d{1,9})?$/, must)
		.transform(Number)
		.nullable()
		.default(null);
};

export function isPlainUrl(text: string): boolean {
	const url = URL.parse(text);
	if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return false;
	return url.username === "" && url.password === "" && !/[?#]/.test(text);
}
