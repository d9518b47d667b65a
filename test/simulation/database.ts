import type { LostPool } from "../../src/calls/world.ts";
import type { ProxyRow, ReadyEntry } from "../../src/core/model/published.ts";
import type { Id, LogEntry, Ms } from "../../src/core/model/state.ts";
import type { Held, Reservation } from "../../src/d1/allotments.ts";
import type { Publication } from "../../src/read-model/publish.ts";
import { Allotments } from "./allotments.ts";
import type { Clock } from "./clock.ts";
import type { Core } from "./core.ts";
import type { Faults } from "./faults.ts";

/** What D1 holds of one pool. */
export interface PoolRow {
	readonly object: string;
	readonly name: string;
	readonly deployment: string;
	readonly incarnation: Ms;
	removedAt: Ms | null;
	version: number;
	publishedAt: Ms | null;
	summary: Publication["summary"] | null;
	parts: Map<number, readonly ReadyEntry[]>;
	proxies: Map<Id, ProxyRow>;
	lastLogSeq: number;
}

/** What D1 held of a deployment at some time. */
export interface Copy {
	readonly rows: readonly PoolRow[];
	readonly allotments: ReturnType<Allotments["copy"]>;
}

function rowOf(pool: Pick<PoolRow, "object" | "name" | "deployment" | "incarnation">): PoolRow {
	const nothing = { removedAt: null, version: 0, publishedAt: null, summary: null, parts: new Map(), proxies: new Map(), lastLogSeq: 0 };
	return { ...pool, ...nothing };
}

const copyOf = (row: PoolRow): PoolRow => ({ ...row, parts: new Map(row.parts), proxies: new Map(row.proxies) });

/** D1 as `src/d1` and `src/read-model` uses it: batches that are whole or not at all, and versions that only grow. */
export class Database {
	readonly pools = new Map<string, PoolRow>();
	writes = 0;
	/** By deployment: each has a D1 of its own. Made when a budget is asked about. */
	private readonly allotments = new Map<string, Allotments>();
	private readonly core: Core;
	private readonly refused: (message: string) => void;
	private readonly clock: Clock;
	private readonly faults: Faults;

	/** `refused` is told of a statement that SQLite does not take. */
	constructor(core: Core, clock: Clock, faults: Faults, refused: (message: string) => void) {
		this.core = core;
		this.refused = refused;
		this.clock = clock;
		this.faults = faults;
	}

	/** Null: D1 does not answer. */
	get isOut(): boolean {
		return this.faults.isOn("databaseOut") && this.faults.strikes("databaseOut");
	}

	enter(pool: Pick<PoolRow, "object" | "name" | "deployment" | "incarnation">): void {
		const taken = [...this.pools.values()].some(
			(row) => row.name === pool.name && row.deployment === pool.deployment && row.removedAt === null,
		);
		if (taken) throw new Error("the directory has a pool of that name");
		this.put(rowOf(pool));
	}

	/** `db/publish.ts`: one transaction, only over an older (incarnation, version). Throws where D1 fails; it may have written nevertheless. */
	publish(publication: Publication): boolean | null {
		this.failBefore();
		this.writes++;
		const row = this.pools.get(publication.object);
		let isHeld = false;
		if (row !== undefined) {
			const { over = null } = publication;
			const isOver = over === null || row.version === over;
			if (row.incarnation === publication.incarnation && row.version < publication.version && isOver) this.write(row, publication);
			isHeld = row.incarnation === publication.incarnation && row.version === publication.version;
		}
		this.failAfter();
		return row === undefined ? null : isHeld;
	}

	/** It holds a later version of a pool than this has ever published: a state of it that could not be read did so, or its storage is an older copy. */
	runAhead(object: string, by: number): void {
		const row = this.pools.get(object);
		if (row !== undefined) row.version += by;
	}

	private write(row: PoolRow, publication: Publication): void {
		row.version = publication.version;
		row.publishedAt = publication.now;
		row.summary = publication.summary;
		for (const { part, proxies } of publication.parts) row.parts.set(part, proxies);
		for (const part of [...row.parts.keys()]) if (part >= publication.partCount) row.parts.delete(part);
		for (const proxy of publication.proxies) row.proxies.set(proxy.id, proxy);
		if (publication.existing !== null) {
			const existing = new Set(publication.existing);
			for (const id of [...row.proxies.keys()]) if (!existing.has(id)) row.proxies.delete(id);
		} else for (const id of publication.gone) row.proxies.delete(id);
		row.lastLogSeq = Math.max(row.lastLogSeq, ...publication.log.map(({ seq }: LogEntry) => seq));
	}

