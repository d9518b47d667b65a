/** Static backends: proxies that others run. They are probed and handed out while they answer; nothing else is ever done to them. */
import { credentialsAsked } from "./credentials.ts";
import type { ProxyRow, ReadyEntry } from "./published.ts";
import type { Id, State, StaticBackend, StaticHealth } from "./state.ts";
import { summed } from "./table.ts";

/** How a static backend is called, in lists and in the log. No proxy's id holds a colon. */
export function staticId({ address, port, mark }: Omit<StaticBackend, "access">): Id {
	return `${address}:${port}${mark === "" ? "" : `#${mark}`}`;
}

export function isStatic(state: State, id: Id): boolean {
	return backendsOf(state.spec.statics).has(id);
}

/** Of lists that were asked before: there may be thousands in one, and they are asked for one by one. */
const known = new WeakMap<readonly StaticBackend[], ReadonlyMap<Id, StaticBackend>>();

/** A list's backends by their ids. */
export function backendsOf(statics: readonly StaticBackend[]): ReadonlyMap<Id, StaticBackend> {
	let backends = known.get(statics);
	if (backends === undefined) {
		backends = new Map(statics.map((backend) => [staticId(backend), backend]));
		known.set(statics, backends);
	}
	return backends;
}

const UNKNOWN: StaticHealth = { isUp: false, failures: 0, since: 0 };

export function healthOf(state: State, id: Id): StaticHealth {
	return state.statics.get(id) ?? UNKNOWN;
}

/** A pool that was stopped hands out nothing at all. */
export function handsOut({ run }: State): boolean {
	return run === "running" || run === "paused";
}

const upIn = summed<StaticHealth>(({ isUp }) => (isUp ? 1 : 0));

/** How many of them are handed out. One that the settings name no more counts until the next plan. */
export function countUp(state: State): number {
	return handsOut(state) ? upIn(state.statics) : 0;
}

/** Their entries in the ready list; the port is told where it is not the agents'. */
export function staticEntries(state: State, usualPort: number): ReadyEntry[] {
	if (!handsOut(state)) return [];
	const version = credentialsAsked(state)?.version ?? 0;
	return state.spec.statics.flatMap((backend): ReadyEntry[] => {
		const id = staticId(backend);
		if (!healthOf(state, id).isUp) return [];
		const entry = [id, backend.address, version] as const;
		if (backend.access !== "") return [[...entry, backend.port, null, backend.access]];
		return [backend.port === usualPort ? entry : [...entry, backend.port]];
	});
}

/** Their rows beside the proxies': an order that names one is told what it is. */
export function staticRows(state: State): ProxyRow[] {
	const credentials = credentialsAsked(state)?.version ?? 0;
	return state.spec.statics.map((backend) => {
		const id = staticId(backend);
		const { isUp, since } = healthOf(state, id);
		const phase = isUp && handsOut(state) ? "ready" : "unready";
		return { id, vm: null, address: backend.address, phase, credentials, since, createdAt: 0, why: "a static backend", place: null };
	});
}
