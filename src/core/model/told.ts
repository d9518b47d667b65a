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

/** What an event of the stream is. */
export const EVENT_KINDS = [
	"created",
	"create_failed",
	"ready",
	"dropped",
	"drained",
	"recommissioned",
	"deleting",
	"deleted",
	"adopted",
	"released",
	"restarting",
	"scaled",
	"run",
	"configured",
	"breaker_opened",
	"breaker_closed",
	"budget_reached",
	"problem",
	"note",
	"order",
	"deployed",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** Of what befalls a proxy; what is left out is of no interest once it is over. */
const KINDS_OF_PROXY: Readonly<Record<string, EventKind>> = {
	launched: "created",
	ready: "ready",
	dropped: "dropped",
	decommissioning: "drained",
	recommissioning: "recommissioned",
	deleting: "deleting",
	deleted: "deleted",
	restarting: "restarting",
	associated: "adopted",
	disassociated: "released",
};

/** Of what befalls the pool, by how the log says it. */
const KINDS_OF_POOL: readonly (readonly [RegExp, EventKind])[] = [
	[/^the create of \S+ is looked up/, "create_failed"],
	[/^(target changed|scaling set) /, "scaled"],
	[/^(started|paused|stopped|removed|an operator has it try again|replacing every proxy|no more of the former)/, "run"],
	[/^(configuration updated|agents call |rolling deployment is |moved from |suspended: )/, "configured"],
	// That of one place begins with its name.
	[/^(\S+:\S+: )?launch failed: |^no place has room: /, "breaker_opened"],
	[/^(the provider (refuses our credentials|limits our rate): |creates are lost|\d+ boots in a row)/, "breaker_opened"],
	[/^(the provider takes our credentials again|(\S+:\S+: )?creates are done again|boots become ready again)/, "breaker_closed"],
	[/MAX_HOURLY_COST.* has no room for another VM/, "budget_reached"],
];
/** What is counted or passing, and in the log only. */
const SILENT = /^(instances \d+ => |launching |confirmed |associating |disassociating |dropping session )/;

/** What kind of event an entry of the log is; null: none. */
export function kindOf({ severity, text }: Pick<LogEntry, "severity" | "text">): EventKind | null {
	const about = ABOUT_PROXY.exec(text)?.[1];
	const ofProxy = about === undefined ? undefined : KINDS_OF_PROXY[about];
	if (ofProxy !== undefined) return ofProxy;
	if (severity === "INFO" && SILENT.test(text)) return null;
	return KINDS_OF_POOL.find(([pattern]) => pattern.test(text))?.[1] ?? (severity === "INFO" ? "note" : "problem");
}

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
