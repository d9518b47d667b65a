import { apply } from "../core/apply.ts";
import type { Effect } from "../core/effects/index.ts";
import type { Event, Outcome } from "../core/events.ts";
import type { Registration, Report } from "../core/facts/agents.ts";
import type { CredentialsWords, RollingWords } from "../core/facts/commands.ts";
import type { SeenLine } from "../core/facts/lines.ts";
import type { Seen } from "../core/facts/listing.ts";
import { type Refusal, refusalOf } from "../core/facts/orders.ts";
import { bounded } from "../core/model/bounds.ts";
import type { Command } from "../core/model/command.ts";
import { type Directives, directivesFor } from "../core/model/directives.ts";
import { type Failure, isFinal } from "../core/model/failure.ts";
import { proxyNamed } from "../core/model/proxies.ts";
import { isTokenOf, type Judgement, judgeKey, judgeRegistration } from "../core/model/registration.ts";
import { sessionsAfter } from "../core/model/sessions.ts";
import { type Budget, type Id, type Identity, type Ms, newState, type Run, type State } from "../core/model/state.ts";
import { eventOf, newEntries, type PoolEvent } from "../core/model/told.ts";
import { unshownFrom } from "../core/model/tries.ts";
import { Bell, type Timer } from "./bell.ts";
import { changesBetween, isEmpty, type RowChanges, vitalsBetween } from "./codec.ts";
import { alarmTime, mustArm, type Ports, pass, rearm } from "./pass.ts";

/** What carries a pool: a Durable Object, or the simulator. */
export interface Host {
	now(): Ms;
	/** In [0, 1). */
	random(): number;
	readonly timer: Timer;
	/** In one transaction; `after` is the state that the rows then hold. Throws where another instance has taken over. */
	store(changes: RowChanges, at: Ms, after: State): void;
	setAlarm(at: Ms): void;
	/** Deletes all that is stored, and the alarm. */
	wipe(): Promise<void>;
	/** What the pool is to go by now. */
	wanted(state: State): Wanted;
	/** The most that the deployment may spend an hour; null: whatever it takes. */
	budget(): Budget | null;
	/** Does one effect. Never throws: a failure is an outcome. */
	call(effect: Effect, state: State): Promise<Outcome>;
	/** Mints a boot token, keeps it for the call that follows, and returns its SHA-256 in hex. */
	mintToken(id: Id): string;
	/** A pass begins: outbound calls are counted from here. */
	passBegins(): void;
	callsMade(): number;
	/** When each line last showed life; `isLoaded`: and what was reported on it. Not there where nobody holds lines. */
	lines?(isLoaded: boolean): readonly SeenLine[];
	/** A state was stored, and because of what: a fact, or a plan (null). For who watches. */
	committed?(before: State, after: State, cause: Event | null): void;
	/** An entry was added to the log: for the console. */
	told?(event: PoolEvent): void;
	/** A pass failed as a whole, which only a fault of ours can make it do. */
	passFailed(error: unknown): void;
}

/** What the environment, or the configuration of its endpoint, says of a pool. */
export interface Wanted {
	/** Null where nothing can be read: what was settled stays in force. */
	readonly configure: (Command & { readonly do: "configure" }) | null;
	/** Whether the environment names the pool; null where it has no say in it. */
	readonly isNamed: boolean | null;
}

/** What cron tells a pool that it cannot know alone. */
export interface Facts {
	readonly rolling: RollingWords | null;
	/** Null: nothing was ever ordered, or nobody looked. */
	readonly credentials: CredentialsWords | null;
	/** Null: not known yet. */
	readonly agentUrl: string | null;
	/** Proxies of the whole deployment. */
	readonly proxies: number;
	readonly dailyRequests: number;
	readonly allotted: State["allotted"];
	/** Every id that the deployment ever had; empty: nobody looked. */
	readonly deployments: readonly Id[];
}

/** A report on a line: its sessions whole, all of them opened; or the difference from the report before. */
export interface LineReport extends Omit<Report, "sessions" | "number"> {
	readonly number: number;
	readonly whole: boolean;
	readonly opened: readonly string[];
	readonly closed: readonly string[];
}

export type AgentReply = { readonly ok: true; readonly directives: Directives } | { readonly ok: false; readonly message: string };

