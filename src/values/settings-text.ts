/** Reading single settings. A setting that cannot be read adds one sentence to `problems` and gives its fallback; no sentence repeats a value. */

/** What the platform hands over: strings, and from configuration files numbers and booleans, beside bindings that are none of ours. */
export type Env = Readonly<Record<string, unknown>>;

/** Text of a variable, as given; undefined where it is unset, empty, or a binding. */
export function textOf(env: Env, name: string): string | undefined {
	const value = env[name];
	if (typeof value === "number" || typeof value === "boolean") return String(value);
	return typeof value === "string" && value !== "" ? value : undefined;
}

/** As `textOf`, without the white space around it. */
export function trimmedOf(env: Env, name: string): string | undefined {
	return textOf(env, name)?.trim() || undefined;
}

/** How a boolean may be spelt, in lower case. */
export const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, "1": true, yes: true, false: false, "0": false, no: false };

export function readBoolean(name: string, text: string | undefined, fallback: boolean, problems: string[]): boolean {
	if (text === undefined) return fallback;
	const value = BOOLEANS[text.toLowerCase()];
	if (value !== undefined) return value;
	problems.push(`${name} must be True, true, 1 or yes, or False, false, 0 or no`);
	return fallback;
}

/** A whole number in decimal digits, `range.min` to `range.max`. */
export function readWhole(
	name: string,
	text: string | undefined,
	fallback: number,
	range: { readonly min: number; readonly max: number; readonly unit?: string },
	problems: string[],
): number {
	if (text === undefined) return fallback;
	const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
	if (value >= range.min && value <= range.max) return value;
	const unit = range.unit === undefined ? "" : ` of ${range.unit}`;
	problems.push(`${name} must be a whole number${unit} from ${grouped(range.min)} to ${grouped(range.max)}`);
	return fallback;
}

/** An amount of money in decimal digits, such as 0.05; null where none is given. */
export function readAmount(name: string, text: string | undefined, problems: string[]): number | null {
	if (text === undefined) return null;
	const amount = amountIn(text);
	if (amount === null) problems.push(`${name} must be an amount of money an hour, such as 0.05`);
	return amount;
}

/** The amount that a text is, null where it is none. */
export function amountIn(text: string): number | null {
	return /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : null;
}

/** 10000 → "10,000". */
const grouped = (value: number) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

/** The items of a comma-separated list. */
export const listOf = (text: string | undefined): string[] =>
	(text ?? "")
		.split(",")
		.map((item) => item.trim())
		.filter((item) => item !== "");
