/** What a proxy's phase is called, and which of the bar's five states it counts as. */
import type { Phase, Pool } from "./api.ts";

/** `missing`: wanted, and not even on its way. */
export type Look = "ready" | "booting" | "unready" | "draining" | "missing";
export const LOOKS: readonly Look[] = ["ready", "unready", "booting", "draining", "missing"];

const LOOK_OF: Readonly<Record<Phase, Look>> = {
	launching: "booting",
	adopting: "booting",
	booting: "booting",
	restarting: "booting",
	ready: "ready",
	unready: "unready",
	draining: "draining",
	releasing: "draining",
	deleting: "draining",
};
/** In the order of the bar and of the table: what is wrong first. */
export const PHASE_ORDER: readonly Phase[] = [
	"unready",
	"launching",
	"adopting",
	"booting",
	"restarting",
	"draining",
	"releasing",
	"deleting",
	"ready",
];

export const lookOf = (phase: Phase): Look => LOOK_OF[phase];

export const LOOK_WORDS: Readonly<Record<Look, string>> = {
	ready: "ready",
	unready: "unready",
	booting: "booting",
	draining: "draining",
	missing: "missing",
};

/** A pool's own state: its dot and its word. */
export function standing(pool: Pool): { readonly dot: "good" | "wrong" | "idle" | "starting"; readonly word: string } {
	if (pool.state === "stopped" || pool.state === "paused" || pool.state === "removing") return { dot: "idle", word: pool.state };
	if (pool.status === "degraded") return { dot: "wrong", word: pool.state === "suspended" ? "suspended" : "degraded" };
	if (pool.state === "starting") return { dot: "starting", word: "starting" };
	return pool.ready < pool.wanted ? { dot: "starting", word: "filling" } : { dot: "good", word: "healthy" };
}

/** Whether something is on its way, so that it is worth looking again soon. */
export function isMoving(pool: Pool): boolean {
	if (pool.state === "starting" || pool.state === "removing") return true;
	const isIdle = pool.state === "stopped" || pool.state === "paused" || pool.state === "suspended";
	const underway = pool.unready.some(({ phase }) => phase !== "unready");
	return underway || (!isIdle && pool.ready < pool.wanted && pool.status === "healthy");
}
