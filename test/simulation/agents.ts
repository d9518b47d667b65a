import type { Ms, Verdict } from "../../src/core/model/state.ts";
import type { Traffic } from "../../src/core/model/traffic.ts";
import type { Clock } from "./clock.ts";
import type { Boot, Machine } from "./cloud.ts";
import type { Faults } from "./faults.ts";
import type { Random } from "./random.ts";
import { MINUTE, SECOND } from "./scenario.ts";

/** What an agent is told, as far as it matters here. */
export interface Told {
	readonly intervalSeconds: number;
	readonly drain: boolean;
	readonly drop: readonly string[];
	readonly url: string;
	readonly credentials: number;
}
export type Reply = { readonly ok: true; readonly told: Told } | { readonly ok: false };

/** The Worker, as an agent calls it. Null: it does not answer there, or not now. */
export interface Worker {
	register(url: string, request: { token: string; key: string; address: string }): Reply | null;
	heartbeat(url: string, request: Heartbeat): Reply | null;
}

export interface Heartbeat {
	readonly key: string;
	readonly sessions: readonly string[];
	readonly credentials: number;
	/** What it has counted since its start. */
	readonly counts: { readonly boot: string; readonly counters: Traffic };
}

/** Who keeps what agents count. */
export interface Counting {
	reporting(agent: Agent): Heartbeat["counts"];
	/** Its report was answered. */
	heard(agent: Agent): void;
}

/** The agent on one VM, over all its reboots. */
export interface Agent {
	readonly machine: Machine;
	readonly boot: Boot;
	/** Minted at its first boot, kept over crashes and reboots. */
	readonly key: string;
	isServing: boolean;
	/** It never starts again. */
	isDead: boolean;
	/** Reports that it has made. */
	reports: number;
	/** Grows with every start: what an earlier run of it had asked for does not happen any more. */
	run: number;
	isRegistered: boolean;
	failures: number;
	told: Told;
	/** The URL that answered last. */
	heard: string;
	/** Versions of credentials that it accepts besides the newest, and until when. */
	old: { readonly version: number; readonly until: Ms }[];
	/** Open client connections, `client:port`. */
	readonly sessions: Set<string>;
	/** The next report is under way. */
	reportAt: Ms;
}

const OLD_CREDENTIALS_MS = 10 * MINUTE;
const PROMPT_MS = 300;
/** Share of its reports before which a crashing agent crashes. */
const CRASHES = 0.2;
/** How long a slow boot takes. */
const SLOW_BOOT_MS: readonly [Ms, Ms] = [3 * MINUTE, 40 * MINUTE];

/** All agents: they boot, register, report, crash and come back as `agent.py` and its unit do. */
export class Agents {
	readonly byMachine = new Map<string, Agent>();
	readonly byKey = new Map<string, Agent>();
	heartbeats = 0;
	private readonly clock: Clock;
	private readonly faults: Faults;
	private readonly random: Random;
	private readonly worker: Worker;
	private readonly isGoodUrl: (url: string) => boolean;
	private readonly counting: Counting;

	constructor(clock: Clock, faults: Faults, random: Random, worker: Worker, isGoodUrl: (url: string) => boolean, counting: Counting) {
		this.clock = clock;
		this.faults = faults;
		this.random = random;
		this.worker = worker;
		this.isGoodUrl = isGoodUrl;
		this.counting = counting;
	}

	/** Its VM runs: the agent starts `bootMs` later. */
	machineStarted(machine: Machine, bootMs: Ms): void {
		if (machine.boot === null) return;
		let agent = this.byMachine.get(machine.vm);
		if (agent === undefined) {
			agent = newAgent(machine, machine.boot);
			// An image or a network that never comes up: at its first boot or never.
			agent.isDead = this.faults.strikes("neverBoots");
			this.byMachine.set(machine.vm, agent);
			this.byKey.set(agent.key, agent);
		}
		const started = agent;
		const run = ++started.run;
		const slowMs = this.faults.strikes("slowBoot") ? this.random.between(...SLOW_BOOT_MS) : 0;
		this.clock.after(bootMs + slowMs, () => {
			if (started.run === run && !started.isDead && machine.goneAt === null) this.start(started);
		});
	}

	machineHalted(machine: Machine): void {
		const agent = this.byMachine.get(machine.vm);
		if (agent !== undefined) this.stop(agent);
	}

	/** It ends without a word; systemd starts it again after a second, unless it `dies`. */
	crash(agent: Agent, dies: boolean): void {
		this.stop(agent);
		agent.isDead ||= dies;
		const { run } = agent;
		this.clock.after(SECOND + this.random.between(0, SECOND), () => {
			if (agent.run === run && !agent.isDead) this.start(agent);
		});
	}

	private stop(agent: Agent): void {
		agent.run++;
		agent.isServing = false;
		agent.sessions.clear();
	}

