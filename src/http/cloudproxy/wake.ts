import { type Selection, selectFrom } from "../../read-model/select.ts";
import type { PublishedPool, Snapshot } from "../../read-model/snapshot.ts";
import { askPool } from "../../rpc/reach.ts";
import type { AppContext } from "../base/context.ts";
import { ServiceUnavailable } from "../base/errors.ts";

/** What a boot takes at the clouds; a client that comes earlier is told the same again. */
const BOOT_RETRY_SECONDS = 15;
/** An isolate wakes a pool at most once in this time: what a burst of clients asks for is one proxy. */
const WAKE_SPACING_MS = 5_000;

/** When this isolate last woke a pool, by its object. Only pools that were found in the directory: it stays small. */
const wokenAt = new Map<string, number>();

/**
 * Has a proxy started where nothing that is asked for is ready, by the first pool asked for that is empty while nobody uses it.
 * Returns what to answer meanwhile; null where no pool is of that kind, or where proxies are ready and only excluded.
 */
export async function wakeFor(c: AppContext, snapshot: Snapshot, wanted: Selection): Promise<ServiceUnavailable | null> {
	const { pools, readyCount } = selectFrom(snapshot, { ...wanted, exclude: new Set(), host: null }, Date.now());
	const pool = readyCount > 0 ? undefined : pools.find(({ summary }) => summary?.wakes === true);
	if (pool === undefined) return null;
	const isAsked = await wake(c, pool, Date.now());
	const say = isAsked
		? "A proxy is being started; none is ready yet."
		: "No proxy is ready, and the pool that would start one does not answer.";
	return new ServiceUnavailable(say, BOOT_RETRY_SECONDS);
}

/** False: the pool does not answer; the next client tries again. */
async function wake(c: AppContext, { object }: PublishedPool, now: number): Promise<boolean> {
	const last = wokenAt.get(object);
	if (last !== undefined && now >= last && now - last < WAKE_SPACING_MS) return true;
	wokenAt.set(object, now);
	try {
		const { ok } = await askPool(c.env, object, (stub) => stub.command({ do: "wake" }));
		if (ok) return true;
	} catch {
		// Said below: a pool that is gone and one that does not answer are the same to a client.
	}
	wokenAt.delete(object);
	return false;
}
