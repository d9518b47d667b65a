import { CALLS_A_PASS } from "../../src/controller/pass.ts";
import type { Effect } from "../../src/core/effects/index.ts";
import type { Command } from "../../src/core/model/command.ts";
import type { ReadyEntry } from "../../src/core/model/published.ts";
import type { Id, Key, Ms, Proxy, State } from "../../src/core/model/state.ts";
import { differences } from "../../src/core/model/table.ts";
import type { Publication } from "../../src/read-model/publish.ts";
import { describe } from "./actions.ts";
import type { Agent } from "./agents.ts";
import type { Machine } from "./cloud.ts";
import { convergenceOf, lacksRoom } from "./convergence.ts";
import type { Host } from "./host.ts";
import type { Dispatched, Instance } from "./instance.ts";
import { PROFILES } from "./profiles.ts";
import { type Changes, newRecord, type PoolRecord, Violation } from "./record.ts";
import { HOUR, MINUTE, SECOND } from "./scenario.ts";
import { Spend } from "./spend.ts";
import { forgetLost, judgePosted, judgeTarget, judgeWoken } from "./watch-demand.ts";
import { Leases } from "./watch-leases.ts";
import { LineWatch } from "./watch-lines.ts";
import { PlaceWatch } from "./watch-places.ts";
import { Replacements } from "./watch-replacements.ts";
import { Totals } from "./watch-totals.ts";
import { Waiting } from "./watch-waiting.ts";
import type { World } from "./world.ts";

/** As `docs/reliability.md` states it. */
const STALENESS_MS = 1 * SECOND;
const UNPUBLISHED_DRAIN_MS = 30 * SECOND;
/** Alarms may come 20 minutes late, and several in a row. */
const LATE_MS = 45 * MINUTE;
/** Far more than what retries, samples and each interval's look at one that is unready add up to. */
const MOST_PROBES_A_WINDOW = 80;
const WINDOW_MS = 10 * MINUTE;
/** Plans are what a run spends its time on: not every pass is planned once more to see whether its alarm is right. */
const PASSES_A_CHECK = 16;
/** Until cron has found the alarms that were lost, and what was overdue is done. */
const AFTER_UNWOKEN_MS = 20 * MINUTE;
/** What a clock may be off by without anybody minding. */
const SMALL_JUMP_MS = 15 * SECOND;
/** A clock that jumped far makes every deadline wrong for a while: what rests on them is not held against the pool. */
const AFTER_JUMP_MS = 3 * HOUR;

/** As the design states it; on purpose not the core's own. */
function surgeOf({ rolling, max }: State["spec"]): number {
	return Math.max(2, rolling.enabled ? Math.min(rolling.batchSize, max) : 0, Math.ceil(max / 10));
}

/** Faults that keep an agent from hearing. */
const UNHEARD = ["heartbeatsLost", "wrongUrl", "registerAnswerLost", "agentsCrash"] as const;
/** And those that keep what it says from being read. */
const UNREAD = [...UNHEARD, "linesRefused", "databaseFails", "databaseAmbiguous", "databaseOut", "cronOut"] as const;
/** In which they are, or were: former credentials are good for ten minutes. */
const UNREAD_MS = 30 * MINUTE;
/** In which an agent that refuses former credentials at once may be handed out with them. */
const SHORTENED_MS = 10 * SECOND;

/** Holds every step of a run against the promises of `docs/reliability.md`; the number is that of the promise. */
export class Watch {
	violation: Violation | null = null;
	readonly effects = new Map<string, number>();
	private readonly world: World;
	private readonly records = new Map<string, PoolRecord>();
	private readonly probes = new Map<Id, { readonly window: number; readonly count: number }>();
	private readonly staticFailures = new Map<string, number>();
	private nudgedAt = Number.NEGATIVE_INFINITY;
	private jumpedAt = Number.NEGATIVE_INFINITY;
	/** When nobody was there last to wake a pool that overslept. */
	private unwokenAt = Number.NEGATIVE_INFINITY;
	private mutationsWhenConverged = -1;
	/** Deployments of which D1 has lost something: what an older copy does not know that a pool holds, another may get before it is held again. */
	private readonly lost = new Set<string>();
	private readonly spend: Spend;
	private readonly waiting: Waiting;
	readonly replacements: Replacements;
	readonly leases = new Leases((promise, message) => this.broken(promise, message));
	readonly places: PlaceWatch;
	readonly lines: LineWatch;
	readonly totals: Totals;
	/** What is stored with each commit, and does not lag. */
	private readonly stored: readonly Key[];

	constructor(world: World) {
		this.world = world;
		this.stored = [...world.core.fieldsStored("facts"), ...world.core.fieldsStored("rows")];
		this.spend = new Spend(world);
		this.replacements = new Replacements(world, (promise, message) => {
			if (this.isClockSound) this.broken(promise, message);
		});
		this.places = new PlaceWatch(world, (message) => {
			if (this.isClockSound) this.broken("19", message);
		});
		this.totals = new Totals(world, (message) => this.broken("20", message));
		this.waiting = new Waiting(world, (message) => this.broken("16", message));
		this.lines = new LineWatch(world, {
			broken: (message) => this.broken("21", message),
			isExcused: (host, since) => this.waiting.isExcused(host, since),
			isClockSound: () => this.isClockSound && world.clock.now - this.nudgedAt > AFTER_UNWOKEN_MS,
		});
	}

