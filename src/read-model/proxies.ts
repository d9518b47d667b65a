import type { PoolSummary, ProxyRow } from "../core/model/published.ts";
import type { Id, ProviderName } from "../core/model/state.ts";
import { fromJson, onDatabase } from "../d1/database.ts";
import type { CredentialsByVersion } from "./snapshot.ts";

/** One proxy as its pool published it, with what its pool's row says. */
export interface PublishedProxy {
	readonly object: string;
	readonly id: Id;
	readonly address: string;
	readonly phase: ProxyRow["phase"];
	/** The credentials version that its agent acknowledged; 0: none yet, or none asked. */
	readonly credentialsVersion: number;
	/** `region:size`; null: what the settings of its pool say. */
	readonly place: string | null;
	readonly provider: ProviderName;
	readonly name: string;
	readonly summary: PoolSummary | null;
	readonly credentials: CredentialsByVersion;
}

interface Row extends Omit<PublishedProxy, "summary" | "credentials"> {
	readonly summary: string | null;
	readonly credentials: string;
}

const SELECT = `SELECT proxies.object, proxies.id, proxies.address, proxies.phase, proxies.credentials AS credentialsVersion, proxies.place,
	pools.provider, pools.name, pools.summary, pools.credentials
	FROM proxies JOIN pools ON pools.object = proxies.object`;

/** What waits to be destroyed (draining or being deleted), or is being restarted. */
export type Queue = "destroy" | "restart";

/**
 * The proxy that has this address. A cloud hands an address out again as soon as a VM is gone, perhaps before we know that
 * it is: of several proxies it is the one that is not on its way out, and then the youngest. Throws DatabaseUnavailable.
 */
export async function findByAddress(db: D1Database, address: string): Promise<PublishedProxy | null> {
	const { results } = await onDatabase(() =>
		db
			.prepare(`${SELECT} WHERE proxies.address = ? ORDER BY (proxies.queue IS 'destroy'), proxies.created_at DESC LIMIT 1`)
			.bind(address)
			.all<Row>(),
	);
	return results[0] ? parsed(results[0]) : null;
}

/** Where a proxy is kept. */
export interface Whereabouts {
	readonly object: string;
	readonly id: Id;
}

/** The proxies at these addresses; where an address is two's, as {@link findByAddress} has it. Throws DatabaseUnavailable. */
export async function findAllAt(
	db: D1Database,
	addresses: readonly string[],
): Promise<readonly (Whereabouts & { readonly address: string })[]> {
	const { results } = await onDatabase(() =>
		db
			.prepare(
				`SELECT proxies.object, proxies.id, proxies.address FROM json_each(?) AS wanted JOIN proxies ON proxies.address = wanted.value
				ORDER BY (proxies.queue IS NOT 'destroy'), proxies.created_at`,
			)
			.bind(JSON.stringify(addresses))
			.all<Whereabouts & { readonly address: string }>(),
	);
	return results;
}

/** Every proxy in a queue that has an address, the longest waiting first. Throws DatabaseUnavailable. */
export async function readQueue(db: D1Database, queue: Queue): Promise<readonly PublishedProxy[]> {
	const { results } = await onDatabase(() =>
		db
			.prepare(`${SELECT} WHERE proxies.queue = ? AND proxies.address IS NOT NULL ORDER BY proxies.since, proxies.id`)
			.bind(queue)
			.all<Row>(),
	);
	return results.map(parsed);
}

/** Of one pool, or of several, as published. */
export interface ShownProxy extends ProxyRow {
	readonly object: string;
}

const SHOWN = "object, id, vm, address, phase, credentials, since, created_at AS createdAt, why, place";

/** At most `most` proxies of all pools that are not ready, pool by pool, the oldest first. Reads a row for each proxy there is. Throws DatabaseUnavailable. */
export async function listUnready(db: D1Database, most: number): Promise<readonly ShownProxy[]> {
	const { results } = await onDatabase(() =>
		db.prepare(`SELECT ${SHOWN} FROM proxies WHERE phase <> 'ready' ORDER BY object, created_at, id LIMIT ?`).bind(most).all<ShownProxy>(),
	);
	return results;
}

/** Every proxy of a pool, the oldest first. Reads a row for each. Throws DatabaseUnavailable. */
export async function listProxiesOf(db: D1Database, object: string): Promise<readonly ShownProxy[]> {
	const { results } = await onDatabase(() =>
		db.prepare(`SELECT ${SHOWN} FROM proxies WHERE object = ? ORDER BY created_at, id`).bind(object).all<ShownProxy>(),
	);
	return results;
}

function parsed(row: Row): PublishedProxy {
	return {
		...row,
		summary: fromJson<PoolSummary | null>(row.summary, null),
		credentials: fromJson<CredentialsByVersion>(row.credentials, {}),
	};
}

/** The addresses of proxies that are there, by their ids. Reads two rows for each. Throws DatabaseUnavailable. */
export async function addressesOf(
	db: D1Database,
	proxies: readonly { readonly object: string; readonly id: string }[],
): Promise<ReadonlyMap<string, string>> {
	if (proxies.length === 0) return new Map();
	const { results } = await onDatabase(() =>
		db
			.prepare(
				`SELECT proxies.id, proxies.address FROM json_each(?) AS wanted
				JOIN proxies ON proxies.object = wanted.value ->> 0 AND proxies.id = wanted.value ->> 1 WHERE proxies.address IS NOT NULL`,
			)
			.bind(JSON.stringify(proxies.map(({ object, id }) => [object, id])))
			.all<{ id: string; address: string }>(),
	);
	return new Map(results.map(({ id, address }) => [id, address]));
}
