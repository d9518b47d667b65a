import type { Command, Settings } from "../../src/core/model/command.ts";
import { NEW_SPEC } from "../../src/core/model/pool.ts";
import type { Measurements, Ms, Place, Rate, Spec, Verdict } from "../../src/core/model/state.ts";
import { compared, type KnownPool, NOTHING_KNOWN, type Register } from "../../src/rpc/register.ts";
import { act, misuse } from "./actions.ts";
import { type Agent, Agents, type Heartbeat, type Reply } from "./agents.ts";
import { Clients } from "./clients.ts";
import { Clock } from "./clock.ts";
import { Cloud, type Machine } from "./cloud.ts";
import type { Core } from "./core.ts";
import { CredentialOrders } from "./credentials.ts";
import { Crowd } from "./crowd.ts";
import { type Copy, Database } from "./database.ts";
import { type DemandSetup, textOf } from "./demand.ts";
import { Digest } from "./digest.ts";
import { Faults } from "./faults.ts";
import { Holders } from "./holders.ts";
import { Host, type HostConfig } from "./host.ts";
import type { Wire } from "./lines.ts";
import { PROFILES } from "./profiles.ts";
import { Random } from "./random.ts";
import { Violation } from "./record.ts";
import { CONVERGENCE_MS, faultsEndAt, HOUR, MINUTE, type PoolSetup, QUIET_MS, type Scenario, SECOND } from "./scenario.ts";
import { Watch } from "./watch.ts";

/** An instant like any other; runs begin here. */
const START = Date.UTC(2026, 0, 1);
const GOOD_URL = "https://muster.example";
const WRONG_URL = "https://wrong.example";

/** Somebody starts an endpoint so long after having made it. */
const STARTED_AFTER_MS = 5 * SECOND;
/** Between two looks of cron. */
const CRON_MS = MINUTE;
/** More than any pools here can cost an hour. */
const ROOMY = 10;
const roomy = (bound: number | null) => (bound === null ? null : ROOMY);
/** So many events at one instant and nothing moves on any more. */
const EVENTS_WITHOUT_TIME = 5_000;

/** What is recorded of a run beside what is counted. */
export interface Recorded {
	/** Everything that happens, for a person to read. */
	readonly isTraced?: boolean;
	/** See {@link Digest}. */
	readonly isDigested?: boolean;
}

/** What one run came to. */
export interface Outcome {
	readonly scenario: Scenario;
	readonly violation: Violation | null;
	/** Equal for equal runs. */
	readonly hash: number;
	readonly simulatedMs: Ms;
	readonly faults: ReadonlyMap<string, number>;
	readonly made: number;
	readonly effects: ReadonlyMap<string, number>;
	readonly passes: number;
	readonly heartbeats: number;
	/** On lines. */
	readonly reports: number;
	/** What happened, where it was recorded. */
	readonly trace: readonly string[];
	/** Of all that was decided, where that was asked for. */
	readonly digest: string | null;
}

/** One run: the core's pools among a cloud, agents, clients, operators and faults, on one clock. */
export class World {
	readonly scenario: Scenario;
	readonly core: Core;
	readonly clock = new Clock(START);
	readonly random: Random;
	readonly planRandom: Random;
	/** For what only agents with lines do. */
	readonly lineRandom: Random;
	readonly faults: Faults;
	readonly cloud: Cloud;
	readonly database: Database;
	readonly agents: Agents;
	readonly clients: Clients;
	readonly crowd: Crowd;
	readonly holders: Holders;
	readonly credentials: CredentialOrders;
	readonly watch: Watch;
	readonly hosts: Host[] = [];
	readonly trace: string[] | null;
	readonly digest: Digest | null;
	/** Something was resolved: what waits for it goes on before time does. */
	mustSettle = false;
	/** By deployment: what it may spend an hour. */
	readonly budgets: Map<string, number>;
	/** By deployment: whom its proxies shall admit; everybody if missing. */
	readonly allowed = new Map<string, readonly string[]>();
	/** The faults are over, and nothing ages any more: a pool can come to rest. */
	isMended = false;
	private hash = 0;

