/** Which proxies are alive, and how they fare: what agents report and probes find. */
import type { Id, Ms } from "./basics.ts";
import { list, record, type Shape, table, value } from "./shape.ts";
import { fact, type Slice, vital } from "./slice.ts";
import type { Table } from "./table.ts";
import { COUNTED, type Counted } from "./traffic.ts";

/** What liveness and demand rest on. One row holds those of all proxies, written lazily: it lags, and a gap in it proves nothing. */
export interface Vitals {
	/** Last heartbeat or registration. */
	readonly heardAt: Ms;
	/** Last time an inventory call showed its VM. */
	readonly seenAt: Ms;
	/** Last probe, whatever its outcome. */
	readonly probedAt: Ms;
	/** Open client connections at the last report. */
	readonly active: number;
	/** When `active` was reported. */
	readonly reportedAt: Ms;
	readonly metrics: Readonly<Record<string, number>>;
	/** When `metrics` were reported: at its last heartbeat. */
	readonly metricsAt: Ms;
	/** Its last report came on a line, where its life shows without any. */
	readonly isLined: boolean;
	/** Number of that report; 0: none. The next one tells its sessions as the difference from it. */
	readonly report: number;
	/** When its line broke; 0: it has been heard since, or probed well. */
	readonly doubtedAt: Ms;
	/** What its agent has counted since the VM was made. */
	readonly counted: Counted;
}

/** A session (`client:port`) to be closed, and since when. */
export interface Drop {
	readonly session: string;
	readonly at: Ms;
	/** Null: whichever proxy it goes through. */
	readonly proxy: Id | null;
}

export interface LivenessFields {
	readonly vitals: Table<Vitals>;
	/** Open client connections by proxy, `client:port` (IPv6 in brackets), sorted, as last reported; proxies without any are left out. */
	readonly sessions: Table<readonly string[]>;
	/** Sessions that an operator wants closed. */
	readonly drops: readonly Drop[];
	/** When a sample of the ready proxies was last probed. */
	readonly sampledAt: Ms;
	/** The interval that agents are told, in seconds: stretched so that a deployment stays within its plan. */
	readonly heartbeatSeconds: number;
	/** As often as agents may report on their lines without a change, in seconds: likewise stretched. */
	readonly lineSeconds: number;
	/** When all lines were last found to be gone, as a deploy leaves them. */
	readonly linesFellAt: Ms;
}

export const VITALS: Shape<Vitals> = record<Vitals>({
	heardAt: value(0),
	seenAt: value(0),
	probedAt: value(0),
	active: value(0),
	reportedAt: value(0),
	metrics: value<Readonly<Record<string, number>>>({}),
	metricsAt: value(0),
	isLined: value<boolean>(false),
	report: value(0),
	doubtedAt: value(0),
	counted: COUNTED,
});

export const livenessSlice: Slice<LivenessFields> = {
	vitals: vital(table(VITALS)),
	sessions: vital(table(list(value("")))),
	drops: fact(list(record<Drop>({ session: value(""), at: value(0), proxy: value(null) }))),
	sampledAt: vital(value(0)),
	heartbeatSeconds: vital(value(30)),
	lineSeconds: vital(value(30)),
	linesFellAt: fact(value(0)),
};

/** What a probe found. */
export type Verdict =
	/** The agent proved its key; `active` is its number of open client connections, null where no agent says it. */
	{ readonly is: "ok"; readonly active: number | null } | { readonly is: "refused" | "credentials" | "silent" | "egress" | "impostor" };
