import { agentFiles } from "../agent/files.ts";
import { AGENT_PORT } from "../agent/protocol.ts";
import { renderUserData } from "../agent/userdata.ts";
import { isAnothers } from "../core/adopt.ts";
import { chargesLeft } from "../core/cost.ts";
import { credentialsAsked, credentialsOfVersion } from "../core/credentials.ts";
import type { Effect, Event, Failure, Vm } from "../core/events.ts";
import { summaryOf } from "../core/projection.ts";
import type { PoolSummary } from "../core/published.ts";
import { sessionsHash } from "../core/sessions.ts";
import type { Id, Measurements, Rate, State } from "../core/state.ts";
import { forgetPool } from "../d1/directory.ts";
import { reserve } from "../d1/leases.ts";
import { type Provider, ProviderError } from "../providers/base/provider.ts";
import type { Ledger } from "../read-model/ledger.ts";
import type { Publication } from "../read-model/publish.ts";
import { publish } from "../read-model/publish.ts";
import type { SessionLedger } from "../read-model/session-parts.ts";
import { writeSessions } from "../read-model/sessions.ts";
import { probe, probePlainly } from "./probe.ts";

/** What an effect needs of the world. */
export interface World {
	readonly db: D1Database;
	/** Throws a ProviderError where the account's settings are missing. */
	readonly provider: () => Provider;
	readonly ledger: Ledger;
	readonly sessionLedger: SessionLedger;
	readonly names: Pick<PoolSummary, "displayName" | "settings">;
	/** The boot token minted for this intent. */
	readonly token: (id: Id) => string;
	/** What another endpoint's proxies report, or a sentence why it cannot be asked. Throws where it does not answer now. */
	readonly measure: (endpoint: string) => Promise<Measurements | string>;
	/** The rate limit that the last answer stated. */
	readonly takeRate: () => Rate | null;
	readonly now: () => number;
}

/** The name of a VM at its provider. */
export function vmName(state: State, id: Id): string {
	return `muster-${state.pool.deployment}-${id}`;
}

/** Does one effect in the world and returns the fact that came of it. Never throws: a failure is a fact. */
export async function carryOut(effect: Effect, state: State, world: World): Promise<Event> {
	let event: Event;
	try {
		event = await attempt(effect, state, world);
	} catch (error) {
		event = failed(effect, error);
	}
	const rate = world.takeRate();
	return rate === null ? event : ({ ...event, rate } as Event);
}

async function attempt(effect: Effect, state: State, world: World): Promise<Event> {
	const startedAt = world.now();
	switch (effect.call) {
		case "create": {
			const vm = await create(effect.id, state, world);
			return { on: "created", id: effect.id, vm };
		}
		case "finish":
			await create(effect.id, state, world, effect.vm);
			return { on: "accepted", effect };
		case "delete":
		case "restart":
		case "deleteStray":
			if (effect.call === "restart") await world.provider().restart(effect.vm, effect.step);
			else await world.provider().delete(effect.vm);
			return { on: "accepted", effect };
		case "find": {
			const tags = { deployment: state.pool.deployment, intent: effect.id };
			const vm = await world.provider().find({ vm: effect.vm, name: vmName(state, effect.id), tags });
			return { on: "found", id: effect.id, vm, startedAt };
		}
		case "firewall":
			await world.provider().protect({ tags: { deployment: state.pool.deployment }, allow: effect.allow, port: AGENT_PORT });
			return { on: "accepted", effect };
		case "list":
			return { on: "listed", startedAt, vms: await world.provider().list() };
		case "price":
			return { on: "priced", account: effect.account, price: await world.provider().hourlyPrice() };
		case "reserve": {
			const held = await reserve(world.db, { ...effect, object: state.pool.object, now: startedAt });
			if (held === null)
				return {
					on: "failed",
					effect,
					failure: { kind: "conflict", say: "a newer request is there, or the directory does not know the pool" },
				};
			return { on: "reserved", version: effect.version, ...held };
		}
		case "probe": {
			const credentials = credentialsOfVersion(state, state.proxies.get(effect.id)?.credentials ?? 0);
			const { address, keyHash } = effect;
			const verdict =
				keyHash === null
					? await probePlainly({ address, port: AGENT_PORT, credentials, agentUrl: state.agentUrl })
					: await probe({ address, keyHash, credentials });
			return { on: "probed", id: effect.id, verdict, startedAt };
		}
		case "probeStatic": {
			const { id, address, port } = effect;
			const target = { address, port, credentials: credentialsAsked(state), agentUrl: state.agentUrl };
			return { on: "staticProbed", id, verdict: await probePlainly(target) };
		}
		case "adopt":
			return { on: "adopted", id: effect.id, vm: await adopt(effect, state, world.provider()) };
		case "release":
			await letGo(effect, state, world.provider());
			return { on: "accepted", effect };
		case "publish":
			return publishState(effect, state, world, startedAt);
		case "measure":
			return { on: "measured", endpoint: effect.endpoint, startedAt, found: await world.measure(effect.endpoint) };
		case "sessions": {
			const { rows, partCount, acknowledge } = world.sessionLedger.changes(state);
			world.sessionLedger.doubt();
			await writeSessions(world.db, state.pool.object, rows, partCount);
			acknowledge();
			return { on: "sessionsShown", hash: sessionsHash(state) };
		}
		case "forget":
			await forgetPool(world.db, state.pool.object, chargesLeft(state, startedAt), startedAt);
			return { on: "forgotten" };
		default:
			return effect satisfies never;
	}
}