/** A command waits so long for D1 to show its change; it is stored in any case. */
const READABLE_DEADLINE_MS = 3_000;
/** A VM's tags are changed within this, or the order is answered for before it is done. */
const RETAG_DEADLINE_MS = 6_000;
/** After a pass that failed as a whole. */
const FAILED_PASS_PAUSE_MS = 5_000;
/** An alarm so late was lost; the platform drops one after six failures. */
const OVERDUE_MS = 60_000;
/** Within a pass lines are looked at once in so long. */
const LINES_SPACING_MS = 5_000;
/** Vitals are written at the end of a pass, at most once in nearly an interval, or in so long; outside of passes once in so many intervals. */
const VITALS_INTERVALS = 2;
const PASS_VITALS_INTERVALS = 0.9;
const PASS_VITALS_MS = 30_000;
/** What clients report is written so long after the last of them: the platform puts to sleep what has had nothing to do for ten seconds. */
const REPORTS_PAUSE_MS = 5_000;

/**
 * One pool in memory: decides when a fact is applied, stored, answered for, and when the alarm comes; the alarm alone acts. Both of its
 * hosts run it as it is.
 */
export class Controller {
	state: State;
	armedAt: Ms | null;
	isPassing = false;
	/** The directory has forgotten the pool, and its storage is gone. */
	isGone = false;
	private readonly host: Host;
	private readonly bell: Bell;
	private readonly ports: Ports;
	private vitalsWrittenAt: Ms;
	private linesHeardAt: Ms = 0;
	/** They are stored at the end of this pass, or the next. */
	private mustKeepVitals = false;
	/** A state whose vitals are those that the rows hold. */
	private vitalsStored: State;
	private cancelKeeping: () => void = () => undefined;
	/** What was settled last, and the state's fields that came of it: settling the same again would change nothing. */
	private settled: readonly unknown[] = [];
	/** Whom the next publication tells that it can be read. */
	private readers: (() => void)[] = [];
	/** By proxy: who waits until its tags are changed, or is told why they cannot be. */
	private readonly retagging = new Map<Id, (failure: Failure | null) => void>();

	constructor(host: Host, stored: { readonly state: State; readonly vitalsWrittenAt: Ms; readonly armedAt: Ms | null }) {
		this.host = host;
		this.state = stored.state;
		this.vitalsStored = stored.state;
		this.vitalsWrittenAt = stored.vitalsWrittenAt;
		this.armedAt = stored.armedAt;
		this.bell = new Bell(host.timer);
		this.ports = {
			load: () => this.loaded(),
			hear: () => {
				const now = host.now();
				if (now < this.linesHeardAt || now >= this.linesHeardAt + LINES_SPACING_MS) this.hearLines();
			},
			commit: (before, after, wakeAt) => this.commit(before, after, wakeAt),
			dispatch: (event) => this.dispatch(event),
			call: (effect, state) => this.call(effect, state),
			mintToken: (id) => host.mintToken(id),
			callsMade: () => host.callsMade(),
			isAwaited: () => this.readers.length > 0,
			bell: this.bell,
			now: () => host.now(),
			random: () => host.random(),
		};
	}

	/** The state of a pool that is made now, and the rows that hold it. */
	static initial(pool: Identity, now: Ms, run: Run): { readonly state: State; readonly rows: RowChanges } {
		const state = newState(pool, now, run);
		return { state, rows: changesBetween(null, state, true) };
	}

	/**
	 * What a pool whose rows cannot be read goes by: it is reachable, says why, and neither launches nor deletes. An order to remove it finds its VMs
	 * by their tags.
	 */
	static salvaged(pool: Identity, now: Ms, why: string): State {
		const state = { ...newState(pool, now, "paused"), unreadable: bounded(why) };
		// Whatever it has published or logged, this is later.
		return { ...state, published: { hash: "", version: now }, logSeq: now };
	}

	/** Takes in what cron tells; an alarm that is missing or overdue was lost, and is set again. `alarmAt`: what the platform says of it. `seen`: its row in the directory. */
	tick(facts: Facts, alarmAt: Ms | null, seen?: Seen): void {
		this.learn(facts);
		if (seen !== undefined) this.take({ on: "directory", seen });
		const isLost = alarmAt === null ? !this.isPassing : alarmAt < this.host.now() - OVERDUE_MS;
		if (!isLost || this.isGone) return;
		this.armedAt = null;
		this.arm(this.host.now());
	}

