import type { AgentLines, Said } from "../../src/controller/agent-lines.ts";
import type { Controller, Host as ControllerHost, Wanted } from "../../src/controller/controller.ts";
import type { Lines } from "../../src/controller/lines.ts";
import type { Effect } from "../../src/core/effects/index.ts";
import type { Event, Outcome } from "../../src/core/events.ts";
import type { Seen } from "../../src/core/facts/listing.ts";
import type { Command } from "../../src/core/model/command.ts";
import type { Directives } from "../../src/core/model/directives.ts";
import type { Id, Metrics, Ms, OrderedCredentials, Phase, Rate, State } from "../../src/core/model/state.ts";
import type { Ledger } from "../../src/read-model/ledger.ts";
import { type Heartbeat, metricsOf, type Reply } from "./agents.ts";
import type { Host } from "./host.ts";
import type { Wire } from "./lines.ts";
import { outsideOf } from "./outside.ts";

/** What an instance knows of an effect whose result it awaits. */
export interface Dispatched {
	readonly effect: Effect;
	/** The phase that its proxy was in. */
	readonly phase: Phase | null;
}

/** A Durable Object's class in memory: production's controller, with this host under it. */
export class Instance {
	readonly host: Host;
	/** Its memory and pending promises are gone. */
	isDropped = false;
	/** Another instance has taken over: storage refuses this one. */
	isSuperseded = false;
	rate: Rate | null = null;
	readonly ledger: Ledger;
	private readonly controller: Controller;
	private readonly lines: Lines;
	private readonly agentLines: AgentLines;
	private readonly tokens = new Map<Id, string>();
	private readonly phases = new WeakMap<Effect, Phase | null>();
	callsMade = 0;
	private isOrdering = false;

	constructor(host: Host, stored: { readonly state: State; readonly vitalsWrittenAt: Ms; readonly armedAt: Ms | null }) {
		this.host = host;
		const { core } = host.world;
		this.ledger = new core.Ledger();
		this.controller = new core.Controller(this.surroundings(), stored);
		// Those of its own machine: they fall with it.
		const { wires } = host;
		this.lines = new core.Lines({
			accept: (socket, tags) => {
				(socket as Wire).tags = tags;
				wires.add(socket as Wire);
			},
			tagged: (tag) => [...wires].filter((wire) => wire.tags.includes(tag)),
			answeredAt: (socket) => {
				const { answeredAt } = socket as Wire;
				return answeredAt === null ? null : answeredAt + host.skewMs;
			},
		});
		const { reportChars } = host.world.scenario.lines ?? {};
		this.agentLines = new core.AgentLines(this.lines, () => this.controller, {
			now: () => host.now(),
			digest: hashOf,
			...(reportChars === undefined ? {} : { reportChars }),
		});
	}

	/** As `src/pool/object.ts` does with whatever was stored. */
	loaded(): void {
		this.controller.hearLines(true);
	}

	openLine(key: string, wire: Wire): boolean {
		if (this.state === null) return false;
		const { id, hash } = this.host.read(key);
		if (this.agentLines.judge(hash, id).is === "refused") return false;
		this.agentLines.opened(this.lines.accept(wire, "agent", id, this.agentLines.noteOf(hash), this.host.now()));
		return true;
	}

	hear(wire: Wire, said: Said): void {
		const line = this.lines.lineOf(wire);
		if (line === null || this.state === null) return;
		const outcome = this.agentLines.heard(line, said);
		if (outcome === "taken" && said.counts !== undefined) this.host.world.watch.totals.taken(wire.agent, said.counts);
	}

	lineEnded(wire: Wire, wasClean: boolean): void {
		const line = this.lines.lineOf(wire);
		if (line !== null && this.state !== null) this.agentLines.ended(line, wasClean);
	}

	/** Null: the pool is forgotten. */
	get state(): State | null {
		return this.controller.isGone ? null : this.controller.state;
	}

	get isPassing(): boolean {
		return this.controller.isPassing;
	}

	/** It will hear answers. */
	get isListening(): boolean {
		return !this.isDropped && !this.isSuperseded;
	}

