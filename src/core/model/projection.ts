/** What of a pool is shown in D1, and a hash that tells whether D1 shows it. */

import { named } from "./bounds.ts";
import { costOf, whyUnpriced } from "./cost.ts";
import { medianBootMs, usualBootMs } from "./health.ts";
import { leasedOf } from "./leases.ts";
import { BOOTS_TO_OPEN, SOON_MS, STUCK_DELETE_MS } from "./limits.ts";
import { canWake } from "./load.ts";
import { askedOf } from "./neighbours.ts";
import { areAllClosed, factsOf, placeBreaker, placeKey, placesIn } from "./places.ts";
import { billable, deletingOf, hasCloud, mayAct, vmOf } from "./proxies.ts";
import type { PoolSummary, ProxyRow, ReadyEntry, Waiting } from "./published.ts";
import { replacementLimit } from "./replacements.ts";
import { type Breaker, isShownAlike, type Ms, type Place, type Proxy, type State, type StaticBackend, type StaticHealth } from "./state.ts";
import { staticId } from "./statics.ts";
import { noteOn, summed } from "./table.ts";
import { idleness } from "./waiting.ts";

/** The part of the summary that the core knows; the shell adds names and settings. */
export type CoreSummary = Omit<PoolSummary, "displayName" | "settings" | "countries">;

export function summaryOf(state: State): CoreSummary {
	const leased = leasedOf(state.proxies).length;
	const waiting = waitingOf(state);
	return {
		run: state.run,
		min: state.spec.min,
		max: state.spec.max,
		target: state.target,
		wakes: canWake(state),
		reconciled: state.reconciledAt !== null,
		billable: billable(state),
		cost: costOf(state),
		unpriced: whyUnpriced(state),
		charges: state.money.charges,
		replacementsPerHour: replacementLimit(state),
		problems: problemsOf(state),
		...(waiting.length === 0 ? {} : { waiting }),
		degraded: isDegraded(state),
		isSuspended: state.suspended !== null || state.breach !== null,
		standing: state.standing,
		usualBootMs: usualBootMs(state),
		...(state.bootTimes.length > 0 ? { bootMs: medianBootMs(state) } : {}),
		unreported: state.unreported,
		...(leased > 0 ? { leased } : {}),
		intervalSeconds: state.spec.intervalSeconds,
		places: state.spec.places,
		...(state.accountKey === "" ? {} : { accountKey: state.accountKey }),
		...(askedOf(state) === 0 ? {} : { fallback: { endpoint: state.asked.endpoint, count: askedOf(state) } }),
		orphans: orphansOf(state),
		foreign: state.foreign,
	};
}

/** What is told of at once, however many proxies are ready. */
function isDegraded(state: State): boolean {
	const { breakers, money } = state;
	if (!mayAct(state) || state.firewall.tries > 0) return true;
	if ([breakers.auth, breakers.list, breakers.rate, breakers.launch].some(isOpen) || breakers.boots.failures >= BOOTS_TO_OPEN) return true;
	if (goneOf(state).length > 0) return true;
	// Sold out is not down: while one place is open, the others' VMs are launched there.
	if (hasCloud(state) && areAllClosed(state)) return true;
	return isPriceRefused(money, state.listedAt) || orphansOf(state) > 0 || stuckOf(state).length > 0;
}

/** Whether a price was refused for our credentials, and no list has shown since that they are good for all else. */
function isPriceRefused({ pricing: { refusedAt } }: State["money"], listedAt: Ms): boolean {
	return refusedAt !== null && listedAt <= refusedAt;
}

const isOpen = (breaker: Breaker): boolean => breaker.failures > 0;

/** When it is tried again; 0 where it is so again and again within a minute (what is sold out), of which readers need not be told each time. */
function shownUntil({ until, steppedAt }: Breaker): Ms {
	return until - steppedAt <= SOON_MS ? 0 : until;
}

