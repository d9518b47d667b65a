import { DurableObject } from "cloudflare:workers";
import { createHash, randomBytes } from "node:crypto";
import type { Directives, HeartbeatBody } from "../agent/protocol.ts";
import { parseBearer } from "../agent/protocol.ts";
import { normaliseSession } from "../agent/session.ts";
import { CALLS_A_PASS, mustArm, type Ports, pass, rearm, take } from "../controller/pass.ts";
import { isFinal, proxyNamed } from "../core/adopt.ts";
import { newState } from "../core/birth.ts";
import { isKept } from "../core/count.ts";
import { credentialsAsked } from "../core/credentials.ts";
import type { Command, Event, Failure } from "../core/events.ts";
import { type InstanceIds, instancesOf } from "../core/instances.ts";
import { type Samples, samplesOf } from "../core/metrics.ts";
import { type Refusal, refusalOf } from "../core/orders.ts";
import { projectionHash, summaryOf } from "../core/projection.ts";
import { type Judgement, judgeKey, judgeRegistration } from "../core/registration.ts";
import { rollingStatus } from "../core/rolling.ts";
import { dropsFor } from "../core/sessions.ts";
import type { Id, Ms, Proxy, Rate, State } from "../core/state.ts";
import { type Provider, ProviderError } from "../providers/base/provider.ts";
import { PROVIDERS } from "../providers/index.ts";
import { Ledger } from "../read-model/ledger.ts";
import { SessionLedger, sessionsOf } from "../read-model/session-parts.ts";
import type { Env } from "../rpc/env.ts";
import type {
	AgentAnswer,
	CommandOutcome,
	ConfigureOutcome,
	FleetFacts,
	MetadataOutcome,
	PoolBirth,
	PoolNames,
	PoolRpc,
	PoolStatus,
} from "../rpc/pool.ts";
import type { EndpointConfiguration, StoredConfiguration } from "../settings/configuration.ts";
import { type Config, readConfig } from "../settings/environment.ts";
import { canRetag, carryOut } from "./calls.ts";
import type { Derived, StoredEndpoint } from "./endpoint.ts";
import { PoolSettings } from "./settings.ts";
import { measureEndpoint } from "./source.ts";
import { Store } from "./store.ts";

/** A command waits so long for D1 to show its change; it is stored in any case. */
const READABLE_DEADLINE_MS = 3_000;
/** A VM's tags are changed within this, or the order is answered for before it is done. */
const RETAG_DEADLINE_MS = 6_000;
const RETAG_LOOK_MS = 50;
/** After a pass that failed as a whole, which only a fault of ours can make it do. */
const FAILED_PASS_PAUSE_MS = 5_000;
/** An alarm so late was lost; the platform drops one after six failures. */
const OVERDUE_MS = 60_000;
/** Calls that a driver may make above the pass's budget to end what it began (pages, a firewall): the free plan allows 50 in all. */
const SPARE_CALLS = 8;
/** Names under which something may be kept with an endpoint. */
const MOST_METADATA = 100;
const GONE = "This pool does not exist any more.";

/**
 * One pool: the only place where its facts change. Requests apply a fact, store it and arm the alarm; only `alarm` calls the world.
 */
export class Pool extends DurableObject<Env> implements PoolRpc {
	private readonly store: Store;
	private readonly ledger = new Ledger();
	private readonly sessionLedger = new SessionLedger();
	private birth: PoolBirth | null = null;
	private state: State | null = null;
	private settings: PoolSettings | null = null;
	private armedAt: Ms | null = null;
	private isPassing = false;
	private callsMade = 0;
	private rate: Rate | null = null;
	private readonly tokens = new Map<Id, string>();
	private waiting: (() => void)[] = [];
	private read: { readonly env: Env; readonly config: Config } | null = null;
	/** The clock, in milliseconds since the epoch; a test may drive it. */
	protected now: () => Ms = () => Date.now();

	constructor(ctx: DurableObjectState, env: Env) {
		super(ctx, env);
		this.store = new Store(ctx.storage);
		const stored = this.store.load();
		this.birth = stored?.birth ?? null;
		this.state = stored?.state ?? null;
		this.settings = stored === null ? null : this.settingsOf(stored.birth, this.store.loadEndpoint());
		if (stored !== null) {
			ctx.blockConcurrencyWhile(async () => {
				this.armedAt = await ctx.storage.getAlarm();
			});
		}
	}

