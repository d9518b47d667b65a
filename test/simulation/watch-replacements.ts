import type { Id, Ms, Proxy, State } from "../../src/core/model/state.ts";
import type { Host } from "./host.ts";
import type { Changes } from "./record.ts";
import { HOUR, MINUTE, SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

/** A pool counts by whole minutes. */
const SLACK_MS = 2 * MINUTE;

/**
 * What is replaced, and when what was ready may go for it. Kept apart from what the pool believes: by what was ordered, and what its settings say.
 */
export class Replacements {
	private readonly world: World;
	private readonly broken: (promise: string, message: string) => void;
	private readonly destroyedAt = new Map<string, Ms[]>();
	/** VMs that an operator had taken in: until one is ready nobody knows whether it will serve, and no proxy is missing for it. */
	private readonly takenIn = new Set<string>();
	/** By pool: proxies that were there when an operator ordered all to be replaced, and that nobody has spared since. */
	private readonly rolled = new Map<string, ReadonlySet<Id>>();

	constructor(world: World, broken: (promise: string, message: string) => void) {
		this.world = world;
		this.broken = broken;
	}

	/** The pool was started anew, or moved: it may replace what is missing. */
	restarted(object: string): void {
		this.destroyedAt.delete(object);
	}

	/** Those that an operator has ordered to be replaced. */
	rolledOf({ object }: Host): ReadonlySet<Id> {
		return this.rolled.get(object) ?? new Set();
	}

	/** All whose VMs are there, or may be, are to go; or of those only what goes already. */
	rolling(host: Host, isOn: boolean): void {
		const { state } = host;
		if (state === null || (isOn && state.run !== "running")) return;
		const proxies = [...state.proxies.values()];
		const known = this.rolledOf(host);
		const isLeaving = ({ at }: Proxy["phase"]) => at === "draining" || at === "deleting";
		const isThere = ({ phase }: Proxy) =>
			phase.at !== "deleting" &&
			phase.at !== "adopting" &&
			phase.at !== "releasing" &&
			!(phase.at === "launching" && phase.sentAt === null);
		const chosen = isOn ? proxies.filter(isThere) : [];
		const kept = proxies.filter(({ id, phase }) => known.has(id) && (isOn || isLeaving(phase)));
		this.rolled.set(host.object, new Set([...kept, ...chosen].map(({ id }) => id)));
	}

	/** 7 (rules) and 5: what was ready goes only for a reason that allows it, or once another stands in for it. An operator's own order apart. */
	letGo(host: Host, was: Proxy, { before, after }: { readonly before: State; readonly after: State }): void {
		if (after.run === "stopped" || after.run === "removing") return;
		const machine = "vm" in was.phase && was.phase.vm !== null ? this.world.cloud.machines.get(was.phase.vm) : undefined;
		if (machine === undefined || machine.power === "off" || machine.goneAt !== null || machine.goingAt !== null) return;
		// A draining spare that was taken back is rolled like the others, and never one that came later.
		const isRolled = after.proxies.get(was.id)?.why === "rolled by an operator";
		if (isRolled && !this.rolledOf(host).has(was.id)) this.broken("5", `${was.id} is rolled, though it came after the order`);
		if (isRolled && after.spec.rolling.enabled) {
			this.recycled(was, before, after);
			return;
		}
		const { ageLimitSeconds } = after.spec;
		if (ageLimitSeconds > 0 && host.now() >= was.createdAt + ageLimitSeconds * SECOND) {
			this.recycled(was, before, after);
			return;
		}
		let standing = 0;
		const isOut = ({ at }: Proxy["phase"]) => at === "unready" || at === "restarting";
		for (const { phase, wasReady } of after.proxies.values()) if (phase.at === "ready" || (isOut(phase) && wasReady)) standing++;
		const why = after.proxies.get(was.id)?.why;
		if (standing < after.spec.min)
			this.broken("7", `${was.id} was ready and is let go (${why}) with ${standing} of ${after.spec.min} standing`);
	}

	/** 5: with rolling on, the aged ones go only as long as enough are ready. */
	private recycled(was: Proxy, before: State, after: State): void {
		const { rolling, min } = after.spec;
		if (!rolling.enabled || was.phase.at !== "ready") return;
		const floor = Math.min(min, rolling.minAvailable < min ? rolling.minAvailable : Math.max(1, min - 1));
		let standing = 0;
		for (const proxy of after.proxies.values()) {
			// Those that fell ill at the same moment were not let go.
			const fellIll = proxy.phase.at === "unready" && before.proxies.get(proxy.id)?.phase.at === "ready";
			if (proxy.phase.at === "ready" || fellIll) standing++;
		}
		if (standing < floor) this.broken("5", `${was.id} is recycled with ${standing} ready where ${floor} are to stay`);
	}

	/**
	 * What operators destroy in an hour beyond what may be replaced stays missing. Judged only where nothing else can be the reason for one more than
	 * the target.
	 */
	committed(host: Host, before: State, after: State, changes: Changes): void {
		const { object } = host;
		if (before.run !== after.run) this.restarted(object);
		if (changes.length === 0) return;
		const times = this.destroyedAt.get(object) ?? [];
		for (const [, was, is] of changes) {
			const isDeleted = is?.phase.at === "deleting" && was?.phase.at !== "deleting";
			if (isDeleted && is.why === "destroyed by an operator") times.push(host.now());
		}
		const recent = times.filter((at) => at > host.now() - HOUR + SLACK_MS);
		this.destroyedAt.set(object, recent);
		let [added, kept] = [0, 0];
		for (const [id, { phase, wasReady }] of after.proxies) {
			if (phase.at === "launching" && !before.proxies.has(id)) added++;
			if (phase.at === "adopting") this.takenIn.add(id);
			if (this.takenIn.has(id) && !wasReady) continue;
			if (phase.at === "draining" || phase.at === "deleting" || phase.at === "releasing") continue;
			if (phase.at === "unready" && wasReady) return;
			kept++;
		}
		for (const { isRolled } of after.proxies.values()) if (isRolled) return;
		if (added === 0 || after.spec.ageLimitSeconds > 0 || after.assists.size > 0) return;
		const bound = after.spec.maxReplacementsPerHour ?? Math.max(6, 2 * after.target);
		const waiting = Math.max(0, recent.length - bound);
		if (waiting === 0 || kept <= after.target - waiting) return;
		const sums = `${recent.length} were destroyed within the hour and ${bound} may be replaced`;
		this.broken("replacements", `${object} launches ${added} to have ${kept} of ${after.target}, though ${sums}`);
	}
}
