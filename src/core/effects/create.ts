import { sighted } from "../facts/inventory.ts";
import { unlistedUntil } from "../facts/listing.ts";
import { BACK_OFF, type BackOff, CLOSED, opened } from "../model/breakers.ts";
import { credentialsAsked } from "../model/credentials.ts";
import { withBreaker, withFailed, withLog, withoutProxy, withProxy, withRepeated } from "../model/edit.ts";
import type { Failure } from "../model/failure.ts";
import { CREATE_DEADLINE_MS } from "../model/limits.ts";
import { areAllClosed, placeBreaker, placeKey, sayAllClosed, withPlaceFacts } from "../model/places.ts";
import { billable, isSent, isUnsent, mayAct, sentOf, surgeOf, unsentOf } from "../model/proxies.ts";
import type { Ms, Place, Proxy, State, Vm } from "../model/state.ts";
import { withCreate } from "../model/tally.ts";
import { isPriced, isWithinBounds } from "../planning/budget.ts";
import type { Draft } from "../planning/draft.ts";
import { LOOKED_UP } from "../planning/lifecycle.ts";
import { sentIn } from "../planning/placing.ts";
import { firewallAtCreate } from "./firewall.ts";
import { answered, isOpen, isRich, itsProxy, type OfProxy, type Room } from "./room.ts";

/** Makes the VM of an intent. */
export interface Create extends OfProxy {
	readonly call: "create";
}

export const create: Room<Create, Vm> = {
	call: "create",
	slot: "create",
	isMutating: true,
	mintsToken: true,
	subject: itsProxy,

	plan(draft) {
		const { state } = draft;
		const lost = state.spec.repeatsCreate ? sentOf(state.proxies).filter((proxy) => isRepeatable(state, proxy)) : [];
		const unsent = unsentOf(state.proxies);
		if (unsent.length + lost.length === 0 || !mayLaunch(draft)) return;
		for (const { id } of lost) draft.call<Create>({ call: "create", id });
		if (isCanaryOut(state)) return;
		const canaries = new Set<string>();
		for (const proxy of isCanaryOnly(draft.state) ? unsent.slice(0, 1) : unsent) {
			const { id, place } = proxy;
			const key = placeKey(place);
			if (!isPriced(state, place) || !draft.isDue(placeBreaker(state, place).until) || isPlaceTried(state, place) || canaries.has(key))
				continue;
			if (placeBreaker(state, place).failures > 0) canaries.add(key);
			draft.call<Create>({ call: "create", id });
		}
	},

	isStillDue(state, { id }, now) {
		const proxy = state.proxies.get(id);
		const isWithinBound = billable(state) <= state.spec.max + surgeOf(state.spec);
		if (proxy === undefined) return false;
		const { place } = proxy;
		const isPlaceOpen = isPriced(state, place) && placeBreaker(state, place).until <= now && !isPlaceTried(state, place);
		const isNext = isRepeatable(state, proxy) || (isUnsent(proxy) && isPlaceOpen && !isCanaryOut(state));
		return isNext && isLaunching(state, now) && isWithinBound && isWithinBounds(state, now);
	},

	sent(state, { id }, now, tokenHash) {
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "launching") return state;
		const credentials = credentialsAsked(state)?.version ?? 0;
		const phase = { at: "launching", sentAt: now } as const;
		const behind = { ...state, firewall: firewallAtCreate(state) };
		// Null where it goes out for the first time.
		const formerTokenHash = proxy.tokenHash;
		const sent = { ...proxy, phase, createdAt: now, tokenHash, formerTokenHash, credentials, account: state.account };
		return withProxy(behind, { ...sent, absentAt: null, tries: 0, retryAt: 0 });
	},

	done(state, { id }, vm, now) {
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "launching" || proxy.phase.sentAt === null) return state;
		return sighted(withPlaceOpened(answered(state, now, "launch"), proxy.place, now), proxy, vm, now);
	},

	/** `unknown` and `conflict` leave the intent to be looked up by its name; every other kind means that certainly nothing was made. */
	failed(state, { id }, failure, now) {
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "launching" || proxy.phase.sentAt === null) return state;
		// What a first create made may be there whatever becomes of the second.
		if (failure.kind === "unknown" || failure.kind === "conflict" || proxy.formerTokenHash !== null) {
			const waiting = { ...proxy, why: `${LOOKED_UP}${failure.message}`, tries: 0, retryAt: 0 };
			return withLog(withProxy(state, waiting), now, "WARNING", `the create of ${id} is looked up: ${failure.message}`);
		}
		const why = `launch failed: ${failure.message}`;
		const dropped = withFailed(withCreate(withoutProxy(state, id, now), "refused"), { id, vm: null, address: null, at: now, why });
		return launchRefused(dropped, proxy.place, failure, why, now, proxy.phase.sentAt);
	},
};

