/** Which client connections are open through which proxy: what is shown of them, and which are to be dropped. */
import type { Draft } from "./draft.ts";
import { copied } from "./edit.ts";
import { DROP_INTERVALS, KEPT_DROPS, MOST_SESSIONS } from "./limits.ts";
import { hash53 } from "./projection.ts";
import type { Drop, Id, Ms, Proxy, State } from "./state.ts";

/** D1 was asked to show something, and what came of it is not known. */
const UNKNOWN = "?";
const NONE: readonly string[] = [];

/** The state after a proxy's agent has told its open sessions (canonical spelling); `active` counts those too that its report has no room for. */
export function withSessions(state: State, id: Id, told: readonly string[], active: number): State {
	const before = state.sessions.get(id) ?? NONE;
	if (told.length === 0 && before.length === 0) return state;
	const sessions = [...new Set(told)].sort().slice(0, MOST_SESSIONS);
	const isWhole = active <= sessions.length;
	const drops = isWhole ? state.drops.filter(({ session }) => !isGone(state, session, id, before, sessions)) : state.drops;
	const after = drops.length === state.drops.length ? state : { ...state, drops };
	if (before.length === sessions.length && before.every((session, index) => session === sessions[index])) return after;
	return withOnly(after, id, sessions);
}

/** The state without the sessions of a proxy: its connections ended with its VM or its agent. */
export function withoutSessions(state: State, id: Id): State {
	return state.sessions.has(id) ? withOnly(state, id, NONE) : state;
}

function withOnly(state: State, id: Id, sessions: readonly string[]): State {
	const all = copied(state.sessions);
	if (sessions.length === 0) all.delete(id);
	else all.set(id, sessions);
	return { ...state, sessions: all };
}

/** It was reported, and is no more: not by this proxy, and by no other (a client may reach two proxies from one port). */
function isGone(state: State, session: string, id: Id, before: readonly string[], sessions: readonly string[]): boolean {
	if (!before.includes(session) || sessions.includes(session)) return false;
	return [...state.sessions].every(([other, theirs]) => other === id || !theirs.includes(session));
}

/** Asks for a session to be dropped; asking again puts its end off. */
export function withDrop(state: State, session: string, now: Ms): State {
	const others = state.drops.filter((drop) => drop.session !== session);
	return { ...state, drops: [...others, { session, at: now }].slice(-KEPT_DROPS) };
}

/** Forgets drops whose time is up: who they were meant for has heard of them, or is not there. */
export function settleDrops(draft: Draft): void {
	if (draft.state.drops.length === 0) return;
	const drops = draft.state.drops.filter((drop) => !draft.isDue(endOf(draft.state, drop)));
	if (drops.length < draft.state.drops.length) draft.state = { ...draft.state, drops };
}

function endOf(state: State, drop: Drop): Ms {
	return drop.at + DROP_INTERVALS * state.heartbeatSeconds * 1000;
}

/** The sessions that this proxy shall close: those that it has, and, until it has told since the order what it has, all. */
export function dropsFor(state: State, id: Id, now: Ms): readonly string[] {
	if (state.drops.length === 0) return NONE;
	const own = state.sessions.get(id) ?? NONE;
	const vitals = state.vitals.get(id);
	const isCut = (vitals?.active ?? 0) > own.length;
	const due = state.drops.filter((drop) => now < endOf(state, drop));
	return due.filter(({ session, at }) => own.includes(session) || isCut || (vitals?.reportedAt ?? 0) < at).map(({ session }) => session);
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

/** Lists are never mutated, so that each is hashed once. */
const hashes = new WeakMap<readonly string[], number>();

/** Each plan asks for it, and most find what the last one found. */
const lastHashes = new WeakMap<State["sessions"], { readonly proxies: State["proxies"]; readonly hash: string }>();

/** Equal for equal sessions at equal proxies; empty where there is none. */
export function sessionsHash(state: State): string {
	if (state.sessions.size === 0) return "";
	const last = lastHashes.get(state.sessions);
	if (last?.proxies === state.proxies) return last.hash;
	const hash = hashOf(state);
	lastHashes.set(state.sessions, { proxies: state.proxies, hash });
	return hash;
}

function hashOf(state: State): string {
	let sum = 0;
	const open = openSessions(state);
	for (const { proxy, sessions } of open) {
		let hash = hashes.get(sessions);
		if (hash === undefined) {
			hash = hash53(sessions.join());
			hashes.set(sessions, hash);
		}
		sum = (sum + hash53(`${proxy.id} ${proxy.address} ${hash}`)) % 2 ** 52;
	}
	return open.length === 0 ? "" : sum.toString(36);
}

/** Shows the sessions in D1: once a heartbeat interval at most, however fast they come and go, and only when they changed. */
export function showSessions(draft: Draft): void {
	const { state } = draft;
	const { hash, at } = state.sessionsShown;
	if (hash === sessionsHash(state) || !draft.isDue(state.gates.publish.until)) return;
	// After the clock was set back it may lie in the future.
	const dueAt = (at > draft.now ? 0 : at) + state.heartbeatSeconds * 1000;
	if (draft.isDue(dueAt)) draft.call({ call: "sessions" });
}

/** On its way to D1: a failure waits for its next turn as well, and what D1 then shows is unknown. */
export function sessionsSent(state: State, now: Ms): State {
	const showsSessions = state.showsSessions || sessionsHash(state) !== "";
	return { ...state, showsSessions, sessionsShown: { hash: UNKNOWN, at: now } };
}

export function sessionsShown(state: State, hash: string): State {
	return { ...state, showsSessions: hash !== "", sessionsShown: { hash, at: state.sessionsShown.at } };
}

/** A state that was stored: memory lags behind what was shown since, so that only whether D1 shows anything is known. */
export function withSessionsLoaded(state: State): State {
	return { ...state, sessionsShown: { ...state.sessionsShown, hash: state.showsSessions ? UNKNOWN : "" } };
}
