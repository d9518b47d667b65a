/** When operators are told of what is wrong: at once, then once an hour as long as it lasts, and when it is over. */
import type { Ms } from "./model/basics.ts";
import { CAUSES, type CauseName, type Causes } from "./model/causes.ts";

export type AlertKind = "degraded" | "recovered" | "budget_reached" | "breaker_opened" | "credentials_refused" | "test";

export interface Alert {
	/** The same for the same: whoever gets it twice knows it again. */
	readonly id: string;
	readonly kind: AlertKind;
	/** `provider/name`; empty: no pool's. */
	readonly pool: string;
	readonly at: Ms;
	/** Since when it is so. */
	readonly since: Ms;
	readonly text: string;
}

/** What is remembered of one cause. */
interface Told {
	/** Since when it is so; null: it is over. */
	readonly since: Ms | null;
	/** When it was told last; null: it was not. */
	readonly toldAt: Ms | null;
}

/** By the pool's object and the cause. */
export type Alerting = Readonly<Record<string, Readonly<Partial<Record<CauseName, Told>>>>>;

/** One alert in so long for a cause that lasts, or comes and goes. */
const ALERT_SPACING_MS = 3_600_000;

const KINDS: Readonly<Record<CauseName, AlertKind>> = {
	degraded: "degraded",
	budget: "budget_reached",
	breaker: "breaker_opened",
	credentials: "credentials_refused",
};

/** What pools say now, by object; of those that did not answer nothing has changed. `listed`: those that there are. */
export function alertsOf(
	before: Alerting,
	told: ReadonlyMap<string, { readonly pool: string; readonly causes: Causes }>,
	listed: readonly string[],
	now: Ms,
): { readonly alerting: Alerting; readonly alerts: readonly Alert[] } {
	const alerts: Alert[] = [];
	const after: Record<string, Partial<Record<CauseName, Told>>> = {};
	for (const object of listed) {
		const known = before[object] ?? {};
		const news = told.get(object);
		if (news === undefined) {
			if (before[object] !== undefined) after[object] = known;
			continue;
		}
		const kept: Partial<Record<CauseName, Told>> = {};
		for (const cause of CAUSES) {
			const next = judged(known[cause], { object, cause, pool: news.pool, message: news.causes[cause] }, now, alerts);
			if (next !== null) kept[cause] = next;
		}
		if (Object.keys(kept).length > 0) after[object] = kept;
	}
	return { alerting: after, alerts };
}

interface Said {
	readonly object: string;
	readonly cause: CauseName;
	readonly pool: string;
	/** Undefined: it is not so. */
	readonly message: string | undefined;
}

function judged(known: Told | undefined, { object, cause, pool, message }: Said, now: Ms, alerts: Alert[]): Told | null {
	const { since = null, toldAt = null } = known ?? {};
	const wasToldLately = toldAt !== null && toldAt <= now && now < toldAt + ALERT_SPACING_MS;
	const add = (kind: AlertKind, begunAt: Ms, text: string) =>
		alerts.push({ id: `${object.slice(0, 16)}-${kind}-${begunAt}-${now}`, kind, pool, at: now, since: begunAt, text });
	if (message !== undefined) {
		const begunAt = since ?? now;
		if (wasToldLately) return { since: begunAt, toldAt };
		add(KINDS[cause], begunAt, message);
		return { since: begunAt, toldAt: now };
	}
	// Only of what was told it is told that it is over.
	if (cause === "degraded" && since !== null && toldAt !== null && toldAt >= since) add("recovered", since, "it is well again");
	// What comes and goes is told of once an hour too.
	return wasToldLately ? { since: null, toldAt } : null;
}

/** First pause, longest pause, and how long it is tried at all. */
const RETRY_MS: Ms = 60_000;
const LONGEST_RETRY_MS: Ms = 3_600_000;
const RETRIED_FOR_MS: Ms = 24 * 3_600_000;

/** When a delivery that failed so often (1 for the first time) is tried again; null: no more. */
export function retryAt(createdAt: Ms, tries: number, now: Ms): Ms | null {
	const at = now + Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** Math.min(20, tries - 1));
	return at > createdAt + RETRIED_FOR_MS ? null : at;
}
