import type { LineDirectives } from "../../src/core/model/directives.ts";
import type { Ms, Verdict } from "../../src/core/model/state.ts";
import type { Traffic } from "../../src/core/model/traffic.ts";
import type { Clock } from "./clock.ts";
import type { Boot, Machine } from "./cloud.ts";
import { REQUESTS } from "./demand.ts";
import type { Faults } from "./faults.ts";
import type { Wire } from "./lines.ts";
import type { Random } from "./random.ts";
import { MINUTE, SECOND } from "./scenario.ts";

/** What an agent is told, as far as it matters here. */
export interface Told {
	readonly intervalSeconds: number;
	readonly drain: boolean;
	readonly drop: readonly string[];
	readonly url: string;
	readonly credentials: number;
	/** For how long those that these replace are good; missing: ten minutes. */
	readonly formerMs?: Ms | undefined;
	/** For how long it goes on taking clients though it is drained. */
	readonly graceMs?: Ms;
	/** On a line: within how many seconds it reports, and at which rise of its connections at once. */
	readonly reportSeconds?: number;
	readonly rise?: number;
	readonly rises?: Readonly<Record<string, number>>;
}
export type Reply = { readonly ok: true; readonly told: Told } | { readonly ok: false };

/** The Worker, as an agent calls it. Null: it does not answer there, or not now. */
export interface Worker {
	register(url: string, request: { token: string; key: string; address: string }): Reply | null;
	heartbeat(url: string, request: Heartbeat): Reply | null;
	/** "none": whoever is in between lets no line through. */
	open(url: string, agent: Agent): Wire | "unauthorised" | "none" | null;
}

/** What agents' lines tell those who watch. */
export interface LineWatcher {
	reported(agent: Agent): void;
	/** A client has come or gone. */
	used(agent: Agent): void;
	/** Its process has ended, and its machine's kernel has said so on its line. */
	killed(agent: Agent): void;
}

/** What an agent has said on its line, and heard. */
interface Speech {
	readonly url: string;
	number: number;
	heard: number;
	isWhole: boolean;
	told: ReadonlySet<string>;
	sentAt: Ms;
	/** As far as it lies ahead, changes were told. */
	paidAt: Ms;
	/** An order is to be acknowledged. */
	isAcking: boolean;
	hasChanged: boolean;
	/** As far as it lies ahead, rises were told. */
	spentAt: Ms;
	/** The next look at what is to be told. */
	lookAt: Ms;
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
	/** When it last had some refused before they had been good for ten minutes. */
	shortenedAt: Ms;
	/** Open client connections, `client:port`. */
	readonly sessions: Sessions;
	/** When they last changed. */
	changedAt: Ms;
	/** From when on it takes no client any more. */
	refusesAt: Ms;
	/** The next report is under way. */
	reportAt: Ms;
	wire: Wire | null;
	speech: Speech | null;
	/** A line is tried from then on, and how often that has come to nothing. */
	lineAt: Ms;
	unopened: number;
	/** When its line last ended. */
	fellAt: Ms;
	/** Since when it serves, or does not. */
	turnedAt: Ms;
	/** It had a line when it ended. */
	diedOnLine: boolean;
}

/** A set that says when it changes. */
export class Sessions extends Set<string> {
	changed: () => void = () => undefined;

	override add(session: string): this {
		super.add(session);
		this.changed();
		return this;
	}

	override delete(session: string): boolean {
		const wasThere = super.delete(session);
		if (wasThere) this.changed();
		return wasThere;
	}
}

const OLD_CREDENTIALS_MS = 10 * MINUTE;
const PROMPT_MS = 300;
/** As in `agent.py`. */
const CHANGE_MS = SECOND;
const CHANGES_MS = 15 * SECOND;
const CHANGES_AT_ONCE = 3;
const RISE_MS = 60 * SECOND;
const RISES = 4;
const LINE_AGAIN_MS: readonly [Ms, Ms] = [SECOND / 2, 30 * SECOND];
const LINE_REFUSED_MS = 10 * MINUTE;
const MAX_UNOPENED = 3;
const UNAUTHORISED = 4401;
/** Share of its reports before which a crashing agent crashes. */
const CRASHES = 0.2;
/** How long a slow boot takes. */
const SLOW_BOOT_MS: readonly [Ms, Ms] = [3 * MINUTE, 40 * MINUTE];

