/** That a call goes out, and what came of it, folded in. */
import { adoptFailed, released, releaseFailed, retagSent } from "./adopt.ts";
import { reserveFailed, reserveSent } from "./budget.ts";
import { credentialsAsked } from "./credentials.ts";
import { backedOff, inPhase, nameOf, withFailed, withLog, withoutProxy, withProxy, withRepeated } from "./edit.ts";
import type { Effect, Event, Failure } from "./events.ts";
import { finishAccepted, finishing, finishSent } from "./finish.ts";
import { firewallAtCreate, firewallChanged, firewallFailed, firewallSent } from "./firewall.ts";
import { BACK_OFF, type BackOff, closed, OPEN, pauseMs } from "./gates.ts";
import { LOOK_AFTER_DELETE_MS, LOST_RESULT_MS } from "./limits.ts";
import { pricingFailed } from "./pricing.ts";
import { sessionsSent, withoutSessions } from "./sessions.ts";
import type { Gate, Ms, State, Stray } from "./state.ts";

export function applySent(state: State, effect: Effect, tokenHash: string | null, now: Ms): State {
	switch (effect.call) {
		case "create": {
			const proxy = state.proxies.get(effect.id);
			if (proxy?.phase.at !== "launching") return state;
			const credentials = credentialsAsked(state)?.version ?? 0;
			const behind = { ...state, firewall: firewallAtCreate(state) };
			return withProxy(behind, {
				...proxy,
				phase: { at: "launching", sentAt: now },
				createdAt: now,
				tokenHash,
				credentials,
				account: state.account,
				retryAt: 0,
			});
		}
		case "finish":
			return finishSent(state, effect, tokenHash, now);
		case "delete":
		case "restart": {
			const proxy = state.proxies.get(effect.id);
			if (proxy === undefined) return state;
			// A registration that comes from here on is the restarted agent's.
			const registered = effect.call === "restart" ? false : proxy.registered;
			return withProxy(withoutSessions(state, effect.id), { ...proxy, registered, retryAt: now + LOST_RESULT_MS });
		}
		case "deleteStray":
			return withStray(state, effect.vm, (stray) => ({ ...stray, retryAt: now + LOST_RESULT_MS }));
		case "adopt":
		case "release":
			return retagSent(state, effect, now);
		case "publish":
			return { ...state, published: { ...state.published, version: effect.version } };
		case "firewall":
			return firewallSent(state, now);
		case "sessions":
			return sessionsSent(state, now);
		case "reserve":
			return reserveSent(state, effect, now);
		case "forget":
			return { ...state, leaving: true };
		default:
			return state;
	}
}

export function applyAccepted(state: State, effect: Effect, now: Ms): State {
	if (effect.call === "firewall") return firewallChanged(state, effect.allow, now);
	if (effect.call === "release") return released(state, effect.id, now);
	if (effect.call === "finish") return finishAccepted(state, effect, now);
	if (effect.call === "delete") {
		const proxy = state.proxies.get(effect.id);
		if (proxy?.phase.at !== "deleting" || proxy.phase.vm !== effect.vm) return state;
		if (proxy.phase.acceptedAt !== null) return backedOff(state, proxy, now);
		const phase = { ...proxy.phase, acceptedAt: now };
		return withProxy(state, { ...proxy, phase, tries: 0, retryAt: now + LOOK_AFTER_DELETE_MS });
	}
	if (effect.call === "restart") {
		const proxy = state.proxies.get(effect.id);
		if (proxy?.phase.at !== "restarting" || proxy.phase.step !== effect.step) return state;
		if (state.spec.twoStepRestart && effect.step === "off") {
			return withProxy(state, { ...proxy, phase: { ...proxy.phase, step: "on" }, tries: 0, retryAt: 0 });
		}
		const { vm } = proxy.phase;
		return withProxy(state, { ...inPhase(proxy, { at: "unready", vm }, "restarted; not back yet", now), failedProbes: 0, offSince: null });
	}
	return state;
}

