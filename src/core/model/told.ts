/** Entries of the log as events for the console. */
import type { LogEntry, State } from "./state.ts";

/** Texts all, so that whatever collects them can filter by each. */
export interface PoolEvent {
	readonly level: "info" | "warn" | "error";
	/** `provider/name`. */
	readonly pool: string;
	/** What it is about, as the log calls it: a proxy's id or address, or its VM; empty: the pool. */
	readonly proxy: string;
	readonly event: string;
	readonly why: string;
}

const LEVELS = { INFO: "info", WARNING: "warn", ERROR: "error" } as const;
/** What befalls a proxy, and which. */
const ABOUT_PROXY =
	/^(launching|launched|ready|confirmed|dropped|decommissioning|recommissioning|deleting|deleted|restarting|associating|associated|disassociating|disassociated) (\S+?)(?:: (.*))?$/s;

/** The event that an entry tells of; `state` is the one that has it. */
export function eventOf({ pool, proxies }: State, { severity, text }: LogEntry): PoolEvent {
	const place = { level: LEVELS[severity], pool: `${pool.provider}/${pool.name}` };
	const [, event, proxy = "", why] = ABOUT_PROXY.exec(text) ?? [];
	if (event !== undefined) return { ...place, proxy, event, why: why ?? (event === "launching" ? (proxies.get(proxy)?.why ?? "") : "") };
	const colon = text.indexOf(": ");
	return colon < 0
		? { ...place, proxy: "", event: text, why: "" }
		: { ...place, proxy: "", event: text.slice(0, colon), why: text.slice(colon + 2) };
}

/** The entries that a state has and an earlier one had not; those that were only renewed are left out. */
export function newEntries(before: State, after: State): readonly LogEntry[] {
	return after.logSeq === before.logSeq ? NONE : after.log.filter(({ seq }) => seq > before.logSeq);
}

const NONE: readonly LogEntry[] = [];