	async start(birth: PoolBirth, configuration?: StoredConfiguration): Promise<void> {
		if (this.state === null) {
			const { object, provider, name, deployment, incarnation, source } = birth;
			const tag = sha256(object).slice(0, 16);
			const run = source === "api" ? "paused" : "running";
			const state = newState({ object, provider, name, deployment, incarnation, tag }, this.now(), run);
			const endpoint = configuration === undefined ? null : { configuration, environment: null, intervalSeconds: null };
			this.store.create(birth, state, endpoint);
			this.birth = birth;
			this.state = state;
			this.settings = this.settingsOf(birth, endpoint);
		}
		this.learn(birth.facts);
	}

	async tick(facts: FleetFacts): Promise<PoolNames | null> {
		if (this.state === null) return null;
		this.learn(facts);
		const alarm = await this.ctx.storage.getAlarm();
		const isLost = alarm === null ? !this.isPassing : alarm < this.now() - OVERDUE_MS;
		if (isLost) {
			this.armedAt = null;
			this.arm(this.now());
		}
		return this.state === null ? null : { provider: this.state.pool.provider };
	}

	async command(command: Command): Promise<CommandOutcome> {
		const { state } = this;
		if (state === null) return { ok: false, error: "notFound", say: GONE };
		const refusal = refusalOf(state, command) ?? this.refusalOfRetagging(command);
		if (refusal !== null) return { ok: false, ...refusal };
		if (command.do === "scale") this.settings?.rebound(command.min, command.max);
		this.fold({ on: "command", command });
		if (command.do === "adopt" || command.do === "release") {
			const failure = await this.untilRetagged(command.do === "adopt" ? command.vm : command.id);
			if (failure !== null) return { ok: false, error: failure.kind === "notFound" ? "notFound" : "conflict", say: failure.say };
		}
		// These show nothing that somebody would look for at once, and come often.
		if (command.do !== "wake" && command.do !== "metrics") await this.untilReadable();
		const after = this.state ?? state;
		const ips = [...after.proxies.values()].filter((proxy) => proxy.phase.at === "ready").flatMap((proxy) => proxy.address ?? []);
		return { ok: true, summary: { ...this.names(), ...summaryOf(after) }, ips };
	}

	async instances(): Promise<InstanceIds | null> {
		return this.state === null ? null : instancesOf(this.state);
	}

	async configuration(): Promise<EndpointConfiguration | null> {
		return this.state === null || this.settings === null ? null : this.settings.shown(this.state);
	}

	async reconfigure(configuration: StoredConfiguration): Promise<ConfigureOutcome> {
		const { state, settings } = this;
		if (state === null || settings === null) return { ok: false, error: "notFound", say: GONE };
		const outcome = settings.reconfigured(configuration);
		if (!outcome.ok) {
			return "faults" in outcome
				? { ok: false, error: "invalid", faults: outcome.faults }
				: { ok: false, error: "conflict", say: outcome.conflict };
		}
		const { endpoint, bounds } = outcome;
		const derived = settings.derivedFrom(endpoint);
		const refusal = derived === null ? null : refusalOf(state, configureCommand(derived));
		if (refusal !== null) return { ok: false, ...refusal };
		// No await until all of it is stored: one transaction.
		settings.save(endpoint);
		this.configure();
		this.fold({ on: "command", command: { do: "scale", min: bounds.min, max: bounds.max } });
		await this.untilReadable();
		return { ok: true, provider: this.state?.pool.provider ?? state.pool.provider };
	}

	async opens(key: string): Promise<boolean> {
		return this.settings?.opens(key) ?? false;
	}

	async metadataKeys(): Promise<readonly string[] | null> {
		return this.state === null ? null : this.store.metadataKeys();
	}

	async metadata(key: string): Promise<string | null | undefined> {
		return this.state === null ? undefined : this.store.metadata(key);
	}

