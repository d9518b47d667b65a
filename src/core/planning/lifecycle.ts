/** What time alone brings about: every phase that waits ends here. */

import { BACK_OFF, isOneIncident, opened, pauseMs } from "../model/breakers.ts";
import { bootLimitAt, hiddenFrom, restartLimitAt, wasIdleSince } from "../model/deadlines.ts";
import { inPhase, nameOf, withBreakerMended, withFailed } from "../model/edit.ts";
import { sayReady, withBootTime } from "../model/health.ts";
import { BOOTS_TO_OPEN, PROBES_TO_FAIL } from "../model/limits.ts";
import { isHeardSince, silentAt } from "../model/lines.ts";
import { isBelievedGone, isBelievedOff, isNewcomer, isPlain, mayAct, unsettledOf } from "../model/proxies.ts";
import type { Phase, Proxy } from "../model/state.ts";
import { withCreate } from "../model/tally.ts";
import { release, settleAdopting, settleReleasing } from "./adopt.ts";
import type { Draft } from "./draft.ts";

/** What the reason of a proxy begins with whose create was neither done nor refused. */
export const LOOKED_UP = "looked up: ";

export function settle(draft: Draft): void {
	const { proxies, spec } = draft.state;
	// Where nobody probes, silence alone takes a proxy off the list.
	for (const proxy of spec.canProbe ? unsettledOf(proxies) : proxies.values()) {
		switch (proxy.phase.at) {
			case "launching":
				settleLaunching(draft, proxy);
				break;
			case "booting":
				settleAlive(draft, proxy, proxy.phase);
				break;
			case "ready":
			case "unready":
				settleAlive(draft, proxy, proxy.phase);
				break;
			case "restarting":
				settleRestarting(draft, proxy, proxy.phase);
				break;
			case "adopting":
				settleAdopting(draft, proxy, proxy.phase);
				break;
			case "releasing":
				settleReleasing(draft, proxy);
				break;
			case "draining":
				settleDraining(draft, proxy, proxy.phase);
				break;
			case "deleting":
				settleDeleting(draft, proxy, proxy.phase);
				break;
			default:
				proxy.phase satisfies never;
		}
	}
}

function settleLaunching(draft: Draft, proxy: Proxy): void {
	if (!isBelievedGone(draft.state, proxy)) return;
	const why = "its create was lost: no VM appeared";
	failed(draft, proxy, why);
	draft.remove(proxy.id);
	draft.state = withCreate(draft.state, "lost");
	draft.message("WARNING", `dropped ${nameOf(proxy)}: ${why}`);
	const begunAt = proxy.phase.at === "launching" ? (proxy.phase.sentAt ?? 0) : 0;
	// Something of that name may be in the way that is not ours.
	const said = proxy.why.startsWith(LOOKED_UP) ? `, the last after: ${proxy.why.slice(LOOKED_UP.length)}` : "";
	const lost = { why: `creates are lost on their way${said}`, backOff: BACK_OFF.launch, begunAt, seed: proxy.id };
	const breaker = opened(draft.state.breakers.launch, lost, draft.now);
	draft.state = { ...draft.state, breakers: { ...draft.state.breakers, launch: breaker } };
}

function settleAlive(draft: Draft, proxy: Proxy, phase: Phase & { at: "booting" | "ready" | "unready" }): void {
	if (dropIfGone(draft, proxy)) return;
	const { spec } = draft.state;
	if (!mayAct(draft.state)) return;
	if (isBelievedOff(draft.state, proxy)) {
		// A create that was cut between its steps leaves such a VM, and may do so each time.
		bootEnded(draft, proxy, "its VM is switched off");
		return;
	}
	if (!proxy.wasReady && draft.isDue(bootLimitAt(proxy, spec))) {
		const why = `not ready ${spec.unregisteredTimeoutSeconds} s after its launch`;
		failed(draft, proxy, why);
		bootEnded(draft, proxy, why);
		return;
	}
	if (!spec.canProbe) settleUnprobed(draft, proxy, phase);
}

/** What others made and was never of use is theirs again; what we made is deleted, and counts as a boot that failed. */
function bootEnded(draft: Draft, proxy: Proxy, why: string): void {
	if (isNewcomer(proxy)) {
		release(draft, proxy, why);
		return;
	}
	doom(draft, proxy, why);
	if (!proxy.wasReady) bootFailed(draft, proxy);
}

