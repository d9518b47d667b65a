import { type Selection, selectFrom } from "../../read-model/select.ts";
import type { PublishedPool, Snapshot } from "../../read-model/snapshot.ts";
import { askPool } from "../../rpc/reach.ts";
import { logWarning } from "../../values/log.ts";
import { clientAddress } from "../base/auth.ts";
import type { AppContext } from "../base/context.ts";
import { NotFound, ServiceUnavailable } from "../base/errors.ts";

/** What a boot takes at the clouds, where the pool has not seen one. */
const BOOT_MS = 15_000;
/** A client is told to come back neither sooner nor later than this. */
const RETRY_SECONDS = { least: 2, most: 120 } as const;
/** Whoever asks in vain is answered after so long. Who asks at the same time is then there at once, and who asks again and again never is. */
const GATHER_MS = 200;
/** Addresses that are told apart; those beyond it count as one. */
const MAX_ADDRESSES = 1_000;
/** An isolate tells a pool of no more callers at most once in this time. */
const WAKE_SPACING_MS = 5_000;
/** A pool that nobody has asked for in this time is asleep again as far as this isolate knows. */
const FORGET_MS = 5 * 60_000;

/** Who asked this isolate in vain. */
interface Asking {
	/** When it first woke the pool. */
	readonly since: number;
	/** When it last did, and for how many callers. */
	toldAt: number;
	told: number;
	/** Who has asked since then, for as long as they were told to wait. */
	crowd: Crowd;
}

interface Crowd {
	readonly until: number;
	/** By address: how many ask now, and how many did at once at the most. */
	readonly by: Map<string, { now: number; most: number }>;
	/** How many ask now. */
	asking: number;
	/** The sum of the most: so many callers there are. */
	callers: number;
}

/** What pools know this isolate by: of one only the most counts that it tells of at about the same time, those of several are added up. */
let isolate: string | null = null;

/** By the pool's object. Only pools that were found in the directory: it stays small. */
const asking = new Map<string, Asking>();

/**
 * Has proxies started where nothing that is asked for is ready, by the first pool asked for that is empty while nobody uses it: as many as those who
 * ask need. Returns what to answer meanwhile; null where no pool is of that kind, or where proxies are ready and only excluded.
 */
export async function wakeFor(c: AppContext, snapshot: Snapshot, wanted: Selection): Promise<NotFound | ServiceUnavailable | null> {
	const { pools, readyCount } = selectFrom(snapshot, { ...wanted, exclude: new Set(), host: null }, Date.now());
	const pool = readyCount > 0 ? undefined : pools.find(({ summary }) => summary?.wakes === true);
	if (pool === undefined) return null;
	const now = Date.now();
	const one = askingOf(pool.object, now);
	const seconds = retrySeconds(pool, now - one.since);
	if (now >= one.crowd.until) one.crowd = newCrowd(now + seconds * 1_000);
	const isAsked = await join(c, pool.object, one);
	return isAsked
		? new NotFound("No proxies available: one is being started.", seconds)
		: new ServiceUnavailable("No proxy is ready, and the pool that would start one does not answer.", seconds);
}

/** What is left of the time that the pool's boots have taken. */
function retrySeconds({ summary }: PublishedPool, passedMs: number): number {
	const left = Math.ceil(((summary?.bootMs ?? BOOT_MS) - passedMs) / 1_000);
	return Math.min(RETRY_SECONDS.most, Math.max(RETRY_SECONDS.least, left));
}

/** Counts a caller among those who wait, and tells the pool of them. False: the pool does not answer; the next client tries again. */
async function join(c: AppContext, object: string, one: Asking): Promise<boolean> {
	const { crowd } = one;
	const address = clientAddress(c);
	const key = crowd.by.has(address) || crowd.by.size < MAX_ADDRESSES ? address : "";
	const caller = crowd.by.get(key) ?? { now: 0, most: 0 };
	crowd.by.set(key, caller);
	crowd.asking++;
	if (++caller.now > caller.most) {
		caller.most = caller.now;
		crowd.callers++;
	}
	try {
		// Of the first the pool is told at once, of those beside it when all are there.
		if (!(await tell(c, object, one, Date.now() - one.toldAt >= WAKE_SPACING_MS))) return false;
		await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
		const isWhole = crowd.asking === 1 && crowd.callers > one.told;
		return await tell(c, object, one, isWhole || crowd.callers >= 2 * one.told);
	} finally {
		crowd.asking--;
		caller.now--;
	}
}

async function tell(c: AppContext, object: string, one: Asking, isNews: boolean): Promise<boolean> {
	if (!isNews) return true;
	const before = { toldAt: one.toldAt, told: one.told };
	const { callers } = one.crowd;
	Object.assign(one, { toldAt: Date.now(), told: callers });
	// Not before the first request: until then there is no randomness.
	isolate ??= crypto.randomUUID();
	const order = { do: "wake", from: isolate } as const;
	try {
		const { ok } = await askPool(c.env, object, (stub) => stub.command(callers === 1 ? order : { ...order, callers }));
		if (ok) return true;
	} catch (error) {
		// To a client a pool that is gone and one that does not answer are the same.
		logWarning("a pool is not woken", error);
	}
	Object.assign(one, before);
	return false;
}

function askingOf(object: string, now: number): Asking {
	const known = asking.get(object);
	if (known !== undefined && now >= known.toldAt && now - Math.max(known.since, known.toldAt) < FORGET_MS) return known;
	const fresh: Asking = { since: now, toldAt: Number.NEGATIVE_INFINITY, told: 0, crowd: newCrowd(now) };
	asking.set(object, fresh);
	return fresh;
}

function newCrowd(until: number): Crowd {
	return { until, by: new Map(), asking: 0, callers: 0 };
}