	learn({ rolling, credentials, agentUrl, proxies, dailyRequests, allotted, deployments }: Facts): void {
		// Before the environment's word, which they may overrule.
		if (rolling !== null) this.take({ on: "rolling", ...rolling });
		if (credentials !== null) this.take({ on: "credentials", ...credentials });
		this.configure();
		if (agentUrl !== null) this.take({ on: "agentUrl", url: agentUrl });
		this.take({ on: "fleet", proxies, dailyRequests, allotted, deployments });
	}

	/**
	 * Brings the pool in line with its settings. One that the environment names no more, or disables, is emptied and forgotten; one of an
	 * endpoint that is deleted needs none but its account.
	 */
	configure(): void {
		this.take({ on: "budget", budget: this.host.budget() });
		const wanted = this.host.wanted(this.state);
		const { configure } = wanted;
		// Whatever names it, another pool has its place.
		const isNamed = this.state.listing.isSuperseded ? false : wanted.isNamed;
		const isMeant = isNamed ?? this.state.run !== "removing";
		if (configure !== null && isMeant) this.settle(configure);
		if (isNamed !== null && isNamed === (this.state.run === "removing")) {
			this.take({ on: "command", command: { do: "run", run: isNamed ? "running" : "removing" } });
		}
	}

	private settle(command: Command & { readonly do: "configure" }): void {
		const inputs = () => {
			const { spec, suspended, environment, account, agentUrl, credentials, orderedCredentials, allow, patchedRolling, pool } = this.state;
			return [
				command.settings,
				command.account,
				command.provider,
				spec,
				suspended,
				environment,
				account,
				agentUrl,
				credentials,
				orderedCredentials,
				allow,
				patchedRolling,
				pool,
			];
		};
		const now = inputs();
		if (now.every((one, index) => one === this.settled[index])) return;
		this.take({ on: "command", command });
		this.settled = inputs();
	}

	refusalOf(command: Command): Refusal | null {
		return refusalOf(this.state, command);
	}

	/** Carries an order out that was not refused. Resolves once its change can be read, with a failure where it comes to nothing. */
	async command(command: Command): Promise<Failure | null> {
		this.take({ on: "command", command });
		if (command.do === "report") this.keepReports();
		if (command.do === "adopt" || command.do === "release") {
			const failure = await this.untilRetagged(command.do === "adopt" ? command.vm : command.id);
			if (failure !== null) return failure;
		}
		// These show nothing that somebody would look for at once, and come often.
		if (command.do !== "wake" && command.do !== "metrics") await this.untilReadable();
		return null;
	}

	/** Sees to it that what clients have reported outlives a sleep before the next pass: nobody reports it a second time. */
	keepReports(): void {
		this.cancelKeeping();
		this.cancelKeeping = this.host.timer(REPORTS_PAUSE_MS, () => {
			if (this.isGone) return;
			if (this.isPassing) this.mustKeepVitals = true;
			else this.store(vitalsBetween(this.vitalsStored, this.state));
		});
	}

	/** Applied even when refused for its address: the VM may have a new one, and the inventory is asked. */
	register(request: Registration & { readonly tokenHash: string }): AgentReply {
		const { tokenHash, ...registration } = request;
		const { id } = registration;
		const judgement = judgeRegistration(this.state, request, this.host.now());
		const proxy = this.state.proxies.get(id);
		if (proxy !== undefined && isTokenOf(proxy, tokenHash)) this.take({ on: "registered", ...registration });
		return this.reply(id, judgement);
	}

	heartbeat(keyHash: string, report: Report): AgentReply {
		const judgement = judgeKey(this.state, report.id, keyHash);
		if (judgement.is === "accepted") this.take({ on: "heartbeat", ...report });
		return this.reply(report.id, judgement);
	}

	/** An agent opens its line. */
	lineOpened(keyHash: string, id: Id): Judgement {
		const judgement = judgeKey(this.state, id, keyHash);
		if (judgement.is === "accepted") this.take({ on: "lineOpened", id });
		return judgement;
	}