/** Where a firewall keeps the Worker out, the agent's own word decides. */
function settleUnprobed(draft: Draft, proxy: Proxy, phase: Phase & { at: "booting" | "ready" | "unready" }): void {
	const { state } = draft;
	const isHeard = proxy.registered && (isPlain(proxy) || (isHeardSince(state, proxy) && !draft.isDue(silentAt(state, proxy.id))));
	if (isHeard && phase.at !== "ready") {
		draft.state = withBootTime(draft.state, proxy, draft.now);
		draft.put({
			...inPhase(proxy, { at: "ready", vm: phase.vm }, "its agent reports", draft.now),
			wasReady: true,
			readyAt: proxy.readyAt ?? draft.now,
		});
		draft.message("INFO", sayReady(proxy, draft.now));
		draft.state = withBreakerMended(draft.state, "boots", draft.now);
	} else if (!isHeard && phase.at === "ready") {
		draft.put(inPhase(proxy, { at: "unready", vm: phase.vm }, "its agent is silent", draft.now));
		draft.message("WARNING", `dropped ${nameOf(proxy)}: its agent is silent`);
	}
}

function settleRestarting(draft: Draft, proxy: Proxy, phase: Phase & { at: "restarting" }): void {
	if (dropIfGone(draft, proxy)) return;
	if (!draft.isDue(restartLimitAt(proxy, draft.state.spec))) return;
	draft.put(inPhase(proxy, { at: "unready", vm: phase.vm }, "its provider never restarted it", draft.now));
	draft.message("WARNING", `restart of ${nameOf(proxy)} failed: its provider never did it`);
}

/** A drained proxy goes once no ready list shows it and nobody uses it, or its time is up. */
function settleDraining(draft: Draft, proxy: Proxy, phase: Phase & { at: "draining" }): void {
	if (dropIfGone(draft, proxy) || !mayAct(draft.state)) return;
	const hiddenAt = hiddenFrom(proxy, phase);
	if (!draft.isDue(hiddenAt)) return;
	if (wasIdleSince(draft.state, proxy, hiddenAt) || proxy.failedProbes >= PROBES_TO_FAIL || draft.isDue(phase.until))
		doom(draft, proxy, proxy.why);
}

function settleDeleting(draft: Draft, proxy: Proxy, phase: Phase & { at: "deleting" }): void {
	const isAcceptedAndGone = phase.acceptedAt !== null && proxy.absentAt !== null && proxy.absentAt >= phase.acceptedAt;
	if (!isAcceptedAndGone && !isBelievedGone(draft.state, proxy)) return;
	draft.remove(proxy.id);
	draft.message("INFO", `deleted ${nameOf(proxy)}: ${proxy.why}`);
}

function dropIfGone(draft: Draft, proxy: Proxy): boolean {
	if (!isBelievedGone(draft.state, proxy)) return false;
	const why = "its provider has it no more";
	failed(draft, proxy, why);
	draft.remove(proxy.id);
	draft.message("WARNING", `dropped ${nameOf(proxy)}: ${why}`);
	// A create that was accepted and failed later must not be repeated for ever either.
	if (proxy.phase.at === "booting" && !proxy.isAdopted) bootFailed(draft, proxy);
	return true;
}

/** To `deleting`; what has no tags of ours for sure, or is to lose them, is let go instead. */
export function doom(draft: Draft, proxy: Proxy, why: string): void {
	if (proxy.phase.at === "releasing") return;
	if (proxy.phase.at === "adopting") {
		release(draft, proxy, why);
		return;
	}
	const vm = proxy.phase.at === "launching" ? null : proxy.phase.vm;
	draft.put(inPhase(proxy, { at: "deleting", vm, acceptedAt: null }, why, draft.now));
	draft.message("INFO", `deleting ${nameOf(proxy)}: ${why}`);
}

function failed(draft: Draft, proxy: Proxy, why: string): void {
	const vm = proxy.phase.at === "launching" ? null : proxy.phase.vm;
	draft.state = withFailed(draft.state, { id: proxy.id, vm, address: proxy.address, at: draft.now, why });
}

function bootFailed(draft: Draft, { createdAt }: Proxy): void {
	const { breakers, pool } = draft.state;
	// Those that were launched together fail together: it is one incident.
	if (breakers.boots.failures >= BOOTS_TO_OPEN && isOneIncident(breakers.boots, createdAt, draft.now)) return;
	const failures = breakers.boots.failures + 1;
	const why = `${failures} boots in a row never became ready: check the agents' URL, the image and the firewall`;
	const isOpen = failures >= BOOTS_TO_OPEN;
	// The back-off counts from the failure that opened the breaker.
	const until = isOpen ? draft.now + pauseMs(BACK_OFF.boots, failures - BOOTS_TO_OPEN + 1, pool.object) : 0;
	const boots = { failures, until, why, steppedAt: isOpen ? draft.now : 0 };
	draft.state = { ...draft.state, breakers: { ...breakers, boots } };
	if (failures === BOOTS_TO_OPEN) draft.message("ERROR", why);
}
