import {
	adoptFailed,
	isReleasable,
	proxyNamed,
	released,
	releaseFailed,
	retagSent,
	withAdoption,
	withConfirmation,
	withoutConfirmation,
	withRelease,
	withRemembered,
} from "./adopt.ts";
import { newState } from "./birth.ts";
import { budgeted, reserved, reserveFailed, reserveSent } from "./budget.ts";
import { withStrayCharge } from "./cost.ts";
import { absenceCountsFrom, isPending, vmOf } from "./count.ts";
import { credentialsAsked, withAsked } from "./credentials.ts";
import { woken } from "./demand.ts";
import { inPhase, nameOf, withFailed, withLog, withoutProxy, withProxy, withRepeated, withVitals } from "./edit.ts";
import { finishAccepted, finishing, finishSent } from "./finish.ts";
import { firewallAtCreate, firewallChanged, firewallFailed, firewallSent } from "./firewall.ts";
import { BACK_OFF, type BackOff, closed, OPEN, pauseMs } from "./gates.ts";
import { HEARTBEAT_SHARE, LOOK_AFTER_DELETE_MS, LOST_RESULT_MS, MOST_LOG_CHARS, PROBE_RETRY_MS, PROBES_TO_FAIL } from "./limits.ts";
import { reportedMetrics, withPosted } from "./metrics.ts";
import { refusalOf } from "./orders.ts";
import { priced, pricingFailed } from "./pricing.ts";
import { judgeRegistration } from "./registration.ts";
import { isSameRolling, rollingInForce } from "./rolling.ts";
import { sessionsSent, sessionsShown, withDrop, withoutSessions, withSessions } from "./sessions.ts";
import type { Command, Effect, Event, Failure, Gate, Ms, ProviderName, Proxy, Rate, Settings, State, Stray, Vm } from "./state.ts";
import { staticProbed } from "./statics.ts";

/** Folds one fact into the state. It decides nothing: what follows from the fact is `plan`'s. */
export function apply(state: State, event: Event, now: Ms): State {
	const known = "rate" in event && event.rate !== undefined ? { ...state, rate: event.rate satisfies Rate } : state;
	switch (event.on) {
		case "command":
			return applyCommand(known, event.command, now);
		case "registered":
			return applyRegistered(known, event, now);
		case "heartbeat": {
			const proxy = known.proxies.get(event.id);
			if (proxy === undefined) return known;
			const metrics = reportedMetrics(event.metrics);
			const reported = withSessions(known, event.id, event.sessions, event.active);
			const heard = withVitals(reported, event.id, { heardAt: now, active: event.active, reportedAt: now, metrics, metricsAt: now });
			return proxy.credentials === event.credentials ? heard : withProxy(heard, { ...proxy, credentials: event.credentials });
		}
		case "unregistered":
			return applyUnregistered(known, event.id, "its agent unregistered", now);
		case "sent":
			return applySent(known, event.effect, event.tokenHash ?? null, now);
		case "created": {
			const proxy = known.proxies.get(event.id);
			if (proxy?.phase.at !== "launching" || proxy.phase.sentAt === null) return known;
			return sighted(answered(known, now, "launch"), proxy, event.vm, now);
		}
		case "adopted": {
			const proxy = known.proxies.get(event.id);
			return proxy?.phase.at === "adopting" ? sighted(answered(known, now), proxy, event.vm, now) : known;
		}
		case "found":
			return applyFound(answered(known, now), event, now);
		case "accepted":
			return applyAccepted(answered(known, now), event.effect, now);
		case "gone": {
			const proxy = known.proxies.get(event.id);
			if (proxy?.phase.at !== "deleting") return known;
			return withProxy(answered(known, now), { ...proxy, absentAt: now, retryAt: Math.max(now, absenceCountsFrom(known, proxy)) });
		}
		case "strayGone": {
			const strays = new Map(known.strays);
			return strays.delete(event.vm) ? { ...withStrayCharge(answered(known, now), now), strays } : known;
		}
		case "listed":
			return applyListed(answered(known, now, "list"), event.vms, event.startedAt, now);
		case "probed":
			return applyProbed(known, event, now);
		case "staticProbed":
			return staticProbed(known, event, now);
		case "failed":
			return applyFailed(known, event.effect, event.failure, now);
		case "published":
			return applyPublished(known, event, now);
		case "sessionsShown":
			return sessionsShown(known, event.hash);
		case "fleet": {
			const perDay = (86_400 * event.proxies) / (event.dailyRequests * HEARTBEAT_SHARE);
			const heartbeatSeconds = Math.max(known.spec.intervalSeconds, Math.ceil(perDay));
			const leased = event.leased ?? null;
			const isSame = heartbeatSeconds === known.heartbeatSeconds && JSON.stringify(leased) === JSON.stringify(known.leased);
			return isSame ? known : { ...known, heartbeatSeconds, leased };
		}
		case "agentUrl":
			return event.url === known.agentUrl ? known : withLog({ ...known, agentUrl: event.url }, now, "INFO", `agents call ${event.url}`);
		case "rolling":
			return applyRolling(known, event, now);
		case "measured":
			return applyMeasured(known, event, now);
		case "budget":
			return budgeted(known, event.budget, now);
		case "reserved":
			return reserved(known, event, now);
		case "priced":
			return priced(known, event, now);
		case "forgotten":
			return { ...known, forgotten: true };
		default:
			return event satisfies never;
	}
}

