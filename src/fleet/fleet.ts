import manifest from "../../package.json" with { type: "json" };
import { readAllotted } from "../d1/allotments.ts";
import { isWithin, type Later } from "../d1/database.ts";
import { type DirectoryEntry, endpointNameOf, enterPool, forgetPool, listNames, listPools, moveTo, removePool } from "../d1/directory.ts";
import { addEvent, pruneEvents } from "../d1/events.ts";
import { readRecords } from "../d1/history.ts";
import { pruneLogs } from "../d1/logs.ts";
import {
	listManagers,
	orderedCredentialsIn,
	patchedRollingIn,
	readSettings,
	readWaitingScaling,
	type SettingKey,
	type WaitingScaling,
	writeSetting,
} from "../d1/settings.ts";
import { pruneVms } from "../d1/vms.ts";
import type { Env } from "../rpc/env.ts";
import type { FleetFacts, Told } from "../rpc/pool.ts";
import { askPool, askRegister, PoolUnreachable, tryPool } from "../rpc/reach.ts";
import { isLacking, type KnownPool } from "../rpc/register.ts";
import type { StoredConfiguration } from "../settings/configuration.ts";
import { type Config, type PoolConfig, readConfig } from "../settings/environment.ts";
import { intervalsOf } from "../settings/manager.ts";
import type { StoredCredentials } from "../settings/ordered-credentials.ts";
import { logError } from "../values/log.ts";
import { noteAlerts, sendAlerts } from "./alerts.ts";
import { resealCredentials, restoreCredentials } from "./credentials.ts";
import { compareDirectory, type Directory, deploymentOf, nameOf } from "./directory.ts";
import { collect } from "./records.ts";
import { readShadows } from "./shadow.ts";

/** Pools that are ticked in one run: the free plan allows some dozens of calls in one. The next run goes on with the others. */
export const POOLS_A_RUN = 40;
/** New pools that one run makes: each costs three queries of the fifty that the free plan allows. */
const NEW_POOLS_A_RUN = 8;
/** The settings that pools are told of. */
const FACTS: readonly SettingKey[] = ["url", "origin", "rolling", "credentials"];
/** A start that was under way for so long is not under way any more: a request ends long before. */
const HALF_MADE_MS = 120_000;
/** That a pool cannot be made is told again after so long. */
const SHADOW_LOG_MS = 3_600_000;
/** The platform waits for six answers at a time. */
const AT_A_TIME = 6;

/**
 * What cron does each minute: makes the pools that the environment names, wakes every pool that might have lost its alarm,
 * prunes the logs, and leaves a mark by which `/health` sees that D1 takes writes. One part failing stops no other.
 */
export async function tend(env: Env, now: number): Promise<void> {
	const directory = await attempt("the register of pools", () => compareDirectory(env));
	// Without it nobody knows whether a pool that D1 does not list is there all the same.
	if (directory !== null) await attempt("pools of the environment", () => ensurePools(env, now, directory.lacking));
	await attempt("ticks", async () => {
		const facts = { ...(await readFacts(env)), ...(directory === null ? {} : { deployments: idsOf(directory) }) };
		if (directory !== null && directory.lacking.length > 0) await attempt("pools that D1 has lost", () => bringBack(env, directory, facts));
		await tickPools(env, facts, now, { directory });
		const { credentials = null } = facts;
		if (credentials !== null) await attempt("the proxies' credentials at rest", () => resealCredentials(env, credentials));
	});
	if (directory !== null) await attempt("what D1 has lost", () => noteLost(env, directory));
	const { alertWebhook } = readConfig(env).global;
	if (alertWebhook !== null) await attempt("alerts on their way", () => sendAlerts(env.DB, alertWebhook, now));
	await attempt("logs", () => pruneLogs(env.DB, now));
	await attempt("the deploy", () => noteDeploy(env, now));
	await attempt("events", () => pruneEvents(env.DB, now));
	await attempt("VMs that are gone", () => pruneVms(env.DB, now));
	await attempt("mark", () => writeSetting(env.DB, "written_at", String(now)));
}

/** The deploy that this isolate has seen noted. */
let noted: string | null = null;