/**
 * Whether a create whose answer was lost is to be sent once more: a look-up after its last moment has found nothing, and the provider makes no
 * second VM of it. Waiting for that look-up to be believed takes minutes.
 */
export function isRepeatable({ spec }: State, proxy: Proxy): boolean {
	const { absentAt, createdAt, formerTokenHash } = proxy;
	return spec.repeatsCreate && isSent(proxy) && formerTokenHash === null && absentAt !== null && absentAt >= createdAt + CREATE_DEADLINE_MS;
}

/** Whether VMs may be made now, as far as breakers, bounds and the pool's orders go. */
export function mayLaunch(draft: Draft): boolean {
	const { state } = draft;
	if (state.run !== "running" || state.agentUrl === null || !mayAct(state) || !isRich(draft)) return false;
	return draft.isDue(unlistedUntil(state)) && draft.isDue(state.breakers.launch.until) && isWithinBounds(state, draft.now);
}

/** As {@link mayLaunch}, when a call's turn comes; the bounds apart. */
export function isLaunching(state: State, now: Ms): boolean {
	return (
		isOpen(state, now) && state.run === "running" && mayAct(state) && Math.max(unlistedUntil(state), state.breakers.launch.until) <= now
	);
}

/** Whether creates were refused, and none has been made since: one at a time tries whether they are still. */
export function isCanaryOnly({ breakers }: State): boolean {
	return breakers.launch.failures > 0;
}

/** Whether that one is under way. */
function isCanaryOut(state: State): boolean {
	return isCanaryOnly(state) && sentOf(state.proxies).length > 0;
}

/** Whether a place that refused creates, and has made none since, is being tried by one that is under way. */
function isPlaceTried(state: State, place: Place | null): boolean {
	return placeBreaker(state, place).failures > 0 && sentIn(state, place) > 0;
}

/** How long creates rest after a refusal of that kind, in that place alone or wherever; null: another breaker, or a look, sees to it. */
const LAUNCH_BACK_OFF: Readonly<Record<Failure["kind"], { readonly backOff: BackOff; readonly isOfPlace: boolean } | null>> = {
	auth: null,
	rate: null,
	unknown: null,
	conflict: null,
	quota: { backOff: BACK_OFF.quota, isOfPlace: true },
	capacity: { backOff: BACK_OFF.capacity, isOfPlace: true },
	invalid: { backOff: BACK_OFF.invalid, isOfPlace: true },
	notFound: { backOff: BACK_OFF.invalid, isOfPlace: true },
	transient: { backOff: BACK_OFF.launch, isOfPlace: false },
};

/** Creates rest for a while, as long as such a refusal asks for: where the place is at fault, there alone. */
export function launchRefused(state: State, place: Place | null, failure: Failure, why: string, now: Ms, begunAt: Ms): State {
	const refused = LAUNCH_BACK_OFF[failure.kind];
	if (refused === null) return state;
	const key = placeKey(place);
	const befell = { why, backOff: refused.backOff, begunAt, notBefore: failure.retryAt, seed: state.pool.object };
	if (!refused.isOfPlace) return withBreaker(state, "launch", opened(state.breakers.launch, befell, now), now, "ERROR");
	const breaker = opened(placeBreaker(state, place), { ...befell, seed: `${befell.seed}${key}` }, now);
	const where = state.spec.places.length > 1 ? `${key}: ` : "";
	const after = withRepeated(withPlaceFacts(state, key, { breaker }), now, "ERROR", `${where}${why}`);
	return areAllClosed(state) || !areAllClosed(after) || state.spec.places.length <= 1
		? after
		: withRepeated(after, now, "ERROR", sayAllClosed(after));
}

/** A create was done there: the place is open again, but for one that another call of the same burst has opened just now. */
function withPlaceOpened(state: State, place: Place | null, now: Ms): State {
	const { failures, until } = placeBreaker(state, place);
	if (failures === 0 || until > now) return state;
	const where = state.spec.places.length > 1 ? `${placeKey(place)}: ` : "";
	return withLog(withPlaceFacts(state, placeKey(place), { breaker: CLOSED }), now, "INFO", `${where}creates are done again`);
}