	/** A pool is told that the directory lacks it. */
	unlisted(host: Host): void {
		if (host.state?.leaving !== true) this.record(host).isToldUnlisted = true;
	}

	/** A pool is told that the directory has it again. */
	listed(host: Host): void {
		this.record(host).isToldUnlisted = false;
	}

	/** D1 was lost, or is an older copy: what it shows from now on may be older than what it showed. */
	databaseLost(host: Host): void {
		this.lost.add(host.deployment);
		const record = this.record(host);
		record.version = 0;
		record.listed = new Set();
		record.hiddenAt.clear();
	}

	/** 16: however often D1 is lost, a deployment has one pool of a name. */
	doubled(): void {
		const names = new Set<string>();
		for (const { deployment, name, state } of this.world.hosts) {
			if (state === null || state.run === "removing") continue;
			const key = `${deployment}/${name}`;
			if (names.has(key)) this.broken("16", `there are two pools ${key}`);
			names.add(key);
		}
	}

	/** A pool is told what a VM costs with these settings. */
	quoted(host: Host, account: string, hourly: number): void {
		this.world.note(() => `${host.object} is told that a VM of ${account} costs ${hourly}`);
		this.spend.quoted(host, account, hourly);
		this.totals.quoted(host, hourly);
	}

	broken(promise: string, message: string): void {
		this.violation ??= new Violation(promise, this.world.when(), message);
	}

	/** A clock was set; by more than anybody would overlook, where it `isLarge`. */
	jumped(isLarge: boolean): void {
		if (isLarge) this.jumpedAt = this.world.clock.now;
		for (const host of this.world.hosts) this.waiting.excuse(host);
		this.nudgedAt = this.world.clock.now;
	}

	private get isClockSound(): boolean {
		return this.world.clock.now - this.jumpedAt > AFTER_JUMP_MS;
	}

	record(host: Host): PoolRecord {
		let record = this.records.get(host.object);
		if (record === undefined) {
			record = newRecord(this.world.clock.now);
			this.records.set(host.object, record);
		}
		return record;
	}

	/** Counts what happens besides faults and calls. */
	count(what: string): void {
		this.effects.set(what, (this.effects.get(what) ?? 0) + 1);
	}

	/** A pool was told that so many clients found nothing. */
	woken(host: Host, callers: number, before: State, after: State): void {
		judgeWoken(host, callers, before, after, this.sayer(host));
	}

	/** An instance is gone with its memory. */
	dropped(host: Host): void {
		forgetLost(host, this.record(host).demand);
		this.places.dropped(host);
		this.totals.dropped(host);
		this.waiting.excuse(host);
	}

	/** An object was put to sleep: its memory is gone, and whoever needs it wakes it. */
	slept(host: Host): void {
		if (!this.totals.areReportsWritten(host)) this.broken("20", `${host.object} sleeps, and what clients reported is not stored`);
		forgetLost(host, this.record(host).demand);
		this.places.dropped(host);
		this.totals.dropped(host);
	}

	/** Another instance begins with what is stored, which is all that was ever committed. Vitals lag. */
	reloaded(host: Host, state: State): void {
		const { core } = this.world;
		const { state: committed } = host;
		if (committed === null) return;
		for (const key of this.stored) {
			const [is, was] = [state[key], committed[key]];
			if (is !== was && !core.isAlike(is, was)) this.broken("9", `${key} of ${host.object} is not what was committed`);
		}
	}

	ordered(host: Host, command: Command): void {
		const record = this.record(host);
		if (command.do === "release" || (command.do === "run" && command.keep === true)) this.sparing(host, record, command);
		else if (command.do === "run" || command.do === "adopt") record.spared.clear();
		if (command.do === "run" && command.run === "running") this.replacements.restarted(host.object);
		if (command.do === "destroy") this.destroying(host, record, command.id);
		if (command.do === "roll") this.replacements.rolling(host, command.isOn);
		record.fruitless = 0;
		record.fruitlessSince = this.world.clock.now;
		record.fruitlessMost = 0;
	}

	/** What an operator wants to run on is never deleted from then on, unless its deletion was ordered before. */
	private sparing(host: Host, record: PoolRecord, command: Command): void {
		for (const proxy of host.state?.proxies.values() ?? []) {
			const { phase } = proxy;
			// One that is just being associated cannot be let go yet: such an order is refused.
			const isMeant = command.do !== "release" || (proxy.id === command.id && phase.at !== "adopting");
			if (isMeant && phase.at !== "launching" && phase.at !== "deleting" && phase.vm !== null) record.spared.add(phase.vm);
		}
	}

	/** What was to run on may be ordered to go all the same, as long as it is not let go. */
	private destroying(host: Host, record: PoolRecord, id: Id): void {
		record.destroyed.add(id);
		const phase = host.state?.proxies.get(id)?.phase;
		if (phase !== undefined && "vm" in phase && phase.vm !== null && phase.at !== "releasing") record.spared.delete(phase.vm);
	}

