/** Replacement of proxies that sites have banned: a batch at a time, within what may be replaced in an hour, and each only once its successor is ready. */
import { bannedOf, countCooling, isCooling } from "../model/bans.ts";
import { countReady } from "../model/proxies.ts";
import { replacementsLeft, withDestroy } from "../model/replacements.ts";
import type { Proxy } from "../model/state.ts";
import type { Draft } from "./draft.ts";
import { drain } from "./replace.ts";

/**
 * Lets go of proxies that too many sites have banned, as many as ready ones stand in for them. Those that are leased stay: their holders know best.
 * Returns how many proxies above the target are wanted for it.
 */
export function retireBanned(draft: Draft, target: number): number {
	const { replaceBanned, replaceBannedBy, rolling } = draft.state.spec;
	if (target === 0 || (replaceBanned === 0 && replaceBannedBy.length === 0)) return 0;
	const banned = bannedOf(draft.state.proxies).filter((proxy) => isTooBanned(draft, proxy));
	const doomed = banned.filter(({ phase, lease }) => phase.at === "ready" && lease === null);
	const leaving = banned.filter(({ phase }) => phase.at === "draining" || (phase.at === "deleting" && phase.acceptedAt === null));
	const most = Math.min(doomed.length, rolling.batchSize - leaving.length, replacementsLeft(draft.state, draft.now));
	if (most <= 0) return 0;
	const going = doomed
		.sort((a, b) => countCooling(b, draft.now) - countCooling(a, draft.now) || a.createdAt - b.createdAt)
		.slice(0, Math.max(0, Math.min(most, countReady(draft.state) - target)));
	for (const proxy of going) {
		drain(draft, proxy, "banned by too many sites", false);
		draft.state = withDestroy(draft.state, draft.now);
	}
	return most - going.length;
}

function isTooBanned({ state, now }: Draft, proxy: Proxy): boolean {
	const { replaceBanned, replaceBannedBy } = state.spec;
	if (replaceBannedBy.some((host) => isCooling(proxy, host, now))) return true;
	return replaceBanned > 0 && countCooling(proxy, now) >= replaceBanned;
}
