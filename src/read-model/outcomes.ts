import { type OutcomePoint, type OutcomeSpan, readOutcomes, readOutcomesOf } from "../d1/history.ts";
import { addressesOf } from "./proxies.ts";

/** How one site or proxy fared in all of a span of time. */
export interface Fared {
	readonly outcomes: number;
	readonly ok: number;
}

export interface FaredSite extends Fared {
	readonly host: string;
}

export interface FaredProxy extends Fared {
	/** Its id. */
	readonly proxy: string;
	/** `provider/name`. */
	readonly pool: string;
	/** Its address; null: it is gone. */
	readonly ip: string | null;
}

export interface Outcomes {
	/** From when on, in Unix seconds: later than was asked for where there is more than can be read at once. */
	readonly from: number;
	/** Hours in which anything was reported, by when they began (Unix seconds). */
	readonly hours: ReadonlyMap<number, Fared>;
	/** Those of which most was reported; none where one was asked for. */
	readonly hosts: readonly FaredSite[];
	readonly proxies: readonly FaredProxy[];
}

/** How requests fared to one site, through one proxy (its id), or altogether: then with up to `most` sites and proxies. Throws DatabaseUnavailable. */
export async function outcomesOf(
	db: D1Database,
	span: OutcomeSpan,
	one: { readonly host: string } | { readonly proxy: string } | null,
	most: number,
): Promise<Outcomes> {
	if (one !== null) {
		const points = await ("host" in one ? readOutcomesOf(db, "hosts", one.host, span) : readOutcomesOf(db, "proxies", one.proxy, span));
		return { from: span.from, hours: new Map(points.map((point: OutcomePoint) => [point.start, point])), hosts: [], proxies: [] };
	}
	const { rows, from } = await readOutcomes(db, span);
	const hours = new Map<number, Fared>();
	const hosts = new Map<string, FaredSite>();
	const proxies = new Map<string, Omit<FaredProxy, "ip"> & { readonly object: string }>();
	for (const row of rows) {
		for (const [host, counts] of Object.entries(row.hosts)) {
			add(hosts, host, { host }, counts);
			add(hours, row.start, {}, counts);
		}
		for (const [proxy, counts] of Object.entries(row.proxies)) add(proxies, proxy, { proxy, pool: row.pool, object: row.object }, counts);
	}
	const listed = busiest(proxies.values(), most);
	const addresses = await addressesOf(
		db,
		listed.map(({ object, proxy }) => ({ object, id: proxy })),
	);
	return {
		from,
		hours,
		hosts: busiest(hosts.values(), most),
		proxies: listed.map(({ object: _, ...proxy }) => ({ ...proxy, ip: addresses.get(proxy.proxy) ?? null })),
	};
}

function add<Key, Named extends object>(
	sums: Map<Key, Named & Fared>,
	key: Key,
	named: Named,
	[outcomes, ok]: readonly [outcomes: number, ok: number],
): void {
	const before = sums.get(key);
	sums.set(key, { ...named, outcomes: (before?.outcomes ?? 0) + outcomes, ok: (before?.ok ?? 0) + ok });
}

function busiest<One extends Fared>(all: Iterable<One>, most: number): readonly One[] {
	return [...all].sort((a, b) => b.outcomes - a.outcomes).slice(0, most);
}
