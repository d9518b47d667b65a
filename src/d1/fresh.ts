/** Whether `now` is less than `spanMs` after `since` (milliseconds): what was read then is fresh. A clock that went back makes it old, not eternal. */
export function isWithin(spanMs: number, since: number, now: number): boolean {
	return now >= since && now - since < spanMs;
}
