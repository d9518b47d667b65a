import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";
import type { Action, Lasting } from "./scenario.ts";

/** Which lasting faults are on, and how often each kind struck. */
export class Faults {
	/** By kind: how often it struck. */
	readonly struck = new Map<string, number>();
	private readonly on = new Map<Lasting, Action[]>();
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
			else this.on.delete(what);
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

	count(what: string): void {
		this.struck.set(what, (this.struck.get(what) ?? 0) + 1);
	}
}
