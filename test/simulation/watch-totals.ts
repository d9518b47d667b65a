import type { Id, Proxy, State } from "../../src/core/model/state.ts";
import type { Traffic } from "../../src/core/model/traffic.ts";
import type { Agent } from "./agents.ts";
import type { Host } from "./host.ts";
import type { Changes } from "./record.ts";
import type { World } from "./world.ts";

const COUNTED = ["bytesIn", "bytesOut", "requests", "errors", "opened"] as const;
const NOTHING: Traffic = { bytesIn: 0, bytesOut: 0, requests: 0, errors: 0, opened: 0 };
/** Sums of money in millionths, each rounded. */
const ROUNDED = 1;

/** What one start of an agent has counted. */
interface Start {
	/** In its last report, heard or not. */
	sent: Traffic;
	/** In the last report that was answered, to an instance that is still there. */
	heard: Traffic;
	/** The same, once vitals were written: no crash takes it away. */
	written: Traffic;
}

/** What became of a pool's VMs, as the commits show it. */
interface Deeds {
	created: number;
	deleted: number;
}

/**
 * Promise 20: what history and /metrics count is what happened. Kept apart from what pools believe: by what agents sent and were answered, by VMs that were
 * seen and went, and by the prices that the cloud told. Only what an agent counted, was answered, and stopped before the pool wrote it down may be lost with
 * an instance's memory; nothing is ever counted twice.
 */
export class Totals {
	private readonly world: World;
	private readonly broken: (message: string) => void;
	/** By object, then by start of an agent. */
	private readonly starts = new Map<string, Map<string, Start>>();
	private readonly deeds = new Map<string, Deeds>();
	private readonly prices = new Map<string, Set<number>>();
	/** By object: how many outcomes clients have reported, as it is written down. */
	private readonly reported = new Map<string, State["reported"]>();

	constructor(world: World, broken: (message: string) => void) {
		this.world = world;
		this.broken = broken;
	}

	/** What an agent has counted since its start, with its next report. Each number has a step of its own, so that none stands for another. */
	reporting({ key, run, reports }: Agent): { readonly boot: string; readonly counters: Traffic } {
		const boot = `${key} ${run}`;
		const start = this.startOf(key, boot);
		const n = 1 + ((run + reports) % 4);
		const { bytesIn, bytesOut, requests, errors, opened } = start.sent;
		start.sent = {
			bytesIn: bytesIn + 1_000 * n,
			bytesOut: bytesOut + 30_000 * n,
			requests: requests + n,
			errors: errors + (n > 3 ? 1 : 0),
			opened: opened + (n > 1 ? 2 : 0),
		};
		return { boot, counters: start.sent };
	}

	/** A report on its line was taken. */
	taken({ key }: Agent, { boot, counters }: { readonly boot: string; readonly counters: Traffic }): void {
		this.startOf(key, boot).heard = counters;
	}

	/** Its report was answered. */
	heard({ key, run }: Agent): void {
		const start = this.startOf(key, `${key} ${run}`);
		start.heard = start.sent;
	}

	/** A pool has written its vitals down. */
	written({ object }: Host, { reported }: State): void {
		this.reported.set(object, reported);
		for (const start of this.starts.get(object)?.values() ?? []) start.written = start.heard;
	}

	/** Whether what clients reported is all written down. */
	areReportsWritten({ object, state }: Host): boolean {
		const { outcomes, outcomesOk } = this.reported.get(object) ?? { outcomes: 0, outcomesOk: 0 };
		return state === null || (state.reported.outcomes === outcomes && state.reported.outcomesOk === outcomesOk);
	}

	/** A pool's instance is gone with its memory. */
	dropped({ object }: Host): void {
		for (const start of this.starts.get(object)?.values() ?? []) start.heard = start.written;
	}

	/** A pool was told a price. */
	quoted({ object }: Host, hourly: number): void {
		this.prices.set(object, (this.prices.get(object) ?? new Set()).add(hourly));
	}

