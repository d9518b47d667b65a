import { withinMs } from "../values/deadline.ts";
import { logWarning } from "../values/log.ts";
import type { Env } from "./env.ts";
import type { PoolRpc } from "./pool.ts";
import { type Compared, type Look, REGISTER, type RegisterRpc } from "./register.ts";

/** Longest wait for a pool's answer; its own longest is the 3 s in which a change should be readable in D1. */
export const POOL_DEADLINE_MS = 10_000;

/** A pool's object does not answer now. */
export class PoolUnreachable extends Error {
	constructor(cause: unknown) {
		super("The pool does not answer.", { cause });
		this.name = "PoolUnreachable";
	}
}

/** Whether this is the id of an object of this deployment; without asking it, so that a made-up one leaves no database behind. */
export function isPoolObject(env: Env, object: string): boolean {
	try {
		env.POOL.idFromString(object);
		return true;
	} catch {
		return false;
	}
}

/**
 * Asks one pool something, once more where the platform says that it may be (every question may be repeated).
 * `object` must come from the directory or have passed {@link isPoolObject}. Throws PoolUnreachable.
 */
export async function askPool<T>(env: Env, object: string, question: (pool: PoolRpc) => Promise<T>): Promise<T> {
	// The stub's own type makes plain arrays of tuples.
	const stub = () => env.POOL.get(env.POOL.idFromString(object)) as unknown as PoolRpc;
	const ask = () => withinMs(POOL_DEADLINE_MS, question(stub()));
	try {
		return await ask().catch((error) => {
			if (!mayRetry(error)) throw error;
			// A stub that threw stays broken: `ask` makes another.
			return ask();
		});
	} catch (error) {
		throw new PoolUnreachable(error);
	}
}

/** As {@link askPool}, with the failure in the answer's place: for those who ask several pools, of which some answering is better than none. */
export function tryPool<T>(env: Env, object: string, question: (pool: PoolRpc) => Promise<T>): Promise<T | PoolUnreachable> {
	return askPool(env, object, question).catch((error: unknown) => {
		if (!(error instanceof PoolUnreachable)) throw error;
		logWarning("a pool is left out", error);
		return error;
	});
}

/** Hands a request for a line to a pool, whose answer is 101 or says why not. `object` as with {@link askPool}. Throws PoolUnreachable. */
export async function openLine(env: Env, object: string, request: Request): Promise<Response> {
	try {
		return await withinMs(POOL_DEADLINE_MS, env.POOL.get(env.POOL.idFromString(object)).fetch(request));
	} catch (error) {
		throw new PoolUnreachable(error);
	}
}

/** Asks the register of pools. Throws PoolUnreachable. */
export async function askRegister(env: Env, look: Look): Promise<Compared> {
	try {
		return await withinMs(POOL_DEADLINE_MS, (env.POOL.getByName(REGISTER) as unknown as RegisterRpc).compare(look));
	} catch (error) {
		throw new PoolUnreachable(error);
	}
}

/** See https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ */
function mayRetry(error: unknown): boolean {
	const { retryable, overloaded } = error as { retryable?: boolean; overloaded?: boolean };
	return retryable === true && overloaded !== true;
}