/** A deploy is an event, once; the first that there ever was is not. Throws DatabaseUnavailable. */
export async function noteDeploy(env: Env, now: number): Promise<void> {
	const { id = "", tag = "" } = env.VERSION ?? {};
	const version = `${manifest.version} ${id}`.trim();
	if (version === noted) return;
	const former = (await readSettings(env.DB, ["version"])).get("version");
	if (former !== version) await writeSetting(env.DB, "version", version);
	const name = [tag, id.slice(0, 8)].filter((part) => part !== "").join(", ");
	const text = `Muster ${manifest.version} was deployed${name === "" ? "" : ` (${name})`}`;
	if (former !== undefined && former !== version)
		await addEvent(env.DB, { at: now, pool: "", severity: "INFO", kind: "deployed", proxy: "", text, actor: null });
	noted = version;
}

/** The address that agents call, as far as it is known, and the size of the deployment. Throws DatabaseUnavailable. */
export async function readFacts(env: Env): Promise<FleetFacts> {
	const config = readConfig(env);
	const [settings, managers, entries, allotted] = await Promise.all([
		readSettings(env.DB, FACTS),
		listManagers(env.DB),
		listPools(env.DB),
		config.global.maxHourlyCost === null ? null : readAllotted(env.DB, Date.now()),
	]);
	const names = managers.size === 0 ? [] : await listNames(env.DB);
	return { ...factsOf(config, settings, managers, entries, names), ...(allotted === null ? {} : { allotted }) };
}

/**
 * Tells every pool what D1 holds now, as cron does: who does not answer in time, or is one too many for a request, learns it from cron. Answers with how many of
 * how many were told. Throws DatabaseUnavailable.
 */
export async function tellPools(env: Env, withinMs: number, later: Later): Promise<{ readonly told: number; readonly pools: number }> {
	const [facts, listed] = await Promise.all([readFacts(env), listPools(env.DB)]);
	// Those that are being emptied come last.
	const pools = [...listed].sort((a, b) => Number(a.removedAt !== null) - Number(b.removedAt !== null));
	let told = 0;
	const telling = eachPool(pools.slice(0, POOLS_A_RUN), async ({ object }) => {
		if (!((await tryPool(env, object, (pool) => pool.tick(facts))) instanceof PoolUnreachable)) told++;
	});
	later(telling.catch(() => undefined));
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<void>((resolve) => {
		timer = setTimeout(resolve, withinMs);
	});
	await Promise.race([telling, late]);
	clearTimeout(timer);
	return { told, pools: pools.length };
}

/**
 * Makes the pools that are enabled in the environment and not in the directory. The row is written before the object is
 * called for the first time: without it nobody would ever find the object again. A pool whose start was lost is started at
 * the next run, as it has not published anything. None of those that D1 has lost (`lacking`) is made a second time. Throws DatabaseUnavailable.
 */
export async function ensurePools(env: Env, now: number, lacking: readonly KnownPool[] = []): Promise<void> {
	const config = readConfig(env);
	const entries = await listPools(env.DB);
	const shadows = await readShadows(
		env.DB,
		config,
		entries.filter(({ removedAt }) => removedAt === null),
	);
	tellShadows(shadows, now);
	const isMissing = (pool: PoolConfig) =>
		pool.enabled && !shadows.has(pool.endpoint) && !isStarted(entries, pool) && !isLacking(lacking, pool);
	// Those that are in the directory were begun a moment ago, mostly, and are about to publish: they keep no other from being made.
	const isBegun = (pool: PoolConfig) => entries.some(({ provider, name }) => provider === pool.provider && name === pool.name);
	const missing = config.pools
		.filter(isMissing)
		.sort((a, b) => Number(isBegun(a)) - Number(isBegun(b)))
		.slice(0, NEW_POOLS_A_RUN);
	if (missing.length === 0) return;
	const deployment = await deploymentOf(env);
	const facts = factsOf(config, await readSettings(env.DB, FACTS), await listManagers(env.DB), entries);
	for (const pool of missing) await attempt(pool.endpoint, () => makePool(env, pool, { deployment, facts, now }));
}

/** When this isolate last told of a pool that is not made. */
const shadowsTold = new Map<string, number>();

/** Once an hour. */
function tellShadows(shadows: ReadonlyMap<string, string>, now: number): void {
	for (const [endpoint, message] of shadows) {
		if (isWithin(SHADOW_LOG_MS, shadowsTold.get(message) ?? Number.NEGATIVE_INFINITY, now)) continue;
		shadowsTold.set(message, now);
		logError(`the environment's pool ${endpoint} is ${message}`);
	}
}