/** What waits, and goes on by itself or at an operator's start. */
function waitingOf(state: State): readonly Waiting[] {
	const { breakers } = state;
	// What it knows of itself it has not from what is stored.
	const idle = state.unreadable === null ? idleness(state.run) : null;
	const waiting = idle === null ? [] : [idle];
	const say = (breaker: Breaker, where = "") => waiting.push({ what: `${where}${breaker.why}`, until: shownUntil(breaker) });
	for (const breaker of [breakers.auth, breakers.launch]) if (isOpen(breaker)) say(breaker);
	for (const place of placesIn(state)) {
		const breaker = placeBreaker(state, place);
		if (isOpen(breaker)) say(breaker, state.spec.places.length > 1 ? `${placeKey(place)}: ` : "");
	}
	if (breakers.boots.failures >= BOOTS_TO_OPEN) say(breakers.boots);
	return waiting;
}

/** What else an operator should know, a sentence each. */
export function problemsOf(state: State): readonly string[] {
	const { breakers } = state;
	const sentences: string[] = [];
	if (state.suspended !== null) sentences.push(state.suspended);
	if (state.unreadable !== null)
		sentences.push(`what is stored of it cannot be read: ${state.unreadable}; deploy the version that stored it, or delete the pool`);
	if (state.breach !== null) sentences.push(`stopped by its own check: ${state.breach}; start the pool again to go on`);
	const { listing } = state;
	if (listing.isSuperseded) sentences.push("another pool has its place in the directory (D1): this one is emptied");
	else if (listing.unlistedAt !== null)
		sentences.push(
			`the directory (D1) has lost it: nothing is launched until it is entered again${listing.taken === "" ? "" : `; ${listing.taken}`}`,
		);
	if (state.agentUrl === null) sentences.push("waits for the address that its agents shall call: set PUBLIC_URL or POST /v1.1/url");
	sentences.push(...goneOf(state));
	for (const breaker of [breakers.rate, breakers.list]) if (isOpen(breaker)) sentences.push(breaker.why);
	if (state.money.pricing.refusedAt !== null) sentences.push(state.money.pricing.why);
	if (state.money.held !== null) sentences.push(state.money.held);
	if (askedOf(state) > 0) sentences.push(`${state.asked.endpoint} stands in for ${askedOf(state)} of its proxies`);
	if (state.firewall.tries > 0) sentences.push(state.firewall.why);
	const { unresolved } = state.spec;
	if (unresolved.length > 0)
		sentences.push(`no address is known of its static backends, whose names are looked up each minute: ${named(unresolved)}`);
	const stuck = stuckOf(state);
	if (stuck.length > 0) sentences.push(`still billed though deleted: ${named(stuck.map((proxy) => vmOf(proxy) ?? proxy.id))}`);
	if (orphansOf(state) > 0) sentences.push(`VMs tagged for this pool that it did not ask for: ${named([...state.orphans.keys()])}`);
	return sentences;
}

/** VMs that no proxy explains. Where what is stored cannot be read that is so of all of them, and none is deleted. */
function orphansOf({ orphans, unreadable }: State): number {
	return unreadable === null ? orphans.size : 0;
}

/** Those whose delete does not come to an end. The last list is the clock here: a summary must not change by the mere passing of time. */
function stuckOf({ proxies, listedAt }: State): readonly Proxy[] {
	return deletingOf(proxies).filter(({ since }) => listedAt >= since + STUCK_DELETE_MS);
}

/** Whether when it was listed last may say anything: see {@link stuckOf} and {@link isPriceRefused}. */
function isListOfNote({ proxies, money }: State): boolean {
	return deletingOf(proxies).length > 0 || money.pricing.refusedAt !== null;
}

export function rowOf(proxy: Proxy): ProxyRow {
	const { id, address, phase, credentials, since, createdAt, why, place } = proxy;
	return {
		id,
		vm: vmOf(proxy),
		address,
		phase: phase.at,
		credentials,
		since,
		createdAt,
		why,
		place: place === null ? null : placeKey(place),
	};
}

