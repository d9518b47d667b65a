/** The lines of agents as the platform holds them: WebSockets that outlive an object's sleep, and fall with its machine. */
import type { Said } from "../../src/controller/agent-lines.ts";
import type { Socket } from "../../src/controller/lines.ts";
import type { Ms } from "../../src/core/model/state.ts";
import type { Agent } from "./agents.ts";
import type { Host } from "./host.ts";
import { SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

/** As in `agent.py`: between pings, and until one is answered. */
const PING_MS = 20 * SECOND;
const PONG_MS = 10 * SECOND;
const LATENCY_MS: readonly [Ms, Ms] = [5, 300];

/** One WebSocket, both ends of it. What goes over it keeps its order. */
export class Wire implements Socket {
	readonly agent: Agent;
	readonly host: Host;
	tags: readonly string[] = [];
	/** The pool's end. */
	isOpen = true;
	/** The agent's end. */
	isHeld = true;
	readonly openedAt: Ms;
	/** Since when nothing gets through, of which neither end knows. */
	private mutedAt: Ms | null = null;
	private readonly world: World;
	private readonly latencyMs: Ms;
	private readonly pingMs: Ms;
	private attachment: unknown = null;

	constructor(world: World, host: Host, agent: Agent) {
		this.world = world;
		this.host = host;
		this.agent = agent;
		this.openedAt = world.clock.now;
		this.latencyMs = world.random.between(...LATENCY_MS);
		this.pingMs = world.random.between(0, PING_MS);
	}

	/** Whether what is said on it arrives. */
	get isThrough(): boolean {
		return this.isOpen && this.isHeld && this.mutedAt === null;
	}

	serializeAttachment(attachment: unknown): void {
		this.attachment = attachment;
	}

	deserializeAttachment(): unknown {
		return this.attachment;
	}

	/** By the platform, which wakes nobody for it; null: never. */
	get answeredAt(): Ms | null {
		const { now } = this.world.clock;
		const pings = Math.floor(((this.mutedAt ?? now) - this.openedAt - this.pingMs) / PING_MS);
		return pings < 0 ? null : this.openedAt + this.pingMs + pings * PING_MS;
	}

	/** The pool says something. */
	send(text: string): void {
		if (!this.isOpen) throw new Error("the socket is closed");
		this.world.digest?.add(this.world.clock.now, this.host.object, text);
		this.later(() => {
			if (this.isHeld) this.world.agents.lineSays(this, JSON.parse(text));
		});
	}

	/** The pool ends it. */
	close(code = 1005): void {
		if (!this.isOpen) throw new Error("the socket is closed");
		this.isOpen = false;
		this.host.forgetWire(this);
		this.later(() => this.drop(code));
	}

	/** The agent says something. */
	say(said: Said): void {
		this.later(() => {
			if (this.isOpen) this.host.hear(this, said);
		});
	}

	/** The agent ends it, or its process ends: then without a word. */
	end(wasClean: boolean): void {
		if (!this.isHeld) return;
		this.isHeld = false;
		this.later(() => this.lose(wasClean));
		this.mutedAt ??= this.world.clock.now;
	}

	/** It is reset somewhere on the way: both ends are told at once. */
	cut(): void {
		this.later(() => this.lose(false));
		this.later(() => this.drop(1006));
		this.mutedAt ??= this.world.clock.now;
	}

	/** Nothing gets through any more. Where there is an agent still, it misses the answer to its next ping. */
	mute(): void {
		const { clock } = this.world;
		this.mutedAt ??= clock.now;
		const next = (this.answeredAt ?? this.openedAt + this.pingMs - PING_MS) + PING_MS;
		clock.at(next + PONG_MS, () => this.drop(1006));
	}

	/** Its machine is gone: there is nobody to be told anything, on any line. */
	silence(): void {
		this.mutedAt ??= this.world.clock.now;
		this.isHeld = false;
	}

	/** The object's machine is gone, or a deploy has put another in its place: no line outlives that, and the pool is told of none. */
	fall(): void {
		this.isOpen = false;
		this.later(() => this.drop(1006));
	}

	private lose(wasClean: boolean): void {
		if (!this.isOpen) return;
		this.isOpen = false;
		this.host.forgetWire(this);
		this.host.lineEnded(this, wasClean);
	}

	private drop(code: number): void {
		if (!this.isHeld) return;
		this.isHeld = false;
		this.mutedAt ??= this.world.clock.now;
		this.world.agents.lineEnded(this, code);
	}

	/** What is under way when the line is muted is lost with it. */
	private later(arrives: () => void): void {
		if (this.mutedAt !== null) return;
		const before = this.world.clock.now;
		this.world.clock.after(this.latencyMs, () => {
			if (this.mutedAt === null || this.mutedAt <= before) arrives();
		});
	}
}