	/** The cloud makes no second VM of a create that is sent once more. */
	private get repeats(): boolean {
		return PROFILES[this.world.scenario.provider].idempotency !== "none";
	}

	made(machine: Machine): void {
		this.world.note(() => `${machine.vm} is made for ${machine.tags.intent}${machine.isTwin ? ", once more" : ""}`);
		const intent = machine.tags.intent;
		if (intent === null || machine.isBait) return;
		const posts = this.world.cloud.posts.get(intent) ?? 0;
		// 2: at most one VM per intent.
		if (posts > (this.repeats ? 2 : 1)) this.broken("2", `${posts} creates went out for ${intent}`);
		const host = this.world.hosts.find(({ tag }) => tag === machine.tags.pool);
		if (host?.state == null || machine.isTwin || machine.name === "orphan") return;
		const made = (this.world.cloud.byIntent.get(intent) ?? []).filter(({ isTwin, goneAt }) => !isTwin && goneAt === null);
		if (made.length > 1) this.broken("2", `${made.length} VMs are there of ${intent}`);
		// Boots that never come up are not repeated for ever: a canary at a time.
		const record = this.record(host);
		const { spec } = host.state;
		record.fruitless++;
		const forMs = this.world.clock.now - record.fruitlessSince;
		const canaries = (1.2 * forMs) / (spec.unregisteredTimeoutSeconds * SECOND);
		record.fruitlessMost = Math.max(record.fruitlessMost, spec.max + surgeOf(spec));
		if (record.fruitless > record.fruitlessMost + 5 + canaries && this.isClockSound) {
			this.broken("boots", `${record.fruitless} VMs in ${Math.round(forMs / MINUTE)} min, and none came up`);
		}
	}

	/** A pool was told until when its account's calls rest: from then on it is as if the cloud had said so to itself. */
	limited(host: Host, at: Ms): void {
		if (at > host.notBefore.at) host.notBefore = { at, byClock: at + host.skewMs, saidAt: this.world.clock.now };
	}

	/** A call goes out. */
	calling(host: Host, instance: Instance, effect: Effect, state: State): void {
		this.effects.set(effect.call, (this.effects.get(effect.call) ?? 0) + 1);
		this.world.mix(effect.call.charCodeAt(0) * 31 + effect.call.length);
		this.world.digest?.add(this.world.clock.now, host.object, effect);
		this.world.note(() => `${host.object} ${instance.isSuperseded ? "(superseded) " : ""}calls ${JSON.stringify(effect)}`);
		const isChange = effect.call === "delete" || effect.call === "deleteOrphan" || effect.call === "restart";
		const isMutation = isChange || effect.call === "create" || effect.call === "finish";
		const isRetag = effect.call === "adopt" || effect.call === "release";
		const isProvider = isMutation || isRetag || effect.call === "find" || effect.call === "list" || effect.call === "firewall";
		// 10: nothing before Retry-After, but what went out in the very instant in which the answer came.
		const earlyMs = Math.min(host.notBefore.at - this.world.clock.now, host.notBefore.byClock - host.now());
		if (isProvider && !instance.isSuperseded && earlyMs > 0 && host.notBefore.saidAt < this.world.clock.now) {
			this.broken("10", `${effect.call} goes out ${earlyMs} ms before the provider said to come back`);
		}
		// And the last quarter of an account's calls is for deletes and finds, but for those of the pass that reached it.
		const { rate } = state;
		const isSpent = rate !== null && rate.resetAt > host.now() && rate.remaining < rate.limit / 4 - CALLS_A_PASS;
		const isUrgent = effect.call === "delete" || effect.call === "deleteOrphan" || effect.call === "find" || isRetag;
		if (isProvider && !isUrgent && isSpent && this.isClockSound)
			this.broken("10", `${effect.call} goes out with ${rate.remaining} of ${rate.limit} calls left`);
		if (effect.call === "probe") {
			this.probing(effect.id);
			this.waiting.probing(effect.id);
		}
		if (effect.call === "probeStatic") this.probing(`${host.object} ${effect.id}`);
		if (effect.call === "list") this.record(host).lookedAt = this.world.clock.now;
		if (effect.call === "forget") this.forgetting(host, state);
		if (effect.call === "adopt" || effect.call === "release") this.retagging(host, instance, effect, state);
		if (!isMutation) return;
		const record = this.record(host);
		record.mutations++;
		if (instance.isSuperseded) this.broken("9", `a superseded instance calls ${effect.call}`);
		if (host.state !== state) this.broken("9", `${effect.call} goes out on a state that is not stored`);
		if (state.suspended !== null) this.broken("1", `${effect.call} goes out though the pool is suspended`);
		if (effect.call === "create") this.creating(host, state, effect.id, record);
		else if (effect.call === "finish") this.finishing(host, state, effect);
		else if (isChange) this.touching(host, state, effect);
	}

