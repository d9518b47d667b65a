/** Pools in memory and ports on them, for tests of the runner and the plan. */

import { Bell } from "../../src/controller/bell.ts";
import type { Ports } from "../../src/controller/pass.ts";
import { apply } from "../../src/core/apply.ts";
import type { Effect } from "../../src/core/effects/index.ts";
import type { Outcome } from "../../src/core/events.ts";
import { withProxy } from "../../src/core/model/edit.ts";
import { countReady, drainingOf } from "../../src/core/model/proxies.ts";
import { intentOf } from "../../src/core/model/proxy.ts";
import type { Proxy, State } from "../../src/core/model/state.ts";
import { newState } from "../../src/core/model/state.ts";

export const NOW = 1_000_000_000;

/** Ports on a state in memory. `answer` makes a call's result; calls end in the order in which they began, a turn later. */
export function fakePorts(start: State, answer: (effect: Effect, state: State) => Outcome) {
	const seen = {
		most: 0,
		running: 0,
		probes: 0,
		mostProbes: 0,
		creates: 0,
		mostCreates: 0,
		calls: [] as Effect[],
		before: 0,
		armedAt: Number.POSITIVE_INFINITY,
	};
	let state = start;
	const ports: Ports = {
		hear: () => undefined,
		load: () => state,
		commit: (_before, after, wakeAt) => {
			state = after;
			if (wakeAt !== null) seen.armedAt = Math.min(seen.armedAt, wakeAt);
		},
		dispatch: (event) => {
			state = apply(state, event, NOW);
		},
		isAwaited: () => false,
		bell: new Bell((ms, callback) => {
			const timer = setTimeout(callback, ms);
			return () => clearTimeout(timer);
		}),
		call: async (effect, now) => {
			const isProbe = effect.call === "probe" ? 1 : 0;
			const isCreate = effect.call === "create" ? 1 : 0;
			seen.creates += isCreate;
			seen.mostCreates = Math.max(seen.mostCreates, seen.creates);
			seen.calls.push(effect);
			seen.most = Math.max(seen.most, ++seen.running);
			seen.probes += isProbe;
			seen.mostProbes = Math.max(seen.mostProbes, seen.probes);
			await new Promise((resolve) => setImmediate(resolve));
			seen.running--;
			seen.probes -= isProbe;
			seen.creates -= isCreate;
			return answer(effect, now);
		},
		mintToken: (id) => `hash of ${id}`,
		callsMade: () => seen.calls.length - seen.before,
		now: () => NOW,
		random: () => 0.5,
	};
	return { ports, seen, state: () => state };
}

export function poolOf(count: number, change: (index: number) => Partial<Proxy>): State {
	const pool = { object: "0".repeat(64), provider: "digitalocean", name: "default", deployment: "d", incarnation: 1, tag: "t" } as const;
	const born = newState(pool, NOW - 1000);
	let state: State = {
		...born,
		agentUrl: "https://muster.test",
		reconciledAt: NOW - 500,
		listedAt: NOW - 500,
		target: count,
		standing: { wanted: count, isShort: false, since: NOW, wantedThen: count },
		spec: { ...born.spec, min: count, max: count },
	};
	for (let index = 0; index < count; index++) {
		const id = `proxy${String(index).padStart(11, "0")}`;
		const proxy: Proxy = {
			...intentOf(id, NOW - 1000),
			phase: { at: "ready", vm: `vm-${index}` },
			address: `203.0.113.${index}`,
			registered: true,
			wasReady: true,
			tokenHash: "t",
			keyHash: "k",
			...change(index),
		};
		state = withProxy(state, proxy);
	}
	return { ...state, counted: { all: count, ready: countReady(state) } };
}

const vmOf = (id: string, state: State) => ({
	vm: `made-${id}`,
	name: id,
	state: "starting" as const,
	address: null,
	tags: { deployment: "d", pool: state.pool.tag, intent: id },
});

export function succeed(effect: Effect, state: State): Outcome {
	const done = { on: "done", startedAt: NOW } as const;
	switch (effect.call) {
		case "create":
			return { ...done, effect, result: vmOf(effect.id, state) };
		case "publish":
			return {
				...done,
				effect,
				result: { logSeq: state.logSeq, ended: [], hidden: drainingOf(state.proxies).map(({ id, since }) => ({ id, since })) },
			};
		case "list":
			return { ...done, effect, result: [] };
		case "probe":
		case "probeStatic":
			return { ...done, effect, result: { is: "ok", active: 0 } } as Outcome;
		case "find":
			return { ...done, effect, result: null };
		case "adopt":
			return { ...done, effect, result: { ...vmOf(effect.id, state), vm: effect.vm, state: "running" } };
		case "delete":
		case "deleteOrphan":
			return { ...done, effect, result: "accepted" } as Outcome;
		case "price":
			return { ...done, effect, result: { hourly: 0.1, currency: "USD", asOf: NOW } };
		case "reserve":
			return { ...done, effect, result: { hourly: effect.hold + effect.count * effect.price, isRefused: false, isOver: false } };
		case "measure":
			return { ...done, effect, result: "there is no such endpoint" };
		default:
			return { ...done, effect, result: null } as Outcome;
	}
}