	/** `d1/directory.ts`: a pool that was lost is there again, unless another has its place. */
	enterAgain({ object, name, deployment, incarnation, removedAt }: LostPool): {
		readonly by: string | null;
		readonly publishedAt: Ms | null;
	} {
		this.failBefore();
		const holder = [...this.pools.values()].find((row) => row.name === name && row.deployment === deployment && row.removedAt === null);
		const isFree = removedAt !== null || holder === undefined;
		if (!this.pools.has(object) && isFree) this.put({ ...rowOf({ object, name, deployment, incarnation }), removedAt });
		this.failAfter();
		return this.pools.has(object)
			? { by: null, publishedAt: null }
			: { by: holder?.object ?? null, publishedAt: holder?.publishedAt ?? null };
	}

	/** Everything of a deployment, as it is now. */
	copy(deployment: string): Copy {
		const rows = [...this.pools.values()].filter((row) => row.deployment === deployment);
		return { rows: rows.map(copyOf), allotments: this.allotments.get(deployment)?.copy() ?? [] };
	}

	/** A deployment's D1 is lost, and comes back as this copy. */
	restore(deployment: string, { rows, allotments }: Copy): void {
		for (const row of [...this.pools.values()]) if (row.deployment === deployment) this.drop(row.object);
		for (const row of rows) this.put(copyOf(row));
		this.allotments.get(deployment)?.restore(allotments);
	}

	/** A row is lost, or its pool is known to be gone. */
	drop(object: string): void {
		const row = this.pools.get(object);
		this.pools.delete(object);
		if (row !== undefined) this.allotments.get(row.deployment)?.leave(object);
	}

	private put(row: PoolRow): void {
		this.pools.set(row.object, row);
		this.allotments.get(row.deployment)?.enter(row.object);
	}

	/** `db/directory.ts`: the pool's names are free at once. */
	remove(object: string): void {
		const row = this.pools.get(object);
		if (row !== undefined && row.removedAt === null) row.removedAt = this.clock.now;
	}

	forget(object: string, charges: { readonly hourly: number; readonly until: Ms } | null, now: Ms): void {
		this.failBefore();
		const row = this.pools.get(object);
		this.pools.delete(object);
		if (row !== undefined) {
			const allotments = this.allotments.get(row.deployment);
			allotments?.leave(object);
			allotments?.forget(object, charges, now);
		}
		this.failAfter();
	}

	/** `d1/allotments.ts`: what this pool holds from now on, or null. Throws where D1 fails; it may have been done nevertheless. */
	reserve(deployment: string, wanted: Reservation): Held | null {
		this.failBefore();
		const granted = this.carryOutReserve(deployment, wanted);
		this.failAfter();
		return granted;
	}

	/** The statements themselves, which may be carried out long after whoever sent them has given up. */
	carryOutReserve(deployment: string, wanted: Reservation): Held | null {
		return this.allotmentsOf(deployment).reserve(wanted);
	}

	/** What cron tells pools. */
	allotted(deployment: string, now: Ms): Readonly<Record<string, number>> {
		return this.allotments.get(deployment)?.allotted(now) ?? {};
	}

	private allotmentsOf(deployment: string): Allotments {
		let allotments = this.allotments.get(deployment);
		if (allotments === undefined) {
			allotments = new Allotments(this.core, this.refused);
			for (const row of this.pools.values()) if (row.deployment === deployment) allotments.enter(row.object);
			this.allotments.set(deployment, allotments);
		}
		return allotments;
	}

	/** What clients are given: every ready proxy of every pool that is not removed. Throws where D1 fails. */
	readReady(): ReadonlyMap<string, readonly ReadyEntry[]> {
		this.failBefore();
		const ready = new Map<string, readonly ReadyEntry[]>();
		for (const row of this.pools.values()) if (row.removedAt === null) ready.set(row.object, [...row.parts.values()].flat());
		return ready;
	}

	private failBefore(): void {
		if (this.isOut || this.faults.strikes("databaseFails")) throw new Error("D1 does not answer");
	}

	private failAfter(): void {
		if (this.faults.strikes("databaseAmbiguous")) throw new Error("D1's answer was lost");
	}
}