	/** A create that was cut is gone on with once, by nobody else at the same time, and under a token that is stored. */
	private finishing(host: Host, state: State, { id, vm }: Effect & { call: "finish" }): void {
		const { world } = this;
		const proxy = state.proxies.get(id);
		if (proxy?.phase.at !== "booting" || proxy.phase.vm !== vm || proxy.tokenHash === null || proxy.retryAt <= host.now())
			this.broken("9", `the create of ${id} is finished unrecorded`);
		if (world.cloud.underway.has(id) && this.isClockSound) this.broken("2", `the create of ${id} is finished while it is under way`);
		const tags = world.cloud.machines.get(vm)?.tags;
		if (tags !== undefined && (tags.deployment !== host.deployment || tags.pool !== host.tag || tags.intent !== id))
			this.broken("3", `${vm} is finished as ${id}'s, and is not: ${JSON.stringify(tags)}`);
	}

	/** 6: nobody looks for a pool's VMs once it is forgotten, so that it must have looked when its last one can have shown up. */
	private forgetting(host: Host, state: State): void {
		const { emptyAt, lookedAt } = this.record(host);
		const shownBy = emptyAt + state.spec.unknownTimeoutSeconds * SECOND - SMALL_JUMP_MS;
		if (state.proxies.size > 0 || (lookedAt < shownBy && this.isClockSound))
			this.broken("6", `${host.object} is forgotten without another look`);
	}

	/** Ordered to be dropped: gone once its proxy has reported, which it does each interval. */
	dropping(host: Host, agent: Agent, session: string): void {
		const { world } = this;
		const { run, told } = agent;
		const { skewMs } = host;
		const { wire } = agent;
		const isOnLine = () => agent.wire === wire && (wire === null || wire.isThrough);
		const isHeard = () => agent.run === run && agent.isRegistered && isOnLine() && !UNHEARD.some((fault) => world.faults.isOn(fault));
		// By a clock that jumped the order may be old already.
		const isCalm = () => isHeard() && host.isAlive && host.skewMs === skewMs;
		const isToldOfIt = host.state?.proxies.get(agent.machine.tags.intent ?? "")?.keyHash != null;
		if (!isCalm() || !isToldOfIt) return;
		let wasCalm = true;
		const dueAt = world.clock.now + (wire === null ? told.intervalSeconds * SECOND : 0) + 2 * SECOND;
		const look = () => {
			wasCalm &&= isCalm();
			if (!wasCalm || !agent.sessions.has(session)) return;
			if (world.clock.now >= dueAt) this.broken("drop", `${session} is open an interval after it was to be dropped`);
			else world.clock.after(SECOND, look);
		};
		look();
	}

	/** A static backend answered a probe, or did not; whether the pool ever heard of it is another matter. */
	probedStatic(host: Host, id: Id, isUp: boolean): void {
		const key = `${host.object} ${id}`;
		this.staticFailures.set(key, isUp ? 0 : (this.staticFailures.get(key) ?? 0) + 1);
	}

	/** Three failures in a row take it off; as many again may have been lost with an instance. */
	private staticsChanged(host: Host, after: State): void {
		for (const [id, { isUp }] of after.statics) {
			if (isUp && (this.staticFailures.get(`${host.object} ${id}`) ?? 0) > 6)
				this.broken("static", `${id} is handed out though it is down`);
		}
	}

	/** A pool that finds no rest costs its user money as well. */
	private probing(id: Id): void {
		const window = Math.floor(this.world.clock.now / WINDOW_MS);
		const last = this.probes.get(id);
		const count = last?.window === window ? last.count + 1 : 1;
		this.probes.set(id, { window, count });
		// One that crashes again and again registers again and again, and each time is a reason to look.
		if (count > MOST_PROBES_A_WINDOW && !this.world.faults.isOn("agentsCrash"))
			this.broken("rest", `${id} is probed ${count} times in ten minutes`);
	}

	private creating(host: Host, state: State, id: Id, record: PoolRecord): void {
		const { world } = this;
		const proxy = state.proxies.get(id);
		// 9: its fact is stored.
		if (proxy?.phase.at !== "launching" || proxy.phase.sentAt === null || proxy.tokenHash === null)
			this.broken("9", `the create of ${id} goes out unrecorded`);
		const isRepeat = this.repeats && proxy?.phase.at === "launching" && proxy.formerTokenHash !== null;
		const isSecond = (world.cloud.posts.get(id) ?? 0) > (isRepeat ? 1 : 0);
		if (isSecond || world.cloud.underway.has(id)) this.broken("2", `a second create goes out for ${id}`);
		// 16: nothing is launched for a pool that nobody would find.
		if (record.isToldUnlisted) this.broken("16", `the create of ${id} goes out while the directory lacks ${host.object}`);
		this.places.creating(host, state, id);
		// 11: within the bounds on cost.
		const overspent = this.spend.creating(host, state, id, !this.lost.has(host.deployment));
		if (overspent !== null && this.isClockSound) this.broken("11", overspent);
		// Refused creates are not repeated without a pause.
		const window = Math.floor(world.clock.now / WINDOW_MS);
		record.creates = record.creates.window === window ? { window, count: record.creates.count + 1 } : { window, count: 1 };
		// A place that is sold out is asked by one create in half a minute.
		const most = 12 * (state.spec.max + surgeOf(state.spec)) + 20 + 20 * state.spec.places.length;
		if (record.creates.count > most) this.broken("rest", `${record.creates.count} creates go out in ten minutes`);
		// 1: within max + surge, by what exists and by what the pool believes.
		const { spec } = state;
		const bound = spec.max + surgeOf(spec);
		if (state.proxies.size + state.orphans.size > bound) {
			this.broken("1", `a create brings ${state.proxies.size + state.orphans.size} billable where ${bound} are the most`);
		}
		// One that is asked for once more, and was made, is the same one.
		let existing = isRepeat && (world.cloud.byIntent.get(id) ?? []).length > 0 ? 0 : 1;
		for (const machine of world.machinesOf(host)) if (!machine.isTwin && machine.name !== "orphan" && machine.goingAt === null) existing++;
		for (const [intent] of world.cloud.underway)
			if (state.proxies.has(intent) && (world.cloud.byIntent.get(intent) ?? []).length === 0) existing++;
		if (existing > bound && this.isClockSound) this.broken("1", `a create brings ${existing} VMs into being where ${bound} are the most`);
	}

