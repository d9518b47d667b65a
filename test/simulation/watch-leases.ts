import type { Lease } from "../../src/core/model/leases.ts";
import type { Id, Ms, State } from "../../src/core/model/state.ts";
import type { Host } from "./host.ts";
import type { Changes } from "./record.ts";
import { HOUR, MINUTE } from "./scenario.ts";

/** A pool counts replacements by whole minutes. */
const SLACK_MS = 2 * MINUTE;
const DAY_MS = 24 * HOUR;
/** A plan ends what is over; alarms may be that late. */
const LATE_MS = MINUTE;

/** 17 and 18: what a client has leased is nobody else's, and what a site has banned cools down. */
export class Leases {
	private readonly broken: (promise: string, message: string) => void;
	private readonly ended = new Set<Id>();
	/** By pool and proxy: since when it is leased, by the pool's clock. */
	private readonly namedAt = new Map<string, { readonly id: Id; readonly at: Ms }>();
	private readonly retiredAt = new Map<string, Ms[]>();

	constructor(broken: (promise: string, message: string) => void) {
		this.broken = broken;
	}

	released(id: Id): void {
		this.ended.add(id);
	}

	committed(host: Host, before: State, after: State, changes: Changes, isClockSound: boolean): void {
		// Whoever starts a pool anew has it replace what was held back.
		if (after.destroys.length === 0) this.retiredAt.delete(host.object);
		if (before.proxies === after.proxies && before.waitingLeases === after.waitingLeases) return;
		const [had, has] = [allOf(before), allOf(after)];
		if (has.length > new Set(has.map(({ id }) => id)).size) this.broken("17", `a lease of ${host.object} names two proxies`);
		for (const { id, until } of had) {
			if (has.some((one) => one.id === id) || this.ended.has(id) || until <= host.now()) continue;
			this.broken("17", `lease ${id} of ${host.object} is lost ${until - host.now()} ms before it ends`);
		}
		const now = host.now();
		for (const [id, was, proxy] of changes) {
			if (proxy === undefined) continue;
			this.named(host, id, was?.lease ?? null, proxy.lease, proxy.phase.at);
			for (const ban of proxy.bans) {
				const known = was?.bans.find((one) => one.host === ban.host);
				if (known === ban || !isClockSound) continue;
				const seconds = (ban.until - now) / 1_000;
				if (known !== undefined && known.until > now && known.until <= now + DAY_MS)
					this.broken("18", `${id} cools down anew for ${ban.host} while it does`);
				if (seconds < after.spec.banCoolDownSeconds - 1 || seconds > 86_401) this.broken("18", `${id} cools down for ${seconds} s`);
			}
			if (proxy.phase.at === "draining" && was?.phase.at === "ready" && proxy.why === "banned by too many sites")
				this.retired(host, after, now, isClockSound);
		}
	}

	/** What D1 shows to everybody. */
	published(host: Host, listed: ReadonlySet<Id>, at: Ms): void {
		for (const id of listed) {
			const named = this.namedAt.get(`${host.object} ${id}`);
			const lease = host.state?.proxies.get(id)?.lease;
			if (named !== undefined && lease?.id === named.id && named.at < at) this.broken("17", `${id} is leased and in the ready list`);
		}
	}

	/** A pass has planned what is due. */
	passed(host: Host, state: State): void {
		for (const { id, until } of allOf(state))
			if (until < host.now() - LATE_MS) this.broken("17", `lease ${id} lasts ${host.now() - until} ms longer than it should`);
	}

	private named(host: Host, id: Id, was: Lease | null, lease: Lease | null, phase: string): void {
		const key = `${host.object} ${id}`;
		if (lease === null) this.namedAt.delete(key);
		else if (lease.id !== was?.id) {
			if (was !== null && was.until > host.now()) this.broken("17", `${id} goes from lease ${was.id} to ${lease.id}`);
			if (phase !== "ready") this.broken("17", `lease ${lease.id} names ${id}, which is ${phase}`);
			this.namedAt.set(key, { id: lease.id, at: host.now() });
		}
	}

	private retired(host: Host, { spec, target }: State, now: Ms, isClockSound: boolean): void {
		const times = [...(this.retiredAt.get(host.object) ?? []), now].filter((at) => at > now - HOUR + SLACK_MS);
		this.retiredAt.set(host.object, times);
		const bound = spec.maxReplacementsPerHour ?? Math.max(6, 2 * target);
		if (times.length > bound && isClockSound)
			this.broken("18", `${times.length} proxies are replaced for their bans within an hour, where ${bound} may be`);
		if (spec.replaceBanned === 0) this.broken("18", "a proxy is replaced for its bans though nobody asked for that");
	}
}

function allOf({ proxies, waitingLeases }: State): readonly Lease[] {
	const named: Lease[] = [];
	for (const { lease } of proxies.values()) if (lease !== null) named.push(lease);
	return [...named, ...waitingLeases];
}