	constructor(scenario: Scenario, core: Core, { isTraced = false, isDigested = false }: Recorded = {}) {
		this.scenario = scenario;
		this.budgets = new Map(Object.entries(scenario.budgets));
		this.core = core;
		this.hasLosses = scenario.actions.some(({ what }) => what === "databaseLost");
		this.trace = isTraced ? [] : null;
		this.digest = isDigested ? new Digest() : null;
		this.random = new Random(`world ${scenario.seed}`);
		this.planRandom = new Random(`plan ${scenario.seed}`);
		this.lineRandom = new Random(`lines of ${scenario.seed}`);
		this.faults = new Faults(this.clock, new Random(`faults ${scenario.seed}`));
		const { provider, pageSize, callsAnHour, quota, pools } = scenario;
		const windowMs = Math.min(...pools.map(({ unknownTimeoutSeconds }) => unknownTimeoutSeconds)) * SECOND;
		const isSoldOut = (place: Place | null) => {
			const at = this.clock.now - START;
			const isNow = scenario.soldOut.some(({ region, from, to }) => region === place?.region && at >= from && at < to);
			if (isNow) this.faults.count("soldOut");
			return isNow;
		};
		const limits = { pageSize, callsAnHour, quota, windowMs, hourlyPrice: scenario.hourlyPrice, isSoldOut };
		this.watch = new Watch(this);
		this.cloud = new Cloud(this.clock, this.faults, this.random, PROFILES[provider], limits, {
			started: (machine) => this.agents.machineStarted(machine, this.random.between(...PROFILES[provider].bootMs)),
			halted: (machine) => this.agents.machineHalted(machine),
			made: (machine) => {
				this.watch.made(machine);
				this.steal(machine);
			},
		});
		this.database = new Database(core, this.clock, this.faults, (message) => this.fail("sql", message));
		const worker = {
			register: (_url: string, request: { token: string; key: string; address: string }): Reply | null =>
				this.hostOf(request.token)?.current()?.register(request) ?? { ok: false },
			heartbeat: (_url: string, request: Heartbeat): Reply | null =>
				this.hostOf(request.key)?.current()?.heartbeat(request) ?? { ok: false },
			open: (_url: string, agent: Agent): Wire | "unauthorised" | "none" =>
				this.faults.strikes("linesRefused") ? "none" : (this.hostOf(agent.key)?.openLine(agent) ?? "unauthorised"),
		};
		const lines = scenario.lines === null ? null : { random: this.lineRandom, watch: this.watch.lines };
		this.agents = new Agents(this.clock, this.faults, this.random, worker, (url) => url === GOOD_URL, this.watch.totals, lines);
		this.clients = new Clients(this, new Random(`clients ${scenario.seed}`));
		this.holders = new Holders(this, new Random(`holders ${scenario.seed}`));
		this.credentials = new CredentialOrders(this, new Random(`credentials of ${scenario.seed}`));
		this.crowd = new Crowd(this, new Random(`crowd ${scenario.seed}`));
	}

	get startedAt(): Ms {
		return START;
	}

	readonly goodUrl = GOOD_URL;
	get agentUrl(): string {
		return this.faults.isOn("wrongUrl") ? WRONG_URL : GOOD_URL;
	}

	/** The pools of the scenario are made, and what is to befall them waits for its time. */
	begin(): void {
		const { scenario, clock } = this;
		for (const setup of scenario.pools) this.makePool(setup, setup.source);
		for (const action of scenario.actions) clock.at(START + action.at, () => act(this, action));
		this.cron();
		if (!scenario.isUnused) this.clients.begin();
		if (hasHolders(scenario)) this.holders.begin();
		if (scenario.pools.some(({ demand }) => demand !== null)) this.crowd.begin();
	}

