import { DurableObject } from "cloudflare:workers";
import type { HeartbeatBody } from "../agent/protocol.ts";
import { AGENT_PORT, parseBearer } from "../agent/protocol.ts";
import { normaliseSession } from "../agent/session.ts";
import { type AgentReply, Controller } from "../controller/controller.ts";
import type { Seen } from "../core/facts/listing.ts";
import { type Foreseen, foresee } from "../core/foresee.ts";
import type { Command } from "../core/model/command.ts";
import { credentialsOfVersion } from "../core/model/credentials.ts";
import { type InstanceIds, instancesOf } from "../core/model/instances.ts";
import { type LeaseShown, leasesOf } from "../core/model/leases.ts";
import { type Samples, samplesOf } from "../core/model/metrics.ts";
import { summaryOf } from "../core/model/projection.ts";
import { isReady } from "../core/model/proxies.ts";
import { judgeKey } from "../core/model/registration.ts";
import type { Ms, State } from "../core/model/state.ts";
import { type AccountCheck, checkAccount } from "../providers/base/check.ts";
import type { Env } from "../rpc/env.ts";
import type {
	AgentAnswer,
	CommandOutcome,
	ConfigureOutcome,
	Fetched,
	FleetFacts,
	LeaseOutcome,
	LeaseRequest,
	MetadataOutcome,
	PoolBirth,
	PoolNames,
	PoolOutcomes,
	PoolRpc,
	PoolStatus,
} from "../rpc/pool.ts";
import type { Compared, Look, RegisterRpc } from "../rpc/register.ts";
import { type EndpointConfiguration, masked, type StoredConfiguration } from "../settings/configuration.ts";
import { hostNamesIn } from "../settings/endpoint.ts";
import { type Config, readConfig } from "../settings/environment.ts";
import { addressesOf, outcomesOf, sessionsOf, statusOf, toldOf } from "./answers.ts";
import { sha256 } from "./hash.ts";
import { Lines } from "./lines.ts";
import { fetchList } from "./list.ts";
import { enliven, enlivenStored, identityOf, type Live, refusalOfRetagging, type Surroundings } from "./live.ts";
import { fetchThrough } from "./probe.ts";
import { compareStored } from "./register.ts";
import { resolveAll } from "./resolve.ts";
import { configureCommand } from "./settings.ts";
import { Store } from "./store.ts";

/** Every tick that cron gives asks again; others, of requests that change facts, do not. */
const LOOK_UP_SPACING_MS = 45_000;
const GONE = { error: "notFound", say: "This pool does not exist any more." } as const;
const MALFORMED = { ok: false, say: "the boot token or the key is malformed" } as const;

/** One pool as the Worker calls it. What it decides is the controller's; here are the object's storage, clock and alarm. */
export class Pool extends DurableObject<Env> implements PoolRpc, RegisterRpc {
	private readonly store: Store;
	private readonly lines: Lines;
	private live: Live | null = null;
	private readonly surroundings: Surroundings;
	private read: { readonly env: Env; readonly config: Config } | null = null;
	/** The clock, in milliseconds since the epoch; a test may drive it. */
	protected now: () => Ms = () => Date.now();

	constructor(ctx: DurableObjectState, env: Env) {
		super(ctx, env);
		this.store = new Store(ctx.storage);
		this.lines = new Lines(ctx);
		this.surroundings = {
			ctx,
			lines: this.lines,
			env: () => this.env,
			store: this.store,
			now: () => this.now(),
			config: () => this.config(),
			ended: () => {
				this.live = null;
			},
		};
		const stored = this.store.load();
		if (stored === null) return;
		ctx.blockConcurrencyWhile(async () => {
			this.live = enlivenStored(this.surroundings, stored, await ctx.storage.getAlarm());
			this.live.controller.hearLines(true);
		});
	}

	async start(birth: PoolBirth, configuration?: StoredConfiguration): Promise<void> {
		if (this.live === null) {
			const { state, rows } = Controller.birth(identityOf(birth), this.now(), birth.source === "api" ? "paused" : "running");
			const endpoint = configuration === undefined ? null : { configuration, environment: null, intervalSeconds: null };
			this.store.create(birth, rows, endpoint);
			this.live = enliven(this.surroundings, birth, endpoint, { state, vitalsWrittenAt: 0, armedAt: null });
		}
		this.live.learn(birth.facts);
	}

	async compare(look: Look): Promise<Compared> {
		return compareStored(this.ctx.storage, look);
	}

	async tick(facts: FleetFacts, seen?: Seen, since?: number): Promise<PoolNames | null> {
		const alarmAt = await this.ctx.storage.getAlarm();
		const { live } = this;
		if (live === null) return null;
		live.learn(facts, alarmAt, seen);
		this.ctx.waitUntil(this.refreshHosts());
		this.ctx.waitUntil(this.refreshList());
		const { state } = live.controller;
		const { pool, run } = state;
		const told = since === undefined ? {} : { told: toldOf(state, since, this.now()) };
		return { provider: pool.provider, deployment: pool.deployment, isRemoved: run === "removing", ...told };
	}

	async command(command: Command): Promise<CommandOutcome> {
		const { live } = this;
		if (live === null) return { ok: false, ...GONE };
		const { controller, settings, outside } = live;
		const refusal = controller.refusalOf(command) ?? refusalOfRetagging(controller.state, outside, command);
		if (refusal !== null) return { ok: false, ...refusal };
		if (command.do === "scale") settings.rebound(command.min, command.max);
		const failure = await controller.command(command);
		if (failure !== null) return { ok: false, error: failure.kind === "notFound" ? "notFound" : "conflict", say: failure.say };
		const { state } = controller;
		return { ok: true, summary: { ...outside.names(state), ...summaryOf(state) }, ips: addressesOf(state, isReady) };
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
			return { ok: false, error: "conflict", say: outcome.conflict };
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
		const state = this.live?.controller.state;
		const proxy = state && [...state.proxies.values()].find((one) => one.address === address);
		if (state === undefined || proxy === undefined) return null;
		const credentials = credentialsOfVersion(state, proxy.credentials);
		return fetchThrough({ address, port: AGENT_PORT, credentials, agentUrl: state.agentUrl });
	}

