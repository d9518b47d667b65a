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

/** Until when each proxy of a pool cools down for a host, in seconds since the epoch; past ones are among them. */
export type CoolingOf = (host: string) => ReadonlyMap<Id, number>;

const NONE: ReadonlyMap<Id, number> = new Map();

/** Reads what D1 holds, when it is first asked for. */
export function coolingIn(json: string): CoolingOf {
	if (json === "{}") return () => NONE;
	let parsed: Readonly<Record<string, Readonly<Record<Id, number>>>> | null = null;
	return (host) => {
		parsed ??= JSON.parse(json) as Record<string, Record<Id, number>>;
		return Object.hasOwn(parsed, host) ? new Map(Object.entries(parsed[host] ?? {})) : NONE;
	};
}
