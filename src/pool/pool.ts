import type { HeartbeatBody } from "../agent/protocol.ts";
import { parseBearer } from "../agent/protocol.ts";
import { normaliseSession } from "../agent/session.ts";
import { Controller } from "../controller/controller.ts";
import type { Seen } from "../core/facts/listing.ts";
import { type Foreseen, foresee } from "../core/foresee.ts";
import type { Command } from "../core/model/command.ts";
import { type LeaseShown, leasesOf } from "../core/model/leases.ts";
import { type Samples, samplesOf } from "../core/model/metrics.ts";
import { summaryOf } from "../core/model/projection.ts";
import { isReady } from "../core/model/proxies.ts";
import { judgeKey } from "../core/model/registration.ts";
import type { State } from "../core/model/state.ts";
import type { AccountCheck } from "../providers/base/check.ts";
import type {
	AgentAnswer,
	CommandOutcome,
	ConfigureOutcome,
	Fetched,
	FleetFacts,
	InitialPool,
	Instances,
	LeaseOutcome,
	LeaseRequest,
	MetadataOutcome,
	PoolDetails,
	PoolNames,
	PoolOutcomes,
	PoolRpc,
	PoolStatus,
} from "../rpc/pool.ts";
import type { Compared, Look, RegisterRpc } from "../rpc/register.ts";
import { type EndpointConfiguration, masked, type StoredConfiguration } from "../settings/configuration.ts";
import { hostNamesIn } from "../settings/endpoint.ts";
import { orderKnown } from "../settings/ordered-credentials.ts";
import { addressesOf, checkOf, detailsOf, instancesIn, outcomesOf, sessionsOf, statusOf, toldOf } from "./answers.ts";
import { sha256 } from "./hash.ts";
import { leaseOf } from "./lease.ts";
import { enliven, identityOf, refusalOfRetagging } from "./live.ts";
import { GONE, MALFORMED, PoolObject } from "./object.ts";
import { fetchThroughOne } from "./probe.ts";
import { compareStored } from "./register.ts";
import { resolveAll } from "./resolve.ts";
import { configureCommand } from "./settings.ts";

/** One pool as the Worker calls it: what it decides is the controller's. */
export class Pool extends PoolObject implements PoolRpc, RegisterRpc {
	async start(initial: InitialPool, configuration?: StoredConfiguration): Promise<void> {
		if (this.live === null) {
			const { state, rows } = Controller.initial(identityOf(initial), this.now(), initial.source === "api" ? "paused" : "running");
			const endpoint = configuration === undefined ? null : { configuration, environment: null, intervalSeconds: null };
			this.store.create(initial, rows, endpoint);
			this.live = enliven(this.surroundings, initial, endpoint, { state, vitalsWrittenAt: 0, armedAt: null });
		}
		this.live.learn(initial.facts);
	}

	async compare(look: Look): Promise<Compared> {
		return compareStored(this.ctx.storage, look);
	}

	async tick(facts: FleetFacts, seen?: Seen, since?: number): Promise<PoolNames | null> {
		const alarmAt = await this.ctx.storage.getAlarm();
		const { live } = this;
		if (live === null) return null;
		live.learn(facts, alarmAt, seen);
		this.ctx.waitUntil(this.refresher.refresh());
		const { state } = live.controller;
		const told = since === undefined ? {} : { told: toldOf(state, since, this.now()) };
		const names = { provider: state.pool.provider, deployment: state.pool.deployment, isRemoved: state.run === "removing" };
		return { ...names, ...told, ...this.laterCredentials(state, facts) };
	}

	/** The order of the proxies' credentials that it knows, where it was told of an earlier one, or of none. */
	private laterCredentials({ orderedCredentials }: State, { credentials }: FleetFacts): Pick<PoolNames, "credentials"> {
		if (credentials === undefined || orderedCredentials.revision <= (credentials?.revision ?? 0)) return {};
		const known = orderKnown(this.config().global.encryptionKeys, orderedCredentials);
		return known === null ? {} : { credentials: known };
	}

	async command(command: Command): Promise<CommandOutcome> {
		const { live } = this;
		if (live === null) return { ok: false, ...GONE };
		const { controller, settings, outside } = live;
		const refusal = controller.refusalOf(command) ?? refusalOfRetagging(controller.state, outside, command);
		if (refusal !== null) return { ok: false, ...refusal };
		if (command.do === "scale") settings.rebound(command.min, command.max);
		const failure = await controller.command(command);
		if (failure !== null) return { ok: false, error: failure.kind === "notFound" ? "notFound" : "conflict", message: failure.message };
		const { state } = controller;
		return { ok: true, summary: { ...outside.names(state), ...summaryOf(state) }, addresses: addressesOf(state, isReady) };
	}

