/** Where VMs go, and where they leave from: which place an intent names, and whose turn it is when some are too many. */
import { priceAt, priceOf } from "../model/cost.ts";
import { type Place, placeBreaker, placeKey, placesIn } from "../model/places.ts";
import { isKept, isReady, isSent, isUnsent, unsentOf } from "../model/proxies.ts";
import type { Proxy, State } from "../model/state.ts";
import { measure } from "../model/table.ts";
import { isPriced } from "./budget.ts";
import type { Draft } from "./draft.ts";

interface Count {
	/** Meant to stay: what the spread is about. Of these, handed out. */
	readonly kept: number;
	readonly ready: number;
	/** Billed: what the bound is about. */
	readonly all: number;
	/** Creates that are intended, and those that were sent and not answered. */
	readonly unsent: number;
	readonly sent: number;
}
const NONE: Count = { kept: 0, ready: 0, all: 0, unsent: 0, sent: 0 };

const countsIn = measure<Proxy, ReadonlyMap<string, Count>>((_keys, values) => {
	const counts = new Map<string, Count>();
	for (const proxy of values) {
		const key = placeKey(proxy.place);
		const { kept, ready, all, unsent, sent } = counts.get(key) ?? NONE;
		counts.set(key, {
			kept: kept + (isKept(proxy) ? 1 : 0),
			ready: ready + (isReady(proxy) ? 1 : 0),
			all: all + 1,
			unsent: unsent + (isUnsent(proxy) ? 1 : 0),
			sent: sent + (isSent(proxy) ? 1 : 0),
		});
	}
	return counts;
});

function countsOf({ proxies, spec }: State): Map<string, Count> {
	const sums = new Map<string, Count>();
	// Where there is but one place, what has none named is in it.
	const only = spec.places.length === 1 ? placeKey(spec.places[0] ?? null) : null;
	for (const part of countsIn(proxies)) {
		for (const [key, count] of part) {
			const at = only !== null && key === "" ? only : key;
			const sum = sums.get(at) ?? NONE;
			sums.set(at, {
				kept: sum.kept + count.kept,
				ready: sum.ready + count.ready,
				all: sum.all + count.all,
				unsent: sum.unsent + count.unsent,
				sent: sum.sent + count.sent,
			});
		}
	}
	return sums;
}

/** Creates that a place had under way, or has: while it is closed or was and lets one through, that one is the canary. */
export function sentIn(state: State, place: Place | null): number {
	return countsOf(state).get(placeKey(place))?.sent ?? 0;
}

/** The places as they fill while a plan is made. */
export class Places {
	readonly #draft: Draft;
	#known: Map<string, Count> | null = null;

	constructor(draft: Draft) {
		this.#draft = draft;
	}

