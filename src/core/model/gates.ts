/** What keeps calls back for a while: circuit breakers with back-off. */
import type { Ms } from "./basics.ts";
import { record, type Shape, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";

/** A back-off, stored. Closed while `until` is in the future. */
export interface Gate {
	readonly until: Ms;
	readonly failures: number;
	readonly why: string;
	/** When it was last closed for longer than before. */
	readonly steppedAt: Ms;
}

export interface GateFields {
	readonly gates: {
		/** Rate limits: closes every call to the provider. */
		readonly rate: Gate;
		/** Refused credentials: closes every call to the provider until they may have been mended. */
		readonly auth: Gate;
		/** Creates that were not done for a passing reason, or that were lost: closes creates, wherever. What one place refuses closes that one: places.ts. */
		readonly launch: Gate;
		/** Boots that never became ready: lets one canary at a time through. */
		readonly boots: Gate;
		/** The inventory could not be read. */
		readonly list: Gate;
		/** D1 could not be written. */
		readonly publish: Gate;
	};
}
export type GateName = keyof GateFields["gates"];

export const GATE: Shape<Gate> = record<Gate>({ until: value(0), failures: value(0), why: value(""), steppedAt: value(0) });

export const gateSlice: Slice<GateFields> = {
	gates: shown(fact(record<GateFields["gates"]>({ rate: GATE, auth: GATE, launch: GATE, boots: GATE, list: GATE, publish: GATE }))),
};

/** A gate that lets everything through. */
export const OPEN: Gate = GATE.initial;

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
	lease: { firstMs: 10 * SECOND, longestMs: 2 * MINUTE },
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

/** The gate after one more failure. */
export function closed(gate: Gate, { why, backOff, begunAt, notBefore, seed }: Befell, now: Ms): Gate {
	if (isOneIncident(gate, begunAt, now)) return { ...gate, until: Math.max(gate.until, notBefore ?? 0), why };
	const failures = gate.failures + 1;
	const until = notBefore === undefined ? now + pauseMs(backOff, failures, seed) : Math.max(notBefore, now + 1);
	return { until, failures, why, steppedAt: now };
}

/** Whether what failed had begun before the gate was last closed. A clock that was set back since says nothing. */
export function isOneIncident(gate: Gate, begunAt: Ms, now: Ms): boolean {
	return gate.failures > 0 && gate.steppedAt <= now && begunAt <= gate.steppedAt;
}

/** The gate once something has changed that may have mended the cause: one call may try at once, and the pause goes on where it was if it fails. */
export function forCanary(gate: Gate): Gate {
	return gate.until === 0 ? gate : { ...gate, until: 0 };
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
