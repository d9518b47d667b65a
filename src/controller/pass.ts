import { apply } from "../core/apply.ts";
import { isStillDue } from "../core/effects.ts";
import type { Effect, Event } from "../core/events.ts";
import { plan } from "../core/plan.ts";
import type { Id, Ms, State } from "../core/state.ts";

/** What the runner needs of the world; production and the simulator each bring their own. */
export interface Ports {
	/** The state as it is now: anything may have changed it since the last await. */
	load(): State;
	/** Stores what changed and sees to an alarm at min(armed, wakeAt), in one transaction. Throws where this instance was superseded. */
	commit(before: State, after: State, wakeAt: Ms | null): void;
	/** Does one effect. Never throws: a failure is an event. */
	call(effect: Effect, state: State): Promise<Event>;
	/** Mints a boot token, keeps it for the create that follows, and returns its SHA-256 in hex. */
	mintToken(id: Id): string;
	/** Outbound calls made in this pass so far. */
	callsMade(): number;
	now(): Ms;
	/** In [0, 1). */
	random(): number;
}

/** The free plan allows 50 outbound calls and six at a time; the margin is for effects that take more than one call. */
export const CALLS_A_PASS = 40;
const CONCURRENT_CALLS = 6;
/** Probes wait for silence: they must not hold up what costs money. */
const CONCURRENT_PROBES = 3;

/**
 * One pass: plan, commit, call (six at a time), apply and commit each result. What the budget leaves over, and what the results
 * call for, is planned again at once by the next pass: the alarm is armed for now. Only the alarm may run this.
 */
export async function pass(ports: Ports, callsAPass: number = CALLS_A_PASS): Promise<void> {
	const before = ports.load();
	const planned = plan(before, ports.now(), ports.random);
	ports.commit(before, planned.state, planned.isFinal ? planned.wakeAt : null);
	if (planned.isFinal) return;

	const waiting = [...planned.effects];
	const running = new Set<Promise<void>>();
	let probing = 0;
	let dispatched = 0;
	const next = (): Effect | undefined => {
		const index = waiting.findIndex((effect) => !isProbe(effect) || probing < CONCURRENT_PROBES);
		return index < 0 ? undefined : waiting.splice(index, 1)[0];
	};
	while (waiting.length > 0 || running.size > 0) {
		const isSpent = Math.max(dispatched, ports.callsMade() + running.size) >= callsAPass;
		const effect = running.size < CONCURRENT_CALLS && !isSpent ? next() : undefined;
		if (effect === undefined) {
			if (running.size === 0) break;
			await Promise.race(running);
			continue;
		}
		if (!isStillDue(ports.load(), effect, ports.now())) continue;
		dispatched++;
		if (isProbe(effect)) probing++;
		const done = perform(ports, effect).finally(() => {
			running.delete(done);
			if (isProbe(effect)) probing--;
		});
		running.add(done);
	}
	rearm(ports);
}

async function perform(ports: Ports, effect: Effect): Promise<void> {
	if (isMutating(effect)) {
		const token = effect.call === "create" || effect.call === "finish" ? { tokenHash: ports.mintToken(effect.id) } : {};
		fold(ports, { on: "sent", effect, ...token });
	}
	fold(ports, await ports.call(effect, ports.load()));
}

function fold(ports: Ports, event: Event): void {
	const before = ports.load();
	ports.commit(before, apply(before, event, ports.now()), null);
}

/** What changes the world outside is preceded by a stored fact, which also fences an instance that a deploy has superseded. */
function isMutating({ call }: Effect): boolean {
	return call !== "find" && call !== "list" && call !== "price" && call !== "probe" && call !== "probeStatic" && call !== "measure";
}

function isProbe({ call }: Effect): boolean {
	return call === "probe" || call === "probeStatic";
}

/** Takes in a fact from outside a pass, and arms the alarm for what follows from it. */
export function take(ports: Ports, event: Event): void {
	const before = ports.load();
	fold(ports, event);
	const after = ports.load();
	if (after !== before && !isRoutine(event, before, after)) rearm(ports);
}

/** The report of a ready proxy that tells nothing new but how it fares: it puts deadlines off and brings none forward. */
function isRoutine(event: Event, before: State, after: State): boolean {
	return event.on === "heartbeat" && after.proxies === before.proxies && after.proxies.get(event.id)?.phase.at === "ready";
}

/** Whether the alarm is to be set anew: always the earlier of what is armed and what is due, so that no wake-up is overwritten. */
export function mustArm(armedAt: Ms | null, at: Ms): boolean {
	return armedAt === null || at < armedAt;
}

/** Arms the alarm for when the state as it is now has something to do. */
export function rearm(ports: Ports): void {
	const state = ports.load();
	const now = ports.now();
	const next = plan(state, now, ports.random);
	ports.commit(state, state, next.effects.length > 0 || next.state !== state ? now : next.wakeAt);
}
