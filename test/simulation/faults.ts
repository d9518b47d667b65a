import type { Ms } from "../../src/core/model/state.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";
import type { Action, Lasting } from "./scenario.ts";

/** Which lasting faults are on, and how often each kind struck. */
export class Faults {
	/** By kind: how often it struck. */
	readonly struck = new Map<string, number>();
	private readonly on = new Map<Lasting, Action[]>();
	/** By kind: when it was last over. */
	private readonly overAt = new Map<Lasting, Ms>();
	private readonly clock: Clock;
	private readonly random: Random;

	constructor(clock: Clock, random: Random) {
		this.clock = clock;
		this.random = random;
	}

	begin(action: Action): void {
		const what = action.what as Lasting;
		this.on.set(what, [...(this.on.get(what) ?? []), action]);
		this.clock.after(action.forMs, () => {
			const left = (this.on.get(what) ?? []).filter((one) => one !== action);
			if (left.length > 0) this.on.set(what, left);
			else {
				this.on.delete(what);
				this.overAt.set(what, this.clock.now);
			}
		});
	}

	/** Whether the fault strikes this time. */
	strikes(what: Lasting): boolean {
		if (this.on.size === 0) return false;
		const actions = this.on.get(what);
		if (actions === undefined || !actions.some(({ p }) => p === 1 || this.random.chance(p))) return false;
		this.count(what);
		return true;
	}

	isOn(what: Lasting): boolean {
		return this.on.has(what);
	}

	/** Whether it was on at any time since then. */
	wasOn(what: Lasting, since: Ms): boolean {
		return this.on.has(what) || (this.overAt.get(what) ?? Number.NEGATIVE_INFINITY) >= since;
	}

	count(what: string): void {
		this.struck.set(what, (this.struck.get(what) ?? 0) + 1);
	}
}