	/** 9: tags are changed for a stored intent alone, once its fact is stored. */
	private retagging(host: Host, instance: Instance, effect: Effect & { call: "adopt" | "release" }, state: State): void {
		this.record(host).mutations++;
		const proxy = state.proxies.get(effect.id);
		const wanted = effect.call === "adopt" ? "adopting" : "releasing";
		const isRecorded = host.state === state && !instance.isSuperseded && proxy !== undefined && proxy.retryAt > host.now();
		if (!isRecorded || proxy.phase.at !== wanted) this.broken("9", `${effect.call} of ${effect.vm} goes out unrecorded`);
	}

	private touching(host: Host, state: State, effect: Effect & { call: "delete" | "deleteOrphan" | "restart" }): void {
		const { world } = this;
		const machine = world.cloud.machines.get(effect.vm);
		if (this.record(host).spared.has(effect.vm) && effect.call !== "restart") {
			this.broken("keep", `${effect.call} of ${effect.vm}, which an operator left running`);
		}
		// 3: only what carries this deployment's, and this pool's, tags.
		if (machine !== undefined && (machine.tags.deployment !== host.deployment || machine.tags.pool !== host.tag)) {
			this.broken("3", `${effect.call} of ${effect.vm}, which is not ours: ${JSON.stringify(machine.tags)}`);
		}
		if (effect.call === "deleteOrphan") {
			const orphan = state.orphans.get(effect.vm);
			if (orphan !== undefined && orphan.retryAt <= host.now()) this.broken("9", `${effect.call} of ${effect.vm} goes out unrecorded`);
			const owner = machine?.tags.intent == null ? undefined : state.proxies.get(machine.tags.intent);
			if (owner !== undefined && machine !== undefined && "vm" in owner.phase && owner.phase.vm === machine.vm) {
				this.broken("6", `${effect.vm} is deleted as an orphan though it is ${owner.id}'s`);
			}
			return;
		}
		const proxy = state.proxies.get(effect.id);
		if (proxy === undefined || proxy.retryAt <= host.now()) this.broken("9", `${effect.call} of ${effect.id} goes out unrecorded`);
		if (effect.call === "restart") return;
		if (proxy?.phase.at !== "deleting") this.broken("9", `a delete goes out for ${effect.id}, which is ${proxy?.phase.at}`);
		// Published before deleted.
		const record = this.record(host);
		// The first delete counts: what is sent again finds whoever came while the VM was going.
		const drain = record.drains.get(effect.id);
		record.drains.delete(effect.id);
		if (drain === undefined || record.destroyed.has(effect.id) || !this.isClockSound) return;
		const hiddenAt = record.hiddenAt.get(effect.id);
		const isNudged = world.clock.now - this.nudgedAt <= MINUTE;
		const isStale = hiddenAt !== undefined && world.clock.now < hiddenAt + STALENESS_MS;
		const isShown = record.listed.has(effect.id) || isStale;
		if (isShown && !isNudged && world.clock.now < drain.since + UNPUBLISHED_DRAIN_MS) {
			this.broken("14", `${effect.id} is deleted though the ready list still shows it`);
		}
		// Drained: nobody uses it any more, or its time is up.
		const agent = world.agents.byMachine.get(effect.vm);
		if (
			agent !== undefined &&
			agent.sessions.size > 0 &&
			hiddenAt !== undefined &&
			world.clock.now < drain.until - SMALL_JUMP_MS &&
			proxy !== undefined &&
			proxy.failedProbes < 3
		) {
			this.broken(
				"drain",
				`${effect.id} is deleted under ${agent.sessions.size} connections, ${drain.until - world.clock.now} ms before its time is up`,
			);
		}
	}

