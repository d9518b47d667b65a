/** Creates that only try whether a refusal is over. Most leave nothing behind: what they change for a moment is not worth a row of D1, and nobody is told. */
import { CREATE_DEADLINE_MS } from "./limits.ts";
import { placeBreaker } from "./places.ts";
import { projectionHash } from "./projection.ts";
import { sentOf, unsentOf } from "./proxies.ts";
import type { Ms, Proxy, State } from "./state.ts";

/** Whether a proxy is there to try a place, or the cloud, that has refused creates. One that was sent twice may be there whatever is answered. */
export function isTry(state: State, { phase, place, formerTokenHash }: Proxy): boolean {
	if (phase.at !== "launching" || formerTokenHash !== null) return false;
	return state.breakers.launch.failures > 0 || placeBreaker(state, place).failures > 0;
}

export function triesOf(state: State): readonly Proxy[] {
	return [...unsentOf(state.proxies), ...sentOf(state.proxies)].filter((proxy) => isTry(state, proxy));
}

/** From when on D1 is to show what it does not show yet: at once, or, where that is tries alone, once their answers are late. Null: it shows all. */
export function unshownFrom(state: State): Ms | null {
	const shown = state.published.hash;
	if (projectionHash(state) === shown) return null;
	const tries = triesOf(state);
	if (tries.length === 0) return 0;
	const others = tries.reduce((proxies, { id }) => proxies.without(id), state.proxies);
	if (projectionHash({ ...state, proxies: others }) !== shown) return 0;
	return Math.min(...tries.map(({ phase, since }) => ((phase.at === "launching" ? phase.sentAt : null) ?? since) + CREATE_DEADLINE_MS));
}
