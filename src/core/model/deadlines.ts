/** When what waits has waited long enough, and how long it pauses. */
import {
	DOUBT_PAUSE_MS,
	DRAIN_MARGIN_MS,
	PROBE_RETRY_MS,
	PROBES_TO_FAIL,
	READY_KEPT_MS,
	READY_STALENESS_MS,
	UNPUBLISHED_DRAIN_MS,
} from "./limits.ts";
import type { Ms, Phase, Proxy, Spec, State } from "./state.ts";

/** By when a proxy that never was ready must be. A restart starts its time anew. */
export function bootLimitAt(proxy: Proxy, spec: Spec): Ms {
	const from = proxy.phase.at === "booting" ? proxy.createdAt : proxy.since;
	return from + spec.unregisteredTimeoutSeconds * 1000;
}

/** By when its provider must have restarted a proxy. */
export function restartLimitAt(proxy: Proxy, spec: Spec): Ms {
	return proxy.since + spec.unregisteredTimeoutSeconds * 1000;
}

/** From when on no client is handed out a draining proxy: its removal was published, or could not be for too long. */
export function hiddenFrom({ since }: Proxy, { hiddenAt }: Phase & { readonly at: "draining" }): Ms {
	return hiddenAt === null ? since + UNPUBLISHED_DRAIN_MS : hiddenAt + READY_STALENESS_MS;
}

/** From when on a draining proxy refuses clients; null: nobody knows yet for how long lists will name it. */
export function refusesFrom(proxy: Proxy, now: Ms): Ms | null {
	if (proxy.phase.at !== "draining") return null;
	const { hiddenAt } = proxy.phase;
	if (hiddenAt !== null) return hiddenAt + READY_KEPT_MS + DRAIN_MARGIN_MS;
	const givenUpAt = hiddenFrom(proxy, proxy.phase);
	return now < givenUpAt ? null : givenUpAt;
}

/** Whether a proxy is known to have had no connection at some time since then. */
export function wasIdleSince(state: State, { id }: Proxy, at: Ms): boolean {
	const vitals = state.vitals.get(id);
	return vitals !== undefined && vitals.active === 0 && vitals.reportedAt >= at;
}

/** The pause after a probe: short while it is in doubt whether what failed one is down, shorter where its line broke, else the usual one. */
export function probePauseMs(failures: number, usualMs: Ms, { intervalSeconds }: Spec, hasLostLine = false): Ms {
	const isInDoubt = failures > 0 && failures < PROBES_TO_FAIL;
	if (!isInDoubt) return usualMs;
	return Math.min(hasLostLine ? DOUBT_PAUSE_MS : PROBE_RETRY_MS, (intervalSeconds * 1000) / 6);
}