export function applyFailed(known: State, effect: Effect, failure: Failure, now: Ms): State {
	const seed = known.pool.object;
	let state = known;
	// A key that may make VMs and not read price lists is a good one.
	if (failure.kind === "auth" && effect.call !== "price") {
		const why = `the provider refuses our credentials: ${failure.say}`;
		state = withGate(state, "auth", closed(state.gates.auth, BACK_OFF.auth, now, why, seed), now, "ERROR");
	} else if (failure.kind === "rate") {
		const gate = closed(state.gates.rate, BACK_OFF.rate, now, `the provider limits our rate: ${failure.say}`, seed, failure.retryAt);
		// Several calls of one burst may name different times: the latest counts.
		state = withGate(state, "rate", { ...gate, until: Math.max(gate.until, state.gates.rate.until) }, now, "WARNING");
	}
	switch (effect.call) {
		case "create":
			return createFailed(state, effect.id, failure, now);
		case "finish": {
			const proxy = finishing(state, effect);
			if (proxy === undefined) return state;
			const why = `the create of ${nameOf(proxy)} could not be finished: ${failure.say}`;
			// What does not exist is looked for, and believed gone in time.
			const suspectAt = failure.kind === "notFound" ? (proxy.suspectAt ?? now) : proxy.suspectAt;
			const after = backedOff(withProxy(state, { ...proxy, suspectAt }), proxy, now);
			const backOff = LAUNCH_BACK_OFF[failure.kind];
			const isRefused = failure.kind === "quota" || failure.kind === "capacity" || failure.kind === "invalid";
			if (isRefused && backOff !== null) {
				return withGate(after, "launch", closed(state.gates.launch, backOff, now, why, seed, failure.retryAt), now, "ERROR");
			}
			return proxy.tries > 0 ? after : withLog(after, now, "WARNING", why);
		}
		case "delete":
		case "restart":
		case "find": {
			const proxy = state.proxies.get(effect.id);
			if (proxy === undefined) return state;
			const after = backedOff(state, proxy, now);
			if (effect.call === "find" || proxy.tries > 0) return after;
			const what = effect.call === "delete" ? "delete" : "restart";
			return withLog(after, now, "WARNING", `${what} of ${nameOf(proxy)} failed: ${failure.say}`);
		}
		case "adopt":
			return adoptFailed(state, effect.id, failure, now);
		case "release":
			return releaseFailed(state, effect.id, failure, now);
		case "deleteStray":
			return withStray(state, effect.vm, (stray) => {
				const tries = stray.tries + 1;
				return { ...stray, tries, retryAt: now + pauseMs(BACK_OFF.proxy, tries, effect.vm) };
			});
		case "list": {
			const why = `the inventory cannot be read: ${failure.say}`;
			return withGate(state, "list", closed(state.gates.list, BACK_OFF.list, now, why, seed, failure.retryAt), now, "WARNING");
		}
		case "publish":
		case "forget": {
			const why = `the database cannot be written: ${failure.say}`;
			return withGate(state, "publish", closed(state.gates.publish, BACK_OFF.publish, now, why, seed), now, "WARNING");
		}
		case "firewall":
			return firewallFailed(state, failure, now);
		case "reserve":
			return reserveFailed(state, failure, now);
		case "price":
			return pricingFailed(state, failure, now);
		case "probe":
		case "probeStatic":
		case "measure":
		case "sessions": // its next turn comes after an interval
			return state;
		default:
			return effect satisfies never;
	}
}

/** A gate's failures are logged, each reason once and then how often. */
function withGate(state: State, which: keyof State["gates"], gate: Gate, now: Ms, severity: "WARNING" | "ERROR"): State {
	return withRepeated({ ...state, gates: { ...state.gates, [which]: gate } }, now, severity, gate.why);
}

/** How long creates rest after a refusal of that kind; null: another gate, or a look, sees to it. */
const LAUNCH_BACK_OFF: Readonly<Record<Failure["kind"], BackOff | null>> = {
	auth: null,
	rate: null,
	unknown: null,
	conflict: null,
	quota: BACK_OFF.capacity,
	capacity: BACK_OFF.capacity,
	invalid: BACK_OFF.invalid,
	notFound: BACK_OFF.invalid,
	transient: BACK_OFF.launch,
};

/** `unknown` and `conflict` leave the intent to be looked up by its name; every other kind means that certainly nothing was made. */
function createFailed(state: State, id: string, failure: Failure, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy?.phase.at !== "launching" || proxy.phase.sentAt === null) return state;
	if (failure.kind === "unknown" || failure.kind === "conflict") {
		const waiting = { ...proxy, why: `looked up: ${failure.say}`, tries: 0, retryAt: 0 };
		return withLog(withProxy(state, waiting), now, "WARNING", `the create of ${id} is looked up: ${failure.say}`);
	}
	const why = `launch failed: ${failure.say}`;
	const seed = state.pool.object;
	const dropped = withFailed(withoutProxy(state, id, now), { id, vm: null, address: null, at: now, why });
	const backOff = LAUNCH_BACK_OFF[failure.kind];
	if (backOff === null) return dropped;
	return withGate(dropped, "launch", closed(state.gates.launch, backOff, now, why, seed, failure.retryAt), now, "ERROR");
}

function withStray(state: State, vm: string, change: (stray: Stray) => Stray): State {
	const stray = state.strays.get(vm);
	return stray === undefined ? state : { ...state, strays: new Map(state.strays).set(vm, change(stray)) };
}

export function applyPublished(state: State, event: Event & { on: "published" }, now: Ms): State {
	let after: State = { ...state, gates: { ...state.gates, publish: OPEN } };
	for (const proxy of state.proxies.values()) {
		const { phase } = proxy;
		if (phase.at !== "draining" || phase.hiddenAt !== null || proxy.since > event.startedAt) continue;
		after = withProxy(after, { ...proxy, phase: { ...phase, hiddenAt: now } });
	}
	// An entry that was renewed since keeps its number.
	const log = after.log.filter((entry) => entry.seq > event.logSeq || entry.at > event.startedAt);
	return { ...after, published: { hash: event.hash, version: after.published.version }, log };
}