	private start(agent: Agent): void {
		agent.isServing = true;
		agent.isRegistered = false;
		agent.failures = 0;
		this.report(agent, agent.run);
	}

	private report(agent: Agent, run: number): void {
		if (agent.run !== run) return;
		if (this.faults.isOn("agentsCrash") && this.random.chance(CRASHES) && this.faults.strikes("agentsCrash")) {
			this.crash(agent, false);
			return;
		}
		const reply = agent.isRegistered ? this.heartbeat(agent) : this.register(agent);
		let pauseMs: Ms;
		if (reply?.ok) {
			agent.isRegistered = true;
			agent.failures = 0;
			const isPrompt = this.hear(agent, reply.told);
			pauseMs = isPrompt ? PROMPT_MS : agent.told.intervalSeconds * SECOND * (0.9 + 0.1 * this.random.next());
		} else {
			const isRefused = reply !== null;
			if (isRefused && agent.isRegistered) agent.failures = 0;
			if (isRefused) agent.isRegistered = false;
			const mostSeconds = agent.isRegistered ? agent.told.intervalSeconds : isRefused ? 60 : 15;
			pauseMs = Math.min(mostSeconds, 0.25 * 2 ** Math.min(agent.failures++, 9)) * SECOND * (0.75 + 0.25 * this.random.next());
		}
		this.next(agent, Math.round(pauseMs));
	}

	private next(agent: Agent, pauseMs: Ms): void {
		const { run } = agent;
		const at = this.clock.now + pauseMs;
		agent.reportAt = at;
		this.clock.at(at, () => {
			// A report that was brought forward has taken this one's place.
			if (agent.reportAt === at) this.report(agent, run);
		});
	}

	/** A drained proxy tells at once that it has become idle. */
	closed(agent: Agent): void {
		if (agent.sessions.size === 0 && agent.isServing && agent.isRegistered && agent.told.drain) this.next(agent, SECOND / 2);
	}

	private register(agent: Agent): Reply | null {
		const { token } = agent.boot;
		const reply = this.call(agent, (url) => this.worker.register(url, { token, key: agent.key, address: agent.machine.address }));
		return this.faults.strikes("registerAnswerLost") ? null : reply;
	}

	private heartbeat(agent: Agent): Reply | null {
		this.heartbeats++;
		const { key, sessions, told } = agent;
		agent.reports++;
		const counts = this.counting.reporting(agent);
		const reply = this.call(agent, (url) =>
			this.worker.heartbeat(url, { key, sessions: [...sessions], credentials: told.credentials, counts }),
		);
		if (reply?.ok) this.counting.heard(agent);
		return reply;
	}

	/** To its URL, else to the one that answered last. */
	private call(agent: Agent, ask: (url: string) => Reply | null): Reply | null {
		if (this.faults.strikes("heartbeatsLost")) return null;
		const reply = this.isGoodUrl(agent.told.url) ? ask(agent.told.url) : null;
		if (reply !== null) agent.heard = agent.told.url;
		if (reply !== null || agent.heard === agent.told.url || !this.isGoodUrl(agent.heard)) return reply;
		return ask(agent.heard);
	}

	private hear(agent: Agent, told: Told): boolean {
		const before = agent.told;
		agent.told = told;
		for (const session of told.drop) agent.sessions.delete(session);
		if (told.credentials === before.credentials) return told.drain && !before.drain;
		const until = this.clock.now + OLD_CREDENTIALS_MS;
		agent.old = [...agent.old.filter((one) => one.until > this.clock.now), { version: before.credentials, until }];
		return true;
	}

	/** What a probe of an address finds. `version`: of the credentials that it shows. */
	probe(machine: Machine | undefined, key: string | null, version: number): Verdict {
		const agent = machine === undefined ? undefined : this.byMachine.get(machine.vm);
		if (machine === undefined || machine.power === "off") return { is: "silent" };
		if (agent === undefined || !agent.isServing) return { is: "refused" };
		const accepts = agent.told.credentials === version || agent.old.some((one) => one.version === version && one.until > this.clock.now);
		if (!accepts && agent.told.credentials !== 0) return { is: "credentials" };
		if (!this.isGoodUrl(agent.told.url)) return { is: "egress" };
		return agent.key === key ? { is: "ok", active: agent.sessions.size } : { is: "impostor" };
	}
}

function newAgent(machine: Machine, boot: Boot): Agent {
	return {
		machine,
		boot,
		key: `${boot.token.split(".").slice(0, 2).join(".")}.key-${machine.vm}`,
		isServing: false,
		isDead: false,
		run: 0,
		reports: 0,
		isRegistered: false,
		failures: 0,
		told: { intervalSeconds: boot.intervalSeconds, drain: false, drop: [], url: boot.url, credentials: boot.credentials },
		heard: boot.url,
		old: [],
		sessions: new Set(),
		reportAt: 0,
	};
}