/** `unfinished`: the VM that an earlier create left. */
async function create(id: Id, state: State, world: World, unfinished?: string) {
	if (state.agentUrl === null) throw new ProviderError({ kind: "transient", say: "the address that agents call is not known" });
	const userData = await renderUserData(
		{
			url: state.agentUrl,
			token: world.token(id),
			port: AGENT_PORT,
			interval: state.heartbeatSeconds,
			credentials: credentialsAsked(state),
			allow: state.allow,
		},
		agentFiles,
	);
	const { deployment, tag } = state.pool;
	return world.provider().create({
		name: vmName(state, id),
		tags: { deployment, pool: tag, intent: id },
		userData,
		allow: state.allow,
		port: AGENT_PORT,
		...(unfinished === undefined ? {} : { unfinished }),
	});
}

/** Puts this pool's tags on a VM of its account that no Muster has. */
async function adopt({ id, vm }: Effect & { call: "adopt" }, { pool }: State, provider: Provider): Promise<Vm> {
	const { get, retag } = retagging(provider);
	const found = await get(vm);
	if (found === null || found.state === "going") throw new ProviderError({ kind: "notFound", say: `there is no VM "${vm}"` });
	if (isAnothers(found, pool))
		throw new ProviderError({ kind: "conflict", say: `VM "${vm}" carries the tags of another pool or deployment` });
	const tags = { deployment: pool.deployment, pool: pool.tag, intent: id };
	await retag(vm, tags);
	return { ...found, tags };
}

/** Takes our tags off; where an association never came about the VM may have another pool's, which stay. */
async function letGo({ vm }: Effect & { call: "release" }, { pool }: State, provider: Provider): Promise<void> {
	const { get, retag } = retagging(provider);
	const found = await get(vm);
	if (found === null) throw new ProviderError({ kind: "notFound", say: `there is no VM "${vm}"` });
	if (!isAnothers(found, pool)) await retag(vm, null);
}

/** Whether the driver can put tags on VMs and take them off. */
export function canRetag(provider: Provider): boolean {
	return provider.get !== undefined && provider.retag !== undefined;
}

function retagging(provider: Provider) {
	const { get, retag } = provider;
	if (get === undefined || retag === undefined) throw new ProviderError({ kind: "conflict", say: "this cloud cannot change a VM's tags" });
	return { get: get.bind(provider), retag: retag.bind(provider) };
}

async function publishState(effect: Effect & { call: "publish" }, state: State, world: World, startedAt: number): Promise<Event> {
	const { acknowledge, ...changes } = world.ledger.changes(state);
	const publication: Publication = {
		object: state.pool.object,
		incarnation: state.pool.incarnation,
		version: effect.version,
		now: startedAt,
		summary: { ...world.names, ...summaryOf(state) },
		credentials: Object.fromEntries(state.credentials.map(({ version, username, password }) => [version, [username, password]])),
		...changes,
		log: state.log,
	};
	world.ledger.doubt();
	const isHeld = await publish(world.db, publication);
	if (!isHeld)
		return {
			on: "failed",
			effect,
			failure: { kind: "conflict", say: "a newer version is there, or the directory does not know the pool" },
		};
	acknowledge();
	return { on: "published", hash: effect.hash, version: effect.version, startedAt, logSeq: state.logSeq };
}

function failed(effect: Effect, error: unknown): Event {
	const failure: Failure =
		error instanceof ProviderError
			? error.failure
			: {
					kind: effect.call === "create" || effect.call === "finish" ? "unknown" : "transient",
					say: error instanceof Error ? error.message : "it failed without a reason",
				};
	if (failure.kind === "notFound") {
		if (effect.call === "delete") return { on: "gone", id: effect.id };
		if (effect.call === "deleteStray") return { on: "strayGone", vm: effect.vm };
	}
	return { on: "failed", effect, failure };
}
