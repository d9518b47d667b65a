import { withCharge } from "./cost.ts";
import { copied, withLog } from "./edit.ts";
import type { Effect } from "./events.ts";
import type { Id, Ms, Proxy, Severity, State } from "./state.ts";

/** A plan in the making: the state as it will be stored, and the earliest instant at which to look again. */
export class Draft {
	state: State;
	readonly now: Ms;
	readonly random: () => number;
	wakeAt: Ms = Number.POSITIVE_INFINITY;
	/** What to do now, the most urgent first. */
	readonly effects: Effect[] = [];
	/** VMs that are wanted, fit all other bounds, and have no part of the deployment's budget yet. */
	lacking = 0;
	/** Why a bound on cost keeps VMs from being launched; null: none does. */
	held: string | null = null;
	private readonly mine: Set<object> = new Set();

	constructor(state: State, now: Ms, random: () => number) {
		this.state = state;
		this.now = now;
		this.random = random;
	}

	get proxies(): Iterable<Proxy> {
		return this.state.proxies.values();
	}

	/** Stores a proxy; the map is copied once a plan, not once a change. */
	put(proxy: Proxy): void {
		this.own().set(proxy.id, proxy);
		this.state = this.state.emptySince === null ? this.state : { ...this.state, emptySince: null };
	}

	remove(id: Id): void {
		const gone = this.state.proxies.get(id);
		if (gone !== undefined) this.state = withCharge(this.state, gone, this.now);
		const proxies = this.own();
		proxies.delete(id);
		const vitals = copied(this.state.vitals);
		vitals.delete(id);
		const sessions = copied(this.state.sessions);
		sessions.delete(id);
		this.state = { ...this.state, vitals, sessions, emptySince: proxies.size === 0 ? this.now : null };
	}

	call(effect: Effect): void {
		this.effects.push(effect);
	}

	say(severity: Severity, text: string): void {
		this.state = withLog(this.state, this.now, severity, text);
	}

	/** Sees to it that the pool looks again at this instant. One that has come is this plan's own: waking for it again would never end. */
	wake(at: Ms): void {
		if (at > this.now && at < this.wakeAt) this.wakeAt = at;
	}

	/** True once `at` has come; until then the pool will look again at that instant. */
	isDue(at: Ms): boolean {
		if (at <= this.now) return true;
		this.wake(at);
		return false;
	}

	private own(): Map<Id, Proxy> {
		let proxies = this.state.proxies as Map<Id, Proxy>;
		if (!this.mine.has(proxies)) {
			proxies = copied(proxies);
			this.mine.add(proxies);
			this.state = { ...this.state, proxies };
		}
		return proxies;
	}
}
