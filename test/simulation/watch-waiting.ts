import type { Id, Ms, Proxy, State } from "../../src/core/model/state.ts";
import type { Host } from "./host.ts";
import { MINUTE, SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

/** Whatever hangs, what is due goes out within this, and what is down is off the published list. */
const PATIENCE_MS = 90 * SECOND;
/** An alarm may come so late, or be lost until cron looks. */
const AFTER_ALARMS_MS = 25 * MINUTE;
/** Whoever lost its instance, or had its clock set, needs cron to wake it. */
const AFTER_LOSS_MS = 3 * MINUTE;
/** More at one time take longer: three are probed at once, and silence takes three seconds to tell. */
const MOST_AT_ONCE = 12;
/** As the design states them. */
const PROBES_TO_FAIL = 3;
const UNPUBLISHED_DRAIN_MS = 30 * SECOND;

const OF_ALARMS = ["alarmLate", "alarmLost", "alarmTwice", "cronOut"] as const;
const OF_DATABASE = ["databaseFails", "databaseAmbiguous", "databaseOut"] as const;

/** 16: what hangs holds up nothing else. */
export class Waiting {
	private readonly world: World;
	private readonly broken: (message: string) => void;
	/** By pool, and by proxy: since when one that is listed fails its probes. */
	private readonly failing = new Map<string, Map<Id, Ms>>();
	/** By pool: what is due, and since when it was seen to be. */
	private readonly due = new Map<string, ReadonlyMap<string, Ms>>();
	/** When each proxy was last probed. */
	private readonly probedAt = new Map<Id, Ms>();
	/** By pool: until when nothing is held against it. */
	private readonly excusedUntil = new Map<string, Ms>();

	constructor(world: World, broken: (message: string) => void) {
		this.world = world;
		this.broken = broken;
	}

	/** It is being probed, whatever becomes of what its pool remembers of that: a sleep may take it. */
	probing(id: Id): void {
		this.probedAt.set(id, this.world.clock.now);
	}

	/** Nothing is held against the pool for a while. */
	excuse(host: Host): void {
		this.excusedUntil.set(host.object, this.world.clock.now + AFTER_LOSS_MS);
	}

	changed(host: Host, was: Proxy, proxy: Proxy): void {
		if (proxy.failedProbes === was.failedProbes && proxy.phase.at === was.phase.at) return;
		const failing = this.failingOf(host);
		if (proxy.phase.at === "ready" && proxy.failedProbes === 1 && was.failedProbes === 0) failing.set(proxy.id, this.world.clock.now);
		// It answers again, or leaves the list for a reason of its own.
		else if (proxy.failedProbes === 0) failing.delete(proxy.id);
	}

	/** D1 lists these from now on. */
	published(host: Host, listed: ReadonlySet<Id>): void {
		for (const [id, since] of this.failingOf(host)) {
			if (listed.has(id)) continue;
			this.judgeListed(host, id, since);
			this.failingOf(host).delete(id);
		}
	}

	/** Each minute. */
	look(host: Host, listed: ReadonlySet<Id>): void {
		const failing = this.failingOf(host);
		for (const [id, since] of failing) {
			// It was given up before anybody published it.
			if (!listed.has(id)) failing.delete(id);
			else if (host.state?.proxies.get(id)?.phase.at === "ready" && failing.size > MOST_AT_ONCE) failing.set(id, this.world.clock.now);
			else this.judgeListed(host, id, since);
		}
		const { now } = this.world.clock;
		const before = this.due.get(host.object);
		const due = new Map([...this.dueNow(host)].map((what) => [what, before?.get(what) ?? now]));
		this.due.set(host.object, due);
		for (const [what, since] of due) {
			if (now - since > PATIENCE_MS && !this.isExcused(host, since)) this.broken(`${host.object}: ${what} is due for ${now - since} ms`);
		}
	}

	private judgeListed(host: Host, id: Id, since: Ms): void {
		const forMs = this.world.clock.now - since;
		if (forMs <= PATIENCE_MS || this.isExcused(host, since)) return;
		const { faults } = this.world;
		const breaker = host.state?.breakers.publish;
		const isAnswering = !OF_DATABASE.some((fault) => faults.wasOn(fault, since)) && (breaker?.until ?? 0) <= since + host.skewMs;
		if (isAnswering) this.broken(`${host.object}: ${id} is listed ${forMs} ms after it failed a probe`);
	}

	/** Whether the pool may have slept, or known another time, since then. */
	isExcused(host: Host, since: Ms): boolean {
		const { faults } = this.world;
		if ((this.excusedUntil.get(host.object) ?? 0) > since) return true;
		return OF_ALARMS.some((fault) => faults.wasOn(fault, since - AFTER_ALARMS_MS));
	}

	/** What a pool should be calling now. Whatever changes makes another thing of it, with a patience of its own. */
	private *dueNow(host: Host): Iterable<string> {
		const { state } = host;
		if (state === null) return;
		const now = host.now();
		const isOpen = state.breakers.rate.until > now || state.breakers.auth.until > now || state.suspended !== null || state.breach !== null;
		for (const proxy of state.proxies.values()) {
			const { id, phase, retryAt, tries } = proxy;
			if (phase.at === "ready") continue;
			if (phase.at === "deleting" && phase.acceptedAt === null && phase.vm !== null && !isOpen && retryAt <= now)
				yield `the delete of ${id}, after ${tries},`;
			const isDrained = phase.at === "draining" && now >= Math.max(phase.until, proxy.since + UNPUBLISHED_DRAIN_MS);
			if (isDrained && state.suspended === null && state.breach === null) yield `the end of the drain of ${id}`;
			const sinceMs = this.world.clock.now - (this.probedAt.get(id) ?? 0);
			const probedAt = sinceMs < state.spec.intervalSeconds * SECOND ? null : probeDue(state, proxy, now);
			if (probedAt !== null) yield `the probe of ${id}, after ${proxy.failedProbes} failures and that of ${probedAt},`;
		}
	}

	private failingOf({ object }: Host): Map<Id, Ms> {
		let failing = this.failing.get(object);
		if (failing === undefined) {
			failing = new Map();
			this.failing.set(object, failing);
		}
		return failing;
	}
}

/** When a proxy that waits to be probed was probed last; null where it does not wait. */
function probeDue(state: State, proxy: Proxy, now: Ms): Ms | null {
	const { phase, registered, address, keyHash, isAdopted, failedProbes } = proxy;
	const isWaiting = (phase.at === "booting" || phase.at === "unready") && registered && address !== null;
	if (!isWaiting || !state.spec.canProbe || (keyHash === null && !isAdopted)) return null;
	const probedAt = state.vitals.get(proxy.id)?.probedAt ?? 0;
	const pauseMs = failedProbes === 0 ? 0 : failedProbes < PROBES_TO_FAIL ? 5 * SECOND : state.spec.intervalSeconds * SECOND;
	return probedAt + pauseMs <= now ? probedAt : null;
}
