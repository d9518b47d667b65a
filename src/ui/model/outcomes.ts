/** How requests fared over time, by site and by proxy, as clients report. */
import { useEffect, useState } from "preact/hooks";
import { api, done, type Schemas, sentenceOf } from "./api.ts";
import { isPoor, pay } from "./store.ts";

export type OutcomeHistory = Schemas["OutcomeHistory"];

/** They are kept for a week, by the hour. */
export const OUTCOME_RANGES: readonly (readonly [name: string, seconds: number])[] = [
	["24h", 86_400],
	["7d", 604_800],
];
export const USUAL_OUTCOME_RANGE = "24h";

/** The newest is a quarter of an hour old. */
const EVERY_MS = 900_000;

interface Wanted {
	readonly range: string;
	/** `provider/instance`; missing: of all. */
	readonly pool?: string;
	readonly host?: string;
	/** An id. */
	readonly proxy?: string;
}

/** Null: it is being asked. A sentence where it cannot be had. */
export function useOutcomes({ range, pool, host, proxy }: Wanted): OutcomeHistory | string | null {
	const [answer, setAnswer] = useState<OutcomeHistory | string | null>(null);
	useEffect(() => {
		let isCurrent = true;
		let askedAt = Number.NEGATIVE_INFINITY;
		const seconds = OUTCOME_RANGES.find(([name]) => name === range)?.[1] ?? 86_400;
		const look = () => {
			if (document.visibilityState === "hidden" || Date.now() - askedAt < EVERY_MS || (askedAt > 0 && isPoor())) return;
			askedAt = Date.now();
			const query = {
				from: String(Math.floor(askedAt / 1_000) - seconds),
				limit: 2_000,
				...(pool === undefined ? {} : { pool }),
				...(host === undefined ? {} : { host }),
				...(proxy === undefined ? {} : { proxy }),
			};
			pay(1);
			done(api.GET("/history/outcomes", { params: { query } })).then(
				(got) => isCurrent && setAnswer(got),
				(error) => isCurrent && setAnswer(sentenceOf(error)),
			);
		};
		setAnswer(null);
		look();
		const timer = setInterval(look, 60_000);
		return () => {
			isCurrent = false;
			clearInterval(timer);
		};
	}, [range, pool, host, proxy]);
	return answer;
}
