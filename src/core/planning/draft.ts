import { withCharge } from "../model/cost.ts";
import { withLog, withoutProxy, withProxy } from "../model/edit.ts";
import type { Id, Ms, Proxy, Severity, State } from "../model/state.ts";

/** Something to do in the world; each room of `effects` says what its own holds. */
export interface AnyEffect {
	readonly call: string;
}

/** A plan in the making: the state as it will be stored, and the earliest instant at which to look again. */
export class Draft {
	state: State;
	readonly now: Ms;
	readonly random: () => number;
	wakeAt: Ms = Number.POSITIVE_INFINITY;
	/** What to do now, the most urgent first. */
	readonly effects: AnyEffect[] = [];
	/** VMs that are wanted, fit all other bounds, and have no part of the deployment's budget yet. */
	lacking = 0;
	/** What each of them costs an hour, at the most. */
	lackingHourly = 0;
	/** Why a bound on cost keeps VMs from being launched; null: none does. */
	held: string | null = null;

	constructor(state: State, now: Ms, random: () => number) {
		this.state = state;
		this.now = now;
		this.random = random;
	}

	get proxies(): Iterable<Proxy> {
		return this.state.proxies.values();
	}

	put(proxy: Proxy): void {
		this.state = withProxy(this.state, proxy);
	}

	/** Its VM is known to be gone, or was never made. */
	remove(id: Id): void {
		const gone = this.state.proxies.get(id);
		if (gone !== undefined) this.state = withoutProxy(withCharge(this.state, gone, this.now), id, this.now);
	}

	call<Effect extends AnyEffect>(effect: Effect): void {
		this.effects.push(effect);
	}

	message(severity: Severity, text: string): void {
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
}
