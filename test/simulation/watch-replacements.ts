import type { Ms, State } from "../../src/core/model/state.ts";
import type { Changes } from "./record.ts";
import { HOUR, MINUTE } from "./scenario.ts";

/** A pool counts by whole minutes. */
const SLACK_MS = 2 * MINUTE;

/**
 * What operators destroy in an hour beyond what may be replaced stays missing. Kept apart from what the pool believes: by what was destroyed,
 * and what its settings say. Judged only where nothing else can be the reason for one more than the target.
 */
export class Replacements {
	private readonly destroyedAt = new Map<string, Ms[]>();
	/** VMs that an operator had taken in: until one is ready nobody knows whether it will serve, and no proxy is missing for it. */
	private readonly takenIn = new Set<string>();

	/** The pool was started anew, or moved: it may replace what is missing. */
	restarted(object: string): void {
		this.destroyedAt.delete(object);
	}

	/** What is wrong with the launches that a commit adds, or null. `now` is the pool's own clock. */
	judge(object: string, before: State, after: State, changes: Changes, now: Ms): string | null {
		if (before.run !== after.run) this.restarted(object);
		if (changes.length === 0) return null;
		const times = this.destroyedAt.get(object) ?? [];
		for (const [, was, is] of changes) {
			const isDeleted = is?.phase.at === "deleting" && was?.phase.at !== "deleting";
			if (isDeleted && is.why === "destroyed by an operator") times.push(now);
		}
		const recent = times.filter((at) => at > now - HOUR + SLACK_MS);
		this.destroyedAt.set(object, recent);
		let [added, kept] = [0, 0];
		for (const [id, { phase, wasReady }] of after.proxies) {
			if (phase.at === "launching" && !before.proxies.has(id)) added++;
			if (phase.at === "adopting") this.takenIn.add(id);
			if (this.takenIn.has(id) && !wasReady) continue;
			if (phase.at === "draining" || phase.at === "deleting" || phase.at === "releasing") continue;
			if (phase.at === "unready" && wasReady) return null;
			kept++;
		}
		for (const { isRolled } of after.proxies.values()) if (isRolled) return null;
		if (added === 0 || after.spec.ageLimitSeconds > 0) return null;
		const bound = after.spec.maxReplacementsPerHour ?? Math.max(6, 2 * after.target);
		const waiting = Math.max(0, recent.length - bound);
		if (waiting === 0 || kept <= after.target - waiting) return null;
		return `${object} launches ${added} to have ${kept} of ${after.target}, though ${recent.length} were destroyed within the hour and ${bound} may be replaced`;
	}
}
