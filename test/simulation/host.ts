import type { Command, Effect, Event, Id, Ms, Phase, Rate, Settings, State } from "../../src/pool/core/state.ts";
import type { Ports } from "../../src/pool/runner.ts";
import type { Reply } from "./agents.ts";
import type { Timer } from "./clock.ts";
import { SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

/** What the environment, or an endpoint's configuration, says of a pool; null: nothing any more. */
export interface HostConfig {
	readonly settings: Settings;
	readonly account: string;
}

/** The volatile fields, and how often they are written, as in `src/pool/store.ts`. */
const VOLATILE = ["vitals", "listedAt", "foreign", "rate", "sampledAt", "heartbeatSeconds"] as const satisfies readonly (keyof State)[];
const VITALS_INTERVALS = 2;
/** As in `src/pool/pool.ts`. */
const FAILED_PASS_PAUSE_MS = 5_000;
const OVERDUE_MS = 60_000;
/** Half the way to D1 and back. */
const DATABASE_MS: readonly [Ms, Ms] = [2, 900];
/** Far more than a pool of the size simulated here has to do. */
const MOST_PASSES_A_MINUTE = 150;

/** What the Durable Object's storage holds. */
interface Stored {
	facts: State;
	volatile: Pick<State, (typeof VOLATILE)[number]>;
	volatileAt: Ms;
}

/** What an instance knows of an effect whose result it awaits. */
export interface Dispatched {
	readonly effect: Effect;
	/** The phase that its proxy was in. */
	readonly phase: Phase | null;
}

/**
 * One Durable Object: its storage and alarm, which outlive everything, and the instance of its class that is in memory now.
 * What `src/pool/pool.ts` does around the core is done here the same way; the core and the runner are production's own.
 */
export class Host {
	readonly world: World;
	readonly object: string;
	readonly tag: string;
	readonly name: string;
	readonly deployment: string;
	readonly source: "environment" | "api";
	readonly incarnation: Ms;
	config: HostConfig | null;
	stored: Stored | null = null;
	alarmAt: Ms | null = null;
	/** Since when neither an alarm is armed nor a pass runs. */
	idleSince: Ms | null = null;
	/** Looks of cron since then. */
	looksWhileIdle = 0;
	isForgotten = false;
	/** How far its machine's clock is off. */
	skewMs: Ms = 0;
	passes = 0;
	/** No call may go out earlier, in truth and by its own clock: a provider said so. */
	notBefore = { at: 0, byClock: 0 };
	instance: Instance | null = null;
	private timer: Timer | null = null;
	private isHandling = false;
	private isWaiting = false;
	private tokens = 0;
	private minute = 0;
	private passesThisMinute = 0;

	constructor(
		world: World,
		pool: { object: string; name: string; deployment: string; source: "environment" | "api"; incarnation: Ms; config: HostConfig },
	) {
		this.world = world;
		this.object = pool.object;
		this.tag = `tag-${pool.object}`;
		this.name = pool.name;
		this.deployment = pool.deployment;
		this.source = pool.source;
		this.incarnation = pool.incarnation;
		this.config = pool.config;
	}

	get isAlive(): boolean {
		return this.stored !== null;
	}

	get isPassing(): boolean {
		return this.isHandling;
	}

	/** What is stored; only for checks. */
	get state(): State | null {
		return this.stored?.facts ?? null;
	}

	now(): Ms {
		return this.world.clock.now + this.skewMs;
	}

	start(agentUrl: string | null): void {
		if (this.stored === null && !this.isForgotten) {
			const { object, name, deployment, incarnation, tag } = this;
			const provider = this.world.scenario.provider;
			const facts = this.world.core.newState({ object, provider, name, deployment, incarnation, tag }, this.now());
			this.stored = { facts, volatile: volatileOf(facts), volatileAt: 0 };
		}
		this.current()?.learn(agentUrl);
	}

	tick(agentUrl: string | null): void {
		const instance = this.current();
		if (instance === null) return;
		instance.learn(agentUrl);
		const isLost = this.alarmAt === null ? !instance.isPassing : this.alarmAt < this.now() - OVERDUE_MS;
		if (isLost) {
			instance.armedAt = null;
			instance.arm(this.now());
		}
		if (this.idleSince !== null) this.looksWhileIdle++;
	}

	/** The instance that requests reach, loaded from storage where none is in memory. */
	current(): Instance | null {
		if (this.stored === null) return null;
		this.instance ??= new Instance(this, reloaded(this.stored), this.alarmAt);
		return this.instance;
	}

	/** The machine is gone, with everything in memory and every pending promise. An alarm whose handler had not ended comes again, mostly. */
	evict(comesAgain: boolean): void {
		const { instance } = this;
		if (instance === null) return;
		instance.isDropped = true;
		this.instance = null;
		this.endHandling(comesAgain);
	}

	/** A deploy: another instance takes over at once, and this one runs on without knowing, for up to 30 s. */
	supersede(): void {
		const { instance } = this;
		if (instance === null) return;
		instance.isSuperseded = true;
		this.instance = null;
		this.world.clock.after(this.world.random.between(SECOND, 30 * SECOND), () => {
			instance.isDropped = true;
		});
		this.endHandling(true);
	}

	private endHandling(comesAgain: boolean): void {
		if (!this.isHandling) return;
		this.isHandling = false;
		this.isWaiting = false;
		if (comesAgain && this.alarmAt === null) this.setAlarm(this.now() + 2 * SECOND);
		this.noteIdle();
	}

	/** The platform's clock jumps, and with it the time at which the alarm comes. */
	jump(ms: Ms): void {
		this.skewMs += ms;
		if (this.alarmAt !== null) this.setAlarm(this.alarmAt);
	}

	setAlarm(at: Ms): void {
		const { clock, random, faults } = this.world;
		const lateMs = faults.strikes("alarmLate") ? random.between(SECOND, 20 * 60 * SECOND) : 0;
		const dueAt = Math.max(at - this.skewMs, clock.now) + random.between(1, 20);
		// A platform that is late with an alarm is not later for being asked again.
		const waits = this.timer?.run == null ? Number.POSITIVE_INFINITY : this.timer.at;
		if (this.timer !== null) this.timer.run = null;
		this.alarmAt = at;
		this.idleSince = null;
		this.timer = clock.at(Math.max(dueAt, Math.min(dueAt + lateMs, waits)), () => this.fire());
	}

	private fire(): void {
		const { faults, clock } = this.world;
		if (this.isHandling) {
			this.isWaiting = true;
			return;
		}
		this.timer = null;
		this.alarmAt = null;
		if (faults.strikes("alarmLost")) {
			this.noteIdle();
			return;
		}
		this.handle();
		if (faults.strikes("alarmTwice")) clock.after(this.world.random.between(1, 2000), () => this.handle());
	}

	private handle(): void {
		const instance = this.current();
		if (instance === null) return;
		const isFirst = !this.isHandling;
		this.isHandling = true;
		this.world.mustSettle = true;
		void instance.alarm().then(() => {
			if (!isFirst || this.instance !== instance) return;
			this.isHandling = false;
			this.noteIdle();
			this.world.watch.passed(this, instance);
			if (!this.isWaiting) return;
			this.isWaiting = false;
			this.fire();
		});
	}

	/** A pool that finds no rest costs its user money as well. */
	notePass(): void {
		const minute = Math.floor(this.world.clock.now / (60 * SECOND));
		this.passesThisMinute = minute === this.minute ? this.passesThisMinute + 1 : 1;
		this.minute = minute;
		if (this.passesThisMinute > MOST_PASSES_A_MINUTE)
			this.world.fail("rest", `${this.object} made ${this.passesThisMinute} passes in a minute`);
	}

	private noteIdle(): void {
		this.looksWhileIdle = 0;
		this.idleSince = this.stored !== null && this.alarmAt === null && !this.isHandling ? this.world.clock.now : null;
	}

	/** One transaction: what changed, and the volatile fields where they are due. */
	save(before: State, after: State): void {
		if (before === after || this.stored === null) return;
		this.stored.facts = after;
		if (VOLATILE.every((key) => before[key] === after[key])) return;
		const now = this.now();
		if (now - this.stored.volatileAt < VITALS_INTERVALS * after.spec.intervalSeconds * 1000) return;
		this.stored.volatile = volatileOf(after);
		this.stored.volatileAt = now;
	}

	deleteAll(): void {
		this.stored = null;
		this.instance = null;
		this.isForgotten = true;
		this.alarmAt = null;
		this.idleSince = null;
		if (this.timer !== null) this.timer.run = null;
	}

	mintToken(id: Id): string {
		this.tokens++;
		return `${this.object}.${id}.token${this.tokens}`;
	}
}

/** The class in memory: `Pool` of `src/pool/pool.ts`. */
export class Instance {
	readonly host: Host;
	/** Its memory and pending promises are gone. */
	isDropped = false;
	/** Another instance has taken over: storage refuses this one. */
	isSuperseded = false;
	isPassing = false;
	armedAt: Ms | null;
	state: State | null;
	/** The result that is being applied just now. */
	applying: Dispatched | null = null;
	readonly ports: Ports;
	private readonly ledger;
	private readonly tokens = new Map<Id, string>();
	private callsMade = 0;
	private configured: HostConfig | null = null;

	constructor(host: Host, state: State, armedAt: Ms | null) {
		this.host = host;
		this.state = state;
		this.armedAt = armedAt;
		this.ledger = new host.world.core.Ledger();
		this.ports = {
			load: () => this.loaded(),
			commit: (before, after, wakeAt) => this.commit(before, after, wakeAt),
			call: (effect, current) => this.call(effect, current),
			mintToken: (id) => {
				const token = host.mintToken(id);
				this.tokens.set(id, token);
				return hashOf(token);
			},
			callsMade: () => this.callsMade,
			now: () => host.now(),
			random: host.world.planRandom.next,
		};
	}

	async alarm(): Promise<void> {
		if (this.state === null) return;
		if (this.isPassing) {
			if (this.armedAt === null || this.armedAt <= this.host.now()) {
				this.armedAt = null;
				this.arm(this.host.now() + FAILED_PASS_PAUSE_MS);
			}
			return;
		}
		this.armedAt = null;
		this.isPassing = true;
		this.callsMade = 0;
		this.host.passes++;
		this.host.notePass();
		try {
			this.configure();
			await this.host.world.core.pass(this.ports);
			if (this.loaded().forgotten) this.forget();
		} catch (error) {
			if (!(error instanceof Superseded)) this.host.world.fail("pass", `a pass threw: ${error instanceof Error ? error.stack : error}`);
			this.arm(this.host.now() + FAILED_PASS_PAUSE_MS);
		} finally {
			this.isPassing = false;
		}
	}

	learn(agentUrl: string | null): void {
		this.configure();
		if (agentUrl !== null) this.fold({ on: "agentUrl", url: agentUrl });
		this.fold({ on: "fleet", proxies: this.state?.proxies.size ?? 0, dailyRequests: 1_000_000 });
		if (this.state !== null) this.host.world.core.rearm(this.ports);
	}

	command(command: Command): void {
		this.host.world.noteOrder(this.host, command);
		this.fold({ on: "command", command });
	}

	register(request: { token: string; key: string; address: string }): Reply {
		const { state } = this;
		const [object, id] = request.token.split(".");
		if (state === null || id === undefined || object !== this.host.object || !request.key.startsWith(`${object}.${id}.`))
			return { ok: false };
		const [tokenHash, keyHash] = [hashOf(request.token), hashOf(request.key)];
		const judgement = this.host.world.core.judgeRegistration(state, { id, tokenHash, keyHash, address: request.address }, this.host.now());
		if (state.proxies.get(id)?.tokenHash === tokenHash) this.fold({ on: "registered", id, address: request.address, keyHash });
		return judgement.is === "accepted" ? this.reply(id) : { ok: false };
	}

	heartbeat(request: { key: string; active: number; credentials: number }): Reply {
		const id = request.key.split(".")[1] ?? "";
		if (this.state === null || this.host.world.core.judgeKey(this.state, id, hashOf(request.key)).is === "refused") return { ok: false };
		this.fold({ on: "heartbeat", id, active: request.active, metrics: {}, credentials: request.credentials });
		return this.reply(id);
	}

	private reply(id: Id): Reply {
		const { state } = this;
		if (state === null || state.agentUrl === null) return { ok: false };
		const told = {
			intervalSeconds: state.heartbeatSeconds,
			drain: state.proxies.get(id)?.phase.at === "draining",
			url: state.agentUrl,
			credentials: asked(state),
		};
		return { ok: true, told };
	}

	private fold(event: Event): void {
		if (this.state === null) return;
		this.host.world.core.take(this.ports, event);
		const isLost = this.armedAt === null || this.armedAt < this.host.now() - OVERDUE_MS;
		if (!isLost || this.isPassing) return;
		this.armedAt = null;
		this.host.world.core.rearm(this.ports);
	}

	private loaded(): State {
		if (this.state === null) throw new Error("the pool was forgotten");
		return this.state;
	}

	private commit(before: State, after: State, wakeAt: Ms | null): void {
		if (this.isSuperseded) throw new Superseded();
		this.host.save(before, after);
		this.state = after;
		const { applying } = this;
		this.applying = null;
		if (before !== after) this.host.world.watch.committed(this.host, before, after, applying);
		if (wakeAt !== null) this.arm(wakeAt);
	}

	arm(at: Ms): void {
		if (this.isSuperseded || !this.host.world.core.mustArm(this.armedAt, at)) return;
		this.host.world.watch.arming(this.host, this.armedAt, at);
		this.armedAt = at;
		this.host.setAlarm(at);
	}

	private configure(): void {
		const { host } = this;
		if (host.source !== "environment" || this.state === null) {
			// An endpoint's configuration comes as commands.
			if (host.source === "api" && host.config !== null && this.configured !== host.config) this.settle(host.config);
			return;
		}
		const { config } = host;
		if (config !== null && (this.configured !== config || host.world.random.chance(0.01))) this.settle(config);
		if ((config !== null) === (this.state.run === "removing")) {
			this.command({ do: "run", run: config !== null ? "running" : "removing" });
		}
	}

	private settle(config: HostConfig): void {
		this.configured = config;
		this.fold({ on: "command", command: { do: "configure", settings: config.settings, account: config.account } });
	}

	private forget(): void {
		this.state = null;
		this.host.deleteAll();
	}

	/** The world's side of an effect; `src/pool/calls.ts`. */
	private call(effect: Effect, state: State): Promise<Event> {
		const { host } = this;
		const { world } = host;
		const startedAt = host.now();
		world.watch.calling(host, this, effect, state);
		const phase = "id" in effect ? (state.proxies.get(effect.id)?.phase ?? null) : null;
		return new Promise((resolve) => {
			const done = (event: Event, rate: Rate | null = null) => {
				if (this.isDropped) return;
				this.applying = { effect, phase };
				world.mustSettle = true;
				resolve(rate === null ? event : ({ ...event, rate } as Event));
			};
			this.carryOut(effect, state, startedAt, done);
		});
	}

	private carryOut(effect: Effect, state: State, startedAt: Ms, done: (event: Event, rate?: Rate | null) => void): void {
		const { host } = this;
		const { world } = host;
		const { cloud, database, clock, random } = world;
		const count = () => {
			this.callsMade++;
		};
		const answered = <T>(ok: (answer: T) => Event) => {
			return (answer: { ok: T; rate: Rate | null } | { failure: Extract<Event, { on: "failed" }>["failure"]; rate: Rate | null }) => {
				if ("ok" in answer) return done(ok(answer.ok), answer.rate);
				const { failure } = answer;
				if (failure.retryAt !== undefined && !this.isDropped && !this.isSuperseded) {
					if (failure.retryAt > host.notBefore.at) host.notBefore = { at: failure.retryAt, byClock: failure.retryAt + host.skewMs };
				}
				const told = failure.retryAt === undefined ? failure : { ...failure, retryAt: failure.retryAt + host.skewMs };
				if (failure.kind === "notFound" && effect.call === "delete") return done({ on: "gone", id: effect.id }, answer.rate);
				if (failure.kind === "notFound" && effect.call === "deleteStray") return done({ on: "strayGone", vm: effect.vm }, answer.rate);
				done({ on: "failed", effect, failure: told }, answer.rate);
			};
		};
		switch (effect.call) {
			case "create": {
				count();
				const token = this.tokens.get(effect.id);
				this.tokens.delete(effect.id);
				if (token === undefined || state.agentUrl === null) throw new Error("a create without its token or URL");
				const { deployment, tag } = state.pool;
				const boot = {
					token,
					tokenHash: hashOf(token),
					url: state.agentUrl,
					intervalSeconds: state.heartbeatSeconds,
					credentials: asked(state),
				};
				const tags = { deployment, pool: tag, intent: effect.id };
				cloud.protectAtCreate(deployment, state.allow);
				cloud.create(
					{ name: `muster-${deployment}-${effect.id}`, tags, boot },
					answered((vm) => ({ on: "created", id: effect.id, vm })),
				);
				return;
			}
			case "delete":
			case "deleteStray":
				count();
				cloud.delete(
					effect.vm,
					answered(() => ({ on: "accepted", effect })),
				);
				return;
			case "firewall":
				count();
				cloud.protect(
					state.pool.deployment,
					effect.allow,
					answered(() => ({ on: "accepted", effect })),
				);
				return;
			case "restart":
				count();
				cloud.restart(
					effect.vm,
					effect.step,
					answered(() => ({ on: "accepted", effect })),
				);
				return;
			case "find": {
				count();
				const wanted = {
					vm: effect.vm,
					name: `muster-${state.pool.deployment}-${effect.id}`,
					deployment: state.pool.deployment,
					intent: effect.id,
				};
				cloud.find(
					wanted,
					answered((vm) => ({ on: "found", id: effect.id, vm, startedAt })),
				);
				return;
			}
			case "list":
				cloud.list(
					answered((vms) => ({ on: "listed", startedAt, vms })),
					count,
				);
				return;
			case "probe": {
				count();
				const version = state.proxies.get(effect.id)?.credentials;
				const shown = state.credentials.find((one) => one.version === version && one.username !== "")?.version ?? asked(state);
				world.probe(effect.address, effect.keyHash, shown, (verdict) => done({ on: "probed", id: effect.id, verdict, startedAt }));
				return;
			}
			case "publish": {
				const { acknowledge, ...changes } = this.ledger.changes(state);
				const publication = {
					object: state.pool.object,
					incarnation: state.pool.incarnation,
					version: effect.version,
					now: startedAt,
					summary: { displayName: "", settings: {}, ...world.core.summaryOf(state) },
					credentials: {},
					...changes,
					log: state.log,
				};
				this.ledger.doubt();
				clock.after(random.between(...DATABASE_MS), () => {
					try {
						const isHeld = database.publish(publication);
						world.watch.published(host, publication, isHeld);
						clock.after(random.between(...DATABASE_MS), () => {
							if (!isHeld) return done({ on: "failed", effect, failure: { kind: "conflict", say: "a newer version is there" } });
							acknowledge();
							done({ on: "published", hash: effect.hash, version: effect.version, startedAt, logSeq: state.logSeq });
						});
					} catch {
						world.watch.published(host, publication, false);
						clock.after(random.pick([10, 3000, 10_000]), () =>
							done({ on: "failed", effect, failure: { kind: "transient", say: "D1 does not answer" } }),
						);
					}
				});
				return;
			}
			case "forget":
				clock.after(random.between(2, 60), () => {
					try {
						database.forget(state.pool.object);
						done({ on: "forgotten" });
					} catch {
						done({ on: "failed", effect, failure: { kind: "transient", say: "D1 does not answer" } });
					}
				});
				return;
			default:
				effect satisfies never;
		}
	}
}

/** Storage refuses an instance that a deploy has superseded. */
export class Superseded extends Error {
	constructor() {
		super("this instance was superseded");
		this.name = "Superseded";
	}
}

/** Version of the credentials that agents shall ask for; 0: none. */
function asked({ credentials }: State): number {
	const newest = credentials.at(-1);
	return newest === undefined || newest.username === "" ? 0 : newest.version;
}

/** What stands for SHA-256 here: nobody in a simulation breaks it. */
export function hashOf(secret: string): string {
	return `#${secret}`;
}

function volatileOf(state: State): Stored["volatile"] {
	const { vitals, listedAt, foreign, rate, sampledAt, heartbeatSeconds } = state;
	return { vitals, listedAt, foreign, rate, sampledAt, heartbeatSeconds };
}

/** Through JSON and back, as storage does it: what JSON cannot hold is lost. */
function reloaded({ facts, volatile }: Stored): State {
	const text = JSON.stringify({ ...facts, ...volatile }, (_key, value: unknown) => (value instanceof Map ? { map: [...value] } : value));
	return JSON.parse(text, (_key, value: unknown) => {
		const entries = value !== null && typeof value === "object" && "map" in value ? value.map : undefined;
		return Array.isArray(entries) ? new Map(entries as [unknown, unknown][]) : value;
	}) as State;
}
