/** Leases: proxies that nobody else is given until their time is up, they are given back, or their holder lets them expire. */

import { isCooling } from "./bans.ts";
import { placeKey } from "./places.ts";
import { list, nullable, record, type Shape, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";
import type { Id, Ms, Proxy, State } from "./state.ts";
import { filtered } from "./table.ts";

/** What a lease asks of the proxy that it names. */
export interface LeaseWishes {
	/** Of a pool that is spread over several, the regions that will do, in lower case; null: any. */
	readonly regions: readonly string[] | null;
	/** Addresses that are not wanted. */
	readonly exclude: readonly string[];
	/** One that does not cool down for this host; null: any. */
	readonly host: string | null;
}

/** Stored with the proxy that it names, so that none can be named by two; with the pool while it names none. */
export interface Lease {
	readonly id: Id;
	readonly until: Ms;
	readonly wishes: LeaseWishes;
	/** The address of the proxy that it named before, which is not ready any more; null: this is its first. */
	readonly replaces: string | null;
}

const LEASE_SHAPE = record<Lease>({
	id: value(""),
	until: value(0),
	wishes: record<LeaseWishes>({ regions: nullable(list(value(""))), exclude: list(value("")), host: value<string | null>(null) }),
	replaces: value<string | null>(null),
});
export const LEASE: Shape<Lease | null> = nullable(LEASE_SHAPE);

export interface LeaseFields {
	/** Those that name no proxy (yet, or since theirs is gone), the longest waiting first. */
	readonly waitingLeases: readonly Lease[];
}

export const leaseSlice: Slice<LeaseFields> = { waitingLeases: shown(fact(list(LEASE_SHAPE))) };

/** Leases that wait for a proxy at the most. */
export const MOST_WAITING_LEASES = 1_000;

export const leasedOf = filtered<Proxy>(({ lease }) => lease !== null);

/** Whether a proxy may be given to this lease. */
export function suits(proxy: Proxy, { wishes }: Lease, now: Ms): boolean {
	const { phase, lease, address } = proxy;
	if (phase.at !== "ready" || lease !== null || address === null || wishes.exclude.includes(address)) return false;
	if (wishes.regions !== null && !wishes.regions.includes(proxy.place?.region.toLowerCase() ?? "")) return false;
	return wishes.host === null || !isCooling(proxy, wishes.host, now);
}

/** The proxy that a lease names, or null; undefined: there is no such lease. */
export function holderOf({ proxies, waitingLeases }: State, id: Id): { readonly lease: Lease; readonly proxy: Proxy | null } | null {
	for (const proxy of leasedOf(proxies)) if (proxy.lease?.id === id) return { lease: proxy.lease, proxy };
	const lease = waitingLeases.find((one) => one.id === id);
	return lease === undefined ? null : { lease, proxy: null };
}

/** The state with leases of these ids, which name no proxy yet. Ids that there are already are passed over. */
export function withLeases(state: State, ids: readonly Id[], until: Ms, wishes: LeaseWishes): State {
	const fresh = ids.filter((id) => holderOf(state, id) === null).map((id): Lease => ({ id, until, wishes, replaces: null }));
	return fresh.length === 0 ? state : { ...state, waitingLeases: [...state.waitingLeases, ...fresh] };
}

export function withRenewed(state: State, id: Id, until: Ms): State {
	const held = holderOf(state, id);
	if (held === null || held.lease.until === until) return state;
	const lease = { ...held.lease, until };
	if (held.proxy !== null) return { ...state, proxies: state.proxies.with(held.proxy.id, { ...held.proxy, lease }) };
	return { ...state, waitingLeases: state.waitingLeases.map((one) => (one.id === id ? lease : one)) };
}

export function withoutLeases(state: State, ids: readonly Id[]): State {
	let { proxies } = state;
	for (const proxy of leasedOf(proxies)) {
		if (proxy.lease !== null && ids.includes(proxy.lease.id)) proxies = proxies.with(proxy.id, { ...proxy, lease: null });
	}
	const waitingLeases = state.waitingLeases.filter(({ id }) => !ids.includes(id));
	if (proxies === state.proxies && waitingLeases.length === state.waitingLeases.length) return state;
	return { ...state, proxies, waitingLeases };
}

/** A lease as its holder sees it. */
export interface LeaseShown {
	readonly id: Id;
	readonly until: Ms;
	/** Null: its proxy is gone, and none is free. */
	readonly proxy: { readonly id: Id; readonly address: string; readonly credentials: number; readonly place: string | null } | null;
	readonly replaces: string | null;
}

export function leasesOf(state: State): readonly LeaseShown[] {
	const named = leasedOf(state.proxies).flatMap((proxy) => (proxy.lease === null ? [] : [shownOf(proxy.lease, proxy)]));
	return [...named, ...state.waitingLeases.map((lease) => shownOf(lease, null))];
}

function shownOf({ id, until, replaces }: Lease, proxy: Proxy | null): LeaseShown {
	const named =
		proxy === null || proxy.address === null
			? null
			: {
					id: proxy.id,
					address: proxy.address,
					credentials: proxy.credentials,
					place: proxy.place === null ? null : placeKey(proxy.place),
				};
	return { id, until, proxy: named, replaces };
}
