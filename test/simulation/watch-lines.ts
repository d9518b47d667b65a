import { CALLS_A_PASS } from "../../src/controller/pass.ts";
import { lineDirectivesFor } from "../../src/core/model/directives.ts";
import { judgeKey } from "../../src/core/model/registration.ts";
import type { Id, Ms, Proxy, State } from "../../src/core/model/state.ts";
import type { Agent, LineWatcher } from "./agents.ts";
import { expectationOf, leastFor } from "./demand.ts";
import type { Host } from "./host.ts";
import { hashOf } from "./instance.ts";
import { MINUTE, SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

/** As the issue of lines states them: a VM that vanishes, and an agent whose process ends. The rest is for alarms, probes and a watch that looks each minute. */
const SILENT_MS = 90 * SECOND;
const SLACK_MS = 20 * SECOND;
const KILLED_MS = 12 * SECOND;
/** An order is on its way for so long at the most, and so is all that is asked for. */
const TOLD_MS = 4 * SECOND;
/** What has changed is told within this, however often it changes. */
const REPORTED_MS = 25 * SECOND;
/** From the connection that is one too many to the target that is raised for it. */
const RISEN_MS = 2_500;
/** What changes, acknowledgements and the pace add up to; an agent that is told to report each second says four times as much. */
const MOST_REPORTS_A_WINDOW = 150;
const WINDOW_MS = 10 * MINUTE;
/** More at one time take longer: three are probed at once, and silence takes three seconds to tell. */
const MOST_AT_ONCE = 5;
/** Faults that have a proxy fail its probes though it is well. */
const OF_PROBES = ["probesLost", "wrongUrl", "heartbeatsLost"] as const;
/** Whoever has been up for so long is known to be well. */
const SETTLED_MS = 3 * MINUTE;

export interface Judge {
	broken(message: string): void;
	/** Whether nothing is held against the pool that happened since then. */
	isExcused(host: Host, since: Ms): boolean;
	isClockSound(): boolean;
}

/** 21: what lines promise. */
export class LineWatch implements LineWatcher {
	private readonly world: World;
	private readonly judge: Judge;
	private readonly reports = new Map<Agent, { readonly window: number; readonly count: number }>();
	/** By pool: when it last was seen to stand still, for a bad setting or a breach. */
	private readonly stoodAt = new Map<Host, Ms>();
	/** By pool: since when more is wanted than its target. */
	private readonly risen = new Map<Host, { readonly target: number }>();
	/** By pool: its rules and bounds, and when they were first seen. */
	private readonly ruled = new Map<Host, { readonly by: unknown; readonly at: Ms }>();

	constructor(world: World, judge: Judge) {
		this.world = world;
		this.judge = judge;
	}

	reported(agent: Agent): void {
		const window = Math.floor(this.world.clock.now / WINDOW_MS);
		const last = this.reports.get(agent);
		const count = last?.window === window ? last.count + 1 : 1;
		this.reports.set(agent, { window, count });
		if (count > MOST_REPORTS_A_WINDOW) this.judge.broken(`${agent.machine.vm} reports ${count} times in ten minutes`);
	}

	used(agent: Agent): void {
		const host = this.find(agent)?.host;
		if (host !== undefined) this.judgeRise(host, "connections", () => this.wantedOf(host));
	}

	/** Metrics were posted. */
	posted(host: Host): void {
		this.judgeRise(host, "posted metrics", () => {
			const { state } = host;
			return state === null || !this.canRise(host) || state.spec.metricsSource !== null
				? 0
				: expectationOf(state, host.now(), state.target).wish;
		});
	}

	private judgeRise(host: Host, what: string, ask: () => number): void {
		const [wanted, before] = [ask(), this.risen.get(host)];
		const target = host.state?.target ?? 0;
		if (wanted <= target || before?.target !== target) this.risen.delete(host);
		if (wanted <= target || before?.target === target) return;
		const risen = { target };
		this.risen.set(host, risen);
		const since = this.world.clock.now;
		this.world.clock.after(RISEN_MS, () => {
			if (this.risen.get(host) !== risen || host.state?.target !== target) return;
			const now = ask();
			this.risen.delete(host);
			if (now > target && this.judge.isClockSound() && !this.judge.isExcused(host, since))
				this.judge.broken(`the ${what} of ${host.object} ask for ${now} proxies, and ${RISEN_MS} ms later it wants ${target}`);
		});
	}

	/** What a pool's connections ask for by its rules, as its agents know it; 0 where something keeps the pool from hearing of it, or from following. */
	private wantedOf(host: Host): number {
		const { state } = host;
		if (state === null || !this.canRise(host)) return 0;
		const { spec } = state;
		if (spec.metricsSource !== null || spec.rules.some((rule) => !/active|requests/.test(rule))) return 0;
		if (!this.areRulesTold(host, spec)) return 0;
		let total = 0;
		for (const proxy of state.proxies.values()) {
			const agent = this.agentOf(proxy);
			if (!proxy.wasReady || proxy.address === null) continue;
			if (proxy.phase.at === "deleting" || proxy.phase.at === "releasing" || proxy.phase.at === "restarting") continue;
			const isHeard = agent?.isServing === true && agent.wire?.isThrough === true && this.world.clock.now - agent.wire.openedAt > TOLD_MS;
			if (!isHeard || state.vitals.get(proxy.id)?.isLined !== true || this.world.agents.isRestless(agent)) return 0;
			total += agent.sessions.size;
		}
		return Math.min(spec.max, leastFor(spec.rules, total));
	}

	/** Agents tell of what they were told to look at. */
	private areRulesTold(host: Host, { rules, min, max }: State["spec"]): boolean {
		const { clock, core } = this.world;
		let known = this.ruled.get(host);
		if (known === undefined || !core.isAlike(known.by, { rules, min, max })) {
			known = { by: { rules, min, max }, at: clock.now };
			this.ruled.set(host, known);
		}
		return clock.now - known.at > TOLD_MS;
	}

	/** Nothing of its own keeps it from following. */
	private canRise(host: Host): boolean {
		const { state, instance } = host;
		if (state === null || instance === null || state.run !== "running" || state.suspended !== null || state.breach !== null) return false;
		const { spec, ramped, target } = state;
		return host.now() - ramped.at >= (spec.intervalSeconds + 1) * SECOND && target < spec.max;
	}

	killed(agent: Agent): void {
		const { clock, faults } = this.world;
		const { run } = agent;
		const since = clock.now;
		const found = this.find(agent);
		if (found === null || found.proxy.phase.at !== "ready" || !this.isProbing(found.host)) return;
		const { host } = found;
		clock.after(KILLED_MS, () => {
			const now = this.find(agent);
			if (now?.proxy.phase.at !== "ready" || agent.run !== run || agent.isServing || now.proxy.address !== agent.machine.address) return;
			if (!this.isProbing(host) || faults.wasOn("probesLost", since) || this.dead(host) > MOST_AT_ONCE) return;
			// A pass that lasts, for calls that hang, may have none left that the platform allows.
			if (host.isPassing && (host.instance?.callsMade ?? 0) >= CALLS_A_PASS - MOST_AT_ONCE) return;
			if (this.judge.isClockSound() && !this.judge.isExcused(host, since))
				this.judge.broken(`${now.proxy.id} is listed ${KILLED_MS / SECOND} s after its agent was killed`);
		});
	}

	/** Each minute. */
	look(): void {
		if (this.world.scenario.lines === null) return;
		for (const host of this.world.hosts) {
			const { state } = host;
			if (state === null || host.instance === null) continue;
			const dead = this.dead(host);
			for (const proxy of state.proxies.values()) {
				const agent = this.agentOf(proxy);
				if (agent === undefined) continue;
				if (!agent.isServing) this.judgeSilent(host, proxy, agent, dead);
				else if (agent.wire?.isThrough === true) this.judgeWell(host, proxy, agent);
			}
		}
	}

	/** A VM that vanished without a packet is off the list. */
	private judgeSilent(host: Host, proxy: Proxy, agent: Agent, dead: number): void {
		if (proxy.phase.at !== "ready" || !agent.diedOnLine || dead > MOST_AT_ONCE) return;
		if (host.state === null || host.state.suspended !== null || host.state.breach !== null) {
			this.stoodAt.set(host, this.world.clock.now);
			return;
		}
		// Where nobody's line is left all may have fallen, by a deploy: where nobody can probe, their time begins anew.
		const fellAt = this.isProbing(host) ? 0 : host.state.linesFellAt - host.skewMs;
		const since = Math.max(agent.turnedAt, proxy.since - host.skewMs, fellAt, this.stoodAt.get(host) ?? 0);
		const forMs = this.world.clock.now - since;
		if (forMs <= SILENT_MS + SLACK_MS || !this.judge.isClockSound() || this.judge.isExcused(host, since)) return;
		this.judge.broken(`${proxy.id} is ready ${Math.round(forMs / SECOND)} s after it fell silent`);
	}

	/** Whoever has a line that works has been told its wish, and its sessions are known. */
	private judgeWell(host: Host, proxy: Proxy, agent: Agent): void {
		const { clock } = this.world;
		const { wire } = agent;
		const faultOf = () => this.faultOf(host, proxy.id, agent);
		if (wire === null || clock.now - wire.openedAt < TOLD_MS || !this.judge.isClockSound() || faultOf() === null) return;
		const [wish, { changedAt }] = [this.wishOf(host, proxy.id), agent];
		// It may just be on its way.
		clock.after(TOLD_MS, () => {
			if (agent.wire !== wire || !wire.isThrough || this.wishOf(host, proxy.id) !== wish || agent.changedAt !== changedAt) return;
			const fault = faultOf();
			if (fault !== null) this.judge.broken(`${proxy.id} has a line, and ${fault}`);
		});
	}

	private faultOf(host: Host, id: Id, agent: Agent): string | null {
		// What it has in memory now, after a sleep too.
		const state = host.instance?.state ?? null;
		if (state === null || judgeKey(state, id, hashOf(agent.key)).is === "refused") return null;
		const wish = lineDirectivesFor(state, id, host.now());
		if (wish === null) return null;
		const { told } = agent;
		const version = wish.credentials?.version ?? 0;
		const { phase } = state.proxies.get(id) ?? {};
		const isUnpublished = phase?.at === "draining" && phase.hiddenAt === null;
		if (wish.drain !== told.drain && !isUnpublished) return `it was ${told.drain ? "" : "not "}told to drain`;
		if (wish.url !== told.url) return `it was told ${told.url}, not ${wish.url}`;
		if (version !== told.credentials) return `it was told credentials ${told.credentials}, not ${version}`;
		if (wish.report !== told.reportSeconds) return `it was told to report each ${told.reportSeconds} s, not ${wish.report}`;
		if (wish.rise !== told.rise) return `it was told to tell of a rise of ${told.rise}, not ${wish.rise}`;
		const [wished, known] = [wish.rises, told.rises].map((rises) => JSON.stringify(rises));
		if (wished !== known) return `it was told to tell of rises of ${known}, not ${wished}`;
		const settledAt = Math.max(agent.changedAt, agent.wire?.openedAt ?? 0) + REPORTED_MS;
		if (this.world.clock.now < settledAt) return null;
		// Its sessions are taken to have ended, even where its cloud refuses to restart it.
		if (state.proxies.get(id)?.phase.at === "restarting") return null;
		const sessions = state.sessions.get(id) ?? [];
		const isKnown = sessions.length === agent.sessions.size && sessions.every((session) => agent.sessions.has(session));
		return isKnown ? null : `its sessions are ${[...agent.sessions].join(" ")}, not ${sessions.join(" ")}`;
	}

	/** A proxy leaves the list: not one that is well. */
	dropped(host: Host, was: Proxy, after: State): void {
		const { world } = this;
		const agent = this.agentOf(was);
		const why = after.proxies.get(was.id)?.why ?? "";
		if (world.scenario.lines === null || agent === undefined || !agent.isServing || world.clock.now - agent.turnedAt < SETTLED_MS) return;
		const { machine } = agent;
		if (machine.power === "off" || machine.goneAt !== null || machine.hasMoved || machine.address !== was.address) return;
		if (!was.registered || !this.judge.isClockSound() || OF_PROBES.some((fault) => world.faults.wasOn(fault, world.clock.now - WINDOW_MS)))
			return;
		const isSilent = why === "its agent is silent";
		// Two deploys at once are too many: it may not have been heard between them.
		if (isSilent && host.fellAt[1] - host.fellAt[0] < 2 * MINUTE && world.clock.now - host.fellAt[1] < 2 * MINUTE) return;
		if (isSilent && agent.wire?.isThrough !== true && world.clock.now - agent.fellAt > 35 * SECOND) return;
		const version = lineDirectivesFor(after, was.id, host.now())?.credentials?.version ?? 0;
		if (!isSilent && world.agents.probe(machine, agent.key, version).is !== "ok") return;
		this.judge.broken(`${was.id} is well, and is dropped: ${why}`);
	}

	private find(agent: Agent): { readonly host: Host; readonly proxy: Proxy } | null {
		for (const host of this.world.hosts) {
			const proxy = host.state?.proxies.get(agent.boot.token.split(".")[1] ?? "");
			if (proxy !== undefined && this.agentOf(proxy) === agent) return { host, proxy };
		}
		return null;
	}

	private agentOf({ phase }: Proxy): Agent | undefined {
		return "vm" in phase && phase.vm !== null ? this.world.agents.byMachine.get(phase.vm) : undefined;
	}

	private dead(host: Host): number {
		let count = 0;
		for (const proxy of host.state?.proxies.values() ?? []) if (this.agentOf(proxy)?.isServing === false) count++;
		return count;
	}

	private isProbing({ state }: Host): boolean {
		return state?.spec.canProbe === true && state.suspended === null && state.breach === null;
	}

	private wishOf({ state }: Host, id: Id): string {
		return state === null ? "" : JSON.stringify({ ...lineDirectivesFor(state, id, 0), interval: 0, grace: 0 });
	}
}
