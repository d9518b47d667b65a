/**
 * The directory in D1 beside the register, which outlives it: see docs/decisions/losing-d1.md. D1 may lose everything, or come back as an older copy.
 */
import { fromJson } from "../d1/database.ts";
import { type DirectoryEntry, endpointNameOf, listNames, listPools } from "../d1/directory.ts";
import { mintDeployment, readSettings, settleSetting, writeSetting } from "../d1/settings.ts";
import type { Env } from "../rpc/env.ts";
import { askRegister } from "../rpc/reach.ts";
import type { Compared, KnownPool } from "../rpc/register.ts";

export interface Directory extends Compared {
	readonly entries: readonly DirectoryEntry[];
}

/**
 * What D1 lists, compared with the register, which remembers it. Where D1 holds no id of the deployment, or another one than the register, it gets
 * that one. Throws DatabaseUnavailable, and where the register does not answer.
 */
export async function compareDirectory(env: Env): Promise<Directory> {
	const [entries, names, settings] = await Promise.all([listPools(env.DB), listNames(env.DB), readSettings(env.DB, ["deployment"])]);
	const deployment = settings.get("deployment") ?? null;
	const pools = entries.map((entry) => knownPool(entry, names));
	const comparison = await askRegister(env, { deployment, pools });
	const { register } = comparison;
	if (register.deployment !== null && register.deployment !== deployment) await writeSetting(env.DB, "deployment", register.deployment);
	return { ...comparison, entries };
}

/** The deployment's id: D1's, else the register's, else a new one. Throws DatabaseUnavailable, and where D1 has none and the register does not answer. */
export async function deploymentOf(env: Env): Promise<string> {
	const known = (await readSettings(env.DB, ["deployment"])).get("deployment");
	if (known !== undefined) return known;
	const { register } = await askRegister(env, { deployment: null, pools: [] });
	const settled = await settleSetting(env.DB, "deployment", register.deployment ?? mintDeployment());
	// Whoever comes first here is believed: two that minted at once have settled on one.
	return (await askRegister(env, { deployment: settled, pools: [] })).register.deployment ?? settled;
}

/**
 * What `/health` says of pools that D1 has lost, or null. `settings` hold `unlisted` and `written_at`: in what cron saw last all may have been entered again
 * since, so that the register is asked once more. Throws DatabaseUnavailable, and where the register is needed and does not answer.
 */
export async function whatIsLost(env: Env, settings: ReadonlyMap<string, string>): Promise<string | null> {
	const isSeen = fromJson<readonly string[]>(settings.get("unlisted") ?? null, []).length > 0;
	// Cron has not run with this database yet: it is new, or has lost everything.
	if (!isSeen && settings.has("written_at")) return null;
	const [{ register }, listed] = await Promise.all([askRegister(env, { deployment: null, pools: [] }), listPools(env.DB)]);
	const there = new Set(listed.map(({ object }) => object));
	const known = register.pools.filter(({ removedAt }) => removedAt === null);
	const lost = known.filter(({ object }) => !there.has(object));
	if (lost.length === 0) return null;
	const names = lost.length === known.length && !isSeen ? `all ${lost.length} pools` : lost.map(nameOf).join(", ");
	return `It has lost ${names}, which launch nothing until they are entered again.`;
}

/** How a pool that D1 has lost was called. */
export function nameOf(pool: KnownPool): string {
	return pool.names[0] ?? endpointNameOf(pool);
}

function knownPool(
	{ object, provider, name, incarnation, source, removedAt }: DirectoryEntry,
	names: readonly { readonly name: string; readonly object: string }[],
): KnownPool {
	return {
		object,
		provider,
		name,
		incarnation,
		source,
		removedAt,
		names: names.filter((one) => one.object === object).map((one) => one.name),
	};
}
