import { READY_KEPT_MS } from "../../src/core/model/limits.ts";
import type { ReadyEntry } from "../../src/core/model/published.ts";
import type { Random } from "./random.ts";
import { MINUTE, SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

/** Clients that draw a proxy from what an isolate of the Worker read, and use it for a while. */
export class Clients {
	draws = 0;
	private readonly world: World;
	private readonly random: Random;
	private isOver = false;
	private kept: { readonly readAt: number; readonly ready: ReadonlyMap<string, readonly ReadyEntry[]> } | null = null;

	constructor(world: World, random: Random) {
		this.world = world;
		this.random = random;
	}

	begin(): void {
		this.world.clock.after(this.random.between(10 * SECOND, 5 * MINUTE), () => {
			if (this.isOver) return;
			this.draw();
			this.begin();
		});
	}

	/** They use what they have, and draw nothing more. */
	end(): void {
		this.isOver = true;
	}

	private draw(): void {
		const { world, random } = this;
		const ready = this.read();
		if (ready === null) return;
		const all = [...ready.ready].flatMap(([object, entries]) => entries.map((entry) => ({ object, entry })));
		if (all.length === 0) return;
		this.draws++;
		const { object, entry } = random.pick(all);
		world.watch.drawn(object, entry, ready.readAt);
		const machine = world.cloud.byAddress.get(entry[1]);
		const agent = machine === undefined ? undefined : world.agents.byMachine.get(machine.vm);
		if (agent === undefined || !agent.isServing) return;
		if (world.clock.now >= agent.refusesAt) return void world.watch.refused(object, entry);
		if (!world.agents.accepts(agent, entry[2])) return void world.watch.unacceptable(object, entry, agent);
		const session = `198.51.100.${this.draws % 250}:${1024 + this.draws}`;
		agent.sessions.add(session);
		const { run } = agent;
		world.clock.after(random.between(SECOND, random.pick([10 * SECOND, 5 * MINUTE, 20 * MINUTE])), () => {
			if (agent.run !== run || !agent.sessions.delete(session)) return;
			world.agents.closed(agent);
		});
	}

	/** Fresh from D1, or what was read a moment ago; null where neither is to be had. */
	private read() {
		const { now } = this.world.clock;
		if (this.kept !== null && now - this.kept.readAt < READY_KEPT_MS) return this.kept;
		try {
			this.kept = { readAt: now, ready: this.world.database.readReady() };
			return this.kept;
		} catch {
			return null;
		}
	}
}
