/** What a pool answers of itself, read from its state. */

import { AGENT_PORT } from "../agent/protocol.ts";
import { endpointText } from "../agent/session.ts";
import { bannedOf, countCooling, isCooling, outcomesAfter, totalsOf } from "../core/model/bans.ts";
import { causesOf } from "../core/model/causes.ts";
import { priceOf } from "../core/model/cost.ts";
import { instancesOf } from "../core/model/instances.ts";
import { metersOf } from "../core/model/meters.ts";
import { samplesOf } from "../core/model/metrics.ts";
import { isKept, vmOf } from "../core/model/proxies.ts";
import { rollingStatus } from "../core/model/rolling.ts";
import { currencyOf, isToSettle, samplesAfter } from "../core/model/samples.ts";
import { openSessions } from "../core/model/sessions.ts";
import type { Id, Ms, Proxy, State } from "../core/model/state.ts";
import { type AccountCheck, checkAccount } from "../providers/base/check.ts";
import { countryOf } from "../providers/index.ts";
import type { Instances, PoolDetails, PoolOutcomes, PoolStatus, ProxyDetails, Told } from "../rpc/pool.ts";
import type { Live } from "./live.ts";

export function addressesOf(state: State, isMeant: (proxy: Proxy) => boolean): readonly string[] {
	const addresses: string[] = [];
	for (const proxy of state.proxies.values()) if (proxy.address !== null && isMeant(proxy)) addresses.push(proxy.address);
	return addresses;
}

export function statusOf(state: State, now: Ms): PoolStatus {
	return {
		run: state.run,
		active: addressesOf(state, (proxy) => (state.vitals.get(proxy.id)?.active ?? 0) > 0),
		connections: [...state.vitals.values()].reduce((sum, { active }) => sum + active, 0),
		registered: addressesOf(state, (proxy) => proxy.registered && isKept(proxy)),
		rolling: rollingStatus(state, now),
	};
}

/** Where a VM is: its own place, else the pool's. */
export function instancesIn({ controller: { state }, outside }: Pick<Live, "controller" | "outside">): Instances {
	const { region = null, size = null } = outside.names(state).settings;
	const [only = null] = state.spec.places;
	const home = only ?? { region: region === null ? null : String(region), size: size === null ? null : String(size) };
	const { provider } = state.pool;
	const places = Object.fromEntries(
		[...state.proxies.values()].flatMap((proxy) => {
			const vm = vmOf(proxy);
			const there = proxy.place ?? home;
			return vm === null ? [] : [[vm, { region: there.region, size: there.size, country: countryOf(provider, there.region) }] as const];
		}),
	);
	return { ...instancesOf(state), places };
}

export function outcomesOf(state: State, now: Ms): PoolOutcomes {
	const cooling = new Map<string, number>();
	for (const proxy of bannedOf(state.proxies))
		for (const { host } of proxy.bans) if (isCooling(proxy, host, now)) cooling.set(host, (cooling.get(host) ?? 0) + 1);
	return {
		hosts: [...state.hosts].map(([host, counts]) => ({ host, cooling: cooling.get(host) ?? 0, ...totalsOf(counts) })),
		proxies: [...state.outcomes].flatMap(([id, counts]) => {
			const proxy = state.proxies.get(id);
			return proxy === undefined || proxy.address === null
				? []
				: [{ address: proxy.address, cooling: countCooling(proxy, now), ...totalsOf(counts) }];
		}),
	};
}

export function detailsOf(state: State, now: Ms): PoolDetails {
	const proxies: Record<Id, ProxyDetails> = {};
	for (const [id, proxy] of state.proxies) {
		const counts = state.outcomes.get(id);
		const outcomes = counts === undefined ? null : { cooling: countCooling(proxy, now), ...totalsOf(counts) };
		proxies[id] = { agent: proxy.agent, price: priceOf(state, proxy), outcomes };
	}
	return { samples: samplesOf(state, now), proxies };
}

/** How the pool fares, with its samples after an instant (Unix seconds). */
export function toldOf(state: State, since: number, now: Ms): Told {
	return {
		pool: `${state.pool.provider}/${state.pool.name}`,
		currency: currencyOf(state),
		meters: metersOf(state, now),
		causes: causesOf(state, now),
		samples: samplesAfter(state, since),
		...(isToSettle(since, state.samples.at(-1)?.[0] ?? 0) ? { hours: outcomesAfter(state, since) } : {}),
	};
}

/** Every open session: the client's address and port, and those of the proxy that it goes through. */
export function sessionsOf(state: State): Record<string, string> {
	const all: Record<string, string> = {};
	for (const { proxy, sessions } of openSessions(state)) {
		const backend = endpointText(proxy.address, AGENT_PORT);
		for (const session of sessions) all[session] = backend;
	}
	return all;
}

/** Whether its account's credentials are good, by the cloud's own word; null where there is no cloud. Creates nothing. */
export async function checkOf(
	{ controller: { state }, outside }: Pick<Live, "controller" | "outside">,
	now: () => Ms,
): Promise<AccountCheck | null> {
	if (state.pool.provider === "static") return null;
	const ids = new Set([state.pool.deployment, ...state.deployments]);
	return checkAccount(
		() => outside.provider(state, "check"),
		({ tags }) => ids.has(tags.deployment ?? ""),
		now,
	);
}
