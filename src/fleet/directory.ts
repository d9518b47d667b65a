/**
 * The directory in D1 beside the register, which outlives it: see docs/decisions/losing-d1.md. D1 may lose everything, or come back as an older copy.
 */
import { fromJson } from "../d1/database.ts";
import { type DirectoryEntry, listNames, listPools } from "../d1/directory.ts";
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

/** What `/health` says of pools that D1 has lost, or null. `settings` hold `unlisted` and `written_at`. Throws where the register is needed and does not answer. */
export async function whatIsLost(env: Env, settings: ReadonlyMap<string, string>): Promise<string | null> {
	const names = fromJson<readonly string[]>(settings.get("unlisted") ?? null, []);
	if (names.length > 0) return `It has lost ${names.join(", ")}, which launch nothing until they are entered again.`;
	// Cron has not run with this database yet: it is new, or has lost everything.
	if (settings.has("written_at")) return null;
	const { register } = await askRegister(env, { deployment: null, pools: [] });
	const count = register.pools.filter(({ removedAt }) => removedAt === null).length;
	return count === 0 ? null : `It has lost all ${count} pools, which launch nothing until they are entered again.`;
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