/** The provider answered a call: its gates start anew, but one that is closed just now stays so (another call of the burst closed it). */
function answered(state: State, now: Ms, also?: "launch" | "list"): State {
	const after = opened(opened(state, "rate", now), "auth", now);
	return also === undefined ? after : opened(after, also, now);
}

function opened(state: State, gate: keyof State["gates"], now: Ms): State {
	const { failures, until } = state.gates[gate];
	return failures === 0 || until > now ? state : { ...state, gates: { ...state.gates, [gate]: OPEN } };
}

function applyCommand(state: State, command: Command, now: Ms): State {
	if (refusalOf(state, command) !== null) return state;
	switch (command.do) {
		case "scale": {
			if (state.spec.min === command.min && state.spec.max === command.max) return state;
			const text = `scaling set to min ${command.min}, max ${command.max}`;
			return withLog({ ...state, spec: { ...state.spec, min: command.min, max: command.max } }, now, "INFO", text);
		}
		case "configure":
			return applySettings(atProvider(state, command.provider ?? state.pool.provider, now), command.settings, command.account, now);
		case "run": {
			// It may be in the directory no more, where nobody would see to it, and nobody would find its VMs.
			if (state.leaving) return state;
			const keep = command.run === "removing" && command.keep === true;
			if (state.run === command.run && state.keep === keep && state.breach === null) return state;
			const words = {
				running: "started",
				paused: "paused",
				stopped: "stopped",
				removing: `removed: its VMs are being ${keep ? "let go" : "deleted"}`,
			};
			const gates = command.run === "running" ? { ...state.gates, launch: OPEN, boots: OPEN, auth: OPEN } : state.gates;
			// A pool that is to go needs no settings that can be read; what it still has would be billed for ever.
			const isResumed = command.run === "running" || command.run === "removing";
			const breach = isResumed ? null : state.breach;
			const suspended = command.run === "removing" ? null : state.suspended;
			// A pool that has long been empty is looked through once more before it is forgotten.
			const emptySince = command.run === "removing" && state.emptySince !== null ? now : state.emptySince;
			return withLog({ ...state, run: command.run, keep, gates, breach, suspended, emptySince, looks: 0 }, now, "INFO", words[command.run]);
		}
		case "destroy": {
			const proxy = state.proxies.get(command.id);
			if (proxy === undefined || proxy.phase.at === "deleting") return state;
			if (proxy.phase.at === "launching" && proxy.phase.sentAt === null) return withoutProxy(state, proxy.id, now);
			const doomed = inPhase(proxy, { at: "deleting", vm: vmOf(proxy), acceptedAt: null }, "destroyed by an operator", now);
			return withLog(withProxy(state, doomed), now, "INFO", `deleting ${nameOf(proxy)}: destroyed by an operator`);
		}
		case "restart": {
			const proxy = state.proxies.get(command.id);
			if (proxy === undefined) return state;
			const { phase } = proxy;
			if (phase.at !== "ready" && phase.at !== "unready" && phase.at !== "booting") return state;
			const resting = inPhase(proxy, { at: "restarting", vm: phase.vm, step: "off" }, "restarted by an operator", now);
			return withLog(withProxy(state, resting), now, "INFO", `restarting ${nameOf(proxy)}`);
		}
		case "wake":
			return woken(state, now);
		case "metrics":
			return applyPosted(state, command);
		case "adopt":
			return withAdoption(state, command.vm, now);
		case "release": {
			const proxy = proxyNamed(state, command.id);
			return proxy === null ? state : withRelease(state, proxy, "disassociated by an operator", now);
		}
		case "confirm":
			return withConfirmation(state, command.address, now);
		case "leave": {
			const left = withoutConfirmation(state, command.address);
			return left.id === null ? left.state : applyUnregistered(left.state, left.id, "an operator unregistered it", now);
		}
		case "drop":
			return withLog(withDrop(state, command.session, now), now, "INFO", `dropping session ${command.session}`);
		case "log":
			return withLog(state, now, command.severity, command.text.slice(0, MOST_LOG_CHARS));
		default:
			return command satisfies never;
	}
}