	/** The state of a pool changed. */
	committed(host: Host, before: State, after: State, applying: Dispatched | null): void {
		const changes = differences(before.proxies, after.proxies);
		if (before.staticsProbed !== after.staticsProbed) this.staticsChanged(host, after);
		if (before.orphans !== after.orphans) this.orphansChanged(host, before, after);
		this.scaled(host, before, after, changes);
		this.replacements.committed(host, before, after, changes);
		this.leases.committed(host, before, after, changes, this.isClockSound);
		if (changes.length === 0) return;
		this.totals.committed(host, before, after, changes);
		this.places.committed(host, before, after, changes);
		const record = this.record(host);
		for (const [id, was, proxy] of changes) {
			if (proxy === undefined) continue;
			if (was === undefined) {
				// 1: what is taken in costs money like what is made.
				const count = after.proxies.size + after.orphans.size;
				if (proxy.phase.at === "adopting" && count > after.spec.max + surgeOf(after.spec)) this.broken("1", `${count} VMs with ${id}`);
				this.world.note(() => `${host.object} + ${describe(proxy)}`);
				continue;
			}
			this.world.note(() => `${host.object} ~ ${describe(proxy)}`);
			this.changed(host, record, { was, proxy }, { before, after });
		}
		for (const [, was, proxy] of changes) if (was !== undefined && proxy === undefined) this.removed(host, was, after);
		if (after.proxies.size === 0) record.emptyAt = this.world.clock.now;
		if (applying !== null && "id" in applying.effect) this.applied(before, after, applying, applying.effect.id);
	}

	/** The size that a pool is to have is what its load asks for: no sooner, no later, and never out of its bounds. */
	private scaled(host: Host, before: State, after: State, changes: Changes): void {
		const message = this.sayer(host);
		if (before.target !== after.target)
			this.world.note(() => `${host.object} ${after.log.findLast(({ text }) => text.startsWith("target"))?.text}`);
		judgeTarget(host, this.record(host).demand, before, after, message);
		if (before.proxies !== after.proxies) judgePosted(changes, message);
	}

	/** Takes what is wrong with a pool's size, but for what a clock that was set may have done. */
	private sayer(host: Host): (text: string) => void {
		return (text) => {
			if (this.world.clock.now - Math.max(this.jumpedAt, this.nudgedAt) > AFTER_JUMP_MS) this.broken("15", `${host.object}: ${text}`);
		};
	}

	private changed(
		host: Host,
		record: PoolRecord,
		{ was, proxy }: { was: Proxy; proxy: Proxy },
		states: { before: State; after: State },
	): void {
		this.waiting.changed(host, was, proxy);
		const [from, to] = [was.phase.at, proxy.phase.at];
		if (from === "ready" && to === "unready") this.lines.dropped(host, was, states.after);
		if (to === "ready" && from !== "ready") {
			record.fruitless = 0;
			record.fruitlessSince = this.world.clock.now;
			record.fruitlessMost = 0;
			if (!proxy.registered || (proxy.keyHash === null && !proxy.isAdopted) || proxy.address === null)
				this.broken("12", `${describe(proxy)} became ready unproven`);
		}
		if (proxy.keyHash !== was.keyHash || (proxy.registered && !was.registered)) this.bound(host, proxy);
		if (proxy.phase.at === "draining" && from === "ready") {
			record.drains.set(proxy.id, { since: this.world.clock.now, until: proxy.phase.until - host.skewMs });
		}
		if (to === "ready") record.drains.delete(proxy.id);
		// 12: the first registration of a VM whose address is not known yet stands until the inventory says otherwise.
		if (was.claim !== null && proxy.claim !== null && was.claim.address !== proxy.claim.address) {
			this.broken("12", `the registration of ${proxy.id} from ${was.claim.address} gave way to one from ${proxy.claim.address}`);
		}
		// 14: what is believed hidden is hidden.
		const isHidden = proxy.phase.at === "draining" && proxy.phase.hiddenAt !== null;
		if (isHidden && record.listed.has(proxy.id)) this.broken("14", `${proxy.id} is believed hidden, and the ready list shows it`);
		const isLetGo = (to === "draining" || to === "deleting") && (from === "ready" || from === "unready");
		if (isLetGo && was.wasReady && !record.destroyed.has(was.id)) this.replacements.letGo(host, was, states);
	}

	/** 12: a key is bound to the VM that its intent made, and no other. */
	private bound(host: Host, proxy: Proxy): void {
		if (proxy.isAdopted && proxy.keyHash === null) return;
		const agent = proxy.keyHash === null ? undefined : this.world.agents.byKey.get(proxy.keyHash.slice(1));
		if (agent === undefined) {
			this.broken("12", `${proxy.id} is bound to a key that no agent has: ${proxy.keyHash}`);
			return;
		}
		const { machine } = agent;
		if (machine.tags.intent !== proxy.id || machine.tags.pool !== host.tag)
			this.broken("12", `${proxy.id} is bound to the key of ${machine.vm}`);
		if (proxy.registered && machine.address !== proxy.address && machine.power === "on" && machine.goneAt === null && !machine.hasMoved) {
			this.broken("12", `${proxy.id} is registered at ${proxy.address}, its VM is at ${machine.address}`);
		}
	}

