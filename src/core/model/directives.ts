import { credentialsTold } from "./credentials.ts";
import { refusesFrom } from "./deadlines.ts";
import { reportSeconds } from "./lines.ts";
import type { Rises } from "./load.ts";
import { dropsFor } from "./sessions.ts";
import type { Id, Ms, Proxy, State } from "./state.ts";
import { differences } from "./table.ts";

/** What an agent is to do; every field states the whole wish, so that a lost answer does no harm. */
export interface Directives {
	/** Seconds until the next heartbeat. */
	readonly interval: number;
	/** True: refuse new client connections (503), let the open ones end. Not before a list without the proxy was published. */
	readonly drain: boolean;
	/** Seconds for which a drained proxy goes on taking clients: lists that were read before may name it. */
	readonly grace: number;
	/** Sessions to close, as `client:port`. */
	readonly drop: readonly string[];
	/** The address to call from now on. */
	readonly url: string;
	/** Null: the proxy asks for none. `former`: for so many seconds those that a change replaces stay good; missing: ten minutes. */
	readonly credentials: { readonly version: number; readonly username: string; readonly password: string; readonly former?: number } | null;
	/** CIDRs that may use the proxy; empty: any. The probe is subject to it as well. */
	readonly allow: readonly string[];
	/** Its own public IPv4, which it lets nobody reach through it; null: not known yet. A VM behind its cloud's NAT cannot know it. */
	readonly address: string | null;
}

/** The same on an agent's line, and what it needs there. */
export interface LineDirectives extends Directives {
	/** Seconds within which it reports though nothing has changed. */
	readonly report: number;
	/** It reports at once when it has so many more open connections than it last told; 0: it need not. */
	readonly rise: number;
	/** Likewise of its other metrics, by name, as they are within a second. */
	readonly rises: Rises;
}

/** What the agent of this proxy is told; null while nobody knows the address that it shall call. */
export function directivesFor(state: State, id: Id, now: Ms): Directives | null {
	if (state.agentUrl === null) return null;
	const proxy = state.proxies.get(id);
	const refusesAt = proxy === undefined ? null : refusesFrom(proxy, now);
	return {
		interval: state.heartbeatSeconds,
		drain: refusesAt !== null,
		grace: refusesAt === null ? 0 : Math.max(0, refusesAt - now) / 1000,
		drop: dropsFor(state, id, now),
		url: state.agentUrl,
		credentials: credentialsTold(state, proxy?.credentials ?? 0),
		allow: state.allow,
		address: proxy?.address ?? null,
	};
}

/** What an agent is told on its line; null as with {@link directivesFor}. */
export function lineDirectivesFor(state: State, id: Id, now: Ms): LineDirectives | null {
	const directives = directivesFor(state, id, now);
	return directives && { ...directives, report: reportSeconds(state), rise: state.rise.step, rises: state.rise.others };
}

/** The proxies to whom two states may say different things; null: all of them. */
export function mayBeToldAnew(before: State, after: State): readonly Id[] | null {
	const isSame =
		before.spec === after.spec && before.allow === after.allow && before.lineSeconds === after.lineSeconds && before.rise === after.rise;
	if (before.orderedCredentials !== after.orderedCredentials) return null;
	if (!isSame || before.agentUrl !== after.agentUrl || before.credentials !== after.credentials || before.drops !== after.drops)
		return null;
	if (before.proxies === after.proxies) return NOBODY;
	const changed: Id[] = [];
	for (const [id, was, is] of differences<Proxy>(before.proxies, after.proxies)) {
		if (was?.phase !== is?.phase || was?.address !== is?.address) changed.push(id);
	}
	return changed;
}

const NOBODY: readonly Id[] = [];