	async setMetadata(key: string, json: string | null): Promise<MetadataOutcome> {
		if (this.state === null) return { ok: false, error: "notFound" };
		const isNew = json !== null && this.store.metadata(key) === null;
		if (isNew && this.store.metadataKeys().length >= MOST_METADATA) return { ok: false, error: "full" };
		this.store.saveMetadata(key, json);
		return { ok: true };
	}

	async status(): Promise<PoolStatus | null> {
		const { state } = this;
		if (state === null) return null;
		const addressesOf = (isMeant: (proxy: Proxy) => boolean) =>
			[...state.proxies.values()].filter(isMeant).flatMap((proxy) => proxy.address ?? []);
		return {
			run: state.run,
			active: addressesOf((proxy) => (state.vitals.get(proxy.id)?.active ?? 0) > 0),
			connections: [...state.vitals.values()].reduce((sum, { active }) => sum + active, 0),
			registered: addressesOf((proxy) => proxy.registered && isKept(proxy)),
			rolling: rollingStatus(state, this.now()),
		};
	}

	async metrics(): Promise<Samples | null> {
		return this.state === null ? null : samplesOf(this.state, this.now());
	}

	async sessions(): Promise<Record<string, string> | null> {
		return this.state === null ? null : sessionsOf(this.state);
	}

	async register(request: { token: string; key: string; address: string }): Promise<AgentAnswer> {
		const [token, key] = [parseBearer(request.token), parseBearer(request.key)];
		if (this.state === null || token === null || key === null) return { ok: false, say: "the boot token or the key is malformed" };
		if (key.object !== token.object || key.id !== token.id) return { ok: false, say: "the key is not this token's" };
		const { id } = token;
		const keyHash = sha256(request.key);
		const tokenHash = sha256(request.token);
		const judgement = judgeRegistration(this.state, { id, tokenHash, keyHash, address: request.address }, this.now());
		// Folded even when refused for its address: the VM may have a new one, and the inventory is asked.
		if (this.state.proxies.get(id)?.tokenHash === tokenHash) this.fold({ on: "registered", id, address: request.address, keyHash });
		return this.answer(id, judgement);
	}

	async heartbeat(request: { key: string; address: string; body: HeartbeatBody }): Promise<AgentAnswer> {
		return this.fromAgent(request.key, (id) => {
			const { active, metrics, credentials } = request.body;
			const sessions = request.body.sessions.map(normaliseSession).filter((session) => session !== null);
			this.fold({ on: "heartbeat", id, active, metrics, credentials, sessions });
		});
	}

	async unregister(request: { key: string; address: string }): Promise<AgentAnswer> {
		return this.fromAgent(request.key, (id) => this.fold({ on: "unregistered", id }));
	}

	async proves(request: { key: string; address: string }): Promise<boolean> {
		const key = parseBearer(request.key);
		if (this.state === null || key === null || this.state.proxies.get(key.id)?.address !== request.address) return false;
		return judgeKey(this.state, key.id, sha256(request.key)).is === "accepted";
	}

	override async alarm(): Promise<void> {
		if (this.state === null) return;
		if (this.isPassing) {
			// Delivered twice. What requests have armed since then stays; the pass that runs arms the alarm at its end.
			if (this.armedAt === null || this.armedAt <= this.now()) {
				this.armedAt = null;
				this.arm(this.now() + FAILED_PASS_PAUSE_MS);
			}
			return;
		}
		this.armedAt = null;
		this.isPassing = true;
		this.callsMade = 0;
		try {
			this.configure();
			await pass(this.ports());
			if (this.state.forgotten) await this.forget();
		} catch (error) {
			console.error("a pass failed", error instanceof Error ? error.message : error);
			this.arm(this.now() + FAILED_PASS_PAUSE_MS);
		} finally {
			this.isPassing = false;
		}
	}

	private fromAgent(bearer: string, then: (id: Id) => void): AgentAnswer {
		const key = parseBearer(bearer);
		if (this.state === null || key === null) return { ok: false, say: "the key is malformed" };
		const judgement = judgeKey(this.state, key.id, sha256(bearer));
		if (judgement.is === "accepted") then(key.id);
		return this.answer(key.id, judgement);
	}