	/** 4: what leaves the inventory has no VM, and none to come. */
	private removed(host: Host, was: Proxy, after: State): void {
		this.world.note(() => `${host.object} - ${describe(was)}`);
		if (!this.isClockSound) return;
		const { cloud } = this.world;
		const alive = (cloud.byIntent.get(was.id) ?? []).filter((machine) => machine.goneAt === null && machine.tags.pool !== null);
		const untracked = alive.filter((machine) => !after.orphans.has(machine.vm));
		const hasTwin = (cloud.byIntent.get(was.id) ?? []).some(({ isTwin }) => isTwin);
		if (untracked.length > 0 && !hasTwin)
			this.broken("4", `${was.id} is dropped (${describe(was)}), yet ${untracked.map(({ vm }) => vm)} exists`);
		if (cloud.underway.has(was.id)) this.broken("4", `${was.id} is dropped while its create is under way`);
	}

	/** 4: an orphan that exists is not forgotten because some list lacks it. */
	private orphansChanged(host: Host, before: State, after: State): void {
		for (const vm of before.orphans.keys()) {
			if (after.orphans.has(vm)) continue;
			const machine = this.world.cloud.machines.get(vm);
			if (machine === undefined || machine.goneAt !== null || machine.goingAt !== null) continue;
			// Found to be an intent's own, or associated by an operator.
			const isOwned = [...after.proxies.values()].some(({ phase }) => "vm" in phase && phase.vm === vm);
			if (!isOwned && this.isClockSound) this.broken("4", `${host.object} forgets the orphan ${vm}, which exists`);
		}
	}

	/** 9: a result changes the phase only of a proxy that is in the phase it was dispatched in. */
	private applied(before: State, after: State, { effect, phase }: Dispatched, id: Id): void {
		const [was, is] = [before.proxies.get(id), after.proxies.get(id)];
		if (was === undefined || phase === null || was.phase === phase || was.phase === is?.phase) return;
		if (was.phase.at === phase.at) return;
		const isSighting = effect.call === "find" || effect.call === "create";
		// A VM that shows itself while its proxy is being deleted is not a change of mind: now it is known what to delete.
		if (isSighting && was.phase.at === "deleting" && is?.phase.at === "deleting") return;
		if (isSighting && is !== undefined && is.phase.at === "unready" && was.phase.at === "ready") return;
		this.broken(
			"9",
			`the result of ${effect.call}, dispatched in ${phase.at}, moved ${id} from ${was.phase.at} to ${is?.phase.at ?? "nothing"}`,
		);
	}

	/** D1 was written, or may have been. */
	published(host: Host, publication: Publication, isHeld: boolean): void {
		const row = this.world.database.pools.get(host.object);
		if (row === undefined) return;
		const record = this.record(host);
		if (row.version < record.version) this.broken("14", `D1 went back from version ${record.version} to ${row.version}`);
		record.version = row.version;
		if (row.version !== publication.version) return;
		const listed = new Set([...row.parts.values()].flat().map(([id]) => id));
		for (const id of record.listed) if (!listed.has(id)) record.hiddenAt.set(id, this.world.clock.now);
		for (const id of listed) record.hiddenAt.delete(id);
		record.listed = listed;
		this.waiting.published(host, listed);
		this.leases.published(host, listed, publication.now);
		this.world.note(
			() => `${host.object} published ${publication.version}${isHeld ? "" : " without an answer"}: ready ${[...listed].join(" ")}`,
		);
	}

	/** 14: nobody is given what was published as drained or unready, beyond the stated staleness. */
	drawn(object: string, [id]: ReadyEntry, readAt: Ms): void {
		const hiddenAt = this.records.get(object)?.hiddenAt.get(id);
		if (hiddenAt !== undefined && hiddenAt < readAt) this.broken("14", `${id} was handed out after its removal was published`);
	}

	/** 14: what is handed out takes clients: a drained proxy refuses none while lists may name it. */
	refused(object: string, [id]: ReadyEntry): void {
		const host = this.world.hosts.find((one) => one.object === object);
		const proxy = host?.state?.proxies.get(id);
		if (
			host === undefined ||
			proxy?.phase.at !== "draining" ||
			!this.isClockSound ||
			this.waiting.isExcused(host, proxy.since - host.skewMs)
		)
			return;
		// Where nothing can be published it goes all the same.
		if (host.now() >= proxy.since + UNPUBLISHED_DRAIN_MS) return;
		this.broken("14", `${id} is handed out, and refuses clients`);
	}

	/** 22: what is handed out takes clients with the credentials that it is handed out with. Former ones are good for as long as any report takes to come. */
	unacceptable(object: string, [id, , version]: ReadyEntry, agent: Agent): void {
		const { world } = this;
		const host = world.hosts.find((one) => one.object === object);
		const since = world.clock.now - UNREAD_MS;
		if (host === undefined || !this.isClockSound || this.lost.has(host.deployment) || this.waiting.isExcused(host, since)) return;
		if (UNREAD.some((fault) => world.faults.wasOn(fault, since))) return;
		// An operator has had it so.
		if (world.clock.now - agent.shortenedAt < SHORTENED_MS) return;
		if (host.state?.proxies.get(id)?.address !== agent.machine.address || agent.boot.token.split(".")[1] !== id) return;
		this.broken("22", `${id} is handed out with credentials ${version}, and accepts ${agent.told.credentials}`);
	}

