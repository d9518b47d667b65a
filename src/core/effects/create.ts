import { sighted } from "../facts/inventory.ts";
import { unlistedUntil } from "../facts/listing.ts";
import { credentialsAsked } from "../model/credentials.ts";
import { withFailed, withGate, withLog, withoutProxy, withProxy } from "../model/edit.ts";
import type { Failure } from "../model/failure.ts";
import { BACK_OFF, type BackOff, closed } from "../model/gates.ts";
import { CREATE_DEADLINE_MS } from "../model/limits.ts";
import { billable, isSent, isUnsent, mayAct, sentOf, surgeOf, unsentOf } from "../model/proxies.ts";
import type { Ms, Proxy, State, Vm } from "../model/state.ts";
import { withCreate } from "../model/tally.ts";
import { isWithinBounds } from "../planning/budget.ts";
import type { Draft } from "../planning/draft.ts";
import { LOOKED_UP } from "../planning/lifecycle.ts";
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
		for (const { id } of isCanaryOnly(draft.state) ? unsent.slice(0, 1) : unsent) draft.call<Create>({ call: "create", id });
	},

	isStillDue(state, { id }, now) {
		const proxy = state.proxies.get(id);
		const isWithinBound = billable(state) <= state.spec.max + surgeOf(state.spec);
		if (proxy === undefined) return false;
		const isNext = isRepeatable(state, proxy) || (isUnsent(proxy) && !isCanaryOut(state));
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
		return sighted(answered(state, now, "launch"), proxy, vm, now);
	},

	/** `unknown` and `conflict` leave the intent to be looked up by its name; every other kind means that certainly nothing was made. */
	failed(state, { id }, failure, now) {
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "launching" || proxy.phase.sentAt === null) return state;
		// What a first create made may be there whatever becomes of the second.
		if (failure.kind === "unknown" || failure.kind === "conflict" || proxy.formerTokenHash !== null) {
			const waiting = { ...proxy, why: `${LOOKED_UP}${failure.say}`, tries: 0, retryAt: 0 };
			return withLog(withProxy(state, waiting), now, "WARNING", `the create of ${id} is looked up: ${failure.say}`);
		}
		const why = `launch failed: ${failure.say}`;
		const dropped = withFailed(withCreate(withoutProxy(state, id, now), "refused"), { id, vm: null, address: null, at: now, why });
		return launchRefused(dropped, failure, why, now, proxy.phase.sentAt);
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

/** Whether VMs may be made now, as far as gates, bounds and the pool's orders go. */
export function mayLaunch(draft: Draft): boolean {
	const { state } = draft;
	if (state.run !== "running" || state.agentUrl === null || !mayAct(state) || !isRich(draft)) return false;
	return draft.isDue(unlistedUntil(state)) && draft.isDue(state.gates.launch.until) && isWithinBounds(state, draft.now);
}

/** As {@link mayLaunch}, when a call's turn comes; the bounds apart. */
export function isLaunching(state: State, now: Ms): boolean {
	return isOpen(state, now) && state.run === "running" && mayAct(state) && Math.max(unlistedUntil(state), state.gates.launch.until) <= now;
}

/** Whether creates were refused, and none has been made since: one at a time tries whether they are still. */
export function isCanaryOnly({ gates }: State): boolean {
	return gates.launch.failures > 0;
}

/** Whether that one is under way. */
function isCanaryOut(state: State): boolean {
	return isCanaryOnly(state) && sentOf(state.proxies).length > 0;
}

/** How long creates rest after a refusal of that kind; null: another gate, or a look, sees to it. */
const LAUNCH_BACK_OFF: Readonly<Record<Failure["kind"], BackOff | null>> = {
	auth: null,
	rate: null,
	unknown: null,
	conflict: null,
	quota: BACK_OFF.capacity,
	capacity: BACK_OFF.capacity,
	invalid: BACK_OFF.invalid,
	notFound: BACK_OFF.invalid,
	transient: BACK_OFF.launch,
};

/** Creates rest for a while, as long as such a refusal asks for. */
export function launchRefused(state: State, failure: Failure, why: string, now: Ms, begunAt: Ms): State {
	const backOff = LAUNCH_BACK_OFF[failure.kind];
	if (backOff === null) return state;
	const befell = { why, backOff, begunAt, notBefore: failure.retryAt, seed: state.pool.object };
	return withGate(state, "launch", closed(state.gates.launch, befell, now), now, "ERROR");
}
