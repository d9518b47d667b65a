/** A pool that was made in this object, in memory: its controller, with the object's storage, alarm and clock for a host. */
import { randomBytes } from "node:crypto";
import { carryOut } from "../calls/index.ts";
import { canRetag } from "../calls/retag.ts";
import { AgentLines } from "../controller/agent-lines.ts";
import { changesBetween, decode } from "../controller/codec.ts";
import { Controller, type Facts, type Host } from "../controller/controller.ts";
import type { Lines } from "../controller/lines.ts";
import type { Seen } from "../core/facts/listing.ts";
import type { Refusal } from "../core/facts/orders.ts";
import type { Command } from "../core/model/command.ts";
import type { Identity, Ms, State } from "../core/model/state.ts";
import { ProviderError } from "../providers/base/provider.ts";
import type { Env } from "../rpc/env.ts";
import type { FleetFacts, InitialPool } from "../rpc/pool.ts";
import type { Config } from "../settings/environment.ts";
import { openedOrder } from "../settings/ordered-credentials.ts";
import { logError, logEvent } from "../values/log.ts";
import type { StoredEndpoint } from "./endpoint.ts";
import { sha256 } from "./hash.ts";
import { Outside } from "./outside.ts";
import { PoolSettings } from "./settings.ts";
import type { Store, Stored } from "./store.ts";

export interface Live {
	readonly controller: Controller;
	readonly settings: PoolSettings;
	readonly outside: Outside;
	readonly agents: AgentLines;
	/** Takes in what cron tells. `alarmAt` is what the platform says of the alarm, `seen` what the directory shows; missing where nobody asked. */
	learn(facts: FleetFacts, alarmAt?: Ms | null, seen?: Seen): void;
}

/** The Durable Object around it. */
export interface Surroundings {
	readonly ctx: DurableObjectState;
	readonly env: () => Env;
	readonly store: Store;
	readonly lines: Lines;
	readonly now: () => Ms;
	readonly config: () => Config;
	/** Its storage was wiped. */
	readonly ended: () => void;
}

type Loaded = ConstructorParameters<typeof Controller>[1];

export function identityOf({ object, provider, name, deployment, incarnation }: InitialPool): Identity {
	return { object, provider, name, deployment, incarnation, tag: sha256(object).slice(0, 16) };
}

/** A pool from its rows. Where they cannot be read they stay as they are: another version may read them. */
export function enlivenStored(surroundings: Surroundings, { initial, rows, endpoint, vitalsWrittenAt }: Stored, armedAt: Ms | null): Live {
	let state: State;
	let isReadable = true;
	try {
		state = decode(rows);
	} catch (error) {
		logError("a stored pool cannot be read", error);
		isReadable = false;
		state = Controller.salvaged(identityOf(initial), surroundings.now(), error instanceof Error ? error.message : String(error));
	}
	return enliven(surroundings, initial, endpoint, { state, vitalsWrittenAt, armedAt }, isReadable);
}

export function enliven(
	{ ctx, env, store, lines, now, config, ended }: Surroundings,
	initial: InitialPool,
	endpoint: StoredEndpoint | null,
	loaded: Loaded,
	isReadable = true,
): Live {
	const settings = new PoolSettings(store, initial, endpoint, config);
	const outside = new Outside(env, initial, now, () => settings.current());
	const host: Host = {
		now,
		random: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
		timer: (ms, callback) => {
			const timer = setTimeout(callback, ms);
			return () => clearTimeout(timer);
		},
		store: (changes, at, after) => {
			if (!isReadable && after.run !== "removing") return;
			if (!isReadable) store.putAside();
			store.save(isReadable ? changes : changesBetween(null, after, true), at);
			isReadable = true;
		},
		setAlarm: (at) => ctx.waitUntil(ctx.storage.setAlarm(at)),
		wipe: async () => {
			ended();
			await ctx.storage.deleteAlarm();
			await ctx.storage.deleteAll();
		},
		wanted: () => settings.wanted(),
		budget: () => config().global.maxHourlyCost,
		call: (effect, state) => carryOut(effect, state, outside.world(state)),
		mintToken: (id) => outside.mintToken(id),
		passBegins: () => {
			outside.callsMade = 0;
		},
		callsMade: () => outside.callsMade,
		lines: (isLoaded) => agents.lives(isLoaded),
		committed: (before, after) => agents.committed(before, after),
		told: (event) => logEvent({ ...event }),
		passFailed: (error) => logError("a pass failed", error),
	};
	const controller = new Controller(host, loaded);
	const agents = new AgentLines(lines, () => controller, { now, digest: sha256 });
	const learn = (facts: FleetFacts, alarmAt?: Ms | null, seen?: Seen) => {
		settings.learn(facts);
		settings.resealSecrets();
		const known = factsFrom(facts, config());
		if (alarmAt === undefined) controller.learn(known);
		else controller.tick(known, alarmAt, seen);
	};
	return { controller, settings, outside, agents, learn };
}

function factsFrom({ rolling: patched, credentials: stored = null, ...facts }: FleetFacts, { global }: Config): Facts {
	const { agentUrl, proxies, allotted = null, deployments = [] } = facts;
	const { dailyRequests, rolling: environment } = global;
	const credentials = stored === null ? null : { ordered: openedOrder(global.encryptionKeys, stored), own: global.proxyCredentials };
	return { rolling: { patched, environment }, credentials, agentUrl, proxies, dailyRequests, allotted, deployments };
}

/** What needs the tags of VMs to be changed is refused at once where the cloud cannot. */
export function refusalOfRetagging(state: State, outside: Outside, command: Command): Refusal | null {
	const isMeant = command.do === "adopt" || command.do === "release" || (command.do === "run" && command.keep === true);
	if (!isMeant || state.pool.provider === "static") return null;
	try {
		if (canRetag(outside.provider(state))) return null;
	} catch (error) {
		if (!(error instanceof ProviderError)) throw error;
		return null; // the account cannot be used now: the order waits until it can
	}
	return {
		error: "conflict",
		message: `${state.pool.provider} cannot change the tags of a VM: it can be neither associated nor left running.`,
	};
}
