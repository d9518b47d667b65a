import type { AppContext } from "./context.ts";

/**
 * Whether the caller holds what has this tag, weakly compared (RFC 9110, 13.1.2): a gateway that compresses marks it so. `tag` with its quotes.
 */
export function isHeld(c: AppContext, tag: string): boolean {
	const held = c.req.header("If-None-Match");
	return (held ?? "").split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === tag);
}

/** The tag of a text, with its quotes: the same for the same text, whichever isolate made it. */
export async function tagOf(text: string): Promise<string> {
	const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
	return `"${Buffer.from(digest).toString("base64url").slice(0, 22)}"`;
}