	private answer(id: Id, judgement: Judgement): AgentAnswer {
		if (judgement.is === "refused") return { ok: false, say: judgement.say };
		const { state } = this;
		if (state === null || state.agentUrl === null) return { ok: false, say: "this pool is not running" };
		const directives: Directives = {
			interval: state.heartbeatSeconds,
			drain: state.proxies.get(id)?.phase.at === "draining",
			drop: dropsFor(state, id, this.now()),
			url: state.agentUrl,
			credentials: credentialsAsked(state),
			allow: state.allow,
			address: state.proxies.get(id)?.address ?? null,
		};
		return { ok: true, directives };
	}

	/** Applies one fact, stores it, and arms the alarm for what follows from it; one that the platform has lost is armed anew. */
	private fold(event: Event): void {
		if (this.state === null) return;
		take(this.ports(), event);
		const isLost = this.armedAt === null || this.armedAt < this.now() - OVERDUE_MS;
		if (!isLost || this.isPassing) return;
		this.armedAt = null;
		rearm(this.ports());
	}

	private commit(before: State, after: State, wakeAt: Ms | null): void {
		this.store.save(before, after, this.now());
		this.state = after;
		if (wakeAt !== null) this.arm(wakeAt);
	}

	/** Always the earlier of what is armed and what is due: a wake-up that arrived in the meantime is never overwritten. */
	private arm(at: Ms): void {
		if (!mustArm(this.armedAt, at)) return;
		this.armedAt = at;
		this.ctx.waitUntil(this.ctx.storage.setAlarm(at));
	}

	private learn(facts: FleetFacts): void {
		const { dailyRequests, rolling: environment } = this.config().global;
		// Before the environment's word, which it may overrule.
		this.fold({ on: "rolling", patched: facts.rolling, environment });
		this.settings?.learn(facts);
		this.configure();
		if (facts.agentUrl !== null) this.fold({ on: "agentUrl", url: facts.agentUrl });
		this.fold({ on: "fleet", proxies: facts.proxies, dailyRequests, leased: facts.leased ?? null });
	}

	/** Read once an environment: it does not change under a running instance. */
	private config(): Config {
		if (this.read?.env !== this.env) this.read = { env: this.env, config: readConfig(this.env) };
		return this.read.config;
	}

	private settingsOf(birth: PoolBirth, endpoint: StoredEndpoint | null): PoolSettings {
		return new PoolSettings(this.store, birth, endpoint, () => this.config());
	}

	/**
	 * Brings the pool in line with its settings. One that the environment names no more, or disables, is emptied and forgotten; one of an
	 * endpoint that is deleted needs none but its account.
	 */
	private configure(): void {
		if (this.state === null || this.birth === null || this.settings === null) return;
		this.fold({ on: "budget", budget: this.config().global.maxHourlyCost });
		const derived = this.settings.current();
		if (this.birth.source === "api") {
			if (derived !== null && this.state.run !== "removing") this.fold({ on: "command", command: configureCommand(derived) });
			return;
		}
		const named = this.settings.environment();
		const isNamed = named !== null && (named.enabled || named.problem !== null);
		if (derived !== null && isNamed) this.fold({ on: "command", command: configureCommand(derived) });
		if (isNamed === (this.state.run === "removing")) {
			this.fold({ on: "command", command: { do: "run", run: isNamed ? "running" : "removing" } });
		}
	}

	private names() {
		const derived = this.settings?.current() ?? null;
		return { displayName: derived?.displayName ?? this.state?.pool.name ?? "", settings: derived?.shown ?? {} };
	}

	private provider(): Provider {
		const derived = this.settings?.current() ?? null;
		const name = this.state?.pool.provider ?? "static";
		const definition = name === "static" ? undefined : PROVIDERS[name];
		if (definition === undefined || derived === null || derived.account === null || derived.provider !== name) {
			throw new ProviderError({ kind: "auth", say: derived?.problem ?? "the account's credentials are not set" });
		}
		return definition.create(derived.account, {
			fetch: (input, init) => fetch(input, init),
			now: () => this.now(),
			countCall: () => {
				if (this.callsMade >= CALLS_A_PASS + SPARE_CALLS) throw new ProviderError({ kind: "transient", say: "this pass has no call left" });
				this.callsMade++;
			},
			observeRate: (rate) => {
				this.rate = rate;
			},
			wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
		});
	}

