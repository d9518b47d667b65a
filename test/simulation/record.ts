import type { Id, Ms, Proxy } from "../../src/core/model/state.ts";
import type { Difference } from "../../src/core/model/table.ts";

/** What a commit changes of the proxies. */
export type Changes = readonly Difference<Proxy>[];

/** A promise that was broken: which one, and what happened. */
export class Violation extends Error {
	readonly promise: string;
	readonly when: string;
	constructor(promise: string, when: string, message: string) {
		super(`promise ${promise} at ${when}: ${message}`);
		this.promise = promise;
		this.when = when;
	}
}

/** What of a pool's history the promises are judged by. */
export interface PoolRecord {
	/** Proxies that an operator ordered to be destroyed. */
	readonly destroyed: Set<Id>;
	/** By proxy: when a ready list without it was written to D1, after one with it. */
	readonly hiddenAt: Map<Id, Ms>;
	/** Proxies in the ready list that D1 holds. */
	listed: Set<Id>;
	/** The newest version that D1 took. */
	version: number;
	/** It was told that the directory lacks it, and not yet that it has it again. */
	isToldUnlisted: boolean;
	/** Creates since something last was ready, or an operator meddled. */
	fruitless: number;
	fruitlessSince: Ms;
	/** The most that the pool might have since then. */
	fruitlessMost: number;
	mutations: number;
	/** VMs that an operator wants to run on. */
	readonly spared: Set<string>;
	/** When its last proxy went, and when it last listed its account. */
	emptyAt: Ms;
	lookedAt: Ms;
	creates: { readonly window: number; readonly count: number };
	/** When a drain of it began, and when it may end at the latest, for proxies that were ready. */
	readonly drains: Map<Id, { readonly since: Ms; readonly until: Ms }>;
	readonly demand: DemandRecord;
}

/** What of a pool's decisions about its size is remembered. */
export interface DemandRecord {
	/** What it should have wished for, at each decision. */
	wishes: readonly { readonly at: Ms; readonly size: number }[];
	/** Since when it has decided without a gap, and the size that was in force then. */
	since: Ms;
	sizeThen: number;
	decidedAt: Ms;
	/** When rules last changed its target. */
	steppedAt: Ms;
}

export function newRecord(now: Ms): PoolRecord {
	return {
		destroyed: new Set(),
		hiddenAt: new Map(),
		listed: new Set(),
		version: 0,
		isToldUnlisted: false,
		fruitless: 0,
		fruitlessSince: now,
		fruitlessMost: 0,
		mutations: 0,
		spared: new Set(),
		emptyAt: now,
		lookedAt: 0,
		creates: { window: 0, count: 0 },
		drains: new Map(),
		demand: { wishes: [], since: now, sizeThen: 0, decidedAt: Number.NEGATIVE_INFINITY, steppedAt: Number.NEGATIVE_INFINITY },
	};
}