	/**
	 * Takes in what an agent says on its line. What is a difference from a report that is not the last one known is not taken: "gap". `mustBeStored`: at
	 * once, and not with the next vitals.
	 */
	lineReport(keyHash: string, { whole, opened, closed, ...report }: LineReport, mustBeStored = false): "taken" | "gap" | "refused" {
		const { id } = report;
		if (judgeKey(this.state, id, keyHash).is === "refused") return "refused";
		const isNext = this.state.vitals.get(id)?.report === report.number - 1;
		if (!whole && !isNext) return "gap";
		const sessions = whole ? opened : sessionsAfter(this.state, id, { opened, closed });
		if (mustBeStored) this.vitalsWrittenAt = Number.NEGATIVE_INFINITY;
		this.take({ on: "heartbeat", ...report, sessions });
		return "taken";
	}

	/** A line broke without a word. */
	lineLost(id: Id, aliveAt: Ms): void {
		if (!this.state.proxies.has(id)) return;
		// Nobody else knows of a line that is gone: not to be forgotten in a sleep.
		this.mustKeepVitals = true;
		this.take({ on: "lineLost", id, aliveAt });
	}

	/** Applies what the lines show by themselves. `isLoaded`: the pool has just come into memory. */
	hearLines(isLoaded = false): void {
		this.linesHeardAt = this.host.now();
		const lives = this.host.lines?.(isLoaded);
		if (lives !== undefined) this.dispatch({ on: "lines", lives, isLoaded });
	}

	unregister(keyHash: string, id: Id): AgentReply {
		const judgement = judgeKey(this.state, id, keyHash);
		if (judgement.is === "accepted") this.take({ on: "unregistered", id });
		return this.reply(id, judgement);
	}

	private reply(id: Id, judgement: Judgement): AgentReply {
		if (judgement.is === "refused") return { ok: false, message: judgement.message };
		const directives = directivesFor(this.state, id, this.host.now());
		return directives === null ? { ok: false, message: "this pool is not running" } : { ok: true, directives };
	}

	/** The alarm has come. Never throws. */
	async alarm(): Promise<void> {
		if (this.isGone) return;
		if (this.isPassing) {
			// Delivered twice. What requests have armed since then stays; the pass that runs arms the alarm at its end.
			if (this.armedAt === null || this.armedAt <= this.host.now()) {
				this.armedAt = null;
				this.arm(this.host.now() + FAILED_PASS_PAUSE_MS);
			}
			return;
		}
		this.armedAt = null;
		this.isPassing = true;
		this.host.passBegins();
		const { vitalsWrittenAt } = this;
		try {
			this.hearLines();
			this.configure();
			await pass(this.ports);
			// What the pass has learnt, and not what it began with: whoever sleeps until the next one goes by this.
			const isDue = this.areVitalsDue(PASS_VITALS_INTERVALS) || this.host.now() - this.vitalsWrittenAt >= PASS_VITALS_MS;
			// Written at its beginning they lack what it has learnt since.
			const isWritten = this.vitalsWrittenAt !== vitalsWrittenAt;
			if (this.mustKeepVitals || isDue || isWritten) this.store(vitalsBetween(this.vitalsStored, this.state));
			if (this.state.forgotten) await this.forget();
		} catch (error) {
			this.host.passFailed(error);
			this.arm(this.host.now() + FAILED_PASS_PAUSE_MS);
		} finally {
			this.isPassing = false;
		}
	}

	private loaded(): State {
		if (this.isGone) throw new Error("the pool was forgotten");
		return this.state;
	}

	/** Takes in a fact from outside a pass, and sees to it that what follows from it is done. An alarm that the platform has lost is set anew. */
	private take(event: Event): void {
		const before = this.state;
		this.dispatch(event);
		const isLost = this.armedAt === null || this.armedAt < this.host.now() - OVERDUE_MS;
		if (this.isPassing) {
			// The pass looks again, and arms the alarm at its end.
			if (this.state !== before && !isRoutine(event, before, this.state)) this.bell.ring();
			return;
		}
		if (isLost) this.armedAt = null;
		else if (this.state === before || isRoutine(event, before, this.state)) return;
		// Nothing can be due before an alarm that has come already.
		if (this.armedAt === null || this.armedAt > this.host.now()) rearm(this.ports);
	}

