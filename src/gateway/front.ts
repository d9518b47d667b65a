import type { Socket } from "node:net";
import type { Access } from "./access.ts";
import type { Fleet } from "./fleet.ts";
import type { Options } from "./options.ts";
import type { Reports } from "./reports.ts";
import type { Stats } from "./stats.ts";

/** How long is waited for what; tests wait less. */
export interface Waits {
	/** Clients, while a fleet wakes. */
	readonly holdMs: number;
	/** For all of a request's head, or of a SOCKS greeting, once it has begun. */
	readonly headMs: number;
	/** For the head of an answer over plain HTTP, from the last that went out of its request. */
	readonly answerMs: number;
}

/** The gateway as its clients' connections see it. */
export interface Front {
	readonly options: Options;
	readonly fleet: Fleet;
	readonly reports: Reports;
	readonly access: Access;
	readonly stats: Stats;
	readonly waits: Waits;
	/** It takes nobody in any more. */
	readonly isDraining: boolean;
	/** Clients' connections. */
	readonly open: number;
	/** Counts a tunnel; what is given is to be called at its end. */
	tunnelOpened(socket: Socket): (bytesUp: number, bytesDown: number) => void;
}
