import { type Selection, selectFrom } from "../../read-model/select.ts";
import type { PublishedPool, Snapshot } from "../../read-model/snapshot.ts";
import { askPool } from "../../rpc/reach.ts";
import type { AppContext } from "../base/context.ts";
import { ServiceUnavailable } from "../base/errors.ts";

/** What a boot takes at the clouds, where the pool has not seen one. */
const BOOT_MS = 15_000;
/** A client is told to come back neither sooner nor later than this. */
const RETRY_SECONDS = { least: 2, most: 120 } as const;
/** Callers that come within this are there at the same time: each of them needs a proxy, and one who asks again and again counts once or twice. */
const TOGETHER_MS = 2_000;
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
	/** Callers since then. */
	windowAt: number;
	callers: number;
}

/** By the pool's object. Only pools that were found in the directory: it stays small. */
const asking = new Map<string, Asking>();

/**
 * Has proxies started where nothing that is asked for is ready, by the first pool asked for that is empty while nobody uses it: as many as those who
 * ask need. Returns what to answer meanwhile; null where no pool is of that kind, or where proxies are ready and only excluded.
 */
export async function wakeFor(c: AppContext, snapshot: Snapshot, wanted: Selection): Promise<ServiceUnavailable | null> {
	const { pools, readyCount } = selectFrom(snapshot, { ...wanted, exclude: new Set(), host: null }, Date.now());
	const pool = readyCount > 0 ? undefined : pools.find(({ summary }) => summary?.wakes === true);
	if (pool === undefined) return null;
	const now = Date.now();
	const { isAsked, since } = await wake(c, pool, now);
	const message = isAsked
		? "A proxy is being started; none is ready yet."
		: "No proxy is ready, and the pool that would start one does not answer.";
	return new ServiceUnavailable(message, retrySeconds(pool, now - since));
}

/** What is left of the time that the pool's boots have taken. */
function retrySeconds({ summary }: PublishedPool, passedMs: number): number {
	const left = Math.ceil(((summary?.bootMs ?? BOOT_MS) - passedMs) / 1_000);
	return Math.min(RETRY_SECONDS.most, Math.max(RETRY_SECONDS.least, left));
}

/** `isAsked` false: the pool does not answer; the next client tries again. `since`: when it was first asked. */
async function wake(c: AppContext, { object }: PublishedPool, now: number): Promise<{ readonly isAsked: boolean; readonly since: number }> {
	const one = askingOf(object, now);
	if (now - one.windowAt >= TOGETHER_MS) Object.assign(one, { windowAt: now, callers: 0 });
	one.callers++;
	// Told at once of the first, and then only where there are twice as many: a burst of a thousand is ten calls.
	const isNews = now - one.toldAt >= WAKE_SPACING_MS || one.callers >= 2 * one.told;
	if (!isNews) return { isAsked: true, since: one.since };
	const before = { toldAt: one.toldAt, told: one.told };
	const { callers } = one;
	Object.assign(one, { toldAt: now, told: callers });
	try {
		const { ok } = await askPool(c.env, object, (stub) => stub.command(callers === 1 ? { do: "wake" } : { do: "wake", callers }));
		if (ok) return { isAsked: true, since: one.since };
	} catch {
		// Said below: a pool that is gone and one that does not answer are the same to a client.
	}
	Object.assign(one, before);
	return { isAsked: false, since: one.since };
}

function askingOf(object: string, now: number): Asking {
	const known = asking.get(object);
	if (known !== undefined && now >= known.toldAt && now - Math.max(known.since, known.toldAt) < FORGET_MS) return known;
	const fresh: Asking = { since: now, toldAt: Number.NEGATIVE_INFINITY, told: 0, windowAt: now, callers: 0 };
	asking.set(object, fresh);
	return fresh;
}
