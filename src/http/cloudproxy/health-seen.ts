/** What `/health` goes by: what D1 shows, and how D1 itself is. */
import { DatabaseUnavailable } from "../../d1/database.ts";
import { type Called, endpointNameOf, readCalled } from "../../d1/directory.ts";
import { orderedCredentialsIn, readSettings } from "../../d1/settings.ts";
import { type CredentialsInForce, inForce } from "../../fleet/credentials.ts";
import { whatIsLost } from "../../fleet/directory.ts";
import { readShadows } from "../../fleet/shadow.ts";
import { readReady } from "../../read-model/ready.ts";
import { readRemoving } from "../../read-model/removing.ts";
import type { PublishedPool } from "../../read-model/snapshot.ts";
import type { Env } from "../../rpc/env.ts";
import type { Config } from "../../settings/environment.ts";
import { logWarning } from "../../values/log.ts";

/** How far behind the database may be. */
const BEHIND_SECONDS = 60;
/** Cron leaves its mark once a minute, so that a mark may be that old though nothing is behind. */
const MARK_EVERY_SECONDS = 60;

export interface Seen {
	readonly pools: readonly PublishedPool[];
	/** Those that are deleted and whose VMs are not all gone yet. */
	readonly removed: readonly PublishedPool[];
	readonly shadows: ReadonlyMap<string, string>;
	readonly called: Called;
	/** Null: it is not known. */
	readonly credentials: CredentialsInForce | null;
	/** What is wrong with the database, or null. */
	readonly database: string | null;
}

/** Never throws. */
export async function look(env: Env, config: Config, now: number): Promise<Seen> {
	let seen: Omit<Seen, "database"> = { pools: [], removed: [], shadows: new Map(), called: endpointNameOf, credentials: null };
	try {
		const { snapshot, ageMs } = await readReady(env.DB, now);
		const { pools } = snapshot;
		seen = { ...seen, pools };
		if (ageMs !== null) return { ...seen, database: `It does not answer; what it held ${Math.ceil(ageMs / 1_000)} s ago is shown.` };
		const [removed, shadows, called, settings] = await Promise.all([
			readRemoving(env.DB),
			readShadows(env.DB, config, pools),
			readCalled(env.DB),
			readSettings(env.DB, ["written_at", "unlisted", "credentials"]),
		]);
		seen = { pools, removed, shadows, called, credentials: inForce(env, orderedCredentialsIn(settings)) };
		const lost = await whatIsLost(env, settings);
		if (lost !== null) return { ...seen, database: lost };
		const mark = settings.get("written_at");
		const seconds = mark === undefined ? 0 : Math.floor((now - Number(mark)) / 1_000);
		const isBehind = seconds > BEHIND_SECONDS + MARK_EVERY_SECONDS;
		return { ...seen, database: isBehind ? `It has taken no write for ${seconds} s, or cron does not run.` : null };
	} catch (error) {
		// The reason may name what nobody without a key should read.
		logWarning("health", error);
		return {
			...seen,
			database: error instanceof DatabaseUnavailable ? "It does not answer." : "It refuses what it is asked; the log has why.",
		};
	}
}