	async run(): Promise<Outcome> {
		const { scenario, clock } = this;
		const end = START + scenario.hours * HOUR;
		const faultsEnd = START + faultsEndAt(scenario);
		let violation: Violation | null = null;
		try {
			this.begin();
			clock.at(faultsEnd, () => this.mend());
			clock.at(faultsEnd + CONVERGENCE_MS, () => this.watch.converged());
			clock.at(faultsEnd + CONVERGENCE_MS + QUIET_MS - 1, () => this.watch.stillConverged());
			await this.until(end);
		} catch (error) {
			if (!(error instanceof Violation)) throw error;
			violation = error;
		}
		violation ??= this.watch.violation;
		return {
			scenario,
			violation,
			hash: this.hash,
			simulatedMs: clock.now - START,
			faults: this.faults.struck,
			made: this.cloud.made,
			effects: this.watch.effects,
			passes: this.hosts.reduce((sum, host) => sum + host.passes, 0),
			heartbeats: this.agents.heartbeats,
			reports: this.agents.reports,
			trace: this.trace ?? [],
			digest: this.digest?.toString() ?? null,
		};
	}

	/** One event after the other, up to that instant; throws where a promise is broken. What waits for an answer goes on first: a tick asked for by a promise comes once no promise has anything left to do. */
	until(end: Ms): Promise<void> {
		const { clock, watch } = this;
		let [instant, events] = [0, 0];
		/** Whether it is over; not so where something must settle first. */
		const isOver = (): boolean => {
			for (;;) {
				if (watch.violation !== null) throw watch.violation;
				const timer = clock.next(end);
				if (timer?.run == null) return true;
				events = timer.at === instant ? events + 1 : 0;
				instant = timer.at;
				if (events > EVENTS_WITHOUT_TIME) this.fail("time", "nothing moves on: a pool is busy without end");
				this.mix(timer.at);
				timer.run();
				if (!this.mustSettle) continue;
				this.mustSettle = false;
				return false;
			}
		};
		const now = Promise.resolve();
		return new Promise((resolve, reject) => {
			const goOn = () => {
				try {
					if (isOver()) resolve();
					else void now.then(() => process.nextTick(goOn));
				} catch (error) {
					reject(error);
				}
			};
			goOn();
		});
	}

	/** Mixes a number into the run's hash. */
	mix(value: number): void {
		this.hash = Math.imul(this.hash ^ (value % 2 ** 31), 0x01000193) >>> 0;
	}

	note(text: () => string): void {
		this.trace?.push(`${this.when()} ${text()}`);
	}

	when(): string {
		const ms = this.clock.now - START;
		return `${Math.floor(ms / HOUR)}:${String(Math.floor((ms % HOUR) / MINUTE)).padStart(2, "0")}:${((ms % MINUTE) / SECOND).toFixed(3).padStart(6, "0")}`;
	}

	/** A promise was broken. It is kept and not thrown: the runner would catch it. */
	fail(promise: string, message: string): void {
		this.watch.broken(promise, message);
	}

	makePool(setup: PoolSetup, source: "environment" | "api"): Host {
		const object = `object${this.hosts.length + 1}`;
		const incarnation = this.clock.now;
		const config: HostConfig = { settings: this.settingsOf(setup, source), account: "account" };
		const host = new Host(this, { object, name: setup.name, deployment: setup.deployment, source, incarnation, config });
		this.hosts.push(host);
		this.database.enter({ object, name: setup.name, deployment: setup.deployment, incarnation });
		host.start(this.agentUrl);
		// A new endpoint is paused until somebody starts it.
		if (source === "api")
			this.clock.after(STARTED_AFTER_MS, () => host.state?.run === "paused" && host.current()?.command({ do: "run", run: "running" }));
		return host;
	}

	setupOf(host: Host): PoolSetup {
		const setup = this.scenario.pools.find((pool) => pool.name === host.name && pool.deployment === host.deployment);
		if (setup === undefined) throw new Error(`the scenario has no pool ${host.name}`);
		return setup;
	}

