/** Which client connections are open through which proxy, and which of them are to be dropped. */
import { newest } from "./bounds.ts";
import { DROP_BYTES, DROP_INTERVALS, KEPT_DROPS, MOST_SESSIONS } from "./limits.ts";
import type { Drop, Id, Ms, Proxy, State } from "./state.ts";

const NONE: readonly string[] = [];

/** The state after a proxy's agent has told its open sessions (canonical spelling); `active` counts those too that its report has no room for. */
export function withSessions(state: State, id: Id, told: readonly string[], active: number): State {
	const before = state.sessions.get(id) ?? NONE;
	if (told.length === 0 && before.length === 0) return state;
	const sessions = [...new Set(told)].sort().slice(0, MOST_SESSIONS);
	const isWhole = active <= sessions.length;
	const drops =
		isWhole && state.drops.length > 0 ? state.drops.filter(({ session }) => !isGone(state, session, id, before, sessions)) : state.drops;
	const after = drops.length === state.drops.length ? state : { ...state, drops };
	if (before.length === sessions.length && before.every((session, index) => session === sessions[index])) return after;
	return withOnly(after, id, sessions);
}

/** A proxy's sessions after a difference from what it told last. */
export function sessionsAfter(
	state: State,
	id: Id,
	{ opened, closed }: { readonly opened: readonly string[]; readonly closed: readonly string[] },
): readonly string[] {
	const gone = new Set(closed);
	return [...(state.sessions.get(id) ?? NONE).filter((session) => !gone.has(session)), ...opened];
}

/** The state without the sessions of a proxy: its connections ended with its VM or its agent. */
export function withoutSessions(state: State, id: Id): State {
	return state.sessions.has(id) ? withOnly(state, id, NONE) : state;
}

function withOnly(state: State, id: Id, sessions: readonly string[]): State {
	return { ...state, sessions: sessions.length === 0 ? state.sessions.without(id) : state.sessions.with(id, sessions) };
}

/** It was reported, and is no more: not by this proxy, and by no other (a client may reach two proxies from one port). */
function isGone(state: State, session: string, id: Id, before: readonly string[], sessions: readonly string[]): boolean {
	if (!before.includes(session) || sessions.includes(session)) return false;
	return [...state.sessions].every(([other, theirs]) => other === id || !theirs.includes(session));
}

/** Asks for a session to be dropped, of one proxy or (null) of whichever has it; asking again puts its end off. */
export function withDrop(state: State, session: string, proxy: Id | null, now: Ms): State {
	const others = state.drops.filter((drop) => drop.session !== session || drop.proxy !== proxy);
	const drops = newest([...others, { session, at: now, proxy }], {
		most: KEPT_DROPS,
		bytes: DROP_BYTES,
		perItem: 100,
		textOf: (drop) => drop.session,
	});
	return { ...state, drops };
}

/** When an order to drop a session need not be told any more. */
export function dropEndsAt(state: State, drop: Drop): Ms {
	return drop.at + DROP_INTERVALS * state.heartbeatSeconds * 1000;
}

/**
 * The sessions that this proxy shall close: those that it has; and those that nobody is known to have, until it has told since the order what it
 * has. An order for one that is known thus wakes one agent, and not all of a fleet.
 */
export function dropsFor(state: State, id: Id, now: Ms): readonly string[] {
	if (state.drops.length === 0) return NONE;
	const own = state.sessions.get(id) ?? NONE;
	const vitals = state.vitals.get(id);
	const isCut = (vitals?.active ?? 0) > own.length;
	const due = state.drops.filter((drop) => now < dropEndsAt(state, drop));
	const meant = due.filter(({ proxy }) => proxy === null || proxy === id);
	const told = meant.filter((drop) => {
		const { session, at } = drop;
		// A probe tells how many connections there are, and not which; a report of the same millisecond may be of before.
		return own.includes(session) || isCut || ((vitals?.metricsAt ?? 0) <= at && !(drop.proxy === null && knownOf(state).has(session)));
	});
	return [...new Set(told.map(({ session }) => session))];
}

/** By orders, since each line is asked for the same ones: what was told of sessions then, and which of those ordered are among them. */
const known = new WeakMap<State["drops"], { readonly sessions: State["sessions"]; readonly names: ReadonlySet<string> }>();

/** Sessions that are to be dropped, as far as some proxy is known to have them. */
function knownOf({ drops, sessions }: State): ReadonlySet<string> {
	const before = known.get(drops);
	if (before?.sessions === sessions) return before.names;
	const meant = new Set(drops.map(({ session }) => session));
	const names = new Set([...sessions.values()].flatMap((own) => own.filter((session) => meant.has(session))));
	known.set(drops, { sessions, names });
	return names;
}

/** Sessions by proxy, of those proxies that may have any. */
export function openSessions(
	state: State,
): readonly { readonly proxy: Proxy & { readonly address: string }; readonly sessions: readonly string[] }[] {
	return [...state.sessions].flatMap(([id, sessions]) => {
		const proxy = state.proxies.get(id);
		if (proxy === undefined || proxy.address === null || !mayServe(proxy)) return [];
		return [{ proxy: { ...proxy, address: proxy.address }, sessions }];
	});
}

function mayServe({ phase }: Proxy): boolean {
	return phase.at !== "deleting" && phase.at !== "releasing";
}