/** A pool without VMs at another provider, where it knows nothing yet: no list was read, no call was refused. */
function atProvider(state: State, provider: ProviderName, now: Ms): State {
	if (provider === state.pool.provider) return state;
	const { pool, strays, firewall, gates, listedAt, reconciledAt, rate, foreign } = newState({ ...state.pool, provider }, now);
	const fresh = { ...state, pool, strays, firewall, gates, listedAt, reconciledAt, rate, foreign, looks: 0 };
	return withLog(fresh, now, "INFO", `moved from ${state.pool.provider} to ${provider}`);
}

/** What a configuration settles. */
const SETTLED = [
	"account",
	"spec",
	"suspended",
	"environment",
	"agentUrl",
	"credentials",
	"allow",
] as const satisfies readonly (keyof State)[];

/** A bad setting suspends the pool, which keeps its last good ones; a PATCHed bound wins until the environment's own value changes. */
function applySettings(state: State, settings: Settings, account: string, now: Ms): State {
	if (settings.suspended !== null) {
		if (settings.suspended === state.suspended) return state;
		return withLog({ ...state, suspended: settings.suspended }, now, "ERROR", `suspended: ${settings.suspended}`);
	}
	const said = { min: settings.spec.min, max: settings.spec.max };
	const isSaidAnew = !settings.fromEnvironment || state.environment?.min !== said.min || state.environment.max !== said.max;
	const bounds = isSaidAnew ? said : { min: state.spec.min, max: state.spec.max };
	const after: State = {
		...state,
		account,
		spec: { ...settings.spec, ...bounds, rolling: rollingInForce(state.patchedRolling, settings.spec.rolling) },
		suspended: null,
		environment: settings.fromEnvironment ? said : null,
		agentUrl: settings.agentUrl ?? state.agentUrl,
		credentials: withAsked(state, settings.credentials),
		allow: settings.allow,
	};
	if (SETTLED.every((key) => JSON.stringify(after[key]) === JSON.stringify(state[key]))) return state;
	const heartbeatSeconds = Math.max(after.spec.intervalSeconds, state.heartbeatSeconds);
	const gates = { ...state.gates, launch: OPEN, auth: OPEN };
	// What was said of the rules was said of the former ones.
	return withLog({ ...after, heartbeatSeconds, gates, told: [] }, now, "INFO", "configuration updated");
}

/** Those of an address that no proxy has go nowhere. */
function applyPosted(state: State, { address, metrics }: Command & { do: "metrics" }): State {
	if (address === null) {
		const custom = withPosted(state.custom, metrics);
		return custom === state.custom ? state : { ...state, custom };
	}
	const proxy = [...state.proxies.values()].find((one) => one.address === address && one.phase.at !== "deleting");
	if (proxy === undefined) return state;
	const posted = withPosted(proxy.posted, metrics);
	return posted === proxy.posted ? state : withProxy(state, { ...proxy, posted });
}

