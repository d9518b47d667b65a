import { AGENT_PORT } from "../agent/protocol.ts";
import { endpointText } from "../agent/session.ts";
import { openSessions } from "../core/sessions.ts";
import type { Id, State } from "../core/state.ts";

/** Sessions in one row of D1: some 25 KB. */
export const SESSIONS_A_ROW = 1_000;

/** One row: clients by the proxy that they go through, each as `address:port`. */
export type SessionRow = Readonly<Record<string, readonly string[]>>;

export interface SessionChanges {
	/** Rows that changed. */
	readonly rows: readonly { readonly part: number; readonly json: string }[];
	/** Rows with this number or a higher one do not exist. */
	readonly partCount: number;
	acknowledge(): void;
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

/**
 * What of the sessions D1 is known to show, so that only rows that changed are sent. A proxy keeps its row, so that a session more or
 * less rewrites one row. It lives in memory: after it was lost everything is sent once, and D1 writes what differs.
 */
export class SessionLedger {
	private partOf: ReadonlyMap<Id, number> = new Map();
	private shown: ReadonlyMap<number, string> = new Map();

	/** What is to be sent so that D1 shows the sessions of `state`; `acknowledge` once it does. */
	changes(state: State): SessionChanges {
		const open = openSessions(state);
		const sizes = open.map(({ proxy, sessions }) => ({ id: proxy.id, size: sessions.length }));
		let partOf = assign(sizes, this.partOf);
		const total = sizes.reduce((sum, { size }) => sum + size, 0);
		// Rows that have emptied over time are done away with: filled anew, all but one are at least half full.
		if (countOf(partOf) > 2 * Math.ceil(total / SESSIONS_A_ROW)) partOf = assign(sizes, new Map());
		this.partOf = partOf;
		const rows: Record<string, readonly string[]>[] = Array.from({ length: countOf(partOf) }, () => ({}));
		for (const { proxy, sessions } of open) {
			const row = rows[partOf.get(proxy.id) ?? 0];
			if (row !== undefined) row[endpointText(proxy.address, AGENT_PORT)] = sessions;
		}
		const texts = new Map(rows.map((row, part) => [part, JSON.stringify(row satisfies SessionRow)]));
		const changed = [...texts].filter(([part, json]) => this.shown.get(part) !== json).map(([part, json]) => ({ part, json }));
		return {
			rows: changed,
			partCount: rows.length,
			acknowledge: () => {
				this.shown = texts;
			},
		};
	}

	/** Something went out and its fate is not known: next time everything is sent. */
	doubt(): void {
		this.shown = new Map();
	}
}

/** A row for each proxy, the one that it had where that still has room, else the first that has. No proxy has more than a row's sessions. */
function assign(proxies: readonly { readonly id: Id; readonly size: number }[], before: ReadonlyMap<Id, number>): Map<Id, number> {
	const used: number[] = [];
	const partOf = new Map<Id, number>();
	const put = (id: Id, part: number, size: number) => {
		used[part] = (used[part] ?? 0) + size;
		partOf.set(id, part);
	};
	const fits = (part: number, size: number) => (used[part] ?? 0) + size <= SESSIONS_A_ROW;
	const homeless: (typeof proxies)[number][] = [];
	for (const proxy of proxies) {
		const part = before.get(proxy.id);
		if (part !== undefined && fits(part, proxy.size)) put(proxy.id, part, proxy.size);
		else homeless.push(proxy);
	}
	for (const { id, size } of homeless) {
		let part = 0;
		while (!fits(part, size)) part++;
		put(id, part, size);
	}
	return partOf;
}

function countOf(partOf: ReadonlyMap<Id, number>): number {
	return partOf.size === 0 ? 0 : Math.max(...partOf.values()) + 1;
}