	count(): void {
		this.callsMade++;
	}

	/** Undefined: it was lost. */
	takeToken(id: Id): string | undefined {
		const token = this.tokens.get(id);
		this.tokens.delete(id);
		return token;
	}

	alarm(): Promise<void> {
		return this.controller.alarm();
	}

	learn(agentUrl: string | null): void {
		this.controller.learn(this.facts(agentUrl));
	}

	/** Somebody tells it of an order, and of nothing else that is new. */
	hearOrder(order: OrderedCredentials): void {
		this.controller.learn(this.facts(this.host.world.agentUrl, order));
	}

	private wordsOf(ordered: OrderedCredentials) {
		return { ordered, own: this.host.config?.settings.credentials ?? null };
	}

	tick(agentUrl: string | null, alarmAt: Ms | null, seen: Seen): void {
		this.controller.tick(this.facts(agentUrl), alarmAt, seen);
	}

	private facts(agentUrl: string | null, order = this.host.world.credentials.tellable(this.host)) {
		const { world, deployment } = this.host;
		const allotted = world.database.allotted(deployment, this.host.now());
		return {
			rolling: null,
			credentials: order === null ? null : this.wordsOf(order),
			agentUrl,
			proxies: this.controller.state.proxies.size,
			dailyRequests: 1_000_000,
			allotted,
			deployments: [deployment],
		};
	}

	command(command: Command): void {
		this.host.world.noteOrder(this.host, command);
		if (this.controller.refusalOf(command) === null) this.order(command);
	}

	/** So many clients found no proxy, spread over isolates of the Worker, some of which tell of more than one at a time. */
	wake(byIsolate: readonly number[]): void {
		const { host, state: before } = this;
		host.world.watch.count("wake");
		const callers = byIsolate.reduce((sum, count) => sum + count, 0);
		for (const [isolate, count] of byIsolate.entries()) {
			const from = `isolate${isolate}`;
			// As wake.ts does: of the first it tells at once, then of those beside it.
			if (count > 1) this.order({ do: "wake", from });
			this.order({ do: "wake", callers: count, from });
		}
		if (before !== null && this.state !== null) host.world.watch.woken(host, callers, before, this.state);
	}

	/** A client leases, or reports. */
	use(command: Command): void {
		this.host.world.watch.count(command.do);
		this.order(command);
	}

	post(address: string | null, metrics: Metrics): void {
		this.host.world.watch.count("post");
		const before = this.host.state;
		this.order({ do: "metrics", address, metrics });
		if (this.host.state !== before) this.host.world.watch.lines.posted(this.host);
	}

	/** Another pool tells this one something. */
	tell(command: Command): void {
		if (this.controller.refusalOf(command) === null) this.order(command);
	}

	/** Whoever gave the order may wait for its answer, and does not here. */
	private order(command: Command): void {
		this.isOrdering = true;
		void this.controller.command(command).catch((error: unknown) => this.failed(error));
		this.isOrdering = false;
	}

	register(request: { token: string; key: string; address: string }): Reply {
		const [object, id] = request.token.split(".");
		if (this.state === null || id === undefined || object !== this.host.object || !request.key.startsWith(`${object}.${id}.`))
			return { ok: false };
		const [tokenHash, keyHash] = [hashOf(request.token), hashOf(request.key)];
		return told(this.controller.register({ id, tokenHash, keyHash, address: request.address }));
	}

	heartbeat(request: Heartbeat): Reply {
		if (this.state === null) return { ok: false };
		const { id, hash } = this.host.read(request.key);
		const { sessions, credentials, counts } = request;
		return told(
			this.controller.heartbeat(hash, { id, active: sessions.length, metrics: metricsOf(sessions.length), credentials, sessions, counts }),
		);
	}