	private dispatch(event: Event): void {
		const before = this.state;
		this.commit(before, apply(before, event, this.host.now()), null, event);
	}

	private commit(before: State, after: State, wakeAt: Ms | null, cause: Event | null = null): void {
		if (before !== after) this.store(changesBetween(before, after, this.areVitalsDue(VITALS_INTERVALS)), after);
		this.state = after;
		if (before !== after) {
			this.host.committed?.(before, after, cause);
			for (const entry of newEntries(before, after)) this.host.told?.(eventOf(after, entry));
		}
		if (wakeAt !== null) this.arm(wakeAt);
		for (const [id, tell] of this.retagging) if (!isBeingRetagged(after, id)) tell(null);
	}

	private areVitalsDue(intervals: number): boolean {
		return this.host.now() - this.vitalsWrittenAt >= intervals * this.state.spec.intervalSeconds * 1000;
	}

	/** Rows of the state as it is now. */
	private store(changes: RowChanges, after: State = this.state): void {
		if (isEmpty(changes)) return;
		const now = this.host.now();
		this.host.store(changes, now, after);
		if (changes.vitals === null) return;
		this.vitalsWrittenAt = now;
		this.vitalsStored = after;
		this.mustKeepVitals = false;
	}

	/** Always the earlier of what is armed and what is due: a wake-up that arrived in the meantime is never overwritten. */
	private arm(dueAt: Ms): void {
		const at = alarmTime(dueAt, this.host.now());
		if (!mustArm(this.armedAt, at)) return;
		this.host.setAlarm(at);
		this.armedAt = at;
	}

	private async call(effect: Effect, state: State): Promise<Outcome> {
		// Whoever waits now is told by this publication, which shows what they changed.
		const heard = effect.call === "publish" ? this.readers.splice(0) : [];
		const outcome = await this.host.call(effect, state);
		if (outcome.on === "done") for (const tell of heard) tell();
		else this.readers.push(...heard);
		if (outcome.on === "failed" && outcome.effect.call === "adopt" && isFinal(outcome.failure)) {
			this.retagging.get(outcome.effect.id)?.(outcome.failure);
		}
		return outcome;
	}

	/** Resolves once a VM is taken in or let go, with the reason where it is not; or when it takes too long: it is gone on with in any case. */
	private async untilRetagged(name: string): Promise<Failure | null> {
		const id = proxyNamed(this.state, name)?.id;
		if (id === undefined || !isBeingRetagged(this.state, id)) return null;
		const failure = await this.within<Failure | null>(RETAG_DEADLINE_MS, (tell) => this.retagging.set(id, tell));
		this.retagging.delete(id);
		return failure ?? null;
	}

	/** Resolves once D1 shows the state as it is now, or when it takes too long. */
	async untilReadable(): Promise<void> {
		const from = this.isGone ? null : unshownFrom(this.state);
		if (from === null || from > this.host.now()) return;
		await this.within<null>(READABLE_DEADLINE_MS, (tell) => {
			this.readers.push(() => tell(null));
			this.bell.ring();
		});
	}

	private within<Answer>(ms: Ms, ask: (tell: (answer: Answer) => void) => void): Promise<Answer | undefined> {
		return new Promise((resolve) => {
			const cancel = this.host.timer(ms, () => resolve(undefined));
			ask((answer) => {
				cancel();
				resolve(answer);
			});
		});
	}

	private async forget(): Promise<void> {
		this.isGone = true;
		await this.host.wipe();
	}
}

function isBeingRetagged(state: State, id: Id): boolean {
	const at = state.proxies.get(id)?.phase.at;
	return at === "adopting" || at === "releasing";
}

/**
 * What tells nothing new but how a ready proxy fares: it puts deadlines off and brings none forward. Or reports of clients that ban nothing
 * and clear nothing.
 */
function isRoutine(event: Event, before: State, after: State): boolean {
	if (event.on === "lines") return true;
	if (after.proxies !== before.proxies) return false;
	if (event.on === "command") return event.command.do === "report";
	if (event.on !== "heartbeat" && event.on !== "lineOpened") return false;
	// More connections may be more than a rule allows.
	const isPressed = after.pressedAt !== before.pressedAt;
	return !isPressed && after.proxies.get(event.id)?.phase.at === "ready";
}