	/** A state was stored with other proxies. */
	committed(host: Host, before: State, after: State, changes: Changes): void {
		const deeds = this.deeds.get(host.object) ?? { created: 0, deleted: 0 };
		this.deeds.set(host.object, deeds);
		let spent = 0;
		for (const [id, was, proxy] of changes) {
			if (was === undefined) continue;
			if (proxy !== undefined) {
				if (!proxy.isAdopted && vmOf(was) === null && vmOf(proxy) !== null) deeds.created++;
				continue;
			}
			if (vmOf(was) === null || was.phase.at === "adopting") continue;
			if (was.phase.at !== "releasing") deeds.deleted++;
			spent += this.ended(host, after, id, was);
		}
		const sum = (counts: Readonly<Partial<Record<string, number>>>) => Object.values(counts).reduce<number>((all, one = 0) => all + one, 0);
		if (after.tally.creates.created !== undefined || deeds.created > 0) {
			const { created = 0 } = after.tally.creates;
			if (created !== deeds.created) this.broken(`${host.object} counts ${created} VMs as created, and ${deeds.created} were`);
		}
		const deleted = sum(after.tally.deletes);
		if (deleted !== deeds.deleted) this.broken(`${host.object} counts ${deleted} VMs as deleted, and ${deeds.deleted} were`);
		const added = sum(after.tally.spent) - sum(before.tally.spent);
		if (Math.abs(added - spent) > ROUNDED)
			this.broken(`${host.object} adds ${added} to what it has spent, and VMs that went had cost ${spent}`);
	}

	/** What a VM that went has cost, in millionths: by the hour, to the end of the unit of time that it had begun. */
	private ended(host: Host, after: State, id: Id, was: Proxy): number {
		const entry = after.ended.findLast((one) => one.id === id);
		if (entry === undefined) {
			this.broken(`${host.object} has no record of ${id}, which is gone`);
			return 0;
		}
		if (entry.hourly === null) return 0;
		if (this.prices.get(host.object)?.has(entry.hourly) !== true)
			this.broken(`${id} had cost ${entry.hourly} an hour, which nobody ever said`);
		const unitMs = after.spec.billedSeconds * 1_000;
		const lived = Math.max(0, entry.endedAt - was.createdAt);
		const billedMs = unitMs === 0 ? lived : Math.max(unitMs, Math.ceil(lived / unitMs) * unitMs);
		const cost = (entry.hourly * 1e6 * billedMs) / 3_600_000;
		if (Math.abs((entry.cost ?? 0) * 1e6 - cost) > ROUNDED) this.broken(`${id} is said to have cost ${entry.cost}, and cost ${cost / 1e6}`);
		return (entry.cost ?? 0) * 1e6;
	}

	/** What a pool's clients have sent through it, as it would say now. */
	look(host: Host): void {
		const state = host.current()?.state;
		if (state == null) return;
		const { traffic } = this.world.core.metersOf(state, host.now()).counters;
		for (const metric of COUNTED) {
			let [least, most] = [0, 0];
			for (const { heard, sent } of this.starts.get(host.object)?.values() ?? []) {
				least += heard[metric];
				most += sent[metric];
			}
			if (traffic[metric] < least || traffic[metric] > most)
				this.broken(`${host.object} counts ${traffic[metric]} ${metric}, and agents have told it of ${least} to ${most}`);
		}
	}

	private startOf(key: string, boot: string): Start {
		const object = key.slice(0, key.indexOf("."));
		const starts = this.starts.get(object) ?? new Map<string, Start>();
		this.starts.set(object, starts);
		const start = starts.get(boot) ?? { sent: NOTHING, heard: NOTHING, written: NOTHING };
		starts.set(boot, start);
		return start;
	}
}

function vmOf({ phase }: Proxy): string | null {
	return "vm" in phase ? phase.vm : null;
}
