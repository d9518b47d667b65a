import type { Said } from "../../src/controller/agent-lines.ts";
import type { Seen } from "../../src/core/facts/listing.ts";
import type { Settings } from "../../src/core/model/command.ts";
import type { Id, Ms, State } from "../../src/core/model/state.ts";
import type { Agent } from "./agents.ts";
import type { Timer } from "./clock.ts";
import { hashOf, Instance } from "./instance.ts";
import { Wire } from "./lines.ts";
import { Rows } from "./rows.ts";
import { SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

/** What the environment, or an endpoint's configuration, says of a pool; null: nothing any more. */
export interface HostConfig {
	readonly settings: Settings;
	readonly account: string;
}

/** An object that holds lines, and has had nothing to do for so long, may be put to sleep: it loses its memory, and keeps its lines. */
const SLEEPS_AFTER_MS = 10 * SECOND;
/** Far more than a pool of the size simulated here has to do. */
const MOST_PASSES_A_MINUTE = 150;

/**
 * One Durable Object: its storage and alarm, which outlive everything, and the instance of its class that is in memory now.
 * The controller, the codec and all below are production's own.
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
	/** Null: nothing is stored. */
	rows: Rows | null = null;
	/** What was stored last; only for checks. */
	state: State | null = null;
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
	notBefore = { at: 0, byClock: 0, saidAt: 0 };
	instance: Instance | null = null;
	/** The lines that the platform holds for it. */
	wires = new Set<Wire>();
	/** When all of them fell, the last two times. */
	fellAt: readonly [Ms, Ms] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
	private activeAt: Ms = 0;
	private isWatched = false;
	private timer: Timer | null = null;
	private isHandling = false;
	/** The time that the handler was called for which runs, or ran last. */
	private handledAt: Ms | null = null;
	private isWaiting = false;
	private tokens = 0;
	private readonly keys = new Map<string, { readonly id: Id; readonly hash: string }>();
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
		return this.rows !== null;
	}

	get isPassing(): boolean {
		return this.isHandling;
	}

	now(): Ms {
		return this.world.clock.now + this.skewMs;
	}

	start(agentUrl: string | null): void {
		if (this.rows === null && !this.isForgotten) {
			const { object, name, deployment, incarnation, tag } = this;
			const { provider } = this.world.scenario;
			const run = this.source === "api" ? "paused" : "running";
			const { state, rows } = this.world.core.Controller.initial({ object, provider, name, deployment, incarnation, tag }, this.now(), run);
			this.rows = new Rows();
			this.rows.save(rows, 0);
			this.state = state;
		}
		this.current()?.learn(agentUrl);
	}

	tick(agentUrl: string | null, seen: Seen): void {
		this.current()?.tick(agentUrl, this.alarmAt, seen);
		if (this.idleSince !== null) this.looksWhileIdle++;
	}

	/** The instance that requests reach, loaded from its rows where none is in memory. */
	current(): Instance | null {
		const { rows } = this;
		if (rows === null) return null;
		this.noteActive();
		if (this.instance === null) {
			const state = rows.decoded(this.world.core.decode);
			this.world.watch.reloaded(this, state);
			this.instance = new Instance(this, { state, vitalsWrittenAt: rows.vitalsWrittenAt, armedAt: this.alarmAt });
			if (this.world.scenario.lines !== null) this.instance.loaded();
		}
		return this.instance;
	}

	/** The machine is gone, with everything in memory and every pending promise. An alarm whose handler had not ended comes again, mostly. */
	evict(comesAgain: boolean): void {
		const { instance } = this;
		if (instance === null) return;
		instance.isDropped = true;
		this.instance = null;
		this.fall();
		this.world.watch.dropped(this);
		this.endHandling(comesAgain);
	}

	/** A deploy: another instance takes over at once, and this one runs on without knowing, for up to 30 s. */
	supersede(): void {
		const { instance } = this;
		if (instance === null) return;
		instance.isSuperseded = true;
		this.instance = null;
		this.fall();
		this.world.watch.dropped(this);
		this.world.clock.after(this.world.random.between(SECOND, 30 * SECOND), () => {
			instance.isDropped = true;
		});
		this.endHandling(true);
	}

	private fall(): void {
		this.fellAt = [this.fellAt[1], this.world.clock.now];
		const { wires } = this;
		this.wires = new Set();
		for (const wire of wires) wire.fall();
		wires.clear();
	}

	/** An agent's line, with its key. */
	openLine(agent: Agent): Wire | "unauthorised" {
		this.world.mustSettle = true;
		const instance = this.current();
		const wire = new Wire(this.world, this, agent);
		return instance?.openLine(agent.key, wire) ? wire : "unauthorised";
	}

	hear(wire: Wire, said: Said): void {
		this.world.mustSettle = true;
		this.current()?.hear(wire, said);
	}

	lineEnded(wire: Wire, wasClean: boolean): void {
		this.world.mustSettle = true;
		this.current()?.lineEnded(wire, wasClean);
	}

	forgetWire(wire: Wire): void {
		this.wires.delete(wire);
	}

	/** The platform puts to sleep what has had nothing to do for a while, often or seldom. */
	private noteActive(): void {
		const { clock, scenario } = this.world;
		this.activeAt = clock.now;
		if (this.isWatched || scenario.lines === null || scenario.lines.sleeps === 0) return;
		this.isWatched = true;
		const look = () => {
			const idleMs = clock.now - this.activeAt;
			if (this.instance === null) this.isWatched = false;
			else if (this.isHandling || idleMs < SLEEPS_AFTER_MS) clock.after(this.isHandling ? SLEEPS_AFTER_MS : SLEEPS_AFTER_MS - idleMs, look);
			else {
				this.isWatched = false;
				if (this.world.lineRandom.chance(scenario.lines?.sleeps ?? 0)) this.sleep(this.instance);
			}
		};
		clock.after(SLEEPS_AFTER_MS, look);
	}

	private sleep(instance: Instance): void {
		this.world.faults.count("slept");
		instance.isDropped = true;
		this.instance = null;
		this.world.watch.slept(this);
	}

	/**
	 * The handler was aborted. It is tried again only where it has armed nothing: one that has runs next at the time it set, however far ahead
	 * that is, or at once where that came while it ran. Seen with workerd in November 2026.
	 */
	private endHandling(comesAgain: boolean): void {
		if (!this.isHandling) return;
		const cameMeanwhile = this.isWaiting;
		this.isHandling = false;
		this.isWaiting = false;
		if (this.alarmAt !== null) {
			this.world.watch.aborted(this, this.alarmAt);
			if (cameMeanwhile) this.setAlarm(this.alarmAt);
		} else if (comesAgain) this.setAlarm(this.now() + 2 * SECOND);
		this.noteIdle();
	}

	/** The platform's clock jumps, and with it the time at which the alarm comes. */
	jump(ms: Ms): void {
		this.skewMs += ms;
		if (this.alarmAt !== null) this.setAlarm(this.alarmAt);
	}

	setAlarm(wishedAt: Ms): void {
		const { clock, random, faults } = this.world;
		// The platform keeps whole milliseconds, and none that is past.
		const at = Math.floor(Math.max(wishedAt, this.now()));
		const lateMs = faults.strikes("alarmLate") ? random.between(SECOND, 20 * 60 * SECOND) : 0;
		// Often in the very millisecond, which decides what becomes of an alarm that its handler sets.
		const dueAt = Math.max(at - this.skewMs, clock.now) + (random.chance(0.3) ? 0 : random.between(1, 20));
		// A platform that is late with an alarm is not later for being asked again.
		const waits = this.timer?.run == null ? Number.POSITIVE_INFINITY : this.timer.at;
		if (this.timer !== null) this.timer.run = null;
		this.alarmAt = at;
		this.idleSince = null;
		// Another time has the place of the one that came while the handler ran.
		this.isWaiting = false;
		// Seen with workerd in November 2026: it takes it for the alarm that it is delivering.
		if (this.isHandling && at === this.handledAt) {
			this.timer = null;
			this.world.fail("8", `${this.object} set its alarm for the very millisecond that the handler was called for: it never comes`);
			return;
		}
		this.timer = clock.at(Math.max(dueAt, Math.min(dueAt + lateMs, waits)), () => this.fire());
	}

	private fire(): void {
		const { faults, clock } = this.world;
		if (this.isHandling) {
			this.isWaiting = true;
			return;
		}
		this.timer = null;
		this.handledAt = this.alarmAt;
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
			this.activeAt = this.world.clock.now;
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
		this.idleSince = this.rows !== null && this.alarmAt === null && !this.isHandling ? this.world.clock.now : null;
	}

	deleteAll(): void {
		this.rows = null;
		this.state = null;
		this.instance = null;
		this.fall();
		this.isForgotten = true;
		this.alarmAt = null;
		this.idleSince = null;
		if (this.timer !== null) this.timer.run = null;
	}

	/** An agent's key comes with each of its reports: it is taken apart once. */
	read(key: string): { readonly id: Id; readonly hash: string } {
		let read = this.keys.get(key);
		if (read === undefined) {
			read = { id: key.split(".")[1] ?? "", hash: hashOf(key) };
			this.keys.set(key, read);
		}
		return read;
	}

	mintToken(id: Id): string {
		this.tokens++;
		return `${this.object}.${id}.token${this.tokens}`;
	}
}
