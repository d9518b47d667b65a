import { coldRead, keepSome, readFailed, readReady, type Snapshot } from "../../read-model/ready.ts";
import type { AppContext } from "../base/context.ts";

/**
 * The few proxies that a request needs without the list that they are in, where this isolate does not hold that and is seldom
 * asked. `seen` is what of the list they show. Null: read the list, which also tells what is wrong.
 */
export async function readAlone<T>(
	c: AppContext,
	read: (db: D1Database) => Promise<T | null>,
	seen: (answer: T) => Snapshot,
): Promise<T | null> {
	const { DB } = c.env;
	const now = Date.now();
	const { isCold, isSnapshotDue } = coldRead(now);
	if (!isCold) return null;
	let answer: T | null;
	try {
		answer = await read(DB);
	} catch {
		// What was read before is served at once; where there is nothing, the next read fails too and says so.
		readFailed(now);
		return null;
	}
	if (answer === null) return null;
	keepSome(seen(answer), now);
	if (isSnapshotDue) c.executionCtx.waitUntil(readReady(DB, now).catch(() => undefined));
	return answer;
}
