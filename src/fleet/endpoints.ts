import type { ProviderName } from "../core/model/state.ts";
import {
	addName,
	type DirectoryEntry,
	dropName,
	endpointNameOf,
	enterPool,
	findObject,
	findPool,
	listNames,
	moveTo,
	removePool,
} from "../d1/directory.ts";
import type { Env } from "../rpc/env.ts";
import { askPool } from "../rpc/reach.ts";
import { isLacking } from "../rpc/register.ts";
import { type EndpointConfiguration, type Faults, joinedFaults, type StoredConfiguration, sealSecrets } from "../settings/configuration.ts";
import { cloudIn, readEndpoint } from "../settings/endpoint.ts";
import type { Config } from "../settings/environment.ts";
import { withKeptSecrets } from "../settings/kept-secrets.ts";
import { Reader } from "../settings/reader.ts";
import { compareDirectory, deploymentOf } from "./directory.ts";
import { readFacts } from "./fleet.ts";

// Pools as endpoints: made, changed, given names and removed through the API. The directory's row comes first, so that nothing is
// ever made that nobody would find again; the pool decides, and stores what it was given.

export type Outcome =
	| { readonly ok: true }
	| { readonly ok: false; readonly error: "conflict" | "notFound"; readonly message: string }
	| { readonly ok: false; readonly error: "invalid"; readonly faults: Faults };

const DONE: Outcome = { ok: true };
const conflict = (message: string): Outcome => ({ ok: false, error: "conflict", message });
const notFound = (message: string): Outcome => ({ ok: false, error: "notFound", message });

/**
 * Makes the pool of an endpoint; it begins paused. Where its start is lost the endpoint's row stays: asking again finishes it, and
 * otherwise cron takes the row away. Throws DatabaseUnavailable, PoolUnreachable.
 */
export async function createEndpoint(env: Env, config: Config, name: string, given: EndpointConfiguration, now: number): Promise<Outcome> {
	const { global, addresses } = config;
	const { provider, faults } = readEndpoint(given, { name, global, suspending: [], addresses, isPosted: true });
	const all = joinedFaults(faults, withKeptSecrets(given, {}, addresses).faults);
	if (Object.keys(all).length > 0) return { ok: false, error: "invalid", faults: all };
	const reserved = reservedFor(config, name, provider);
	if (reserved !== null) return conflict(reserved);
	// One that the directory has lost comes back under its name.
	if (isLacking((await compareDirectory(env)).lacking, { provider, name, endpoint: name }))
		return conflict(`The name "${name}" is taken: its pool is being entered into the directory again.`);

	const object = env.POOL.newUniqueId().toString();
	const sealed = sealSecrets(global.encryptionKeys, object, given);
	if (sealed.stored === null) return { ok: false, error: "invalid", faults: sealed.faults };
	const entry = await enterPool(env.DB, { object, provider, name, endpoint: name, incarnation: now, source: "api" });
	if (entry?.object !== object) return conflict(`The name "${name}" is taken.`);
	return startEndpoint(env, entry, sealed.stored);
}

/** Starts a pool whose row is there, and gives it its configuration whoever started it. */
async function startEndpoint(env: Env, entry: DirectoryEntry, stored: StoredConfiguration): Promise<Outcome> {
	const { object, provider, name, incarnation, source } = entry;
	const [deployment, facts] = await Promise.all([deploymentOf(env), readFacts(env)]);
	await askPool(env, object, (pool) => pool.start({ object, provider, name, deployment, incarnation, source, facts }, stored));
	// Answers once it can be read.
	return configured(env, entry, stored);
}

/** Gives an endpoint another configuration. Throws DatabaseUnavailable, PoolUnreachable. */
export async function configureEndpoint(env: Env, config: Config, object: string, given: EndpointConfiguration): Promise<Outcome> {
	const entry = await findObject(env.DB, object);
	if (entry === null) return notFound("This endpoint does not exist any more.");
	const sealed = sealSecrets(config.global.encryptionKeys, object, given);
	if (sealed.stored === null) return { ok: false, error: "invalid", faults: sealed.faults };
	const provider = entry.source === "api" ? cloudIn(new Reader(given)) : null;
	if (provider !== null && provider !== entry.provider) {
		const reserved = reservedFor(config, null, provider, entry.name);
		if (reserved !== null) return conflict(reserved);
		const other = await findPool(env.DB, provider, entry.name);
		if (other !== null) return conflict(`There is another pool "${entry.name}" at ${provider}.`);
	}
	return configured(env, entry, sealed.stored);
}