/** All agents: they boot, register, report, crash and come back as `agent.py` and its unit do. */
export class Agents {
	readonly byMachine = new Map<string, Agent>();
	readonly byKey = new Map<string, Agent>();
	heartbeats = 0;
	/** Reports on lines. */
	reports = 0;
	private readonly clock: Clock;
	private readonly faults: Faults;
	private readonly random: Random;
	private readonly worker: Worker;
	private readonly isGoodUrl: (url: string) => boolean;
	private readonly counting: Counting;
	/** Null: nobody here holds lines. */
	private readonly lines: { readonly random: Random; readonly watch: LineWatcher } | null;

	constructor(
		clock: Clock,
		faults: Faults,
		random: Random,
		worker: Worker,
		isGoodUrl: (url: string) => boolean,
		counting: Counting,
		lines: { readonly random: Random; readonly watch: LineWatcher } | null,
	) {
		this.lines = lines;
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
			const made = newAgent(machine, machine.boot);
			agent = made;
			made.sessions.changed = () => {
				made.changedAt = this.clock.now;
				if (made.speech !== null) made.speech.hasChanged = true;
				this.look(made);
				this.lines?.watch.used(made);
			};
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
		if (agent === undefined) return;
		agent.wire?.silence();
		this.stop(agent);
	}

	/** It ends without a word; systemd starts it again after a second, unless it `dies`. */
	crash(agent: Agent, dies: boolean): void {
		const isTold = agent.wire?.isThrough === true;
		agent.wire?.end(false);
		this.stop(agent);
		agent.isDead ||= dies;
		if (isTold) this.lines?.watch.killed(agent);
		const { run } = agent;
		this.clock.after(SECOND + this.random.between(0, SECOND), () => {
			if (agent.run === run && !agent.isDead) this.start(agent);
		});
	}

	private stop(agent: Agent): void {
		agent.run++;
		if (agent.isServing) {
			agent.turnedAt = this.clock.now;
			agent.diedOnLine = agent.wire !== null;
		}
		agent.isServing = false;
		agent.wire = null;
		agent.speech = null;
		agent.sessions.clear();
	}

	private start(agent: Agent): void {
		agent.isServing = true;
		agent.turnedAt = this.clock.now;
		agent.isRegistered = false;
		agent.failures = 0;
		agent.lineAt = 0;
		agent.unopened = 0;
		this.report(agent, agent.run);
	}