/** The entry of the ready list; null for a proxy that is not to be handed out. */
export function readyEntryOf(proxy: Proxy, isOnlyPlace: (place: Place) => boolean): ReadyEntry | null {
	if (proxy.phase.at !== "ready" || proxy.address === null || proxy.lease !== null) return null;
	const entry = [proxy.id, proxy.address, proxy.credentials] as const;
	return proxy.place === null || isOnlyPlace(proxy.place) ? entry : [...entry, null, placeKey(proxy.place)];
}

/** Of a place: whether it is all that the pool has, so that nothing is to be said of it. */
export function onlyPlaceOf({ spec }: State): (place: Place) => boolean {
	const only = spec.places.length === 1 ? spec.places[0] : undefined;
	return ({ region, size }) => region === only?.region && size === only.size;
}

/** What the settings name and the cloud has no more, each once. */
function goneOf(state: State): readonly string[] {
	return [...new Set(placesIn(state).flatMap((place) => factsOf(state, placeKey(place)).gone || []))];
}

/** Of all rows together, whatever their order. Proxies are never mutated, so that each chunk of them is hashed once. */
const rowsHash = summed<Proxy>((proxy) => {
	let hash = rowHashes.get(proxy);
	if (hash === undefined) {
		const { bans, lease } = proxy;
		const isPlain = bans.length === 0 && lease === null;
		hash = hash53(JSON.stringify(isPlain ? rowOf(proxy) : [rowOf(proxy), bans, lease])) % 2 ** 32;
		rowHashes.set(proxy, hash);
	}
	return hash;
});

/** A change of one proxy makes another chunk, of which the others are what they were. */
const rowHashes = new WeakMap<Proxy, number>();

/** As {@link rowsHash}, of how static backends fare. What else their rows hold is hashed beside it. */
const healthHash = summed<StaticHealth>(({ isUp, since }, id) => hash53(JSON.stringify([id, isUp, since])) % 2 ** 32);
const listHashes = new WeakMap<readonly StaticBackend[], number>();

/** Of static backends, of which there may be thousands; empty where there are none. */
function staticsHash({ spec: { statics: list }, statics }: State): readonly number[] {
	if (list.length === 0) return [];
	const hash = listHashes.get(list) ?? hash53(JSON.stringify(list.map(staticId)));
	listHashes.set(list, hash);
	return [hash, healthHash(statics)];
}

/** When entries of the log were renewed, which keep their numbers. */
function renewals({ repeats }: State): number {
	return repeats.reduce((sum, { firstAt, writtenAt }) => sum + (writtenAt - firstAt), 0);
}

/** Each plan asks for it, and between two changes there are many plans. */
const lastHash = noteOn<Proxy, { readonly of: State; readonly hash: string }>();

/** Equal for equal projections. The order of proxies does not matter. */
export function projectionHash(state: State): string {
	const last = lastHash.of(state.proxies);
	if (last !== undefined && isShownAlike(last.of, state, isListOfNote(state) ? null : "listedAt")) return last.hash;
	const rows = rowsHash(state.proxies);
	const rest = hash53(
		JSON.stringify([summaryOf(state), state.credentials, state.logSeq, renewals(state), staticsHash(state), ...state.waitingLeases]),
	);
	const hash = `${rows.toString(36)}.${rest.toString(36)}`;
	lastHash.keep(state.proxies, { of: state, hash });
	return hash;
}

/** cyrb53 by bryc (public domain), 53 bits: https://github.com/bryc/code/blob/master/jshash/experimental/cyrb53.js */
export function hash53(text: string): number {
	let [a, b] = [0xdeadbeef, 0x41c6ce57];
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		a = Math.imul(a ^ code, 2654435761);
		b = Math.imul(b ^ code, 1597334677);
	}
	a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
	b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
	return 4294967296 * (2097151 & b) + (a >>> 0);
}
