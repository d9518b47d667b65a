/**
 * How often an open tab may look. Requests are billed and the free plan has 100,000 a day for everything, so that a tab gets a bucket: it looks
 * often when it is opened or something moves, and slowly for the rest of the day.
 */

/** Billed requests that a tab makes in a day at the most, calls that its user asks for not counted. */
export const MOST_A_DAY = 1_500;
/** What it may make at once. */
const BURST = 300;
/** Kept for when something moves. */
const RESERVE = 150;
const DAY_MS = 86_400_000;
const REFILL_PER_MS = (MOST_A_DAY - BURST) / DAY_MS;
const MOVING_MS = 2_000;
const RESTING_MS = 10_000;
/** An action is followed for a moment even where nothing else is left. */
export const LONGEST_MS = 600_000;

export interface Bucket {
	readonly left: number;
	/** When that was so, in milliseconds since the epoch. */
	readonly at: number;
}

export function fullBucket(now: number): Bucket {
	return { left: BURST, at: now };
}

export function refilled({ left, at }: Bucket, now: number): Bucket {
	return { left: Math.min(BURST, left + Math.max(0, now - at) * REFILL_PER_MS), at: now };
}

export function spent(bucket: Bucket, billed: number, now: number): Bucket {
	const { left } = refilled(bucket, now);
	return { left: left - billed, at: now };
}

/** Whether there is enough for what costs more than one request. */
export function isRich(bucket: Bucket, now: number): boolean {
	return refilled(bucket, now).left > RESERVE;
}

/** Milliseconds until the next look, which will cost `billed`; `isMoving`: proxies are on their way, or an action is. */
export function waitMs(bucket: Bucket, billed: number, isMoving: boolean, now: number): number {
	const { left } = refilled(bucket, now);
	const usable = isMoving ? left : left - RESERVE;
	const missing = Math.max(0, billed - usable);
	return Math.max(isMoving ? MOVING_MS : RESTING_MS, Math.ceil(missing / REFILL_PER_MS));
}
