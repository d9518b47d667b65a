import { z } from "zod";
import { invalidQuery } from "../base/errors.ts";

const INSTANT = "must be an instant, as 2026-02-24T08:00:00Z or in seconds since 1970";

const Rfc3339 = z.union([z.iso.datetime({ offset: true }), z.iso.date()]);

/** Unix seconds; null: it is no instant. `Date.parse` alone makes one of nearly any text with a number in it. */
function parsed(text: string): number | null {
	if (/^\d{1,12}(\.\d+)?$/.test(text)) return Math.floor(Number(text));
	const seconds = Rfc3339.safeParse(text).success ? Math.floor(Date.parse(text) / 1000) : Number.NaN;
	return seconds >= 0 ? seconds : null;
}

/** An instant, given as RFC 3339 or in Unix seconds, in Unix seconds. Throws ValidationError. */
export function secondsOf(text: string, field: string): number {
	const seconds = parsed(text);
	if (seconds === null) throw invalidQuery(field, INSTANT);
	return seconds;
}

/** A query parameter that is an instant, as RFC 3339 or Unix seconds; it becomes Unix seconds. */
export function instant(description: string) {
	return z
		.string()
		.transform((text, context): number => {
			const seconds = parsed(text);
			if (seconds !== null) return seconds;
			context.addIssue({ code: "custom", message: INSTANT });
			return z.NEVER;
		})
		.optional()
		.openapi({ type: "string", description: `${description} RFC 3339 (2026-02-24T08:00:00Z), or Unix seconds.` });
}

export const poolParam = z
	.string()
	.max(200)
	.optional()
	.openapi({ description: "One pool, as `provider/instance`; all unless given.", example: "digitalocean/default" });

/** How many a page may have, and has unless it is said. */
export function limitParam(most: number, usual: number) {
	const message = `must be a whole number from 1 to ${most}`;
	return z
		.string()
		.regex(/^\d{1,6}$/, message)
		.default(String(usual))
		.transform(Number)
		.pipe(z.number().min(1, message).max(most, message))
		.openapi({ type: "integer", minimum: 1, maximum: most, default: usual, description: `How many at most, from 1 to ${most}.` });
}

/** Cursors of the stream of events. */
export const CURSOR = /^e\d{1,15}$/;

export function cursorOf(text: string): number {
	return Number(text.slice(1));
}