	private ports(): Ports {
		const load = (): State => {
			if (this.state === null) throw new Error("the pool was forgotten");
			return this.state;
		};
		return {
			load,
			commit: (before, after, wakeAt) => this.commit(before, after, wakeAt),
			call: async (effect, state) => {
				const heard = effect.call === "publish" ? this.waiting.splice(0) : [];
				if (effect.call === "probe" || effect.call === "probeStatic" || effect.call === "measure") this.callsMade++;
				const event = await carryOut(effect, state, {
					db: this.env.DB,
					provider: () => this.provider(),
					ledger: this.ledger,
					sessionLedger: this.sessionLedger,
					names: this.names(),
					token: (id) => this.takeToken(id),
					measure: (endpoint) => measureEndpoint(this.env, endpoint, load().pool.object),
					takeRate: () => {
						const { rate } = this;
						this.rate = null;
						return rate;
					},
					now: () => this.now(),
				});
				if (event.on === "failed" && event.effect.call === "adopt" && isFinal(event.failure)) {
					this.retagFailures.set(event.effect.id, event.failure);
				}
				if (event.on === "published") for (const tell of heard) tell();
				else this.waiting.push(...heard);
				return event;
			},
			mintToken: (id) => {
				const token = `${load().pool.object}.${id}.${randomBytes(32).toString("base64url")}`;
				this.tokens.set(id, token);
				return sha256(token);
			},
			callsMade: () => this.callsMade,
			now: () => this.now(),
			random: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
		};
	}

	/** A boot token is in memory from its minting until its create is rendered, in the same turn. */
	private takeToken(id: Id): string {
		const token = this.tokens.get(id);
		this.tokens.delete(id);
		if (token === undefined) throw new ProviderError({ kind: "transient", say: "the boot token was lost" });
		return token;
	}

	/** What needs the tags of VMs to be changed is refused at once where the cloud cannot. */
	private refusalOfRetagging(command: Command): Refusal | null {
		const isMeant = command.do === "adopt" || command.do === "release" || (command.do === "run" && command.keep === true);
		if (!isMeant || this.state?.pool.provider === "static") return null;
		try {
			if (canRetag(this.provider())) return null;
		} catch {
			return null; // the account cannot be used now: the order waits until it can
		}
		return {
			error: "conflict",
			say: `${this.state?.pool.provider} cannot change the tags of a VM: it can be neither associated nor left running.`,
		};
	}

	/** Resolves once a VM is taken in or let go, with the reason where it is not; or when it takes too long: it is gone on with in any case. */
	private async untilRetagged(name: string): Promise<Failure | null> {
		const id = this.state === null ? undefined : proxyNamed(this.state, name)?.id;
		if (id === undefined) return null;
		const isOver = () => {
			const at = this.state?.proxies.get(id)?.phase.at;
			return at !== "adopting" && at !== "releasing";
		};
		this.retagFailures.delete(id);
		const deadline = Date.now() + RETAG_DEADLINE_MS;
		while (!isOver() && !this.retagFailures.has(id) && Date.now() < deadline) {
			await new Promise((resolve) => setTimeout(resolve, RETAG_LOOK_MS));
		}
		const failure = this.retagFailures.get(id) ?? null;
		this.retagFailures.delete(id);
		return failure;
	}
	private readonly retagFailures = new Map<Id, Failure>();

	/** Resolves once D1 shows the state as it is now, or when it takes too long. */
	private async untilReadable(): Promise<void> {
		if (this.state === null || projectionHash(this.state) === this.state.published.hash) return;
		let timer: ReturnType<typeof setTimeout> | undefined;
		await new Promise<void>((resolve) => {
			this.waiting.push(resolve);
			timer = setTimeout(resolve, READABLE_DEADLINE_MS);
		});
		clearTimeout(timer);
	}

	private async forget(): Promise<void> {
		this.state = null;
		this.birth = null;
		this.settings = null;
		await this.ctx.storage.deleteAlarm();
		await this.ctx.storage.deleteAll();
	}
}

function configureCommand({ settings, account, provider }: Derived): Command & { do: "configure" } {
	return { do: "configure", settings, account: sha256(JSON.stringify(account ?? null)).slice(0, 16), provider };
}

function sha256(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}
