/** What operators order and settings say, applied. */

import { withReports } from "../model/bans.ts";
import { bounded, MOST_LIST_CHARS } from "../model/bounds.ts";
import { type BreakerFields, forCanary } from "../model/breakers.ts";
import type { Command, Settings } from "../model/command.ts";
import { isLaterOrder, type Login, loginInForce, whyUnasked, withAsked } from "../model/credentials.ts";
import { inPhase, nameOf, withLog, withoutProxy, withProxy } from "../model/edit.ts";
import { withLeases, withoutLeases, withRenewed } from "../model/leases.ts";
import { awakeUntil, canWake, type Waker, withWaker } from "../model/load.ts";
import { withPosted } from "../model/metrics.ts";
import { NEVER_ASKED } from "../model/money.ts";
import { mendedPlaces, onlyPlaces, placesIn } from "../model/places.ts";
import { countReady, isUnsent, proxyAt, proxyNamed, vmOf } from "../model/proxies.ts";
import { withDestroy } from "../model/replacements.ts";
import { withPress } from "../model/rises.ts";
import { countRolling, isSameRolling, rollingInForce, withRoll } from "../model/rolling.ts";
import { withDrop } from "../model/sessions.ts";
import {
	isAlike,
	type Ms,
	newState,
	type OrderedCredentials,
	type PatchedRolling,
	type ProviderName,
	type Rolling,
	type State,
	saysTheSame,
} from "../model/state.ts";
import { withAdoption, withConfirmation, withoutConfirmation, withRelease } from "./adopt.ts";
import { applyUnregistered } from "./agents.ts";
import { withAssist, withSharedLimit } from "./neighbours.ts";
import { refusalOf } from "./orders.ts";

