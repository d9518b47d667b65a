/** What agents count: numbers that only grow, put together over the starts of an agent. */
import { record, type Shape, value } from "./shape.ts";

/** What clients have sent through a proxy, or through several. */
export interface Traffic {
	/** Bytes from clients to destinations. */
	readonly bytesIn: number;
	/** Bytes from destinations to clients. */
	readonly bytesOut: number;
	readonly requests: number;
	readonly errors: number;
	/** Client connections that were opened. */
	readonly opened: number;
}

const TRAFFIC: Shape<Traffic> = record<Traffic>({
	bytesIn: value(0),
	bytesOut: value(0),
	requests: value(0),
	errors: value(0),
	opened: value(0),
});

export const trafficShape = TRAFFIC;

/** One proxy's counters. An agent begins at 0 with each start. */
export interface Counted {
	/** The start that `last` is of; empty: it has told nothing yet. */
	readonly boot: string;
	/** The one before: what is heard of it later than of its successor is known already. */
	readonly formerBoot: string;
	readonly last: Traffic;
	/** Of all starts before. */
	readonly before: Traffic;
}

export const COUNTED: Shape<Counted> = record<Counted>({ boot: value(""), formerBoot: value(""), last: TRAFFIC, before: TRAFFIC });

function combined(a: Traffic, b: Traffic, of: (a: number, b: number) => number): Traffic {
	return {
		bytesIn: of(a.bytesIn, b.bytesIn),
		bytesOut: of(a.bytesOut, b.bytesOut),
		requests: of(a.requests, b.requests),
		errors: of(a.errors, b.errors),
		opened: of(a.opened, b.opened),
	};
}

export function sumOf(a: Traffic, b: Traffic): Traffic {
	return combined(a, b, (x, y) => x + y);
}

/** All that a proxy has counted. */
export function totalCounted({ last, before }: Counted): Traffic {
	return sumOf(before, last);
}

/** The counters once another report came; reports may overtake each other. */
export function counted(known: Counted, boot: string, counters: Traffic): Counted {
	if (boot === known.boot) return { ...known, last: combined(known.last, counters, Math.max) };
	if (boot === known.formerBoot) return known;
	return { boot, formerBoot: known.boot, last: counters, before: totalCounted(known) };
}
