import type { Ms } from "./basics.ts";

/** When it last happened. After a clock was set back that may lie in the future, and is no reason to wait for it. */
export function passed(at: Ms, now: Ms): Ms {
	return at > now ? 0 : at;
}
