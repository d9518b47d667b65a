import type { Cooling } from "../core/model/bans.ts";
import type { Id } from "../core/model/state.ts";

// How D1 holds which proxies cool down for which sites: one JSON text a pool, {host: {proxy: until}}, of which what changed is sent.

/** What is sent of it. */
export interface CoolingChange {
	readonly json: string;
	/** A merge patch (RFC 7396) to what D1 holds; otherwise the whole. */
	readonly isPatch: boolean;
}

/** What makes `after` of what D1 is known to hold (null: it is not known). Null: nothing has to be sent. */
export function changeOfCooling(before: Cooling | null, after: Cooling): CoolingChange | null {
	if (before === null)
		return { json: JSON.stringify(objectOf([...after].map(([host, ids]) => [host, objectOf([...ids])]))), isPatch: false };
	const patch: [string, unknown][] = [];
	for (const [host, ids] of after) {
		const known = before.get(host);
		const changed: [Id, number | null][] = [...ids].filter(([id, until]) => known?.get(id) !== until);
		for (const id of known?.keys() ?? []) if (!ids.has(id)) changed.push([id, null]);
		if (changed.length > 0) patch.push([host, objectOf(changed)]);
	}
	for (const host of before.keys()) if (!after.has(host)) patch.push([host, null]);
	return patch.length === 0 ? null : { json: JSON.stringify(objectOf(patch)), isPatch: true };
}

/** Its own fields, whatever they are called. */
function objectOf(entries: readonly (readonly [string, unknown])[]): Readonly<Record<string, unknown>> {
	return Object.fromEntries(entries);
}

const NONE: ReadonlyMap<Id, number> = new Map();
const parsed = new WeakMap<object, Readonly<Record<string, Readonly<Record<Id, number>>>>>();

/**
 * Until when each proxy of a pool cools down for a host, in seconds since the epoch; past ones are among them. What D1 holds is read when it is first
 * asked for.
 */
export function coolingFor(pool: { readonly cooling: string }, host: string): ReadonlyMap<Id, number> {
	if (pool.cooling === "{}") return NONE;
	let hosts = parsed.get(pool);
	if (hosts === undefined) {
		hosts = JSON.parse(pool.cooling) as Record<string, Record<Id, number>>;
		parsed.set(pool, hosts);
	}
	return Object.hasOwn(hosts, host) ? new Map(Object.entries(hosts[host] ?? {})) : NONE;
}
