/** A pool that was made in this object, in memory: its controller, with the object's storage, alarm and clock for a host. */
import { randomBytes } from "node:crypto";
import { canRetag } from "../calls/retag.ts";
import { Controller, type Facts, type Host } from "../controller/controller.ts";
import type { Refusal } from "../core/facts/orders.ts";
import type { Command } from "../core/model/command.ts";
import type { Ms, State } from "../core/model/state.ts";
import type { Env } from "../rpc/env.ts";
import type { FleetFacts, PoolBirth } from "../rpc/pool.ts";
import type { Config } from "../settings/environment.ts";
import type { StoredEndpoint } from "./endpoint.ts";
import { Outside } from "./outside.ts";
import { PoolSettings } from "./settings.ts";
import type { Store } from "./store.ts";

export interface Live {
	readonly controller: Controller;
	readonly settings: PoolSettings;
	readonly outside: Outside;
	/** Takes in what cron tells. `alarmAt` is what the platform says of the alarm; missing where nobody asked. */
	learn(facts: FleetFacts, alarmAt?: Ms | null): void;
}

/** The Durable Object around it. */
export interface Surroundings {
	readonly ctx: DurableObjectState;
	readonly env: () => Env;
	readonly store: Store;
	readonly now: () => Ms;
	readonly config: () => Config;
	/** Its storage was wiped. */
	readonly ended: () => void;
}

type Stored = ConstructorParameters<typeof Controller>[1];

export function enliven(
	{ ctx, env, store, now, config, ended }: Surroundings,
	birth: PoolBirth,
	endpoint: StoredEndpoint | null,
	stored: Stored,
): Live {
	const settings = new PoolSettings(store, birth, endpoint, config);
	const outside = new Outside(env, birth.object, now, () => settings.current());
	const host: Host = {
		now,
		random: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
		timer: (ms, callback) => {
			const timer = setTimeout(callback, ms);
			return () => clearTimeout(timer);
		},
		store: (changes, at) => store.save(changes, at),
		setAlarm: (at) => ctx.waitUntil(ctx.storage.setAlarm(at)),
		wipe: async () => {
			ended();
			await ctx.storage.deleteAlarm();
			await ctx.storage.deleteAll();
		},
		wanted: () => settings.wanted(),
		budget: () => config().global.maxHourlyCost,
		call: (effect, state) => outside.call(effect, state),
		mintToken: (id) => outside.mintToken(id),
		passBegins: () => {
			outside.callsMade = 0;
		},
		callsMade: () => outside.callsMade,
		passFailed: (error) => console.error("a pass failed", error),
	};
	const controller = new Controller(host, stored);
	const learn = (facts: FleetFacts, alarmAt?: Ms | null) => {
		settings.learn(facts);
		const known = factsFrom(facts, config());
		if (alarmAt === undefined) controller.learn(known);
		else controller.tick(known, alarmAt);
	};
	return { controller, settings, outside, learn };
}

function factsFrom({ rolling: patched, agentUrl, proxies, leased = null }: FleetFacts, { global }: Config): Facts {
	const { dailyRequests, rolling: environment } = global;
	return { rolling: { patched, environment }, agentUrl, proxies, dailyRequests, leased };
}

/** What needs the tags of VMs to be changed is refused at once where the cloud cannot. */
export function refusalOfRetagging(state: State, outside: Outside, command: Command): Refusal | null {
	const isMeant = command.do === "adopt" || command.do === "release" || (command.do === "run" && command.keep === true);
	if (!isMeant || state.pool.provider === "static") return null;
	try {
		if (canRetag(outside.provider(state))) return null;
	} catch {
		return null; // the account cannot be used now: the order waits until it can
	}
	return {
		error: "conflict",
		say: `${state.pool.provider} cannot change the tags of a VM: it can be neither associated nor left running.`,
	};
}
