/** How many proxies are wanted, and what says so: the target, and the measured load that rules go by. */
import type { Id, Metrics, Ms } from "./basics.ts";
import { bounded } from "./bounds.ts";
import { hasCloud, mayAct } from "./proxies.ts";
import { INSTANCES, parseRule, rangeOf } from "./rules.ts";
import { list, nullable, record, value } from "./shape.ts";
import { fact, type Slice, shown, vital } from "./slice.ts";
import type { State } from "./state.ts";

/** A size that was asked for. */
export interface Wish {
	readonly at: Ms;
	readonly target: number;
}

/** What a pool's proxies report, all in all. */
export interface Measurements {
	/** By name: the weighted mean of all fresh samples. */
	readonly averages: Readonly<Record<string, number>>;
	/** Addresses with a fresh sample. */
	readonly reporting: number;
	/** Proxies that were ready, are to stay, and have not reported for too long. */
	readonly missing: number;
	/** There is no proxy that anybody could be using: what agents would report is 0, and not unknown. */
	readonly isUnused: boolean;
}

export interface Source extends Measurements {
	readonly endpoint: string;
	readonly at: Ms;
}

/** An isolate of the Worker, and how many clients asked it in vain. */
export interface Waker {
	readonly from: Id;
	readonly at: Ms;
	readonly callers: number;
}

/** By metric. */
export type Rises = Readonly<Record<string, number>>;

export interface LoadFields {
	/** The target that was in force at the last plan; a change of it is logged. */
	readonly target: number;
	/** When rules last changed the target, and whether they raised it. Stored at once: neither the ramp nor the window starts anew with an instance. */
	readonly ramped: { readonly at: Ms; readonly isRise: boolean };
	/** When a client last asked for a proxy and found none; 0: never, or it does not matter any more. */
	readonly wokenAt: Ms;
	/** How many clients asked at that time. */
	readonly wokenFor: number;
	/** Who told of clients that asked in vain, the last one last. */
	readonly wakers: readonly Waker[];
	/** Metrics posted for the endpoint as a whole, the newest names first. */
	readonly custom: Metrics;
	/** What was said of the present rules and metrics source: once is enough. */
	readonly told: readonly string[];
	/** When rules last decided on the target, which they do once an interval, and when a rise was due in between. */
	readonly decidedAt: Ms;
	/** When a line, or whoever posts metrics, last told of what asks for more proxies than the target. */
	readonly pressedAt: Ms;
	/** The rise of its connections, and of its other metrics by name, at which an agent reports at once (0, or without a name: at none), and when that was last changed. */
	readonly rise: { readonly step: number; readonly others: Rises; readonly at: Ms };
	/** The sizes that rules asked for lately, the newest last, without those that a later one outdid. See window.ts. */
	readonly scaleInWindow: readonly Wish[];
	/** What the endpoint that `metricsSource` names answered last. */
	readonly source: Source | null;
	/** When it was last asked. */
	readonly sourceAskedAt: Ms;
}

export const loadSlice: Slice<LoadFields> = {
	target: shown(fact(value(0))),
	ramped: fact(record<LoadFields["ramped"]>({ at: value(0), isRise: value<boolean>(false) })),
	wokenAt: fact(value(0)),
	wokenFor: fact(value(1)),
	wakers: vital(list(record<Waker>({ from: value(""), at: value(0), callers: value(0) }))),
	custom: fact(value<Metrics>({})),
	told: fact(list(value(""))),
	decidedAt: vital(value(0)),
	pressedAt: vital(value(0)),
	rise: fact(record<LoadFields["rise"]>({ step: value(0), others: value<Rises>({}), at: value(0) })),
	scaleInWindow: vital(list(record<Wish>({ at: value(0), target: value(0) }))),
	source: vital(
		nullable(
			record<Source>({
				averages: value<Source["averages"]>({}),
				reporting: value(0),
				missing: value(0),
				isUnused: value<boolean>(false),
				endpoint: value(""),
				at: value(0),
			}),
		),
	),
	sourceAskedAt: vital(value(0)),
};

/** When rules next decide. The ramp's last step is stored at once, decisions lazily: an instance that has just been loaded decides no sooner for it. */
export function nextDecisionAt({ decidedAt, ramped, spec }: State, now: Ms): Ms {
	const past = [decidedAt, ramped.at].filter((at) => at <= now);
	return Math.max(0, ...past) + spec.intervalSeconds * 1000;
}

/** Until when a proxy is kept for a client that asked in vain: it takes that long to boot at most, and may then be used. */
export function awakeUntil({ spec, wokenAt }: State): Ms {
	return wokenAt + Math.max(spec.scaleInWindowSeconds, spec.unregisteredTimeoutSeconds) * 1000;
}

/** What isolates tell of within this time are other clients. Later it may be the same ones, whom another isolate serves now. */
const AT_ONCE_MS = 3_000;
const MOST_WAKERS = 64;

/** With one isolate's word on who asks it in vain; of what it tells within that time the most counts. */
export function withWaker(wakers: LoadFields["wakers"], word: Waker): LoadFields["wakers"] {
	const recent = wakers.filter(({ at }) => at <= word.at && word.at - at < AT_ONCE_MS);
	const before = recent.find(({ from }) => from === word.from);
	if (before !== undefined && before.callers >= word.callers) return recent.length === wakers.length ? wakers : recent;
	return [...recent.filter((one) => one !== before), word].slice(-MOST_WAKERS);
}

/** Clients that one proxy is started for where no rule says how many connections one shall have. */
const CALLERS_A_PROXY = 10;

/**
 * How many proxies those who asked in vain are started for: what the rules ask for so many connections, no more than they bound `instances` to, and
 * no more than they add at one time.
 */
export function wantedByCallers({ spec, wokenFor }: State): number {
	const rules = spec.rules.map(parseRule).filter((rule) => rule !== null);
	const needs = rules.flatMap((rule) => (rule.metric === "active" && rule.upper !== null ? [rangeOf(rule, wokenFor).least] : []));
	const wanted = needs.length > 0 ? Math.max(...needs) : Math.ceil(wokenFor / CALLERS_A_PROXY);
	const bounds = rules.filter(({ metric }) => metric === INSTANCES).map((rule) => rangeOf(rule, 0).most);
	return Math.min(Math.max(1, Math.min(wanted, ...bounds)), Math.max(1, spec.rampLimit), spec.max);
}

/** Sentences that are remembered as said. */
const KEPT_TOLD = 64;

/** The state once this was said of the rules; the same where it was already. */
export function told(state: State, sentence: string): State {
	const text = bounded(sentence);
	return state.told.includes(text) ? state : { ...state, told: [...state.told, text].slice(-KEPT_TOLD) };
}

/** Whether a client that finds no proxy may have one started. */
export function canWake(state: State): boolean {
	const { run, spec } = state;
	return run === "running" && mayAct(state) && hasCloud(state) && spec.rules.length > 0 && spec.min === 0 && spec.max >= 1;
}