function applyMeasured(state: State, { endpoint, found, startedAt }: Event & { on: "measured" }, now: Ms): State {
	if (endpoint !== state.spec.metricsSource) return state;
	if (typeof found !== "string") return { ...state, source: { ...found, endpoint, at: startedAt } };
	return state.told.includes(found) ? state : withLog({ ...state, told: [...state.told, found] }, now, "WARNING", found);
}

function applyRolling(state: State, { patched, environment }: Event & { on: "rolling" }, now: Ms): State {
	const rolling = rollingInForce(patched, environment);
	const isSame = isSameRolling(rolling, state.spec.rolling);
	if (isSame && JSON.stringify(patched) === JSON.stringify(state.patchedRolling)) return state;
	const after = { ...state, patchedRolling: patched, spec: { ...state.spec, rolling } };
	const words = rolling.enabled ? `on, at most ${rolling.batchSize} at a time, at least ${rolling.minAvailable} ready` : "off";
	return isSame ? after : withLog(after, now, "INFO", `rolling deployment is ${words}`);
}

function applyUnregistered(state: State, id: string, why: string, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy === undefined || !proxy.registered) return state;
	const left = { ...proxy, registered: false };
	return proxy.phase.at === "ready" ? unready(state, left, why, now) : withProxy(state, left);
}

function applyRegistered(state: State, event: Event & { on: "registered" }, now: Ms): State {
	const proxy = state.proxies.get(event.id);
	if (proxy === undefined) return state;
	const request = { id: event.id, tokenHash: proxy.tokenHash ?? "", keyHash: event.keyHash, address: event.address };
	if (judgeRegistration(state, request, now).is === "refused") {
		// Its VM may have another address by now: the inventory will say.
		const isElsewhere = proxy.address !== null && proxy.address !== event.address && proxy.keyHash === event.keyHash;
		return isElsewhere && proxy.suspectAt === null ? withProxy(state, { ...proxy, suspectAt: now }) : state;
	}
	if (proxy.address === null) {
		// The first one stands: a replay from elsewhere must not take its place. Where it is wrong the inventory says so.
		if (proxy.claim !== null) return state;
		return withProxy(state, { ...proxy, claim: { address: event.address, keyHash: event.keyHash, at: now } });
	}
	return confirmed(state, proxy, event.keyHash, now);
}

function confirmed(state: State, proxy: Proxy, keyHash: string, now: Ms): State {
	// It is probed at once, unless it registers time and again.
	const probedAt = state.vitals.get(proxy.id)?.probedAt ?? 0;
	const heard = withVitals(state, proxy.id, { heardAt: now, probedAt: probedAt > now - PROBE_RETRY_MS ? probedAt : 0 });
	if (proxy.registered && proxy.keyHash === keyHash) return heard;
	const after = withProxy(heard, { ...proxy, registered: true, keyHash, claim: null, failedProbes: 0 });
	return withLog(after, now, "INFO", `confirmed ${nameOf(proxy)}`);
}