	async configuration(): Promise<EndpointConfiguration | null> {
		return this.live?.settings.shown(this.live.controller.state) ?? null;
	}

	async reconfigure(configuration: StoredConfiguration): Promise<ConfigureOutcome> {
		const { live } = this;
		if (live === null) return { ok: false, ...GONE };
		const { controller, settings } = live;
		const found = await resolveAll(hostNamesIn(masked(configuration)));
		const outcome = settings.reconfigured(configuration, found);
		if (!outcome.ok) {
			if ("faults" in outcome) return { ok: false, error: "invalid", faults: outcome.faults };
			return { ok: false, error: "conflict", message: outcome.conflict };
		}
		const { endpoint, bounds } = outcome;
		const derived = settings.derivedFrom(endpoint);
		const refusal = derived === null ? null : controller.refusalOf(configureCommand(derived));
		if (refusal !== null) return { ok: false, ...refusal };
		// No await until all of it is stored: one transaction.
		settings.save(endpoint);
		controller.configure();
		await controller.command({ do: "scale", min: bounds.min, max: bounds.max });
		return { ok: true, provider: controller.state.pool.provider };
	}

	async fetchThrough(address: string): Promise<Fetched | null> {
		return this.live === null ? null : fetchThroughOne(this.live.controller.state, address);
	}

	async opens(key: string): Promise<boolean> {
		return this.live?.settings.opens(key) ?? false;
	}

	async metadataKeys(): Promise<readonly string[] | null> {
		return this.live === null ? null : this.store.metadataKeys();
	}

	async metadata(key: string): Promise<string | null | undefined> {
		return this.live === null ? undefined : this.store.metadata(key);
	}

	async setMetadata(key: string, json: string | null): Promise<MetadataOutcome> {
		if (this.live === null) return { ok: false, error: "notFound" };
		return this.store.saveMetadata(key, json) ? { ok: true } : { ok: false, error: "full" };
	}

	async status(): Promise<PoolStatus | null> {
		return this.of((state) => statusOf(state, this.now()));
	}

	async foresee(): Promise<Foreseen | null> {
		return this.of((state) => foresee(state, this.now(), Math.random));
	}

	async check(): Promise<AccountCheck | null> {
		return this.live === null ? null : checkOf(this.live, this.now);
	}

	async instances(): Promise<Instances | null> {
		return this.live === null ? null : instancesIn(this.live);
	}

	async metrics(): Promise<Samples | null> {
		return this.of((state) => samplesOf(state, this.now()));
	}

	async details(): Promise<PoolDetails | null> {
		return this.of((state) => detailsOf(state, this.now()));
	}

	async sessions(): Promise<Record<string, string> | null> {
		return this.of(sessionsOf);
	}

	async outcomes(): Promise<PoolOutcomes | null> {
		return this.of((state) => outcomesOf(state, this.now()));
	}

	async lease(request: LeaseRequest): Promise<LeaseOutcome> {
		return this.live === null ? { ok: false, ...GONE } : leaseOf(this.live.controller, request);
	}

	async leases(): Promise<readonly LeaseShown[] | null> {
		return this.of(leasesOf);
	}

	async register(request: { token: string; key: string; address: string; agent?: string }): Promise<AgentAnswer> {
		const [token, key] = [parseBearer(request.token), parseBearer(request.key)];
		if (this.live === null || token === null || key === null) return MALFORMED;
		if (key.object !== token.object || key.id !== token.id) return { ok: false, message: "the key is not this token's" };
		const [tokenHash, keyHash] = [sha256(request.token), sha256(request.key)];
		return this.live.controller.register({
			...{ id: token.id, tokenHash, keyHash, address: request.address },
			...(request.agent === undefined ? {} : { agent: request.agent }),
		});
	}

	async heartbeat(request: { key: string; address: string; body: HeartbeatBody }): Promise<AgentAnswer> {
		const { active, metrics, credentials, boot, counters } = request.body;
		const sessions = request.body.sessions.map(normaliseSession).filter((session) => session !== null);
		const counts = boot === undefined || counters === undefined ? {} : { counts: { boot, counters } };
		return this.ofAgent(request.key, (controller, id, keyHash) =>
			controller.heartbeat(keyHash, { id, active, metrics, credentials, sessions, ...counts }),
		);
	}

	async unregister(request: { key: string; address: string }): Promise<AgentAnswer> {
		return this.ofAgent(request.key, (controller, id, keyHash) => controller.unregister(keyHash, id));
	}

	async proves(request: { key: string; address: string }): Promise<boolean> {
		const key = parseBearer(request.key);
		const state = this.live?.controller.state;
		if (state === undefined || key === null || state.proxies.get(key.id)?.address !== request.address) return false;
		return judgeKey(state, key.id, sha256(request.key)).is === "accepted";
	}
}
