/** What may be done to a pool as a whole, each with the question before it. */
import { nameOf, type RunAction, roll, rollConsequence, run, runConsequence } from "../model/actions.ts";
import type { Pool, Proxy } from "../model/api.ts";
import { Action } from "./basics.tsx";
import { ask } from "./dialog.tsx";

export function askRun(pool: Pool, action: RunAction): void {
	if (action === "start") {
		void run(pool, action);
		return;
	}
	const verb = action === "pause" ? "Pause" : "Stop";
	ask({
		title: `${verb} ${nameOf(pool)}?`,
		body: <p>{runConsequence(pool, action)}</p>,
		verb,
		isDanger: action === "stop",
		...(action === "stop" ? { typed: nameOf(pool) } : {}),
		act: () => void run(pool, action),
	});
}

export function askRoll(pool: Pool, proxies: readonly Proxy[]): void {
	ask({
		title: `Replace every proxy of ${nameOf(pool)}?`,
		body: <p>{rollConsequence(pool)}</p>,
		verb: "Replace all",
		isDanger: true,
		act: () => void roll(pool, proxies),
	});
}

export function RunButtons({ pool }: { readonly pool: Pool }) {
	const { state } = pool;
	const isIdle = state === "paused" || state === "stopped";
	return (
		<>
			{(isIdle || pool.status === "degraded") && state !== "removing" && (
				<Action kind={isIdle ? "main" : "plain"} onClick={() => askRun(pool, "start")} title={runConsequence(pool, "start")}>
					{isIdle ? "Start" : "Try now"}
				</Action>
			)}
			{!isIdle && state !== "removing" && <Action onClick={() => askRun(pool, "pause")}>Pause</Action>}
			{state !== "stopped" && state !== "removing" && (
				<Action kind="danger" onClick={() => askRun(pool, "stop")}>
					Stop
				</Action>
			)}
		</>
	);
}