function applySent(state: State, effect: Effect, tokenHash: string | null, now: Ms): State {
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

function withStray(state: State, vm: string, change: (stray: Stray) => Stray): State {
	const stray = state.strays.get(vm);
	return stray === undefined ? state : { ...state, strays: new Map(state.strays).set(vm, change(stray)) };
}

/** A call that shows a proxy's VM: it exists, and this is its address and power state. */
function sighted(state: State, proxy: Proxy, vm: Vm, now: Ms): State {
	let after = withVitals(state, proxy.id, { seenAt: now });
	let seen = proxy;
	const set = (change: Partial<Proxy>) => {
		seen = { ...seen, ...change };
	};
	if (proxy.phase.at === "launching") {
		if (proxy.phase.sentAt === null) return state;
		seen = inPhase(proxy, { at: "booting", vm: vm.vm }, "launched", now);
		after = withLog(after, now, "INFO", `launched ${vm.vm}`);
	} else if (proxy.phase.at === "adopting" && proxy.phase.vm === vm.vm) {
		seen = inPhase(proxy, { at: "booting", vm: vm.vm }, "associated", now);
		after = withLog(after, now, "INFO", `associated ${vm.vm}`);
	} else if (proxy.phase.at === "deleting" && proxy.phase.vm === null) {
		seen = { ...proxy, phase: { ...proxy.phase, vm: vm.vm }, tries: 0, retryAt: 0 };
	} else if (vmOf(proxy) !== vm.vm) {
		return state; // another VM with the same intent: the list keeps it as a stray
	}
	if (seen.suspectAt !== null) set({ suspectAt: null });
	if (seen.absentAt !== null && seen.phase.at !== "deleting") set({ absentAt: null });
	const offSince = vm.state === "off" ? (seen.offSince ?? now) : null;
	if (offSince !== seen.offSince) set({ offSince });
	if (vm.address !== null && vm.address !== seen.address) {
		const had = seen.address;
		set({ address: vm.address });
		if (had !== null) {
			set({ registered: false, posted: {} });
			after = withLog(after, now, "INFO", `${had} is now ${vm.address}`);
			if (seen.phase.at === "ready") seen = inPhase(seen, { at: "unready", vm: vm.vm }, "its address changed", now);
		}
	}
	if (seen !== proxy) after = withProxy(after, seen);
	const { claim } = seen;
	if (claim === null && seen.address !== null) return withRemembered(after, seen, now);
	if (claim === null || seen.address === null) return after;
	if (claim.address === seen.address) return confirmed(after, seen, claim.keyHash, now);
	const refused = withProxy(after, { ...seen, claim: null });
	return withLog(refused, now, "WARNING", `a registration from ${claim.address} was refused: the proxy's address is ${seen.address}`);
}

function applyFound(state: State, event: Event & { on: "found" }, now: Ms): State {
	const proxy = state.proxies.get(event.id);
	if (proxy === undefined) return state;
	const isWaitingForDelete = proxy.phase.at === "deleting" && proxy.phase.vm !== null;
	if (event.vm !== null) {
		const seen = sighted(state, proxy, event.vm, now);
		const after = seen.proxies.get(proxy.id);
		const isLookedForAgain = isWaitingForDelete || (after !== undefined && isPending(after));
		return isLookedForAgain ? backedOff(seen, proxy, now) : seen;
	}
	return backedOff(withProxy(state, { ...proxy, absentAt: event.startedAt, suspectAt: null }), proxy, now);
}

function backedOff(state: State, { id }: Proxy, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy === undefined) return state;
	const tries = proxy.tries + 1;
	return withProxy(state, { ...proxy, tries, retryAt: now + pauseMs(BACK_OFF.proxy, tries, id) });
}

