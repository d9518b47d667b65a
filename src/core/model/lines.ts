/** How long a proxy may be silent, and for how long its report counts: by whether it has a line, where its life shows by itself. */
import {
	DAY_SECONDS,
	FALL_GRACE_MS,
	HEARTBEAT_SHARE,
	IDLE_REPORT_SECONDS,
	LATE_INTERVALS,
	LINE_LATE_MS,
	LINE_SHARE,
	LINE_SILENT_MS,
	LINES_BACK_MS,
	MESSAGES_A_REQUEST,
	PACE_STEP_SECONDS,
	SAMPLE_INTERVALS,
	SILENT_INTERVALS,
} from "./limits.ts";
import type { Ms, Proxy, State, Vitals } from "./state.ts";

/** With what code the pool closes a line, and why. */
export const LINE_CLOSES = { replaced: 4001, unauthorised: 4401, malformed: 1008 } as const;
export type LineEnd = keyof typeof LINE_CLOSES;

/** A line, and when it last showed life. */
export interface LineLife {
	readonly id: string;
	readonly at: Ms;
}

/** When a proxy of which nothing more is heard is suspected; `heardAt` is its last sign of life. */
export function lateAt(state: Pick<State, "heartbeatSeconds" | "linesFellAt">, heardAt: Ms, isLined: boolean): Ms {
	if (isLined) {
		const usualAt = heardAt + LINE_LATE_MS;
		return Math.max(usualAt, Math.min(state.linesFellAt + LINES_BACK_MS, usualAt + FALL_GRACE_MS));
	}
	return heardAt + LATE_INTERVALS * state.heartbeatSeconds * 1000;
}

/** When a proxy of which nothing more is heard is off the list where nobody can probe it. */
export function silentAt(state: State, id: string): Ms {
	const vitals = state.vitals.get(id);
	if (vitals?.isLined === true) return Math.max(vitals.heardAt + LINE_SILENT_MS, state.linesFellAt + LINES_BACK_MS);
	return (vitals?.heardAt ?? 0) + SILENT_INTERVALS * state.heartbeatSeconds * 1000;
}

/** Whether a proxy that is off the list has shown life since: that all lines fell anew is no sign of it. */
export function isHeardSince(state: State, { id, phase, since }: Proxy): boolean {
	return phase.at !== "unready" || (state.vitals.get(id)?.heardAt ?? 0) >= since;
}

/** For how many seconds what it reported counts. */
export function freshSeconds(state: State, vitals: Vitals): number {
	return SAMPLE_INTERVALS * (vitals.isLined ? reportSeconds(state) : state.heartbeatSeconds);
}

/** Seconds within which an agent reports on its line though nothing has changed. */
export function reportSeconds({ lineSeconds, spec }: State): number {
	const neededSeconds = spec.rules.length > 0 ? spec.intervalSeconds : IDLE_REPORT_SECONDS;
	return Math.max(lineSeconds, neededSeconds);
}

/** How often agents may report, in seconds, so that a deployment of so many proxies stays within its plan: by calls, and on lines. */
export function pacesOf(proxies: number, dailyRequests: number, intervalSeconds: number): { heartbeat: number; line: number } {
	const daily = DAY_SECONDS * proxies;
	const onLine = daily / (MESSAGES_A_REQUEST * dailyRequests * LINE_SHARE);
	return {
		heartbeat: Math.max(intervalSeconds, Math.ceil(daily / (dailyRequests * HEARTBEAT_SHARE))),
		line: onLine <= intervalSeconds ? intervalSeconds : Math.ceil(onLine / PACE_STEP_SECONDS) * PACE_STEP_SECONDS,
	};
}
