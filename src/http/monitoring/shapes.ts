import { z } from "zod";

/** An instant as it is given: Unix seconds. */
export type Instant = number;

/** A query parameter that is an instant, as RFC 3339 or Unix seconds. */
export function instant(description: string) {
	return z
		.string()
		.transform((text, context): Instant => {
			const seconds = /^\d{1,12}(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text) / 1000;
			if (Number.isFinite(seconds) && seconds >= 0) return Math.floor(seconds);
			context.addIssue({ code: "custom", message: "must be an instant, as 2026-02-24T08:00:00Z or in seconds since 1970" });
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
