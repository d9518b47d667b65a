/** What operators are told: the log, what repeats in it, and the proxies that failed. */
import type { Id, Ms, Severity } from "./basics.ts";
import { list, record, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";

export interface LogEntry {
	/** Unique within the pool, growing. */
	readonly seq: number;
	readonly at: Ms;
	readonly severity: Severity;
	readonly text: string;
}

/** A failure that repeats: one entry of the log, whose count is renewed now and then. */
export interface Repeat {
	readonly severity: Severity;
	readonly text: string;
	/** Its entry. */
	readonly seq: number;
	readonly count: number;
	readonly firstAt: Ms;
	/** When its entry was last written. */
	readonly writtenAt: Ms;
}

/** A proxy that failed, kept for the operator. */
export interface Failed {
	readonly id: Id;
	readonly vm: string | null;
	readonly address: string | null;
	readonly at: Ms;
	readonly why: string;
}

export interface JournalFields {
	/** Entries not yet known to be in D1. */
	readonly log: readonly LogEntry[];
	readonly logSeq: number;
	/** The failures that were logged last. */
	readonly repeats: readonly Repeat[];
	/** The last 20. */
	readonly failed: readonly Failed[];
	/** How many proxies there were at the last plan, and how many of them ready; a change is logged. */
	readonly counted: { readonly all: number; readonly ready: number };
}

export const journalSlice: Slice<JournalFields> = {
	log: fact(list(record<LogEntry>({ seq: value(0), at: value(0), severity: value<Severity>("INFO"), text: value("") }))),
	logSeq: shown(fact(value(0))),
	repeats: shown(
		fact(
			list(
				record<Repeat>({
					severity: value<Severity>("INFO"),
					text: value(""),
					seq: value(0),
					count: value(0),
					firstAt: value(0),
					writtenAt: value(0),
				}),
			),
		),
	),
	failed: fact(
		list(
			record<Failed>({
				id: value(""),
				vm: value<string | null>(null),
				address: value<string | null>(null),
				at: value(0),
				why: value(""),
			}),
		),
	),
	counted: fact(record<JournalFields["counted"]>({ all: value(0), ready: value(0) })),
};