	/** Looks its static backends' host names up again, once a minute: cron ticks no oftener. What does not answer stays as it was. */
	private async refreshHosts(): Promise<void> {
		const names = this.live?.settings.hostNames() ?? [];
		const now = this.now();
		if (names.length === 0 || (now >= this.lookedUpAt && now - this.lookedUpAt < LOOK_UP_SPACING_MS)) return;
		this.lookedUpAt = now;
		const found = await resolveAll(names);
		const { live } = this;
		if (live?.settings.rehost(found)) live.controller.configure();
	}
	private lookedUpAt = Number.NEGATIVE_INFINITY;

	/** Fetches its list of proxies once it is due; one that cannot be had is tried again a minute later. */
	private async refreshList(): Promise<void> {
		const list = this.live?.settings.list() ?? null;
		const now = this.now();
		if (list === null || now < list.dueAt || (now >= this.listedAt && now - this.listedAt < LOOK_UP_SPACING_MS)) return;
		this.listedAt = now;
		const text = await fetchList(list.url);
		const { live } = this;
		// It may have got another address meanwhile.
		if (text === null || live === null || live.settings.list()?.url !== list.url) return;
		live.settings.relist(text, now);
		live.controller.configure();
	}
	private listedAt = Number.NEGATIVE_INFINITY;

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
		const { live } = this;
		if (live === null || live.controller.state.pool.provider === "static") return null;
		const { controller, outside } = live;
		const ids = new Set([controller.state.pool.deployment, ...controller.state.deployments]);
		return checkAccount(
			() => outside.provider(controller.state, "check"),
			({ tags }) => ids.has(tags.deployment ?? ""),
			this.now,
		);
	}

	async instances(): Promise<InstanceIds | null> {
		return this.of(instancesOf);
	}

	async metrics(): Promise<Samples | null> {
		return this.of((state) => samplesOf(state, this.now()));
	}

	async sessions(): Promise<Record<string, string> | null> {
		return this.of(sessionsOf);
	}

	async outcomes(): Promise<PoolOutcomes | null> {
		return this.of((state) => outcomesOf(state, this.now()));
	}

	async lease({ ids, seconds, wishes }: LeaseRequest): Promise<LeaseOutcome> {
		const { live } = this;
		if (live === null) return { ok: false, ...GONE };
		const { controller } = live;
		const refusal = controller.refusalOf({ do: "lease", ids, seconds, wishes });
		if (refusal !== null) return { ok: false, ...refusal };
		await controller.command({ do: "lease", ids, seconds, wishes });
		const leases = leasesOf(controller.state).filter(({ id }) => ids.includes(id));
		const none = leases.filter(({ proxy }) => proxy === null).map(({ id }) => id);
		// Nobody waits for these, and the proxy that is free next is not theirs.
		if (none.length > 0) await controller.command({ do: "endLeases", ids: none });
		return { ok: true, leases: leases.filter(({ proxy }) => proxy !== null) };
	}

	async leases(): Promise<readonly LeaseShown[] | null> {
		return this.of(leasesOf);
	}

	async register(request: { token: string; key: string; address: string }): Promise<AgentAnswer> {
		const [token, key] = [parseBearer(request.token), parseBearer(request.key)];
		if (this.live === null || token === null || key === null) return MALFORMED;
		if (key.object !== token.object || key.id !== token.id) return { ok: false, say: "the key is not this token's" };
		const [tokenHash, keyHash] = [sha256(request.token), sha256(request.key)];
		return this.live.controller.register({ id: token.id, tokenHash, keyHash, address: request.address });
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

	/** An agent's line, whose key the Worker has not checked. */
	override async fetch(request: Request): Promise<Response> {
		const bearer = /^Bearer (\S+)$/.exec(request.headers.get("Authorization") ?? "")?.[1] ?? "";
		if (this.live === null) return new Response(GONE.say, { status: 401 });
		return this.live.agents.open(bearer);
	}

	override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
		const line = this.lines.lineOf(socket);
		if (line?.kind === "agent") this.live?.agents.heard(line, message);
	}

	override async webSocketClose(socket: WebSocket, _code: number, _reason: string, wasClean: boolean): Promise<void> {
		const line = this.lines.lineOf(socket);
		this.lines.ended(socket);
		if (line?.kind === "agent") this.live?.agents.ended(line, wasClean);
	}

	override async webSocketError(socket: WebSocket): Promise<void> {
		const line = this.lines.lineOf(socket);
		this.lines.ended(socket);
		if (line?.kind === "agent") this.live?.agents.ended(line, false);
	}

	override async alarm(): Promise<void> {
		await this.live?.controller.alarm();
	}

	private of<Answer>(read: (state: State) => Answer): Answer | null {
		return this.live === null ? null : read(this.live.controller.state);
	}

	private ofAgent(bearer: string, ask: (controller: Controller, id: string, keyHash: string) => AgentReply): AgentAnswer {
		const key = parseBearer(bearer);
		return this.live === null || key === null ? MALFORMED : ask(this.live.controller, key.id, sha256(bearer));
	}

	/** Read once an environment: it does not change under a running instance. */
	private config(): Config {
		if (this.read?.env !== this.env) this.read = { env: this.env, config: readConfig(this.env) };
		return this.read.config;
	}
}
