import type { CloudName, Ms } from "../../src/core/model/state.ts";

const SECOND: Ms = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

type Span = readonly [least: number, most: number];

/** How a cloud behaves, as far as the core can notice. Times in milliseconds, drawn uniformly from a span. */
export interface Profile {
	/** What keeps a repeated create from making a second VM. */
	readonly idempotency: "token" | "name" | "none";
	/** Page numbers shift when something is deleted between two pages; cursors do not. */
	readonly paging: "number" | "cursor";
	/** From a VM's making until a `find` (by id, by name) shows it, as shares of the consistency window. */
	readonly findLag: Span;
	/** Until a list shows it. */
	readonly listLag: Span;
	/** From its making until it has an address and runs. */
	readonly startMs: Span;
	/** From running until its agent serves. */
	readonly bootMs: Span;
	/** A create that was accepted may fail later: the VM vanishes. */
	readonly failsLater: boolean;
	/** Calls that one create takes: the VM is made switched off, and on at the last. A cut between them leaves it off. */
	readonly createSteps: 1 | 3;
	readonly twoStepRestart: boolean;
	readonly newAddressAtRestart: boolean;
	/** A VM cannot be deleted while it is being installed. */
	readonly isLockedAtFirst: boolean;
	/** From an accepted delete until it is gone; then lists show it as `going` for `shownMs` more. */
	readonly deleteMs: Span;
	readonly shownMs: Ms;
	/** Billed at the least. */
	readonly minimumBilledMs: Ms;
	/** Calls an hour, and whether answers state it. */
	readonly callsAnHour: number;
	readonly statesRate: boolean;
}

const COMMON = {
	findLag: [0, 0.1],
	listLag: [0, 0.3],
	startMs: [5 * SECOND, 40 * SECOND],
	bootMs: [5 * SECOND, 60 * SECOND],
	failsLater: false,
	createSteps: 1,
	twoStepRestart: false,
	newAddressAtRestart: false,
	isLockedAtFirst: false,
	deleteMs: [SECOND, 30 * SECOND],
	shownMs: 0,
	minimumBilledMs: 0,
	statesRate: true,
} as const;

/** The seven clouds, from what is known of their APIs; lags are drawn wider than what was seen. */
export const PROFILES: Readonly<Record<CloudName, Profile>> = {
	digitalocean: {
		...COMMON,
		idempotency: "none",
		paging: "number",
		findLag: [0, 0.95],
		listLag: [0, 0.95],
		failsLater: true,
		callsAnHour: 5000,
	},
	aws: {
		...COMMON,
		idempotency: "token",
		paging: "cursor",
		findLag: [0, 0.9],
		twoStepRestart: true,
		newAddressAtRestart: true,
		shownMs: HOUR,
		minimumBilledMs: MINUTE,
		callsAnHour: 20_000,
		statesRate: false,
	},
	gcp: {
		...COMMON,
		idempotency: "name",
		paging: "cursor",
		failsLater: true,
		twoStepRestart: true,
		newAddressAtRestart: true,
		minimumBilledMs: MINUTE,
		callsAnHour: 10_000,
		statesRate: false,
	},
	hetzner: { ...COMMON, idempotency: "name", paging: "number", minimumBilledMs: HOUR, callsAnHour: 3600 },
	vultr: {
		...COMMON,
		idempotency: "none",
		paging: "cursor",
		startMs: [20 * SECOND, 90 * SECOND],
		isLockedAtFirst: true,
		minimumBilledMs: HOUR,
		callsAnHour: 20_000,
		statesRate: false,
	},
	azure: {
		...COMMON,
		idempotency: "name",
		paging: "cursor",
		startMs: [30 * SECOND, 90 * SECOND],
		deleteMs: [10 * SECOND, 3 * MINUTE],
		failsLater: true,
		minimumBilledMs: MINUTE,
		callsAnHour: 1200,
		statesRate: false,
	},
	scaleway: {
		...COMMON,
		idempotency: "none",
		paging: "number",
		createSteps: 3,
		isLockedAtFirst: true,
		minimumBilledMs: HOUR,
		callsAnHour: 5000,
		statesRate: false,
	},
};
