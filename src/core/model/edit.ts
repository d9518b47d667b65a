/** Small changes of the state, from which the applying of facts and the making of plans are put together. */
import { bounded, newest } from "./bounds.ts";
import { BACK_OFF, type Breaker, type BreakerName, CLOSED, pauseMs } from "./breakers.ts";
import { BOOTS_TO_OPEN, KEPT_REPEATS, MOST_LOG_CHARS, RENEW_MS, REPEAT_ENTRIES, REPEAT_MS } from "./limits.ts";
import { VITALS } from "./liveness.ts";
import type { Failed, Id, LogEntry, Ms, Phase, Proxy, Severity, State, Vitals } from "./state.ts";
import { withEnded } from "./tally.ts";

const KEPT_FAILURES = 20;
/** Entries that D1 has not taken are bounded: the oldest go first when it is down for long. */
const KEPT_LOG_ENTRIES = 500;
const LOG_BYTES = 200_000;
const ENTRY_BYTES = 80;

/** Room for how often a failure has repeated. */
const MOST_COUNT_CHARS = 30;

/** The state with one proxy replaced. */
export function withProxy(state: State, proxy: Proxy): State {
	return { ...state, proxies: state.proxies.with(proxy.id, proxy), emptySince: null };
}

/** The state without a proxy: its VM is known to be gone, or was never made. */
export function withoutProxy(state: State, id: Id, now: Ms): State {
	const gone = state.proxies.get(id);
	const proxies = state.proxies.without(id);
	const [vitals, sessions] = [state.vitals.without(id), state.sessions.without(id)];
	// Whoever leased it is owed another.
	const left = gone?.lease ? [{ ...gone.lease, replaces: gone.address }] : [];
	const waitingLeases = left.length === 0 ? state.waitingLeases : [...state.waitingLeases, ...left];
	return { ...withEnded(state, id, now), proxies, vitals, sessions, waitingLeases, emptySince: proxies.size === 0 ? now : null };
}

/** The proxy in a new phase. Back-off starts anew. */
export function inPhase(proxy: Proxy, phase: Phase, why: string, now: Ms): Proxy {
	return { ...proxy, phase, since: now, why, tries: 0, retryAt: 0 };
}

function keptOf(log: readonly LogEntry[]): readonly LogEntry[] {
	return newest(log, { most: KEPT_LOG_ENTRIES, bytes: LOG_BYTES, perItem: ENTRY_BYTES, textOf: ({ text }) => text });
}

export function withLog(state: State, now: Ms, severity: Severity, text: string): State {
	const entry: LogEntry = { seq: state.logSeq + 1, at: now, severity, text: bounded(text, MOST_LOG_CHARS) };
	return { ...state, logSeq: entry.seq, log: keptOf([...state.log, entry]) };
}

/** As {@link withLog}, for what may fail again and again: one entry, and how often. */
export function withRepeated(state: State, now: Ms, severity: Severity, said: string): State {
	const text = bounded(said, MOST_LOG_CHARS - MOST_COUNT_CHARS);
	const known = state.repeats.find((one) => one.text === text && one.severity === severity);
	const others = state.repeats.filter((one) => one !== known);
	const isOld = known === undefined || now - known.firstAt > REPEAT_MS || known.seq <= state.logSeq - REPEAT_ENTRIES;
	if (isOld) {
		const after = withLog(state, now, severity, text);
		const repeat = { severity, text, seq: after.logSeq, count: 1, firstAt: now, writtenAt: now };
		return { ...after, repeats: [...others, repeat].slice(-KEPT_REPEATS) };
	}
	const count = known.count + 1;
	const isDue = now >= known.writtenAt + RENEW_MS;
	const repeats = [...others, { ...known, count, writtenAt: isDue ? now : known.writtenAt }];
	if (!isDue) return { ...state, repeats };
	const entry: LogEntry = { seq: known.seq, at: now, severity, text: `${text} (${count} times)` };
	const log = keptOf([...state.log.filter(({ seq }) => seq !== known.seq), entry]);
	return { ...state, repeats, log };
}

export function withFailed(state: State, failed: Failed): State {
	return { ...state, failed: [...state.failed, { ...failed, why: bounded(failed.why) }].slice(-KEPT_FAILURES) };
}

export function withVitals(state: State, id: Id, change: Partial<Vitals>): State {
	const known = state.vitals.get(id) ?? VITALS.initial;
	return { ...state, vitals: state.vitals.with(id, { ...known, ...change }) };
}

/** How a proxy is called in the log. */
export function nameOf(proxy: Proxy): string {
	return proxy.address ?? proxy.id;
}

/** One more call about it went out in vain, or is to be looked after: the next waits longer. */
export function backedOff(state: State, { id }: Proxy, now: Ms): State {
	const proxy = state.proxies.get(id);
	if (proxy === undefined) return state;
	const tries = proxy.tries + 1;
	return withProxy(state, { ...proxy, tries, retryAt: now + pauseMs(BACK_OFF.proxy, tries, id) });
}

/** A breaker's failures are logged, each reason once and then how often. */
export function withBreaker(state: State, which: BreakerName, breaker: Breaker, now: Ms, severity: "WARNING" | "ERROR"): State {
	return withRepeated({ ...state, breakers: { ...state.breakers, [which]: breaker } }, now, severity, breaker.why);
}

/** What is said once a breaker that was open lets calls through again; of the others nobody is told. */
const MENDED: Readonly<Partial<Record<BreakerName, string>>> = {
	auth: "the provider takes our credentials again",
	launch: "creates are done again",
	boots: "boots become ready again",
};

/** The breaker starts anew, but one that was opened just now stays so (by another call of the burst). */
export function withBreakerOpened(state: State, which: BreakerName, now: Ms): State {
	return state.breakers[which].until > now ? state : withBreakerMended(state, which, now);
}

/** The breaker starts anew. */
export function withBreakerMended(state: State, which: BreakerName, now: Ms): State {
	const { failures } = state.breakers[which];
	if (failures === 0) return state;
	const after = { ...state, breakers: { ...state.breakers, [which]: CLOSED } };
	const said = MENDED[which];
	return said === undefined || (which === "boots" && failures < BOOTS_TO_OPEN) ? after : withLog(after, now, "INFO", said);
}