	/** Whom proxies admit is one setting of a deployment. */
	settingsOf(setup: PoolSetup, source: "environment" | "api"): Settings {
		const settled = this.isMended ? { ...setup, ageLimitSeconds: 0, maxHourlyCost: roomy(setup.maxHourlyCost) } : setup;
		return { ...settingsOf(settled, this.scenario, source), allow: this.allowed.get(setup.deployment) ?? [] };
	}

	private hostOf(bearer: string): Host | undefined {
		const object = bearer.slice(0, bearer.indexOf("."));
		return this.hosts.find((host) => host.object === object);
	}

	private cron(): void {
		this.clock.after(CRON_MS, () => this.cron());
		this.watch.alarms();
		this.watch.deadlines();
		this.watch.waits();
		if (this.faults.isOn("cronOut") || this.database.isOut) return;
		// As `src/fleet/fleet.ts`: what the environment names and the directory lacks is made.
		const deployments = this.hasLosses ? [...new Set(this.hosts.map(({ deployment }) => deployment))] : [];
		const lacking = new Set(deployments.flatMap((deployment) => this.bringBack(deployment)));
		for (const host of [...this.hosts]) {
			if (!host.isForgotten || host.source !== "environment" || host.config === null) continue;
			const { name, deployment } = host;
			const isThere = [...this.database.pools.values()].some(
				(row) => row.name === name && row.deployment === deployment && row.removedAt === null,
			);
			// One that the directory has lost comes back.
			if ([...lacking].some((other) => other.name === name && other.deployment === deployment && !other.isForgotten)) continue;
			host.config = null;
			if (!isThere) this.makePool(this.setupOf(host), "environment");
		}
		for (const host of this.hosts) {
			const row = this.database.pools.get(host.object);
			if (row === undefined) continue;
			host.tick(this.agentUrl, { is: "there", version: row.version });
			// What an older copy lists and is forgotten since, or was deleted.
			if (host.isForgotten) this.database.drop(host.object);
			else if (host.source === "api" && host.state?.run === "removing") this.database.remove(host.object);
		}
		this.credentials.restore();
		this.watch.doubled();
		this.watch.lines.look();
		if (this.hasLosses && this.clock.now % HOUR < CRON_MS)
			for (const deployment of new Set(this.hosts.map((host) => host.deployment)))
				this.copies.set(deployment, this.database.copy(deployment));
	}

	/** What D1 has lost of a deployment, by the register, is told so. */
	private bringBack(deployment: string): readonly Host[] {
		const rows = [...this.database.pools.values()].filter((row) => row.deployment === deployment);
		const pools = rows.map(({ object, name, incarnation, removedAt }): KnownPool => {
			const source = this.hosts.find((host) => host.object === object)?.source ?? "environment";
			return { object, provider: "digitalocean", name, incarnation, source, removedAt, names: [name] };
		});
		const { register, lacking } = compared(this.registers.get(deployment) ?? NOTHING_KNOWN, { deployment, pools });
		const hosts = lacking.flatMap(({ object }) => this.hosts.find((host) => host.object === object) ?? []);
		const gone = hosts.filter(({ isForgotten }) => isForgotten).map(({ object }) => object);
		this.registers.set(deployment, compared(register, { deployment, pools, gone }).register);
		const alive = hosts.filter(({ isForgotten }) => !isForgotten);
		for (const host of alive) {
			host.tick(this.agentUrl, { is: "missing", names: [host.name] });
			this.watch.unlisted(host);
		}
		return alive;
	}
	private readonly registers = new Map<string, Register>();
	private readonly copies = new Map<string, Copy>();
	private readonly hasLosses: boolean;

	/** D1 loses one pool, or all of a deployment's, or comes back as it was up to an hour ago. */
	loseDatabase(host: Host, choice: number): void {
		const { deployment } = host;
		if (choice < 0.3) this.database.drop(host.object);
		else {
			this.database.restore(deployment, (choice < 0.6 ? null : this.copies.get(deployment)) ?? { rows: [], allotments: [] });
			this.credentials.lose(deployment, choice < 0.6);
		}
		for (const other of this.hosts) if (other.deployment === deployment) this.watch.databaseLost(other);
	}