export function applyCommand(state: State, command: Command, now: Ms): State {
	if (refusalOf(state, command) !== null) return state;
	switch (command.do) {
		case "scale": {
			if (state.spec.min === command.min && state.spec.max === command.max) return state;
			const text = `scaling set to min ${command.min}, max ${command.max}`;
			return withLog({ ...state, spec: { ...state.spec, min: command.min, max: command.max } }, now, "INFO", text);
		}
		case "configure":
			return applySettings(
				atProvider(state, command.provider ?? state.pool.provider, now),
				command.settings,
				command.account,
				command.accountKey ?? state.accountKey,
				now,
			);
		case "run": {
			// It may be in the directory no more, where nobody would see to it, and nobody would find its VMs.
			if (state.leaving) return state;
			const keep = command.run === "removing" && command.keep === true;
			if (state.run === command.run && state.keep === keep && state.breach === null) {
				const breakers = command.run === "running" ? mended(state.breakers) : state.breakers;
				const places = command.run === "running" ? mendedPlaces(state.places) : state.places;
				const isHeldBack = command.run === "running" && state.destroys.length > 0;
				if (breakers === state.breakers && places === state.places && !isHeldBack) return state;
				return withLog({ ...state, breakers, places, destroys: [] }, now, "INFO", "an operator has it try again at once");
			}
			const words = {
				running: "started",
				paused: "paused",
				stopped: "stopped",
				removing: `removed: its VMs are being ${keep ? "let go" : "deleted"}`,
			};
			const breakers = command.run === "running" ? mended(state.breakers) : state.breakers;
			const places = command.run === "running" ? mendedPlaces(state.places) : state.places;
			// A pool that is to go needs no settings that can be read; what it still has would be billed for ever.
			const isResumed = command.run === "running" || command.run === "removing";
			const breach = isResumed ? null : state.breach;
			const suspended = command.run === "removing" ? null : state.suspended;
			const unreadable = command.run === "removing" ? null : state.unreadable;
			// A pool that has long been empty is looked through once more before it is forgotten.
			const emptySince = command.run === "removing" && state.emptySince !== null ? now : state.emptySince;
			const destroys = command.run === "running" ? [] : state.destroys;
			return withLog(
				{ ...state, run: command.run, keep, breakers, places, destroys, breach, suspended, unreadable, emptySince, looks: 0 },
				now,
				"INFO",
				words[command.run],
			);
		}
		case "roll": {
			const after = withRoll(state, command.isOn);
			if (after === state) return state;
			const text = command.isOn
				? `replacing every proxy that there is, ${countRolling(after)} of them`
				: "no more of the former proxies are replaced";
			return withLog(after, now, "INFO", `${text}: ordered by an operator`);
		}
		case "destroy": {
			const proxy = state.proxies.get(command.id);
			if (proxy === undefined || proxy.phase.at === "deleting") return state;
			if (isUnsent(proxy)) return withoutProxy(state, proxy.id, now);
			const doomed = inPhase(proxy, { at: "deleting", vm: vmOf(proxy), acceptedAt: null }, "destroyed by an operator", now);
			return withLog(withProxy(withDestroy(state, now), doomed), now, "INFO", `deleting ${nameOf(proxy)}: destroyed by an operator`);
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
			return woken(state, { from: command.from ?? "", callers: command.callers ?? 1, at: now });
		case "metrics":
			return applyPosted(state, command, now);
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
		case "drop": {
			const { session, address } = command;
			const only = address === undefined ? null : [...state.proxies.values()].find((proxy) => proxy.address === address);
			if (only === undefined) return state;
			return withLog(withDrop(state, session, only?.id ?? null, now), now, "INFO", `dropping session ${session}`);
		}
		case "report":
			return withReports(state, command.reports, now);
		case "lease":
			return withLeases(state, command.ids, now + command.seconds * 1000, command.wishes);
		case "renewLease":
			return withRenewed(state, command.id, now + command.seconds * 1000);
		case "endLeases":
			return withoutLeases(state, command.ids);
		case "assist":
			return withAssist(state, command.from, command.count, now);
		case "limited":
			return withSharedLimit(state, command.until, command.rate, now);
		case "log":
			return withLog(state, now, command.severity, command.text);
		default:
			return command satisfies never;
	}
}

/** A pool without VMs at another provider, where it knows nothing yet: no list was read, no call was refused. */
function atProvider(state: State, provider: ProviderName, now: Ms): State {
	if (provider === state.pool.provider) return state;
	const { pool, orphans, firewall, breakers, places, listedAt, reconciledAt, rate, foreign } = newState({ ...state.pool, provider }, now);
	// Charges go on in their own currency; prices are the former cloud's.
	const money = { ...state.money, prices: [], pricing: NEVER_ASKED };
	const fresh = { ...state, pool, orphans, firewall, breakers, places, listedAt, reconciledAt, rate, foreign, money, looks: 0 };
	return withLog(fresh, now, "INFO", `moved from ${state.pool.provider} to ${provider}`);
}

/** A bad setting suspends the pool, which keeps its last good ones; a PATCHed bound wins until the environment's own value changes. */
function applySettings(state: State, settings: Settings, account: string, accountKey: string, now: Ms): State {
	const why = settings.suspended ?? whyUnasked(state);
	if (why !== null) {
		const suspended = bounded(why, MOST_LIST_CHARS);
		return suspended === state.suspended ? state : withLog({ ...state, suspended }, now, "ERROR", `suspended: ${suspended}`);
	}
	const said = { min: settings.spec.min, max: settings.spec.max };
	const isSaidAnew = !settings.fromEnvironment || state.environment?.min !== said.min || state.environment.max !== said.max;
	const bounds = isSaidAnew ? said : { min: state.spec.min, max: state.spec.max };
	const after: State = {
		...state,
		account,
		accountKey,
		spec: { ...settings.spec, ...bounds, rolling: rollingInForce(state.patchedRolling, settings.spec.rolling) },
		suspended: null,
		environment: settings.fromEnvironment ? said : null,
		agentUrl: settings.agentUrl ?? state.agentUrl,
		credentials: withAsked(state, loginInForce(state, settings.credentials)),
		allow: settings.allow,
	};
	if (saysTheSame(after, state)) return state;
	const heartbeatSeconds = Math.max(after.spec.intervalSeconds, state.heartbeatSeconds);
	const lineSeconds = Math.max(after.spec.intervalSeconds, state.lineSeconds);
	const breakers = mended(state.breakers);
	const places = mendedPlaces(onlyPlaces(state.places, placesIn(after)));
	// Another account may be told what this one was refused.
	const money = account === state.account ? state.money : { ...state.money, pricing: NEVER_ASKED };
	// What was said of the rules was said of the former ones.
	// The cloud is looked at under the new settings at once.
	return withLog(
		{ ...after, heartbeatSeconds, lineSeconds, breakers, places, money, told: [], listedAt: 0 },
		now,
		"INFO",
		"configuration updated",
	);
}

/** Those of an address that no proxy has go nowhere. */
function applyPosted(state: State, { address, metrics }: Command & { do: "metrics" }, now: Ms): State {
	if (address === null) {
		const custom = withPosted(state.custom, metrics);
		return custom === state.custom ? state : withPress({ ...state, custom }, now);
	}
	const proxy = proxyAt(state.proxies, address, ({ phase }) => phase.at !== "deleting");
	if (proxy === null) return state;
	const posted = withPosted(proxy.posted, metrics);
	return posted === proxy.posted ? state : withPress(withProxy(state, { ...proxy, posted }), now);
}

/** What an operator (null: nobody) and the environment say of rolling replacement. */
export interface RollingWords {
	readonly patched: PatchedRolling | null;
	readonly environment: Rolling;
}

export function applyRolling(state: State, { patched, environment }: RollingWords, now: Ms): State {
	const rolling = rollingInForce(patched, environment);
	const isSame = isSameRolling(rolling, state.spec.rolling);
	if (isSame && isAlike(patched, state.patchedRolling)) return state;
	const after = { ...state, patchedRolling: patched, spec: { ...state.spec, rolling } };
	const words = rolling.enabled ? `on, at most ${rolling.batchSize} at a time, at least ${rolling.minAvailable} ready` : "off";
	return isSame ? after : withLog(after, now, "INFO", `rolling deployment is ${words}`);
}

/** What an operator ordered that proxies ask for, and the deployment's own credentials. */
export interface CredentialsWords {
	readonly ordered: OrderedCredentials;
	readonly own: Login;
}

/** An order holds at once, whatever else is wrong with the pool's settings; one that is earlier than what is known does nothing. */
export function applyCredentials(state: State, { ordered, own }: CredentialsWords, now: Ms): State {
	if (!isLaterOrder(state.orderedCredentials, ordered)) return state;
	const told = { ...state, orderedCredentials: ordered };
	if (ordered.is === "unread") return told;
	const asked = loginInForce(told, own);
	// Whatever is ordered, proxies that anybody could use come of nothing.
	if (asked === null && state.allow.length === 0) return told;
	const after = { ...told, credentials: withAsked(told, asked, ordered.formerSeconds) };
	if (after.credentials.at(-1)?.version === state.credentials.at(-1)?.version) return after;
	const text =
		ordered.is === "set" ? "an operator has set other credentials for proxies" : "proxies ask for the deployment's own credentials";
	return withLog(after, now, "INFO", text);
}

/** A wake is taken down once an interval, or where more ask: a row is not worth a write at each request. */
function woken(state: State, word: Waker): State {
	if (!canWake(state)) return state;
	const { at: now } = word;
	const wakers = withWaker(state.wakers, word);
	const heard = wakers === state.wakers ? state : { ...state, wakers };
	// Who asked before and got nothing still waits, whoever asks again.
	const waiting = state.wokenAt <= now && now < awakeUntil(state) && countReady(state) === 0 ? state.wokenFor : 0;
	const wokenFor = Math.max(
		waiting,
		wakers.reduce((sum, { callers }) => sum + callers, 0),
	);
	const isKnown = state.wokenAt <= now && now < state.wokenAt + state.spec.intervalSeconds * 1000;
	if (isKnown && wokenFor <= state.wokenFor) return heard;
	return { ...heard, wokenAt: isKnown ? state.wokenAt : now, wokenFor };
}

/** Something has changed that may have mended what creates, boots or calls failed of: each is tried at once, by one. */
export function mended(breakers: BreakerFields["breakers"]): BreakerFields["breakers"] {
	const [launch, boots, auth] = [forCanary(breakers.launch), forCanary(breakers.boots), forCanary(breakers.auth)];
	const isSame = launch === breakers.launch && boots === breakers.boots && auth === breakers.auth;
	return isSame ? breakers : { ...breakers, launch, boots, auth };
}
