import type { Ports } from "../../src/controller/pass.ts";
import type { Command, Effect, Event } from "../../src/core/events.ts";
import type { Id, Metrics, Ms, Phase, Rate, State } from "../../src/core/state.ts";
import type { Reply } from "./agents.ts";
import { type Asker, asked, carryOut, hashOf } from "./calls.ts";
import { type Host, type HostConfig, OVERDUE_MS } from "./host.ts";

/** As in `src/pool/pool.ts`. */
const FAILED_PASS_PAUSE_MS = 5_000;

/** What an instance knows of an effect whose result it awaits. */
export interface Dispatched {
	readonly effect: Effect;
	/** The phase that its proxy was in. */
	readonly phase: Phase | null;
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
	private readonly asker: Asker;
	private readonly tokens = new Map<Id, string>();
	private callsMade = 0;
	private configured: HostConfig | null = null;

	constructor(host: Host, state: State, armedAt: Ms | null) {
		this.host = host;
		this.state = state;
		this.armedAt = armedAt;
		this.asker = {
			host,
			ledger: new host.world.core.Ledger(),
			count: () => {
				this.callsMade++;
			},
			takeToken: (id) => {
				const token = this.tokens.get(id);
				this.tokens.delete(id);
				return token;
			},
			isListening: () => !this.isDropped && !this.isSuperseded,
		};
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
		const leased = this.host.world.database.leased(this.host.deployment, this.host.now());
		this.fold({ on: "fleet", proxies: this.state?.proxies.size ?? 0, dailyRequests: 1_000_000, leased });
	}

	command(command: Command): void {
		this.host.world.noteOrder(this.host, command);
		this.fold({ on: "command", command });
	}

	/** A client found no proxy. */
	wake(): void {
		this.host.world.watch.count("wake");
		this.fold({ on: "command", command: { do: "wake" } });
	}

	post(address: string | null, metrics: Metrics): void {
		this.host.world.watch.count("post");
		this.fold({ on: "command", command: { do: "metrics", address, metrics } });
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

	heartbeat(request: { key: string; sessions: readonly string[]; credentials: number }): Reply {
		const { id, hash } = this.host.read(request.key);
		if (this.state === null || this.host.world.core.judgeKey(this.state, id, hash).is === "refused") return { ok: false };
		const { sessions, credentials } = request;
		this.fold({ on: "heartbeat", id, active: sessions.length, metrics: {}, credentials, sessions });
		return this.reply(id);
	}

	private reply(id: Id): Reply {
		const { state } = this;
		if (state === null || state.agentUrl === null) return { ok: false };
		const told = {
			intervalSeconds: state.heartbeatSeconds,
			drain: state.proxies.get(id)?.phase.at === "draining",
			drop: this.host.world.core.dropsFor(state, id, this.host.now()),
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
		this.fold({ on: "budget", budget: host.world.budgets.get(host.deployment) ?? null });
		if (host.source !== "environment" || this.state === null) {
			// One that is deleted needs its endpoint's configuration no more.
			const isKept = this.state !== null && this.state.run !== "removing";
			if (isKept && host.config !== null && this.configured !== host.config) this.settle(host.config);
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
		world.watch.calling(host, this, effect, state);
		const phase = "id" in effect ? (state.proxies.get(effect.id)?.phase ?? null) : null;
		return new Promise((resolve) => {
			const done = (event: Event, rate: Rate | null = null) => {
				if (this.isDropped) return;
				this.applying = { effect, phase };
				world.mustSettle = true;
				resolve(rate === null ? event : ({ ...event, rate } as Event));
			};
			carryOut(this.asker, effect, state, done);
		});
	}
}

/** Storage refuses an instance that a deploy has superseded. */
export class Superseded extends Error {
	constructor() {
		super("this instance was superseded");
		this.name = "Superseded";
	}
}