	/** The faults are over: what an operator would put right by hand is put right. */
	private mend(): void {
		this.isMended = true;
		// Where a bound leaves no room for a replacement, a pool would never be as it should.
		for (const deployment of this.budgets.keys()) this.budgets.set(deployment, ROOMY);
		this.note(() => "the faults are over");
		if (hasHolders(this.scenario)) this.holders.end();
		for (const host of this.hosts) {
			const { state } = host;
			if (state === null) continue;
			if (host.skewMs !== 0) this.watch.jumped(Math.abs(host.skewMs) > MINUTE);
			host.jump(-host.skewMs);
			// Rules that contradict each other need not rest where a VM that was taken in reports one metric and not the other.
			const isMixed = [...state.proxies.values()].some(({ isAdopted, keyHash }) => isAdopted && keyHash === null);
			const isRestful = (rule: string) => !rule.includes("jobs") && !(isMixed && rule.includes("instances"));
			if (host.config !== null) {
				const { settings } = host.config;
				const maxHourlyCost = roomy(settings.spec.maxHourlyCost);
				const spec = {
					...settings.spec,
					rules: settings.spec.rules.filter(isRestful),
					ageLimitSeconds: 0,
					maxHourlyCost,
				};
				host.config = { ...host.config, settings: { ...settings, suspended: null, spec } };
			}
			// From now on the load is constant: a pool with rules can come to rest.
			const { demand } = this.setupOf(host);
			if (demand !== null) this.clients.end();
			if (demand !== null) this.crowd.load(host, demand.finalLoad, 0);
			// A long roll, one at a time, would not be over in time.
			if (state.proxies.size > MOST_ROLLED) host.current()?.command({ do: "roll", isOn: false });
			if (state.run === "paused") host.current()?.command({ do: "run", run: "running" });
		}
	}

	noteOrder(host: Host, command: Command): void {
		this.note(() => `${host.object}: ${JSON.stringify(command)}`);
		this.watch.ordered(host, command);
	}

	/** Somebody reads a VM's boot token and tries it at every turn of its boot. */
	private steal(machine: Machine): void {
		if (!this.faults.strikes("tokensStolen")) return;
		for (let i = 0; i < 4; i++) {
			const isReplay = this.random.chance(0.3);
			const choice = this.random.next();
			this.clock.after(this.random.between(SECOND, 3 * MINUTE), () => misuse(this, machine, { isReplay, choice }));
		}
	}

	probe(address: string, keyHash: string | null, version: number, done: (verdict: Verdict) => void): void {
		const { clock, random, agents } = this;
		if (this.faults.strikes("probesLost")) return void clock.after(3 * SECOND, () => done({ is: "silent" }));
		clock.after(random.between(10, 300), () => {
			const machine = this.cloud.byAddress.get(address);
			const verdict = keyHash === null ? this.probePlainly(machine) : agents.probe(machine, keyHash.slice(1), version);
			if (verdict.is === "silent") clock.after(3 * SECOND, () => done(verdict));
			else clock.after(random.between(10, 300), () => done(verdict));
		});
	}

	/** What another pool's proxies report, as `src/pool/source.ts` asks for it. An endpoint's name is its object's here. */
	measure(endpoint: string, asker: Host): Measurements | string {
		const state = this.hosts.find(({ object }) => object === endpoint)?.current()?.state;
		if (endpoint === asker.object) return "the source is this endpoint itself";
		if (state == null) return "the source is no endpoint";
		const { averages, reporting, missing, isUnused } = this.core.samplesOf(state, asker.now());
		return { averages, reporting, missing, isUnused };
	}