	private report(agent: Agent, run: number): void {
		if (agent.run !== run) return;
		if (this.faults.isOn("agentsCrash") && this.random.chance(CRASHES) && this.faults.strikes("agentsCrash")) {
			this.crash(agent, false);
			return;
		}
		if (agent.isRegistered && this.mayOpen(agent)) {
			this.open(agent);
			return;
		}
		const reply = agent.isRegistered ? this.heartbeat(agent) : this.register(agent);
		let pauseMs: Ms;
		if (reply?.ok) {
			agent.isRegistered = true;
			agent.failures = 0;
			const isPrompt = this.hear(agent, reply.told);
			if (this.mayOpen(agent)) {
				this.open(agent);
				return;
			}
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

	private mayOpen(agent: Agent): boolean {
		return this.lines !== null && this.clock.now >= agent.lineAt;
	}

	/** As `Reporter.hold` does it. */
	private open(agent: Agent): void {
		if (this.lines === null) return;
		const opened = this.call(agent, (url) => this.worker.open(url, agent));
		if (opened === null) {
			agent.unopened++;
			if (agent.unopened >= MAX_UNOPENED) {
				agent.unopened = 0;
				agent.lineAt = this.clock.now + LINE_REFUSED_MS;
			}
			this.openAgain(agent);
		} else if (opened === "unauthorised") {
			agent.isRegistered = false;
			this.next(agent, SECOND / 4);
		} else if (opened === "none") {
			agent.lineAt = this.clock.now + LINE_REFUSED_MS;
			this.next(agent, 0);
		} else this.speak(agent, opened);
	}

	private speak(agent: Agent, wire: Wire): void {
		agent.unopened = 0;
		agent.wire = wire;
		// What was to be told by a call is told here.
		agent.reportAt = Number.POSITIVE_INFINITY;
		const { now } = this.clock;
		const said = { number: 0, heard: 0, isWhole: true, told: new Set<string>(), isAcking: false, hasChanged: true, spentAt: now };
		agent.speech = { ...said, url: agent.told.url, sentAt: now - CHANGES_MS, paidAt: now, lookAt: Number.POSITIVE_INFINITY };
		this.look(agent);
	}

	private openAgain(agent: Agent): void {
		if (this.lines !== null) this.next(agent, this.lines.random.between(...LINE_AGAIN_MS));
	}

	/** A line has ended, and its agent notices. */
	lineEnded(wire: Wire, code: number): void {
		const { agent } = wire;
		if (agent.wire !== wire) return;
		agent.wire = null;
		agent.speech = null;
		agent.fellAt = this.clock.now;
		if (code === UNAUTHORISED) {
			agent.isRegistered = false;
			this.next(agent, SECOND / 4);
		} else this.openAgain(agent);
	}

	/** It opens another line though it has one. */
	double(agent: Agent): void {
		if (agent.wire === null) return;
		const opened = this.call(agent, (url) => this.worker.open(url, agent));
		if (opened !== null && typeof opened !== "string") this.speak(agent, opened);
	}

	/** The pool says something on a line. */
	lineSays(wire: Wire, said: { readonly whole?: true; readonly order?: number } & Partial<LineDirectives>): void {
		const { agent } = wire;
		const { speech } = agent;
		if (agent.wire !== wire || speech === null) return;
		if (said.whole) speech.isWhole = true;
		else {
			const { interval = 0, drain = false, drop = [], url = "", credentials = null, report = 0, rise = 0, rises = {}, grace = 0 } = said;
			this.hear(agent, {
				intervalSeconds: interval,
				drain,
				drop,
				url,
				credentials: credentials?.version ?? 0,
				formerMs: formerMsOf(credentials),
				reportSeconds: report,
				rise,
				rises,
				graceMs: grace * SECOND,
			});
			speech.heard = said.order ?? 0;
			speech.isAcking = true;
			if (agent.told.url !== speech.url) {
				wire.end(true);
				agent.wire = null;
				agent.speech = null;
				this.openAgain(agent);
				return;
			}
		}
		this.look(agent);
	}

	/** Plans the next report, as `Reporter.speak` finds that it is due. */
	private look(agent: Agent): void {
		const { speech, wire } = agent;
		if (speech === null || wire === null) return;
		const at = Math.max(this.clock.now, this.sayDueAt(agent, speech));
		if (speech.lookAt <= at) return;
		speech.lookAt = at;
		this.clock.at(at, () => {
			if (agent.wire !== wire || agent.speech !== speech || speech.lookAt !== at) return;
			speech.lookAt = Number.POSITIVE_INFINITY;
			if (this.sayDueAt(agent, speech) <= this.clock.now) this.say(agent, wire, speech);
			this.look(agent);
		});
	}

	private sayDueAt({ told, sessions }: Agent, speech: Speech): Ms {
		if (speech.isAcking) return speech.sentAt;
		const isUrgent =
			this.isRise(speech, told, sessions.size) || speech.isWhole || (told.drain && speech.told.size > 0 && sessions.size === 0);
		if (isUrgent) return speech.sentAt + CHANGE_MS;
		const paceAt = speech.sentAt + (told.reportSeconds ?? told.intervalSeconds) * SECOND;
		return speech.hasChanged ? Math.min(paceAt, Math.max(speech.sentAt + CHANGE_MS, speech.paidAt - CHANGES_AT_ONCE * CHANGES_MS)) : paceAt;
	}

	/** Whether it has told so many rises lately that the next one has to be larger. */
	isRestless({ speech }: Agent): boolean {
		return speech !== null && speech.spentAt - this.clock.now >= (RISES - 1) * RISE_MS;
	}

	/** So many more connections, or so much more of what is made on them, as it was asked to tell of at once; the more often it has told lately, the more it takes. */
	private isRise({ spentAt, told: { size } }: Speech, { rise = 0, rises = {} }: Told, count: number): boolean {
		const scale = 2 ** Math.floor(Math.max(0, spentAt - this.clock.now) / (RISES * RISE_MS));
		const [was, is] = [metricsOf(size), metricsOf(count)];
		const isHigher = Object.entries(rises).some(([name, step]) => (is[name] ?? 0) - (was[name] ?? 0) >= step * scale);
		return isHigher || (rise > 0 && count - size >= rise * scale);
	}

	private say(agent: Agent, wire: Wire, speech: Speech): void {
		if (this.faults.isOn("agentsCrash") && this.random.chance(CRASHES) && this.faults.strikes("agentsCrash")) {
			this.crash(agent, false);
			return;
		}
		// What is lost of a stream ends it.
		if (this.faults.strikes("heartbeatsLost")) wire.mute();
		this.reports++;
		this.lines?.watch.reported(agent);
		const { isWhole, told } = speech;
		const isRise = this.isRise(speech, agent.told, agent.sessions.size);
		if (isRise) speech.spentAt = Math.max(speech.spentAt, this.clock.now) + RISE_MS;
		const sessions = new Set(agent.sessions);
		const counts = this.counting.reporting(agent);
		agent.reports++;
		speech.number++;
		wire.say({
			number: speech.number,
			whole: isWhole,
			opened: [...sessions].filter((session) => isWhole || !told.has(session)),
			closed: isWhole ? [] : [...told].filter((session) => !sessions.has(session)),
			heard: speech.heard,
			active: sessions.size,
			metrics: metricsOf(sessions.size),
			credentials: agent.told.credentials,
			counts,
		});
		speech.paidAt = Math.max(speech.paidAt, this.clock.now) + (speech.isAcking || isRise ? 0 : CHANGES_MS);
		Object.assign(speech, { told: sessions, sentAt: this.clock.now, isWhole: false, isAcking: false, hasChanged: false });
	}

	/** A drained proxy tells at once that it has become idle. */
	closed(agent: Agent): void {
		if (agent.wire === null && agent.sessions.size === 0 && agent.isServing && agent.isRegistered && agent.told.drain)
			this.next(agent, SECOND / 2);
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
	private call<Answer>(agent: Agent, ask: (url: string) => Answer | null): Answer | null {
		if (this.faults.strikes("heartbeatsLost")) return null;
		const reply = this.isGoodUrl(agent.told.url) ? ask(agent.told.url) : null;
		if (reply !== null) agent.heard = agent.told.url;
		if (reply !== null || agent.heard === agent.told.url || !this.isGoodUrl(agent.heard)) return reply;
		return ask(agent.heard);
	}

	private hear(agent: Agent, told: Told): boolean {
		const before = agent.told;
		agent.told = told;
		const refusesAt = this.clock.now + (told.graceMs ?? 0);
		agent.refusesAt = !told.drain ? Number.POSITIVE_INFINITY : Math.min(refusesAt, agent.refusesAt);
		for (const session of told.drop) agent.sessions.delete(session);
		const { now } = this.clock;
		const until = now + (told.formerMs ?? OLD_CREDENTIALS_MS);
		const isNew = told.credentials !== before.credentials;
		const good = agent.old
			.filter((one) => one.until > now)
			.concat(isNew ? [{ version: before.credentials, until: Number.POSITIVE_INFINITY }] : []);
		agent.old = good.map((one) => ({ ...one, until: Math.min(one.until, until) }));
		if (told.formerMs !== undefined && good.length > 0) agent.shortenedAt = now;
		return isNew || (told.drain && !before.drain);
	}

	/** Whether it takes a client that presents this version of credentials; 0: none. */
	accepts({ told, old }: Agent, version: number): boolean {
		if (told.credentials === 0 || told.credentials === version) return true;
		return old.some((one) => one.version === version && one.until > this.clock.now);
	}

	/** What a probe of an address finds. `version`: of the credentials that it shows. */
	probe(machine: Machine | undefined, key: string | null, version: number): Verdict {
		const agent = machine === undefined ? undefined : this.byMachine.get(machine.vm);
		if (machine === undefined || machine.power === "off") return { is: "silent" };
		if (agent === undefined || !agent.isServing) return { is: "refused" };
		if (!this.accepts(agent, version)) return { is: "credentials" };
		if (!this.isGoodUrl(agent.told.url)) return { is: "egress" };
		return agent.key === key ? { is: "ok", active: agent.sessions.size } : { is: "impostor" };
	}
}

/** What an agent with so many connections measures. */
export function metricsOf(connections: number): Readonly<Record<string, number>> {
	return { requests: REQUESTS * connections };
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
		shortenedAt: Number.NEGATIVE_INFINITY,
		sessions: new Sessions(),
		changedAt: 0,
		refusesAt: Number.POSITIVE_INFINITY,
		reportAt: 0,
		wire: null,
		speech: null,
		lineAt: 0,
		unopened: 0,
		fellAt: 0,
		turnedAt: 0,
		diedOnLine: false,
	};
}

/** For how long former credentials are good by what an agent is told, where that is not as usual. */
export function formerMsOf(credentials: LineDirectives["credentials"]): Ms | undefined {
	return credentials?.former === undefined ? undefined : credentials.former * SECOND;
}
