/** The scale-in window: the highest size that was asked for lately, so that a lull takes nothing away that the next minute needs. */
import { WINDOW_GAP_INTERVALS } from "./limits.ts";
import type { Ms, Spec, Wish } from "./state.ts";

/** Bounds what is stored; a pool of a thousand proxies whose load falls for hours has fewer falling wishes. */
const MOST_WISHES = 200;

/**
 * The window after another wish, which is its last. Of the wishes only those are kept that no later one outdid, so that they fall and the
 * first is the highest. `present` is the size in force: where the window says nothing of the time before (the pool is new, its memory
 * was lost, nobody decided for long), that counts as a wish of just now.
 */
export function withWish(window: readonly Wish[], wish: Wish, spec: Spec, present: number): readonly Wish[] {
	const spanMs = spec.scaleInWindowSeconds * 1000;
	if (spanMs === 0) return [];
	const { at: now } = wish;
	// A clock that was set back: what lies in the future is as new as can be.
	const known = window.map((one) => (one.at > now ? { ...one, at: now } : one));
	const newest = known.at(-1);
	const gapMs = Math.max(spanMs, WINDOW_GAP_INTERVALS * spec.intervalSeconds * 1000);
	const before = newest === undefined || newest.at <= now - gapMs ? [{ at: now, target: present }] : known;
	const kept = before.filter(({ at, target }) => at > now - spanMs && target > wish.target);
	return bounded([...kept, wish]);
}

/** The highest wish of the window; `size` where it has none. */
export function highestWish(window: readonly Wish[], size: number): number {
	return Math.max(size, window[0]?.target ?? 0);
}

/** Two neighbours become one that asks for as much as the higher and lasts as long as the later. */
function bounded(wishes: readonly Wish[]): readonly Wish[] {
	const [first, second, ...others] = wishes;
	if (wishes.length <= MOST_WISHES || first === undefined || second === undefined) return wishes;
	return [{ at: second.at, target: first.target }, ...others];
}

/** Whether a rise at `roseAt` is still within the window. */
export function isWithinWindow(roseAt: Ms, spec: Spec, now: Ms): boolean {
	return roseAt <= now && now < roseAt + spec.scaleInWindowSeconds * 1000;
}