	/** As `src/pool/neighbours.ts` does it. */
	assist(endpoint: string, asker: Host, count: number): string | null {
		const other = this.hosts.find(({ object }) => object === endpoint);
		if (other === undefined || other.state === null) return "the fallback is no pool";
		if (other === asker) return "the fallback is this pool itself";
		this.watch.count("assist");
		other.current()?.tell({ do: "assist", from: asker.object, count });
		return null;
	}

	/** All pools here are of one account. Each goes by its own clock. */
	shareLimit(_accountKey: string, teller: Host, until: Ms, rate: Rate | null): void {
		this.watch.count("limitTold");
		for (const host of this.hosts) {
			if (host === teller || host.state === null) continue;
			const byMs = host.skewMs - teller.skewMs;
			const instance = host.current();
			if (instance === null) continue;
			instance.tell({ do: "limited", until: until + byMs, rate: rate && { ...rate, resetAt: rate.resetAt + byMs } });
			this.watch.limited(host, until - teller.skewMs);
		}
	}

	private probePlainly(machine: Machine | undefined): Verdict {
		if (machine === undefined || machine.power === "off" || !machine.isPlain) return { is: "silent" };
		return this.agentUrl === GOOD_URL ? { is: "ok", active: null } : { is: "egress" };
	}

	/** VMs of a pool that exist, whatever it knows of them. */
	machinesOf(host: Host): Machine[] {
		return [...this.cloud.machines.values()].filter((machine) => machine.goneAt === null && machine.tags.pool === host.tag);
	}
}

/** As many as a roll replaces until a run is to be at rest, whatever its pace. */
const MOST_ROLLED = 6;

function hasHolders({ seed, isUnused }: Scenario): boolean {
	return !isUnused && seed % 3 === 1;
}

function settingsOf(setup: PoolSetup, scenario: Scenario, source: "environment" | "api"): Settings {
	const { min, max, intervalSeconds, unknownTimeoutSeconds, unregisteredTimeoutSeconds } = setup;
	return {
		spec: {
			...NEW_SPEC,
			min,
			max,
			intervalSeconds,
			unknownTimeoutSeconds,
			unregisteredTimeoutSeconds,
			decommissionedTimeoutSeconds: setup.decommissionedTimeoutSeconds,
			ageLimitSeconds: setup.ageLimitSeconds,
			rolling: setup.rolling,
			canProbe: setup.canProbe,
			twoStepRestart: PROFILES[scenario.provider].twoStepRestart,
			finishesCreate: PROFILES[scenario.provider].createSteps > 1,
			repeatsCreate: PROFILES[scenario.provider].idempotency !== "none",
			billedSeconds: PROFILES[scenario.provider].minimumBilledMs / SECOND,
			places: setup.places,
			spread: setup.spread,
			maxPerPlace: setup.maxPerPlace,
			fallback: setup.fallback,
			maxHourlyCost: setup.maxHourlyCost,
			replaceBanned: hasHolders(scenario) && scenario.seed % 2 === 0 ? 1 : 0,
			// Few are destroyed in an hour: the usual bound would never be reached.
			maxReplacementsPerHour: [null, 2, 1, 0][scenario.seed % 4] ?? null,
			rules: setup.demand?.rules.map(textOf) ?? [],
			statics: Array.from({ length: setup.statics }, (_, n) => ({
				address: `192.0.2.${10 + n}`,
				port: n % 2 === 0 ? 8899 : 3128,
				access: "",
				mark: "",
			})),
			...(setup.demand === null ? {} : rampOf(setup.demand)),
		},
		suspended: null,
		agentUrl: null,
		credentials: { username: "user", password: "1" },
		allow: [],
		fromEnvironment: source === "environment",
	};
}

function rampOf({ rampLimit, scaleInWindowSeconds, metricsSource }: DemandSetup): Partial<Spec> {
	return { rampLimit, scaleInWindowSeconds, metricsSource };
}

export async function run(scenario: Scenario, core: Core, recorded?: Recorded): Promise<Outcome> {
	return new World(scenario, core, recorded).run();
}