	/** The place of the next VM; undefined: none has room and is open. What is given is counted. */
	next(): Place | null | undefined {
		const open = placesIn(this.#draft.state).filter((place) => this.#isOpen(place));
		const priced = open.filter((place) => isPriced(this.#draft.state, place));
		// Where none has a price that is known, the budget says so of the first.
		const place = this.#first(priced.length > 0 ? priced : open);
		if (place !== undefined) this.#count(place, 1);
		return place;
	}

	/**
	 * Intents that were not sent yet and whose place has closed meanwhile go to one that is open: certainly nothing was made of them. Where none
	 * is, they wait where they are.
	 */
	moveUnsent(): void {
		for (const proxy of unsentOf(this.#draft.state.proxies)) {
			const own = placesIn(this.#draft.state).find((place) => placeKey(place) === placeKey(proxy.place));
			this.#count(proxy.place, -1);
			const isRight = own !== undefined && this.#isOpen(own);
			const place = isRight ? proxy.place : this.next();
			if (place === undefined || isRight) this.#count(proxy.place, 1);
			else this.#draft.put({ ...proxy, place });
		}
	}

	/**
	 * Why what is wanted waits, where every place has as many as it may or is closed; null: some place has room, or nothing waits. `missing`: how many
	 * more than are meant to stay. Of places that are all closed, and no more than the target wanted, each place's own breaker tells.
	 */
	sayFull(missing: number, target: number): string | null {
		const { state } = this.#draft;
		const { maxPerPlace } = state.spec;
		let [isAnyFull, waiting, standing] = [false, 0, 0];
		const whys: string[] = [];
		for (const place of placesIn(state)) {
			const { kept, sent, unsent } = this.#of(place);
			// Those that leave make room.
			const isFull = maxPerPlace !== null && kept >= maxPerPlace;
			const isClosed = placeBreaker(state, place).failures > 0;
			if (!isFull && !isClosed) return null;
			// What was to be launched where it cannot be, or only asks whether it can again.
			const trying = isClosed ? sent + unsent : 0;
			isAnyFull ||= isFull;
			waiting += trying;
			standing += kept - trying;
			whys.push(`${placeKey(place) || "its only one"} ${isFull ? `has as many as MAX_PER_PLACE lets it (${maxPerPlace})` : "is closed"}`);
		}
		const isReplacing = standing >= target;
		if (missing + waiting <= 0 || !(isAnyFull || isReplacing)) return null;
		const what = isReplacing ? "proxies that are to be replaced stay, since no place has room for their successors" : "no place has room";
		return `${what}: ${whys.join(", ")}`;
	}

	#isOpen(place: Place | null): boolean {
		const { state } = this.#draft;
		const { all, sent, unsent } = this.#of(place);
		if (state.spec.maxPerPlace !== null && all >= state.spec.maxPerPlace) return false;
		const breaker = placeBreaker(state, place);
		if (!this.#draft.isDue(breaker.until)) return false;
		return breaker.failures === 0 || sent + unsent === 0;
	}

	#first(open: readonly (Place | null)[]): Place | null | undefined {
		switch (this.#draft.state.spec.spread) {
			case "pack":
				return open[0];
			case "even":
				return least(open, (place) => this.#of(place).kept);
			case "cheapest":
				return least(open, (place) => priceAt(this.#draft.state, place)?.hourly ?? Number.POSITIVE_INFINITY);
			default:
				return this.#draft.state.spec.spread satisfies never;
		}
	}

	/** Most plans place nothing. */
	get #counts(): Map<string, Count> {
		this.#known ??= countsOf(this.#draft.state);
		return this.#known;
	}

	#of(place: Place | null): Count {
		return this.#counts.get(placeKey(place)) ?? NONE;
	}

	#count(place: Place | null, by: 1 | -1): void {
		const count = this.#of(place);
		this.#counts.set(placeKey(place), { ...count, kept: count.kept + by, all: count.all + by, unsent: count.unsent + by });
	}
}

/** The first of those of which `of` is the least. */
function least<Item>(items: readonly Item[], of: (item: Item) => number): Item | undefined {
	let best: { readonly item: Item; readonly value: number } | undefined;
	for (const item of items) {
		const value = of(item);
		if (best === undefined || value < best.value) best = { item, value };
	}
	return best?.item;
}

/**
 * So many of those that may go, in the order in which the spread has them leave, where they are equal in all else: from the fullest place, the
 * last of the list, the dearest. `proxies` in the order in which they would go without places; `rank` says what comes before the spread. `mostOut`: how
 * many of a place may be out of service then, those on their way up included.
 */
export function leavers(
	state: State,
	proxies: readonly Proxy[],
	most: number,
	rank: (proxy: Proxy) => number,
	mostOut: number = Number.POSITIVE_INFINITY,
): readonly Proxy[] {
	if (most <= 0) return [];
	const places = placesIn(state);
	if (places.length === 1 && proxies.every(({ place }) => place === null || placeKey(place) === placeKey(places[0] ?? null)))
		return proxies.slice(0, most);
	const order = new Map(places.map((place, at) => [placeKey(place), at]));
	const counts = countsOf(state);
	// Whatever the spread, what is in no place of the list any more goes first.
	const weight = (proxy: Proxy): number => {
		const key = placeKey(proxy.place);
		const at = order.get(key);
		if (at === undefined) return Number.POSITIVE_INFINITY;
		if (state.spec.spread === "even") return counts.get(key)?.kept ?? 0;
		return state.spec.spread === "pack" ? at : (priceOf(state, proxy)?.hourly ?? 0);
	};
	const queues = [...Map.groupBy(proxies, (proxy) => `${rank(proxy)} ${placeKey(proxy.place)}`).values()];
	const going: Proxy[] = [];
	/** As many of its place are out of service as may be. One that is itself adds none. */
	const isSpent = (proxy: Proxy): boolean => {
		const key = placeKey(proxy.place);
		const { kept, ready } = counts.get(key) ?? NONE;
		return isReady(proxy) && kept - ready + going.filter(({ place }) => placeKey(place) === key).length >= mostOut;
	};
	// Where places are equal in what is meant to stay, it goes by what of it is handed out.
	const ready = (proxy: Proxy): number =>
		state.spec.spread !== "even" ? 0 : isSpent(proxy) ? -1 : (counts.get(placeKey(proxy.place))?.ready ?? 0);
	const isBefore = (one: Proxy, other: Proxy): boolean => {
		if (rank(one) !== rank(other)) return rank(one) < rank(other);
		return weight(one) === weight(other) ? ready(one) > ready(other) : weight(one) > weight(other);
	};
	while (going.length < most) {
		let best: Proxy[] | undefined;
		for (const queue of queues) {
			const [one, other] = [queue[0], best?.[0]];
			if (one === undefined) continue;
			if (other === undefined || isBefore(one, other)) best = queue;
		}
		const first = best?.[0];
		// In another's stead none goes: its place would be the emptier for it.
		if (first === undefined || isSpent(first)) break;
		const next = best?.shift();
		if (next === undefined) break;
		going.push(next);
		const key = placeKey(next.place);
		const count = counts.get(key) ?? NONE;
		counts.set(key, { ...count, kept: count.kept - 1, ready: count.ready - (isReady(next) ? 1 : 0) });
	}
	return going;
}
