/** Numbers, money and times as people read them. */

const UNITS = [
	["d", 86_400],
	["h", 3_600],
	["min", 60],
	["s", 1],
] as const;

/** In the largest unit that is honest: "12 s", "3 min", "2 h", "5 d"; with the next one where the first is small ("1 h 20 min"). */
export function duration(seconds: number): string {
	const whole = Math.max(0, Math.floor(seconds));
	const index = UNITS.findIndex(([, length]) => whole >= length);
	if (index === -1) return "0 s";
	const [unit, length] = UNITS[index] as (typeof UNITS)[number];
	const count = Math.floor(whole / length);
	const next = UNITS[index + 1];
	const rest = next === undefined ? 0 : Math.floor((whole - count * length) / next[1]);
	return count < 3 && next !== undefined && rest > 0 ? `${count} ${unit} ${rest} ${next[0]}` : `${count} ${unit}`;
}

/** The same without seconds beside minutes: what is looked at again and again shall not flicker. */
function coarse(seconds: number): string {
	return duration(seconds >= 60 && seconds < 3_600 ? Math.floor(seconds / 60) * 60 : seconds);
}

/** "12 s ago", "in 3 min". */
export function relative(at: number, now: number): string {
	const seconds = (now - at) / 1_000;
	if (Math.abs(seconds) < 1) return "now";
	return seconds > 0 ? `${coarse(seconds)} ago` : `in ${coarse(-seconds)}`;
}

/** In the viewer's zone, to the second, with the zone's name. */
export function exact(at: number): string {
	return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" }).format(at);
}

/** "14:29:40" today, else "29 Nov 14:29". */
export function clock(at: number, now: number): string {
	const isToday = new Date(at).toDateString() === new Date(now).toDateString();
	const time = { hour: "2-digit", minute: "2-digit", hour12: false } as const;
	return new Intl.DateTimeFormat(undefined, isToday ? { ...time, second: "2-digit" } : { ...time, day: "numeric", month: "short" }).format(
		at,
	);
}

/** `0.0214` of USD is "$0.0214"; four significant digits at the most, two decimals at the least. */
export function money(amount: number, currency: string): string {
	const digits = amount === 0 || amount >= 1 ? 2 : Math.min(5, 1 - Math.floor(Math.log10(amount)) + 1);
	const format = {
		style: "currency",
		currency,
		currencyDisplay: "narrowSymbol",
		minimumFractionDigits: 2,
		maximumFractionDigits: digits,
	} as const;
	return new Intl.NumberFormat("en", format).format(amount);
}

/** What an hour's cost comes to in a month of 730 hours. */
export function monthly(hourly: number, currency: string): string {
	const format = {
		style: "currency",
		currency,
		currencyDisplay: "narrowSymbol",
		maximumFractionDigits: hourly * 730 < 10 ? 2 : 0,
	} as const;
	return new Intl.NumberFormat("en", format).format(hourly * 730);
}

export interface Quantity {
	readonly value: string;
	readonly unit: string;
}

/** Bytes a second. */
export function rate(bytes: number): Quantity {
	const { value, unit } = size(bytes);
	return { value, unit: `${unit}/s` };
}

export function size(bytes: number): Quantity {
	const units = ["B", "kB", "MB", "GB", "TB", "PB"];
	let [value, index] = [bytes, 0];
	while (value >= 1_000 && index < units.length - 1) [value, index] = [value / 1_000, index + 1];
	return { value: digits(value), unit: units[index] ?? "B" };
}

/** Three significant digits, and whole from a hundred on. */
export function digits(value: number): string {
	if (value === 0) return "0";
	if (Math.abs(value) >= 100) return new Intl.NumberFormat("en", { maximumFractionDigits: 0 }).format(value);
	return String(Number(value.toPrecision(value < 1 ? 2 : 3)));
}

/** `0.954` is "95.4 %". */
export function percent(share: number): string {
	return `${digits(share * 100)}\u202f%`;
}

export function count(number: number, one: string, many = `${one}s`): string {
	return `${new Intl.NumberFormat("en").format(number)} ${number === 1 ? one : many}`;
}

/**
 * A sentence of the API as it is shown here: instants in the viewer's own time, and without the call that a button beside it makes.
 */
export function sentence(text: string, now: number): string {
	const plain = text
		.replace(/, or now by start \(POST [^)]*\)/g, "")
		.replace(/ until start \(POST [^)]*\)/g, " until it is started")
		.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, (instant) => clock(Date.parse(instant), now));
	// A pool's name stays as it is.
	return /^[a-z](?!\S*\/)/.test(plain) ? plain[0]?.toUpperCase() + plain.slice(1) : plain;
}
