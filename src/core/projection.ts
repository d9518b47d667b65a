/** What of a pool is shown in D1, and a hash that tells whether D1 shows it. */

import { costOf } from "./cost.ts";
import { billable, vmOf } from "./count.ts";
import { canWake } from "./demand.ts";
import { BOOTS_TO_CLOSE, STUCK_DELETE_MS } from "./limits.ts";
import { whyUnpriced } from "./pricing.ts";
import type { PoolSummary, ProxyRow, ReadyEntry } from "./published.ts";
import type { Gate, Proxy, State } from "./state.ts";
import { staticRows } from "./statics.ts";

/** The part of the summary that the core knows; the shell adds names and settings. */
export type CoreSummary = Omit<PoolSummary, "displayName" | "settings">;

export function summaryOf(state: State): CoreSummary {
	const { gates } = state;
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
		problems: problemsOf(state),
		degraded: state.suspended !== null || state.breach !== null || isClosed(gates.auth) || isClosed(gates.list) || isClosed(gates.rate),
		strays: state.strays.size,
		foreign: state.foreign,
	};
}

const isClosed = (gate: Gate): boolean => gate.failures > 0;

/** What an operator should know, a sentence each. */
export function problemsOf(state: State): readonly string[] {
	const { gates } = state;
	const sentences: string[] = [];
	if (state.suspended !== null) sentences.push(state.suspended);
	if (state.breach !== null) sentences.push(`stopped by its own check: ${state.breach}; start the pool again to go on`);
	if (state.agentUrl === null) sentences.push("waits for the address that its agents shall call: set PUBLIC_URL or POST /v1.1/url");
	for (const gate of [gates.auth, gates.rate, gates.launch, gates.list]) if (isClosed(gate)) sentences.push(gate.why);
	if (state.money.held !== null) sentences.push(state.money.held);
	if (state.firewall.tries > 0) sentences.push(state.firewall.why);
	if (gates.boots.failures >= BOOTS_TO_CLOSE) sentences.push(gates.boots.why);
	const stuck = stuckOf(state);
	if (stuck.length > 0) sentences.push(`still billed though deleted: ${stuck.map((proxy) => vmOf(proxy) ?? proxy.id).join(", ")}`);
	if (state.strays.size > 0) sentences.push(`VMs tagged for this pool that it did not ask for: ${[...state.strays.keys()].join(", ")}`);
	return sentences;
}

/** Those whose delete does not come to an end. The last list is the clock here: a summary must not change by the mere passing of time. */
function stuckOf({ proxies, listedAt }: State): readonly Proxy[] {
	const stuck: Proxy[] = [];
	for (const proxy of proxies.values()) if (proxy.phase.at === "deleting" && listedAt >= proxy.since + STUCK_DELETE_MS) stuck.push(proxy);
	return stuck;
}

export function rowOf(proxy: Proxy): ProxyRow {
	const { id, address, phase, credentials, since, createdAt, why } = proxy;
	return { id, vm: vmOf(proxy), address, phase: phase.at, credentials, since, createdAt, why };
}

/** The entry of the ready list; null for a proxy that is not to be handed out. */
export function readyEntryOf(proxy: Proxy): ReadyEntry | null {
	return proxy.phase.at === "ready" && proxy.address !== null ? [proxy.id, proxy.address, proxy.credentials] : null;
}

/** Proxies are never mutated, so that a row is hashed once, not at each plan. */
const rowHashes = new WeakMap<Proxy, number>();

function rowHash(proxy: Proxy): number {
	let hash = rowHashes.get(proxy);
	if (hash === undefined) {
		hash = hash53(JSON.stringify(rowOf(proxy)));
		rowHashes.set(proxy, hash);
	}
	return hash;
}

/** Whether two states with the same proxies have the same projection: of all that it is made of nothing was replaced. */
function isShownAlike(a: State, b: State): boolean {
	return (
		a.run === b.run &&
		a.spec === b.spec &&
		a.target === b.target &&
		a.reconciledAt === b.reconciledAt &&
		a.suspended === b.suspended &&
		a.breach === b.breach &&
		a.agentUrl === b.agentUrl &&
		a.gates === b.gates &&
		a.strays === b.strays &&
		a.foreign === b.foreign &&
		a.credentials === b.credentials &&
		a.statics === b.statics &&
		a.firewall === b.firewall &&
		a.account === b.account &&
		a.money === b.money &&
		a.logSeq === b.logSeq &&
		a.repeats === b.repeats &&
		(a.listedAt === b.listedAt || stuckOf(a).length === stuckOf(b).length)
	);
}

/** When entries of the log were renewed, which keep their numbers. */
function renewals({ repeats }: State): number {
	return repeats.reduce((sum, { firstAt, writtenAt }) => sum + (writtenAt - firstAt), 0);
}

/** Each plan asks for it, and between two changes there are many plans. */
const lastHashes = new WeakMap<State["proxies"], { readonly of: State; readonly hash: string }>();

/** Equal for equal projections. The order of proxies does not matter. */
export function projectionHash(state: State): string {
	const last = lastHashes.get(state.proxies);
	if (last !== undefined && isShownAlike(last.of, state)) return last.hash;
	let rows = 0;
	for (const proxy of state.proxies.values()) rows = (rows + rowHash(proxy)) % 2 ** 52;
	const rest = hash53(JSON.stringify([summaryOf(state), state.credentials, state.logSeq, renewals(state), staticRows(state)]));
	const hash = `${rows.toString(36)}.${rest.toString(36)}`;
	lastHashes.set(state.proxies, { of: state, hash });
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