function applyAccepted(state: State, effect: Effect, now: Ms): State {
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

function applyListed(state: State, vms: readonly Vm[], startedAt: Ms, now: Ms): State {
	const seen = new Set<string>();
	// One that is just being associated, or let go, may carry the tags that it had.
	const own = new Set([...state.proxies.values()].map(vmOf));
	// A stray stays until a delete of it says that it is gone: no list proves that.
	const strays = new Map(state.strays);
	let [pools, deployments] = [0, 0];
	let after = state;
	for (const vm of vms) {
		if (vm.tags.deployment !== state.pool.deployment || vm.tags.pool !== state.pool.tag) {
			// EC2 shows those that are gone for an hour more: nobody pays for them.
			if (vm.state === "going") continue;
			if (vm.tags.deployment === state.pool.deployment) pools++;
			else deployments++;
		} else {
			const proxy = vm.tags.intent === null ? undefined : after.proxies.get(vm.tags.intent);
			const known = proxy === undefined ? null : vmOf(proxy);
			if (proxy !== undefined && (known === vm.vm || (known === null && proxy.phase.at !== "launching") || isSent(proxy))) {
				seen.add(proxy.id);
				strays.delete(vm.vm);
				after = sighted(after, proxy, vm, now);
			} else if (vm.state !== "going" && !own.has(vm.vm) && !state.released.includes(vm.vm)) {
				const stray = state.strays.get(vm.vm) ?? { firstSeenAt: startedAt, seenAt: startedAt, tries: 0, retryAt: 0 };
				strays.set(vm.vm, { ...stray, seenAt: startedAt });
			}
		}
	}
	for (const proxy of after.proxies.values()) {
		const isExpected = vmOf(proxy) !== null && isReleasable(proxy) && proxy.createdAt < startedAt;
		if (isExpected && !seen.has(proxy.id) && proxy.suspectAt === null && proxy.absentAt === null) {
			after = withProxy(after, { ...proxy, suspectAt: now });
		}
	}
	const isFirst = after.reconciledAt === null;
	const isSameForeign = after.foreign.pools === pools && after.foreign.deployments === deployments;
	return {
		...after,
		strays: isSameStrays(after.strays, strays) ? after.strays : strays,
		foreign: isSameForeign ? after.foreign : { pools, deployments },
		looks: looksOf(after, strays.size, startedAt),
		listedAt: startedAt,
		reconciledAt: isFirst ? now : after.reconciledAt,
	};
}

/** See `State.looks`: anything of the pool in the list begins the count anew. */
function looksOf(state: State, strays: number, startedAt: Ms): number {
	if (state.run !== "removing" || state.emptySince === null || strays > 0) return 0;
	const shownBy = state.emptySince + state.spec.unknownTimeoutSeconds * 1000;
	return startedAt < shownBy ? 0 : state.looks + 1;
}

function isSent(proxy: Proxy): boolean {
	return proxy.phase.at === "launching" && proxy.phase.sentAt !== null;
}

function isSameStrays(a: State["strays"], b: State["strays"]): boolean {
	return a.size === b.size && [...a].every(([vm, stray]) => b.get(vm) === stray);
}

function unready(state: State, proxy: Proxy, why: string, now: Ms): State {
	const { phase } = proxy;
	if (phase.at !== "ready") return state;
	const after = withProxy(state, inPhase(proxy, { at: "unready", vm: phase.vm }, why, now));
	return withLog(after, now, "WARNING", `dropped ${nameOf(proxy)}: ${why}`);
}

const PROBE_WORDS = {
	refused: "its proxy port refuses connections",
	credentials: "it refuses the proxy credentials",
	silent: "it does not answer",
	egress: "it cannot reach us",
	impostor: "another machine answers at its address",
} as const;

/** What a good probe proves: the VM exists, is switched on and serves. */
const WELL = { failedProbes: 0, suspectAt: null, absentAt: null, offSince: null } as const;

function applyProbed(state: State, event: Event & { on: "probed" }, now: Ms): State {
	const proxy = state.proxies.get(event.id);
	if (proxy === undefined) return state;
	const { verdict } = event;
	const { phase } = proxy;
	if (verdict.is === "ok") {
		const told = verdict.active === null ? {} : { active: verdict.active, reportedAt: now };
		const heard = withVitals(state, proxy.id, { probedAt: now, seenAt: now, ...told });
		const isUp = (phase.at === "booting" || phase.at === "unready") && proxy.registered;
		if (isUp) {
			const up = { ...inPhase(proxy, { at: "ready", vm: phase.vm }, "healthy", now), ...WELL, wasReady: true };
			const gates = heard.gates.boots.failures === 0 ? heard.gates : { ...heard.gates, boots: OPEN };
			return withLog(withProxy({ ...heard, gates }, up), now, "INFO", `ready ${nameOf(proxy)}`);
		}
		const isWell = (Object.keys(WELL) as (keyof typeof WELL)[]).every((key) => proxy[key] === WELL[key]);
		return isWell ? heard : withProxy(heard, { ...proxy, ...WELL });
	}
	const failedProbes = proxy.failedProbes + 1;
	const failed = { ...proxy, failedProbes };
	const probed = withVitals(state, proxy.id, { probedAt: now });
	if (phase.at === "ready" && failedProbes >= PROBES_TO_FAIL) return unready(probed, failed, PROBE_WORDS[verdict.is], now);
	// The count stays where it decides: a row is not worth a write at each further probe.
	return failedProbes > PROBES_TO_FAIL ? probed : withProxy(probed, failed);
}

/** A gate's failures are logged, each reason once and then how often. */
function withGate(state: State, which: keyof State["gates"], gate: Gate, now: Ms, severity: "WARNING" | "ERROR"): State {
	return withRepeated({ ...state, gates: { ...state.gates, [which]: gate } }, now, severity, gate.why);
}

function applyFailed(known: State, effect: Effect, failure: Failure, now: Ms): State {
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

function applyPublished(state: State, event: Event & { on: "published" }, now: Ms): State {
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
