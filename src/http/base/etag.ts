import type { AppContext } from "./context.ts";

/**
 * Whether the caller holds what has this tag, weakly compared (RFC 9110, 13.1.2): a gateway that compresses marks it so. `tag` with its quotes.
 */
export function isHeld(c: AppContext, tag: string): boolean {
	const held = c.req.header("If-None-Match");
	return (held ?? "").split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === tag);
}
