import { z } from "zod";

/** Kinds of settings, for the tables' schemas: each reads a trimmed text. A message ends the sentence "NAME must be …". */

/** How a boolean may be spelt, in lower case. */
export const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, "1": true, yes: true, false: false, "0": false, no: false };

/** Yes or no. */
export const flag = (usual: boolean) => {
	const must = "True, true, 1 or yes, or False, false, 0 or no";
	return z
		.string(must)
		.refine((text) => BOOLEANS[text.toLowerCase()] !== undefined, must)
		.transform((text) => BOOLEANS[text.toLowerCase()] ?? usual)
		.default(usual);
};

/** A whole number in decimal digits, `min` to `max`. */
export const whole = (usual: number, { min, max, unit }: { readonly min: number; readonly max: number; readonly unit?: string }) => {
	const must = `a whole number${unit === undefined ? "" : ` of ${unit}`} from ${grouped(min)} to ${grouped(max)}`;
	return z
		.string(must)
		.refine((text) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max, must)
		.transform(Number)
		.default(usual);
};

/** As {@link whole}; null: none is given. */
export const wholeOrNone = (bounds: { readonly min: number; readonly max: number }) => {
	const must = `a whole number from ${grouped(bounds.min)} to ${grouped(bounds.max)}`;
	return z
		.string(must)
		.refine((text) => /^\d{1,15}$/.test(text) && Number(text) >= bounds.min && Number(text) <= bounds.max, must)
		.transform(Number)
		.nullable()
		.default(null);
};

export const seconds = (usual: number, min: number, max: number) => whole(usual, { min, max, unit: "seconds" });

/** 10000 → "10,000". */
const grouped = (value: number) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

/** An amount of money an hour; null: none is given. */
export const amount = () => {
	const must = "an amount of money an hour, such as 0.05";
	return z
		.string(must)
		.refine((text) => amountIn(text) !== null, must)
		.transform(amountIn)
		.nullable()
		.default(null);
};

/** The amount that a text is in decimal digits, such as 0.05; null where it is none. */
export function amountIn(text: string): number | null {
	return /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : null;
}

/** One of a few words, whatever their case. */
export const word = <Word extends string>(words: readonly Word[], must: string) =>
	z
		.string(must)
		.transform((text) => text.toLowerCase())
		.pipe(z.enum(words, must));

/** Text of which `isGood` is true. */
export const textThat = (must: string, isGood: (text: string) => boolean) => z.string(must).refine(isGood, must);

/** One line, 1 to `max` printable characters. */
export const printable = (max: number) =>
	textThat(`up to ${max} printable characters`, (text) => text !== "" && text.length <= max && !/\p{C}/u.test(text));

/** The items of a comma-separated list. */
export const listOf = (text: string | undefined): string[] =>
	(text ?? "")
		.split(",")
		.map((item) => item.trim())
		.filter((item) => item !== "");