	/** 6 (rules): an alarm is never put off. */
	arming(host: Host, armedAt: Ms | null, at: Ms): void {
		if (armedAt !== null && armedAt > host.now() && at > armedAt) this.broken("8", `the alarm is put off by ${at - armedAt} ms`);
	}

	/** 8: a pass leaves an alarm behind, no later than what is due next. */
	passed(host: Host, instance: Instance): void {
		const { state } = instance;
		if (state === null || instance.isSuperseded) return;
		if (host.alarmAt === null) {
			this.broken("8", `a pass of ${host.object} ended without an alarm`);
			return;
		}
		if (this.isClockSound) this.leases.passed(host, state);
		const intervalMs = state.spec.intervalSeconds * SECOND;
		if (host.alarmAt > host.now() + intervalMs)
			this.broken("8", `a pass of ${host.object} ended with its alarm more than an interval ahead`);
		if (host.passes % PASSES_A_CHECK !== 0) return;
		const next = this.world.core.plan(state, host.now(), () => 0.999);
		const dueAt = next.effects.length > 0 ? host.now() : next.wakeAt;
		// Never for now: see alarmTime.
		if (host.alarmAt > dueAt + 1) this.broken("8", `the alarm is ${host.alarmAt - dueAt} ms later than what is due`);
	}

	/** 8: nobody tries a handler again that had armed the alarm before it was aborted: that must not be further ahead than a pass may leave it. */
	aborted(host: Host, armedAt: Ms): void {
		const { state } = host;
		if (state !== null && armedAt > host.now() + state.spec.intervalSeconds * SECOND)
			this.broken("8", `a handler of ${host.object} is aborted with its alarm more than an interval ahead`);
	}

	/** 5 (rules): whatever waits ends at its deadline, or soon after where alarms come late. */
	deadlines(): void {
		const { clock, hosts, faults } = this.world;
		if (clock.now % (10 * MINUTE) !== 0) return;
		if (faults.isOn("cronOut") || faults.isOn("databaseOut") || faults.isOn("alarmLost")) this.unwokenAt = clock.now;
		if (!this.isClockSound || clock.now - this.unwokenAt < AFTER_UNWOKEN_MS) return;
		for (const host of hosts) {
			const { state } = host;
			if (state === null || state.suspended !== null || state.breach !== null || host.idleSince !== null) continue;
			const patienceMs = state.spec.unregisteredTimeoutSeconds * SECOND;
			for (const proxy of state.proxies.values()) {
				const { phase, since, createdAt } = proxy;
				let dueAt = Number.POSITIVE_INFINITY;
				if (phase.at === "booting" && !proxy.wasReady) dueAt = Math.max(createdAt + patienceMs, since);
				else if (phase.at === "restarting") dueAt = since + patienceMs;
				else if (phase.at === "draining") dueAt = Math.max(phase.until, since + UNPUBLISHED_DRAIN_MS);
				if (host.now() > dueAt + LATE_MS) this.broken("5", `${proxy.id} is overdue: ${describe(proxy)}`);
			}
		}
	}

	/** 16: each minute. */
	waits(): void {
		if (this.world.clock.now % (10 * MINUTE) === 0) this.counts();
		if (!this.isClockSound) return;
		for (const host of this.world.hosts) if (host.isAlive) this.waiting.look(host, this.record(host).listed);
	}

	/** 20: what is counted is what happened. */
	private counts(): void {
		for (const host of this.world.hosts) if (host.isAlive) this.totals.look(host);
	}

	/** 8: every pool that lives has an alarm, or cron's next look gives it one. */
	alarms(): void {
		for (const host of this.world.hosts) {
			if (host.isAlive && host.idleSince !== null && host.looksWhileIdle > 0)
				this.broken("8", `${host.object} has no alarm though cron looked after it`);
		}
	}

	/** 6 and 7: T after the last fault. */
	converged(): void {
		const wrong = this.world.hosts.flatMap((host) => convergenceOf(this.world, host));
		if (wrong.length > 0) this.broken("7", `not converged: ${wrong.join("; ")}`);
		this.mutationsWhenConverged = this.mutations();
	}

	/** 7: and then nothing more is done. */
	stillConverged(): void {
		const more = this.mutations() - this.mutationsWhenConverged;
		const isAsking = this.world.hosts.some((host) => lacksRoom(this.world, host));
		if (more > 0 && !isAsking) this.broken("7", `${more} mutating calls or publications after it had converged`);
		this.counts();
		const wrong = this.world.hosts.flatMap((host) => convergenceOf(this.world, host));
		if (wrong.length > 0) this.broken("7", `converged no more: ${wrong.join("; ")}`);
	}

	private mutations(): number {
		let sum = this.effects.get("publish") ?? 0;
		for (const record of this.records.values()) sum += record.mutations;
		return sum;
	}
}
