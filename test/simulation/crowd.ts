import type { Agent } from "./agents.ts";
import { loadOf } from "./demand.ts";
import type { Host } from "./host.ts";
import type { Random } from "./random.ts";
import { type Action, MINUTE, SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

/** How often clients come and go. */
const TICK_MS = 20 * SECOND;
/** At some times clients come and go every so often between two ticks. */
const FIDGET_MS = 2 * SECOND;
const FIDGETING_MS = 10 * MINUTE;
/** Jobs that are posted, in all. */
const JOBS = [6, 15] as const;
const JOBS_MS = 9 * MINUTE;

interface Connection {
	readonly agent: Agent;
	readonly session: string;
}

/** Of one pool: how many connections there shall be, and those that there are. */
interface Load {
	from: number;
	to: number;
	since: number;
	overMs: number;
	connections: Connection[];
}

/** Those who ask at a time go to one, two or three isolates, as equally as can be; another time to others. */
function overIsolates(callers: number, now: number): readonly number[] {
	const isolates = Math.min(callers, 1 + (Math.floor(now / TICK_MS) % 3));
	return Array.from({ length: isolates }, (_, isolate) => Math.floor((callers + isolate) / isolates));
}

const isOpen = ({ agent, session }: Connection) => agent.isServing && agent.sessions.has(session);

/** The clients of pools with rules: so many connections at a time as the schedule says, over whatever is ready; and who posts metrics. */
export class Crowd {
	private readonly world: World;
	private readonly random: Random;
	private readonly loads = new Map<string, Load>();
	private postersBackAt = 0;
	private opened = 0;

	constructor(world: World, random: Random) {
		this.world = world;
		this.random = random;
	}

	begin(): void {
		this.world.clock.after(TICK_MS, () => {
			for (const host of this.world.hosts) if (host.isAlive && this.world.setupOf(host).demand !== null) this.serve(host);
			this.begin();
		});
	}

	/** The load goes to a level, over the action's time. */
	load(host: Host, to: number, overMs: number): void {
		const load = this.loadOf(host);
		const { now } = this.world.clock;
		Object.assign(load, { from: this.wanted(load), to, since: now, overMs });
	}

	burst(host: Host, action: Action): void {
		const before = this.loadOf(host).to;
		this.load(host, loadOf(action.choice), 0);
		// Not at the very instant at which the faults end, and the last load begins.
		this.world.clock.after(Math.max(0, action.forMs - 1), () => this.load(host, before, 0));
	}

	postersAway(forMs: number): void {
		this.postersBackAt = Math.max(this.postersBackAt, this.world.clock.now + forMs);
	}

	/** Whether some of a pool's clients are not connected. A VM that was let go goes on serving those that it has. */
	isShort(host: Host): boolean {
		const load = this.loadOf(host);
		return load.connections.filter(isOpen).length < this.wanted(load);
	}

	private loadOf(host: Host): Load {
		const key = `${host.deployment}/${host.name}`;
		let load = this.loads.get(key);
		if (load === undefined) {
			load = { from: 0, to: 0, since: 0, overMs: 0, connections: [] };
			this.loads.set(key, load);
		}
		return load;
	}

	private wanted({ from, to, since, overMs }: Load): number {
		const passed = overMs === 0 ? 1 : Math.min(1, (this.world.clock.now - since) / overMs);
		return Math.round(from + (to - from) * passed);
	}

	private serve(host: Host): void {
		const { world } = this;
		this.post(host);
		const load = this.loadOf(host);
		const wanted = this.wanted(load);
		load.connections = load.connections.filter(isOpen);
		this.fidget(load);
		while (load.connections.length > wanted) this.close(load);
		if (load.connections.length >= wanted) return;
		const row = world.database.pools.get(host.object);
		if (row === undefined || row.removedAt !== null || world.database.isOut) return;
		const ready = [...row.parts.values()].flat();
		if (ready.length === 0) {
			if (row.summary?.wakes === true) host.current()?.wake(overIsolates(wanted - load.connections.length, world.clock.now));
			return;
		}
		while (load.connections.length < wanted) {
			const entry = this.random.pick(ready);
			world.watch.drawn(host.object, entry, world.clock.now);
			const machine = world.cloud.byAddress.get(entry[1]);
			const agent = machine === undefined ? undefined : world.agents.byMachine.get(machine.vm);
			// What was handed out refuses: this client tries again a tick later.
			if (agent === undefined || !agent.isServing) return;
			if (world.clock.now >= agent.refusesAt) return void world.watch.refused(host.object, entry);
			const session = `203.0.113.${this.opened % 250}:${1024 + this.opened++}`;
			agent.sessions.add(session);
			load.connections.push({ agent, session });
		}
	}

	/** Each comes before it goes, so that there never are fewer. */
	private fidget({ connections }: Load): void {
		const { clock, scenario } = this.world;
		if (scenario.lines === null || Math.floor(clock.now / FIDGETING_MS) % 4 !== 0) return;
		for (let ms = FIDGET_MS; ms < TICK_MS; ms += FIDGET_MS) {
			clock.after(ms, () => {
				for (const { agent } of connections.filter(isOpen)) {
					const session = `203.0.113.${this.opened % 250}:${1024 + this.opened++}`;
					agent.sessions.add(session);
					agent.sessions.delete(session);
				}
			});
		}
	}

	private close(load: Load): void {
		const [connection] = load.connections.splice(Math.floor(this.random.next() * load.connections.length), 1);
		if (connection === undefined) return;
		connection.agent.sessions.delete(connection.session);
		this.world.agents.closed(connection.agent);
	}

	/** Jobs are spread over the proxies, and now and then told of the endpoint as a whole. */
	private post(host: Host): void {
		const { clock } = this.world;
		const state = host.state;
		if (state === null || clock.now < this.postersBackAt || clock.now % (3 * MINUTE) >= TICK_MS) return;
		if (!state.spec.rules.some((rule) => rule.includes("jobs"))) return;
		const instance = host.current();
		const ready = [...state.proxies.values()].filter(({ phase }) => phase.at === "ready");
		const jobs = JOBS[Math.floor(clock.now / JOBS_MS) % JOBS.length] ?? 0;
		for (const { address } of ready) instance?.post(address, { jobs: [1, jobs / ready.length] });
		if (ready.length === 0) instance?.post(null, { jobs: [1, 1] });
	}
}
