/** What keeps calls back for a while: circuit breakers with back-off. */
import type { Ms } from "./basics.ts";
import { record, type Shape, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";

/** A back-off, stored. Open, which lets nothing through, while `until` is in the future. */
export interface Breaker {
	readonly until: Ms;
	readonly failures: number;
	readonly why: string;
	/** When it was last opened for longer than before. */
	readonly steppedAt: Ms;
}

export interface BreakerFields {
	readonly breakers: {
		/** Rate limits: stops every call to the provider. */
		readonly rate: Breaker;
		/** Refused credentials: stops every call to the provider until they may have been mended. */
		readonly auth: Breaker;
		/** Creates that were not done for a passing reason, or that were lost: stops creates, wherever. What one place refuses stops those there: places.ts. */
		readonly launch: Breaker;
		/** Boots that never became ready: lets one canary at a time through. */
		readonly boots: Breaker;
		/** The inventory could not be read. */
		readonly list: Breaker;
		/** D1 could not be written. */
		readonly publish: Breaker;
	};
}
export type BreakerName = keyof BreakerFields["breakers"];

export const BREAKER: Shape<Breaker> = record<Breaker>({ until: value(0), failures: value(0), why: value(""), steppedAt: value(0) });

export const breakerSlice: Slice<BreakerFields> = {
	breakers: shown(
		fact(
			record<BreakerFields["breakers"]>({ rate: BREAKER, auth: BREAKER, launch: BREAKER, boots: BREAKER, list: BREAKER, publish: BREAKER }),
		),
	),
};

/** A breaker that lets everything through. */
export const CLOSED: Breaker = BREAKER.initial;

const SECOND: Ms = 1000;
const MINUTE: Ms = 60 * SECOND;

/** First pause and longest pause of each back-off; each failure in a row doubles it. */
export const BACK_OFF = {
	/** Refused credentials: an operator must act, yet it may be an outage of theirs. */
	auth: { firstMs: MINUTE, longestMs: 60 * MINUTE },
	/** A rate limit that names no time of its own. */
	rate: { firstMs: 5 * SECOND, longestMs: 5 * MINUTE },
	/** A quota, which only an operator or the cloud's support raises. */
	quota: { firstMs: 3 * MINUTE, longestMs: 30 * MINUTE },
	/** Sold out: stock comes back at any moment, and is gone soon. One create a place asks for it, at the latest so soon that a pool is full within a minute. */
	capacity: { firstMs: 5 * SECOND, longestMs: 40 * SECOND },
	/** A request that the provider calls wrong: only a change of configuration helps. */
	invalid: { firstMs: 5 * MINUTE, longestMs: 60 * MINUTE },
	/** Creates that were not done for a passing reason, or whose answer was lost and left nothing. */
	launch: { firstMs: 5 * SECOND, longestMs: 10 * MINUTE },
	/** Boots that never came up: a canary at a time. */
	boots: { firstMs: 2 * MINUTE, longestMs: 60 * MINUTE },
	/** A part of the deployment's budget that is refused, or that D1 does not answer for. */
	allotment: { firstMs: 10 * SECOND, longestMs: 2 * MINUTE },
	/** A price that cannot be had. */
	price: { firstMs: MINUTE, longestMs: 60 * MINUTE },
	list: { firstMs: 2 * SECOND, longestMs: 2 * MINUTE },
	publish: { firstMs: SECOND, longestMs: MINUTE },
	/** A call about one proxy. */
	proxy: { firstMs: 2 * SECOND, longestMs: 5 * MINUTE },
} as const;

export type BackOff = { readonly firstMs: Ms; readonly longestMs: Ms };

/**
 * The pause after `failures` failures in a row (1 for the first), in milliseconds: doubling, with up to a fifth taken off so
 * that pools that failed together do not come back together. The jitter derives from `seed`: apply has no randomness of its own.
 */
export function pauseMs(backOff: BackOff, failures: number, seed: string): Ms {
	const pause = Math.min(backOff.longestMs, backOff.firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
	return Math.round(pause * (1 - 0.2 * fraction(`${seed}/${failures}`)));
}

/** What befell a call. */
export interface Befell {
	readonly why: string;
	readonly backOff: BackOff;
	/** When the call began: what began before the last failure was known is part of the same incident, and no further step. */
	readonly begunAt: Ms;
	/** The provider's own word for when to come back. */
	readonly notBefore?: Ms | undefined;
	/** For the jitter. */
	readonly seed: string;
}

/** The breaker after one more failure. */
export function opened(breaker: Breaker, { why, backOff, begunAt, notBefore, seed }: Befell, now: Ms): Breaker {
	if (isOneIncident(breaker, begunAt, now)) return { ...breaker, until: Math.max(breaker.until, notBefore ?? 0), why };
	const failures = breaker.failures + 1;
	const until = notBefore === undefined ? now + pauseMs(backOff, failures, seed) : Math.max(notBefore, now + 1);
	return { until, failures, why, steppedAt: now };
}

/** Whether what failed had begun before the breaker was last opened. A clock that was set back since says nothing. */
export function isOneIncident(breaker: Breaker, begunAt: Ms, now: Ms): boolean {
	return breaker.failures > 0 && breaker.steppedAt <= now && begunAt <= breaker.steppedAt;
}

/** The breaker once something has changed that may have mended the cause: one call may try at once, and the pause goes on where it was if it fails. */
export function forCanary(breaker: Breaker): Breaker {
	return breaker.until === 0 ? breaker : { ...breaker, until: 0 };
}

/** A number in [0, 1) that depends on the text alone (FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/). */
export function fraction(text: string): number {
	let hash = 0x811c9dc5;
	for (let i = 0; i < text.length; i++) {
		hash ^= text.charCodeAt(i);
		hash = Math.imul(hash, 0x01000193);
	}
	return (hash >>> 0) / 2 ** 32;
}