	private surroundings(): ControllerHost {
		const { host } = this;
		const { world } = host;
		return {
			now: () => host.now(),
			random: world.planRandom.next,
			timer: (ms, callback) => {
				const timer = world.clock.after(ms, () => {
					if (this.isDropped) return;
					world.mustSettle = true;
					try {
						callback();
					} catch (error) {
						this.failed(error);
					}
				});
				return () => {
					timer.run = null;
				};
			},
			store: (changes, at, after) => {
				// One that was dropped may be woken in the very moment, by what had come already.
				if (!this.isListening) throw new Superseded();
				host.rows?.save(changes, at);
				world.digest?.stored(world.clock.now, host.object, changes);
				if (changes.vitals !== null) world.watch.totals.written(host, after);
			},
			setAlarm: (at) => {
				if (!this.isListening) return;
				world.watch.arming(host, this.controller.armedAt, at);
				host.setAlarm(at);
			},
			wipe: async () => host.deleteAll(),
			wanted: () => this.wanted(),
			budget: () => world.budgets.get(host.deployment) ?? null,
			call: (effect, state) => this.call(effect, state),
			mintToken: (id) => {
				const token = host.mintToken(id);
				this.tokens.set(id, token);
				return hashOf(token);
			},
			passBegins: () => {
				this.callsMade = 0;
				host.passes++;
				host.notePass();
			},
			callsMade: () => this.callsMade,
			...(world.scenario.lines === null ? {} : { lines: (isLoaded: boolean) => this.agentLines.lives(isLoaded) }),
			committed: (before, after, cause) => {
				this.committed(before, after, cause);
				if (!this.isSuperseded) this.agentLines.committed(before, after);
			},
			passFailed: (error) => this.failed(error),
		};
	}

	private wanted(): Wanted {
		const { config, source } = this.host;
		const configure =
			config === null ? null : ({ do: "configure", settings: config.settings, account: config.account, accountKey: "one" } as const);
		return { configure, isNamed: source === "api" ? null : config !== null };
	}

	private committed(before: State, after: State, cause: Event | null): void {
		if (!this.isListening) return;
		const { host } = this;
		const { world } = host;
		// What the environment orders nobody else has noted.
		if (cause?.on === "command" && cause.command.do === "run" && !this.isOrdering) world.noteOrder(host, cause.command);
		host.state = after;
		if (cause?.on === "command" || cause?.on === "agentUrl") world.watch.places.mended(host);
		if ((cause?.on === "done" || cause?.on === "failed") && cause.effect.call === "create") {
			const { id } = cause.effect;
			const { place = null, phase } = before.proxies.get(id) ?? {};
			// Of one that is not wanted any more the pool does not heed a refusal: the next create is told the same.
			const isHeeded = phase?.at === "launching";
			world.watch.places.answered(host, place, id, cause.on === "done" ? null : isHeeded ? cause.failure.kind : "unheeded");
		}
		const isResult = cause?.on === "done" || cause?.on === "failed";
		world.watch.committed(host, before, after, isResult ? { effect: cause.effect, phase: this.phases.get(cause.effect) ?? null } : null);
	}

	private async call(effect: Effect, state: State): Promise<Outcome> {
		const { host } = this;
		host.world.watch.calling(host, this, effect, state);
		this.phases.set(effect, "id" in effect ? (state.proxies.get(effect.id)?.phase ?? null) : null);
		return host.world.core.carryOut(effect, state, outsideOf(this, state));
	}

	/** What no part of the simulated world is to blame for. */
	failed(error: unknown): void {
		if (error instanceof Superseded) return;
		this.host.world.fail("pass", `a pass or a timer threw: ${error instanceof Error ? error.stack : error}`);
	}
}

function told(reply: { readonly ok: true; readonly directives: Directives } | { readonly ok: false }): Reply {
	if (!reply.ok) return { ok: false };
	const { interval, drain, grace, drop, url, credentials } = reply.directives;
	const told = { intervalSeconds: interval, drain, graceMs: grace * 1000, drop, url, credentials: credentials?.version ?? 0 };
	return { ok: true, told };
}

/** What stands for SHA-256 here: nobody in a simulation breaks it. */
export function hashOf(secret: string): string {
	return `#${secret}`;
}

/** Storage refuses an instance that a deploy has superseded. */
export class Superseded extends Error {
	constructor() {
		super("this instance was superseded");
		this.name = "Superseded";
	}
}