/**
 * Ticks every pool in the directory, removed ones too: these still have VMs to delete. Six at a time, {@link POOLS_A_RUN} a
 * run; where there are more the run's minute says which. `cron`: how they fare is collected too. Never throws for a pool that does not answer.
 */
export async function tickPools(
	env: Env,
	facts: FleetFacts,
	now: number = Date.now(),
	cron: { readonly directory: Directory | null } | null = null,
): Promise<void> {
	const directory = cron?.directory ?? null;
	const listed = await listPools(env.DB);
	const pools = rotated(listed, now).slice(0, POOLS_A_RUN);
	// Without them nobody is asked: pools keep an hour of samples.
	const records = cron === null ? null : await attempt("what pools told last", () => readRecords(env.DB));
	const told = new Map<string, Told>();
	const heard = new Set<string>();
	const known: StoredCredentials[] = [];
	await eachPool(pools, (entry) =>
		attempt(`${entry.provider}/${entry.name}`, async () => {
			const { object, version } = entry;
			const pool = await askPool(env, object, (stub) =>
				records === null
					? stub.tick(facts, { is: "there", version })
					: stub.tick(facts, { is: "there", version }, records[object]?.settledAt ?? 0),
			);
			if (pool === null) return forgetEmpty(env, entry, now);
			if (pool.told !== undefined) told.set(object, pool.told);
			if (pool.deployment !== undefined) heard.add(pool.deployment);
			if (pool.credentials !== undefined) known.push(pool.credentials);
			if (pool.provider !== entry.provider) await moveTo(env.DB, object, pool.provider);
			// An older copy of D1 lists again what was deleted since.
			if (pool.isRemoved === true && entry.source === "api" && entry.removedAt === null) await removePool(env.DB, object, now);
		}),
	);
	if (known.length > 0) await attempt("the proxies' credentials", () => restoreCredentials(env, known));
	if (records !== null && pools.length > 0) await attempt("history", () => collect(env.DB, records, told, listed, now));
	const { alertWebhook } = readConfig(env).global;
	if (alertWebhook !== null && told.size > 0) await attempt("alerts", () => noteAlerts(env.DB, told, listed, now));
	const isNews = directory !== null && [...heard].some((id) => !idsOf(directory).includes(id));
	if (isNews) await askRegister(env, { deployment: null, pools: directory.register.pools, heard: [...heard] });
}

/** Tells each pool that D1 has lost: it enters itself again. Those that are not there any more are crossed off. */
async function bringBack(env: Env, { lacking, register }: Directory, facts: FleetFacts): Promise<void> {
	const gone: string[] = [];
	await eachPool(lacking.slice(0, POOLS_A_RUN), ({ object, provider, name, names }) =>
		attempt(`${provider}/${name}, which D1 has lost`, async () => {
			if ((await askPool(env, object, (stub) => stub.tick(facts, { is: "missing", names }))) === null) gone.push(object);
		}),
	);
	if (gone.length > 0)
		await askRegister(env, { deployment: null, pools: register.pools.filter(({ object }) => !gone.includes(object)), gone });
}

/** What D1 has lost and does not hold again yet, for `/health`. */
async function noteLost(env: Env, { lacking }: Directory): Promise<void> {
	if (lacking.length === 0) return writeSetting(env.DB, "unlisted", null);
	const { lacking: left } = await compareDirectory(env);
	const names = left.filter(({ removedAt }) => removedAt === null).map(nameOf);
	await writeSetting(env.DB, "unlisted", names.length === 0 ? null : JSON.stringify(names));
}

function idsOf({ register: { deployment, former } }: Directory): readonly string[] {
	return deployment === null ? former : [deployment, ...former];
}

/**
 * Takes a row out of the directory whose object holds no pool: an endpoint's that was never started (the row is written first, and the start that was to
 * follow was lost; one of the environment is started by {@link ensurePools}), or one of an older copy of D1 whose pool is forgotten since. Nothing
 * rests on it: a pool that is there answers, and is forgotten only after its row.
 */
