import { type Effect, roomOf } from "../core/effects/index.ts";
import type { Slot } from "../core/effects/room.ts";
import type { Event, Outcome } from "../core/events.ts";
import type { Id, Ms, State } from "../core/model/state.ts";
import { dueAt, plan } from "../core/plan.ts";
import type { Bell } from "./bell.ts";

/** What a pass needs of the controller and its host. */
export interface Ports {
	/** The state as it is now: anything may have changed it since the last await. */
	load(): State;
	/** Takes in what lines show by themselves, where that was not just done. */
	hear(): void;
	/** Stores what changed, and sees to an alarm at min(armed, wakeAt). Throws where this instance was superseded. */
	commit(before: State, after: State, wakeAt: Ms | null): void;
	/** Applies a fact and stores what came of it. */
	dispatch(event: Event): void;
	/** Does one effect. Never throws: a failure is an outcome. */
	call(effect: Effect, state: State): Promise<Outcome>;
	/** Mints a boot token, keeps it for the call that follows, and returns its SHA-256 in hex. */
	mintToken(id: Id): string;
	/** Outbound calls made in this pass so far. */
	callsMade(): number;
	/** Somebody waits until the last change can be read in D1. */
	isAwaited(): boolean;
	/** Rings when the state was changed from outside. */
	readonly bell: Pick<Bell, "ring" | "wait">;
	now(): Ms;
	/** In [0, 1). */
	random(): number;
}

/** The free plan allows 50 outbound calls an invocation; the margin is for effects that take more than one call. */
export const CALLS_A_PASS = 40;
/** It allows 50 statements to D1 as well, of which a publication takes up to six. */
const DATABASE_CALLS_A_PASS = 8;
/** Six connections may wait for an answer at one time, of which one is always left to what cannot hang for long. */
const MOST_CONNECTIONS = 6;
/** Of the connections, how many a kind may have: creates that hang for their 30 s hold up neither deletes nor probes. */
const MOST_OF_A_KIND: Readonly<Record<Slot, number>> = { create: 3, call: 4, probe: 3, database: 2 };
const MOST_TO_PROVIDER = 5;
/** While calls are under way what they change is published after so long, and each time after twice as long; at once where somebody waits for it. */
const PUBLISH_SPACING_MS = 1_000;

/**
 * One pass: plan, store, call; and plan anew whenever a result has come, something was changed from outside, or a time has come, while what is
 * under way is known. It ends when nothing is under way and nothing can be started. Only the alarm may run this.
 */
export async function pass(ports: Ports, callsAPass: number = CALLS_A_PASS): Promise<void> {
	const running = new Running(ports, callsAPass);
	for (;;) {
		// A pass may last for minutes.
		ports.hear();
		const before = ports.load();
		const planned = plan(before, ports.now(), ports.random);
		const isOver = planned.isFinal && running.isEmpty;
		ports.commit(before, planned.state, isOver ? planned.wakeAt : null);
		if (isOver) return;
		const startable = running.start(planned.effects);
		if (running.isEmpty) break;
		await ports.bell.wait(Math.min(planned.wakeAt, startable) - ports.now());
		running.rethrow();
	}
	rearm(ports);
}

/** What is under way in a pass. */
class Running {
	private readonly ports: Ports;
	private readonly callsAPass: number;
	private readonly subjects = new Set<string>();
	private readonly slots: Record<Slot, number> = { create: 0, call: 0, probe: 0, database: 0 };
	private started = 0;
	private databaseCalls = 0;
	private publications = 0;
	private publishAt: Ms = 0;
	private error: { readonly thrown: unknown } | null = null;

	constructor(ports: Ports, callsAPass: number) {
		this.ports = ports;
		this.callsAPass = callsAPass;
	}

	get isEmpty(): boolean {
		return this.subjects.size === 0;
	}

	/** Starts what may be started now; returns when something that only waits for its time may be. */
	start(effects: readonly Effect[]): Ms {
		let laterAt = Number.POSITIVE_INFINITY;
		for (const effect of effects) {
			const room = roomOf(effect);
			if (this.subjects.has(room.subject(effect)) || !this.hasSlot(room.slot)) continue;
			if (effect.call === "publish" && this.mustWait()) {
				laterAt = this.publishAt;
				continue;
			}
			if (!room.isStillDue(this.ports.load(), effect, this.ports.now())) continue;
			void this.perform(effect);
		}
		return laterAt;
	}

	/** An instance that was superseded, or a fault of ours, ends the pass. */
	rethrow(): void {
		if (this.error !== null) throw this.error.thrown;
	}

	private hasSlot(slot: Slot): boolean {
		const { create, call, probe, database } = this.slots;
		if (this.slots[slot] >= MOST_OF_A_KIND[slot]) return false;
		if (slot === "database") return this.databaseCalls < DATABASE_CALLS_A_PASS;
		const connections = create + call + probe;
		const isSpent = Math.max(this.started, this.ports.callsMade() + connections + database) >= this.callsAPass;
		return !isSpent && connections < MOST_CONNECTIONS && (slot === "probe" || create + call < MOST_TO_PROVIDER);
	}

	/** What goes on changing is not published at each change. */
	private mustWait(): boolean {
		const { create, call, probe } = this.slots;
		return create + call + probe > 0 && this.ports.now() < this.publishAt && !this.ports.isAwaited();
	}

	private async perform(effect: Effect): Promise<void> {
		const { ports } = this;
		const room = roomOf(effect);
		const subject = room.subject(effect);
		this.subjects.add(subject);
		this.slots[room.slot]++;
		if (room.slot === "database") this.databaseCalls++;
		else this.started++;
		if (effect.call === "publish") this.publishAt = ports.now() + PUBLISH_SPACING_MS * 2 ** this.publications++;
		try {
			if (room.isMutating) {
				const token = room.mintsToken && "id" in effect ? { tokenHash: ports.mintToken(effect.id) } : {};
				ports.dispatch({ on: "sent", effect, ...token });
			}
			ports.dispatch(await ports.call(effect, ports.load()));
		} catch (thrown) {
			this.error = { thrown };
		} finally {
			this.subjects.delete(subject);
			this.slots[room.slot]--;
			ports.bell.ring();
		}
	}
}

/** Whether the alarm is to be set anew: always the earlier of what is armed and what is due, so that no wake-up is overwritten. */
export function mustArm(armedAt: Ms | null, at: Ms): boolean {
	return armedAt === null || at < armedAt;
}

/**
 * When the alarm is set that is due at `at`: a whole millisecond, after now. workerd never delivers one that a handler sets for the very
 * millisecond that it was called for (findings/workerd-alarm-same-millisecond.sh).
 */
export function alarmTime(at: Ms, now: Ms): Ms {
	return Math.max(Math.ceil(at), Math.floor(now) + 1);
}

/** Arms the alarm for when the state as it is now has something to do. */
export function rearm(ports: Pick<Ports, "load" | "commit" | "now" | "random">): void {
	const state = ports.load();
	ports.commit(state, state, dueAt(state, ports.now(), ports.random));
}