async function configured(env: Env, entry: DirectoryEntry, stored: StoredConfiguration): Promise<Outcome> {
	const outcome = await askPool(env, entry.object, (pool) => pool.reconfigure(stored));
	if (outcome.ok) {
		// Where this fails cron does it: the pool says itself where it is.
		if (outcome.provider !== entry.provider) await moveTo(env.DB, entry.object, outcome.provider);
		return DONE;
	}
	return outcome;
}

/** Finishes an endpoint whose start was lost, with this configuration; false where its pool is there. Throws DatabaseUnavailable, PoolUnreachable. */
export async function finishEndpoint(env: Env, config: Config, object: string, given: EndpointConfiguration): Promise<Outcome | null> {
	if ((await askPool(env, object, (pool) => pool.status())) !== null) return null;
	const entry = await findObject(env.DB, object);
	if (entry === null || entry.source !== "api" || entry.removedAt !== null) return null;
	const { faults } = readEndpoint(given, {
		name: entry.name,
		global: config.global,
		suspending: [],
		addresses: config.addresses,
		isPosted: true,
	});
	if (Object.keys(faults).length > 0) return { ok: false, error: "invalid", faults };
	const sealed = sealSecrets(config.global.encryptionKeys, object, given);
	return sealed.stored === null ? { ok: false, error: "invalid", faults: sealed.faults } : startEndpoint(env, entry, sealed.stored);
}

/** Gives an endpoint a further name. Throws DatabaseUnavailable. */
export async function aliasEndpoint(env: Env, config: Config, object: string, name: string): Promise<Outcome> {
	const reserved = reservedFor(config, name, null);
	if (reserved !== null) return conflict(reserved);
	return (await addName(env.DB, object, name)) ? DONE : conflict(`The name "${name}" is taken.`);
}

/**
 * Takes a name from an endpoint. With the last one its pool goes: its VMs are drained and deleted, or, where they are to be kept, no
 * longer ours. Throws DatabaseUnavailable, PoolUnreachable.
 */
export async function deleteEndpoint(env: Env, config: Config, object: string, name: string, keep: boolean, now: number): Promise<Outcome> {
	const entry = await findObject(env.DB, object);
	if (entry === null) return notFound("This endpoint does not exist any more.");
	if (entry.source === "environment" && name === endpointNameOf(entry)) {
		const pool = config.pools.find((candidate) => candidate.provider === entry.provider && candidate.name === entry.name);
		const variable = pool?.enabledVariable ?? `${entry.provider.toUpperCase()}_ENABLED`;
		return conflict(`This endpoint is the environment's: unset ${variable}, or set it to False, and its pool is emptied and forgotten.`);
	}
	if (await dropName(env.DB, object, name)) return DONE;
	if ((await listNames(env.DB)).some((other) => other.object === object && other.name !== name))
		return notFound(`There is no endpoint "${name}".`);
	const remove = () => askPool(env, object, (pool) => pool.command({ do: "run", run: "removing", keep }));
	const removed = await remove();
	if (!removed.ok && removed.error === "conflict") return conflict(removed.message);
	await removePool(env.DB, object, now);
	// Whoever started it in between found it by a name that is gone now.
	await remove();
	return DONE;
}

/** Why nobody but the environment may have this endpoint name, or this provider and name: a pool that it names is, or will be, there. */
function reservedFor(config: Config, endpoint: string | null, provider: ProviderName | null, name = endpoint): string | null {
	const owner = config.pools.find((pool) => {
		const isPlace = pool.provider === provider && pool.name === name;
		return isPlace || (pool.endpoint === endpoint && (pool.enabled || pool.problem !== null));
	});
	if (owner === undefined) return null;
	return `The name is taken: ${owner.provider}/${owner.name} is the environment's.`;
}