async function forgetEmpty(env: Env, { object, source, version, incarnation }: DirectoryEntry, now: number): Promise<void> {
	if ((source === "api" || version > 0) && incarnation < now - HALF_MADE_MS) await forgetPool(env.DB, object);
}

/** Asks these pools one thing, six at a time. Throws what the first one that failed threw. */
export async function eachPool<T, Pool>(pools: readonly Pool[], ask: (pool: Pool) => Promise<T>): Promise<readonly T[]> {
	const answers: T[] = [];
	const queue = [...pools.entries()];
	const worker = async () => {
		for (let next = queue.shift(); next; next = queue.shift()) answers[next[0]] = await ask(next[1]);
	};
	await Promise.all(Array.from({ length: AT_A_TIME }, worker));
	return answers;
}

interface Founding {
	readonly deployment: string;
	readonly facts: FleetFacts;
	readonly now: number;
}

async function makePool(env: Env, pool: PoolConfig, { deployment, facts, now }: Founding): Promise<void> {
	const { provider, name, endpoint } = pool;
	const object = env.POOL.newUniqueId().toString();
	const entry = await enterPool(env.DB, { object, provider, name, endpoint, incarnation: now, source: "environment" });
	if (!entry) throw new Error(`its endpoint name "${endpoint}" is another pool's`);
	const { incarnation, source } = entry;
	await askPool(env, entry.object, (stub) => stub.start({ object: entry.object, provider, name, deployment, incarnation, source, facts }));

	// Looked for after the pool is entered: whoever PATCHes from now on finds the pool.
	const bounds = await readWaitingScaling(env.DB, provider, name);
	if (!bounds) return;
	if (isFor(bounds, pool)) await askPool(env, entry.object, (stub) => stub.command({ do: "scale", min: bounds.min, max: bounds.max }));
	await writeSetting(env.DB, `scaling:${provider}:${name}`, null);
}

/** Bounds that were PATCHed while the pool was disabled hold until the environment names others. */
export function isFor(waiting: WaitingScaling, pool: PoolConfig): boolean {
	return waiting.environment.min === pool.settings.spec.min && waiting.environment.max === pool.settings.spec.max;
}

function isStarted(entries: readonly DirectoryEntry[], pool: PoolConfig): boolean {
	return entries.some(
		(entry) => entry.removedAt === null && entry.provider === pool.provider && entry.name === pool.name && entry.version > 0,
	);
}

function factsOf(
	config: Config,
	settings: ReadonlyMap<string, string>,
	managers: ReadonlyMap<string, StoredConfiguration>,
	entries: readonly DirectoryEntry[],
	names: readonly { readonly name: string; readonly object: string }[] = [],
): FleetFacts {
	return {
		intervals: byOwnName(intervalsOf(managers, config.global), entries, names),
		agentUrl: settings.get("url") ?? config.global.publicUrl ?? settings.get("origin") ?? null,
		rolling: patchedRollingIn(settings),
		credentials: orderedCredentialsIn(settings),
		proxies: entries.reduce((sum, { billable }) => sum + billable, 0),
	};
}

/** By the names that pools know of themselves: an endpoint's manager has each of its names. Its own one goes before the others. */
function byOwnName(
	intervals: Readonly<Record<string, number>>,
	entries: readonly DirectoryEntry[],
	names: readonly { readonly name: string; readonly object: string }[],
): Readonly<Record<string, number>> {
	const own = new Map(entries.map((entry) => [entry.object, endpointNameOf(entry)]));
	const further = names.flatMap(({ name, object }) => {
		const ownName = own.get(object);
		return ownName === undefined || !Object.hasOwn(intervals, name) ? [] : [[ownName, intervals[name] as number] as const];
	});
	return { ...Object.fromEntries(further), ...intervals };
}

/** Starts each run where the one of the minute before stopped. */
function rotated(entries: readonly DirectoryEntry[], now: number): DirectoryEntry[] {
	if (entries.length <= POOLS_A_RUN) return [...entries];
	const start = (Math.floor(now / 60_000) * POOLS_A_RUN) % entries.length;
	return [...entries.slice(start), ...entries.slice(0, start)];
}

/** Null where it failed: the next run tries again. */
async function attempt<T>(what: string, work: () => Promise<T>): Promise<T | null> {
	try {
		return await work();
	} catch (error) {
		logError(`cron, ${what}`, error);
		return null;
	}
}
