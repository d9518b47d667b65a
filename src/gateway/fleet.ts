import { bestFor, Exit, type Listed, listedIn } from "./exits.ts";
import type { Log } from "./log.ts";
import type { Choice } from "./user.ts";
import type { Want } from "./want.ts";

/** While somebody uses the gateway the list is asked for this often, and seldom while nobody does. */
const FOLLOW_MS = 10_000;
const IDLE_FOLLOW_MS = 60_000;
/** What was used this long ago counts as not used. */
const IDLE_AFTER_MS = 60_000;
/** After failures the list is asked for at once, yet not more often than this. */
const AT_ONCE_MS = 1_000;
/** While clients wait for a proxy to come up. */
const WAKING_MS = 2_000;
const CALL_MS = 15_000;
/** An exit that could not be connected is passed over for this long, unless there is no other. */
const SUSPECT_MS = 30_000;
/** Until a report has reached Muster and its list has come back. */
const BAN_MS = 60_000;
const MAX_BAN_HOSTS = 2_000;
const RETRY_SECONDS = 5;
const MAX_CHOICES = 1_000;
/** Hosts for which a list of its own is followed; the first named go first. */
const MAX_HOSTS = 200;
const MAX_LIVES = 10_000;
/** Calls at once for those who wait. */
const MAX_TOLD = 50;
/** Lists that one look reads at once. */
const MAX_READ = 20;
const LIST = "/proxies.txt?format=json";
const NONE: ReadonlySet<Exit> = new Set();

/** No proxy came up in time, or none that is asked for exists. */
export class NoExit extends Error {
	/** Null: there will be none however long one waits, since what is asked for is unknown. */
	readonly retryAfterSeconds: number | null;
	constructor(message: string, retryAfterSeconds: number | null) {
		super(message);
		this.retryAfterSeconds = retryAfterSeconds;
	}
}

/** The key is not accepted. */
export class Refused extends Error {}

interface Waiter {
	readonly choice: Choice;
	/** Muster knows that it waits: as many proxies are started as there are who ask. */
	isTold: boolean;
	readonly done: (exit: Exit) => void;
	readonly failed: (error: NoExit) => void;
	readonly deadlineMs: number;
}

/** A list that is followed: of all that is ready, or of what does not cool down for a host. */
interface Followed {
	readonly path: string;
	tag: string | undefined;
	askedAtMs: number;
	usedAtMs: number;
	/** Ids of those listed; null: not read yet. */
	ids: ReadonlySet<string> | null;
}

/** Since when a session keeps to an exit, and how often it has moved on. */
interface Life {
	sinceMs: number;
	moves: number;
}

export interface FleetOptions {
	readonly url: string;
	readonly key: string;
	readonly log: Log;
	/** How long clients wait for a proxy to come up. */
	readonly holdMs: number;
}

/** The ready proxies, as Muster lists them, and who gets which. */
export class Fleet {
	readonly #options: FleetOptions;
	#exits: readonly Exit[] = [];
	#userNames: readonly string[] = [];
	/** By destination, and of each by exit, until when. */
	readonly #bans = new Map<string, Map<Exit, number>>();
	#byChoice = new Map<string, readonly Exit[]>();
	readonly #all = followed(LIST);
	readonly #hosts = new Map<string, Followed>();
	readonly #lives = new Map<string, Life>();
	#askedAtMs = Number.NEGATIVE_INFINITY;
	#knownAtMs = Number.NEGATIVE_INFINITY;
	#usedAtMs = Number.NEGATIVE_INFINITY;
	#timer: NodeJS.Timeout | undefined;
	#asking: Promise<void> | null = null;
	#isStale = false;
	#isAllWanted = true;
	#isClosed = false;
	readonly #waiters = new Set<Waiter>();
	#saidLast = "";
	/** How often Muster was asked. */
	calls = 0;

	constructor(options: FleetOptions) {
		this.#options = options;
	}

	/** Reads the list once and follows it from then on. Throws Refused where the key is wrong; where Muster does not answer it goes on trying. */
	async start(): Promise<void> {
		try {
			await this.#ask();
		} catch (error) {
			if (error instanceof Refused) throw error;
		}
		this.#schedule();
	}

	close(): void {
		this.#isClosed = true;
		clearTimeout(this.#timer);
		for (const waiter of this.#waiters) waiter.failed(new NoExit("The gateway is being stopped.", 1));
		this.#waiters.clear();
		for (const exit of this.#exits) for (const upstream of [...exit.idle]) upstream.drop();
	}

	get exits(): readonly Exit[] {
		return this.#exits;
	}

	get waiting(): number {
		return this.#waiters.size;
	}

	/** Seconds since Muster last said what is ready; Infinity before the first time. */
	get ageSeconds(): number {
		return (performance.now() - this.#knownAtMs) / 1000;
	}

	/** The user names that the proxies themselves know. */
	get userNames(): readonly string[] {
		return this.#userNames;
	}

	/** The site does not serve this exit: for a while others are taken for it, until Muster's word on it is known here. */
	ban(exit: Exit, authority: string): void {
		const banned = this.#bans.get(authority) ?? new Map<Exit, number>();
		banned.set(exit, performance.now() + BAN_MS);
		this.#bans.delete(authority);
		this.#bans.set(authority, banned);
		const [oldest] = this.#bans.keys();
		if (this.#bans.size > MAX_BAN_HOSTS && oldest !== undefined) this.#bans.delete(oldest);
	}

	isBanned(exit: Exit, authority: string): boolean {
		const until = this.#bans.size === 0 ? undefined : this.#bans.get(authority)?.get(exit);
		return until !== undefined && until > performance.now();
	}

	/** An exit for this choice that is none of `tried`; null where none is ready now. One that bans `authority` comes last. */
	pick(choice: Choice, tried: ReadonlySet<Exit>, authority?: string): Exit | null {
		const now = performance.now();
		if (now - this.#usedAtMs > IDLE_AFTER_MS) this.#wakeUp(now);
		this.#usedAtMs = now;
		const among = this.#among(choice, now);
		const isSound = (exit: Exit) => exit.suspectUntilMs <= now && (authority === undefined || !this.isBanned(exit, authority));
		if (choice.session === null && tried.size === 0) {
			const any = among[Math.floor(Math.random() * among.length)];
			if (any === undefined || isSound(any)) return any ?? null;
		}
		const fresh = among.filter((exit) => !tried.has(exit));
		const sound = fresh.filter(isSound);
		const left = sound.length > 0 ? sound : fresh;
		if (choice.session !== null) return this.#keptBy(choice.session, choice.lifetimeSeconds, left, now);
		return left[Math.floor(Math.random() * left.length)] ?? null;
	}

	/** Waits until an exit for this choice is ready, which wakes a fleet that sleeps. Rejects with NoExit. */
	hold(choice: Choice, want: Want): Promise<Exit> {
		const deadlineMs = performance.now() + this.#options.holdMs;
		return new Promise((done, failed) => {
			const waiter = { choice, isTold: false, done, failed, deadlineMs };
			this.#waiters.add(waiter);
			want.onEnd(() => {
				this.#waiters.delete(waiter);
				failed(new NoExit("Nobody waits any more.", RETRY_SECONDS));
			});
			this.refresh();
		});
	}

	/** A connection to it failed: it is passed over for a while, and the list is asked for. */
	suspect(exit: Exit): void {
		exit.suspectUntilMs = performance.now() + SUSPECT_MS;
		this.refresh();
	}

	/** Asks for the list now, or as soon as it may be asked for again. */
	refresh(): void {
		this.#isAllWanted = true;
		// What is being read now may be older than the reason to ask.
		if (this.#asking !== null) this.#isStale = true;
		else this.#schedule(Math.max(0, this.#askedAtMs + AT_ONCE_MS - performance.now()));
	}

	#among(choice: Choice, now: number): readonly Exit[] {
		let among = choice.filter === "" ? this.#exits : this.#byChoice.get(choice.filter);
		if (among === undefined) {
			among = this.#exits.filter((exit) => choice.admits(exit));
			if (this.#byChoice.size > MAX_CHOICES) this.#byChoice.clear();
			this.#byChoice.set(choice.filter, among);
		}
		if (choice.host === null) return among;
		let host = this.#hosts.get(choice.host);
		if (host === undefined) {
			host = followed(`${LIST}&host=${encodeURIComponent(choice.host)}`);
			this.#hosts.set(choice.host, host);
			const [oldest] = this.#hosts.keys();
			if (this.#hosts.size > MAX_HOSTS && oldest !== undefined) this.#hosts.delete(oldest);
		}
		host.usedAtMs = now;
		const { ids } = host;
		// One that is not known yet is waited for.
		return ids === null ? [] : among.filter((exit) => ids.has(exit.id));
	}

	/** The exit that a session keeps to, and after its lifetime the one that it would keep to under another name. */
	#keptBy(session: string, lifetimeSeconds: number | null, exits: readonly Exit[], now: number): Exit | null {
		if (lifetimeSeconds === null) return bestFor(session, exits);
		const life = this.#lives.get(session) ?? { sinceMs: now, moves: 0 };
		const nameOf = (moves: number) => (moves === 0 ? session : `${session}/${moves}`);
		const before = bestFor(nameOf(life.moves), exits);
		const isOver = now - life.sinceMs >= lifetimeSeconds * 1000;
		if (isOver) life.sinceMs = now;
		this.#lives.delete(session);
		this.#lives.set(session, life);
		const [oldest] = this.#lives.keys();
		if (this.#lives.size > MAX_LIVES && oldest !== undefined) this.#lives.delete(oldest);
		if (!isOver || exits.length < 2) return before;
		for (;;) {
			const next = bestFor(nameOf(++life.moves), exits);
			if (next !== before) return next;
		}
	}

	/** Nobody has asked for long, and what is known may be old: the next look is not to wait. */
	#wakeUp(now: number): void {
		if (now - this.#knownAtMs > FOLLOW_MS) this.refresh();
		else this.#schedule();
	}

	#schedule(inMs?: number): void {
		if (this.#isClosed || this.#asking !== null) return;
		const now = performance.now();
		const usual = now - this.#usedAtMs > IDLE_AFTER_MS ? IDLE_FOLLOW_MS : FOLLOW_MS;
		const every = this.#waiters.size > 0 ? WAKING_MS : usual;
		const delay = inMs ?? Math.max(0, this.#askedAtMs + every - now);
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => {
			this.#ask()
				.catch(() => {})
				.finally(() => {
					if (this.#isStale) this.refresh();
					else this.#schedule();
				});
		}, delay);
	}

	/** One look at the list. Throws what came in the way, having said it. */
	#ask(): Promise<void> {
		this.#askedAtMs = performance.now();
		this.#isStale = false;
		this.#asking = this.#look().finally(() => {
			this.#asking = null;
		});
		return this.#asking;
	}

	async #look(): Promise<void> {
		const reads = await Promise.allSettled(this.#due().map((list) => this.#read(list)));
		const failed = reads.find((read) => read.status === "rejected");
		if (failed === undefined) this.#say(this.#exits.length === 0 ? "no proxy is ready" : "");
		else this.#say(failed.reason instanceof Error ? failed.reason.message : String(failed.reason));
		await this.#serve();
		if (failed !== undefined) throw failed.reason;
	}

	/** Those that somebody waits for, of hosts' lists those that were asked for longest ago; else the one that was read longest ago, so that there is one call at a time whatever is followed. */
	#due(): readonly Followed[] {
		const now = performance.now();
		const hosts = [...this.#hosts.values()].filter(({ usedAtMs }) => now - usedAtMs <= IDLE_AFTER_MS);
		const unread = hosts.filter(({ ids }) => ids === null);
		const isAllWanted = this.#isAllWanted || this.#waiters.size > 0;
		this.#isAllWanted = false;
		if (isAllWanted) return [this.#all, ...unread.sort((a, b) => a.askedAtMs - b.askedAtMs).slice(0, MAX_READ - 1)];
		return [[this.#all, ...hosts].reduce((a, b) => (a.askedAtMs <= b.askedAtMs ? a : b))];
	}

	async #read(list: Followed): Promise<void> {
		list.askedAtMs = performance.now();
		const response = await this.#call(list.path, list.tag);
		if (response.status !== 304) {
			const listed = listedIn(await response.json());
			if (listed === null) throw new Error("Muster's answer is not a list of proxies.");
			list.tag = response.headers.get("etag") ?? undefined;
			list.ids = new Set(listed.map(({ id }) => id));
			if (list === this.#all) this.#adopt(listed);
		}
		if (list === this.#all) this.#knownAtMs = performance.now();
	}

	async #call(path: string, tag: string | undefined, statuses: readonly number[] = []): Promise<Response> {
		this.calls++;
		const headers = { "X-Auth-Key": this.#options.key, ...(tag ? { "If-None-Match": tag } : {}) };
		let response: Response;
		try {
			response = await fetch(this.#options.url + path, { headers, signal: AbortSignal.timeout(CALL_MS), redirect: "error" });
		} catch (error) {
			throw new Error(`Muster cannot be reached${reasonOf(error)}.`, { cause: error });
		}
		if (response.status === 401 || response.status === 403) throw new Refused("Muster does not accept the key.");
		if (!response.ok && response.status !== 304 && !statuses.includes(response.status)) {
			await response.body?.cancel();
			throw new Error(`Muster answers ${response.status}.`);
		}
		return response;
	}

	/** Exits that are listed as before stay the same objects, with their connections. */
	#adopt(listed: readonly Listed[]): void {
		const keyOf = ({ ip, port, authorizationLine, hash }: Exit) => `${ip} ${port} ${hash} ${authorizationLine}`;
		const before = new Map(this.#exits.map((exit) => [keyOf(exit), exit]));
		const exits = listed.map((each) => {
			const exit = new Exit(each);
			const key = keyOf(exit);
			const known = before.get(key);
			before.delete(key);
			return known ?? exit;
		});
		for (const gone of before.values()) {
			gone.isGone = true;
			for (const upstream of [...gone.idle]) upstream.drop();
		}
		this.#exits = exits;
		this.#userNames = [...new Set(exits.flatMap(({ user }) => user ?? []))];
		this.#byChoice.clear();
	}

	/** Those who wait get what is there now; for the others the fleet is woken. */
	async #serve(): Promise<void> {
		const now = performance.now();
		for (const waiter of this.#waiters) {
			const exit = this.pick(waiter.choice, NONE);
			if (exit === null && now < waiter.deadlineMs) continue;
			this.#waiters.delete(waiter);
			if (exit === null) waiter.failed(new NoExit("No proxy of the fleet became ready in time.", RETRY_SECONDS));
			else waiter.done(exit);
		}
		const untold = [...this.#waiters].filter(({ isTold }) => !isTold).slice(0, MAX_TOLD);
		for (const waiter of untold) waiter.isTold = true;
		const choices = new Map([...this.#waiters].map(({ choice }) => [choice.query, choice]));
		const told = untold.length > 0 ? untold.map(({ choice }) => choice) : [...choices.values()].slice(0, MAX_TOLD);
		await Promise.all(told.map((choice) => this.#wake(choice)));
	}

	/** Asking for a proxy wakes a pool that sleeps, which says when it will have one. Where none is to come soon nobody waits in vain. */
	async #wake(choice: Choice): Promise<void> {
		let response: Response;
		let why: unknown;
		try {
			response = await this.#call(`/random${choice.query}`, undefined, [404, 422, 503]);
			why = response.status === 404 || response.status === 422 ? await response.json() : await response.body?.cancel();
		} catch {
			// The next look says it.
			return;
		}
		if (response.status !== 404 && response.status !== 422) return;
		const saidSeconds = Number(response.headers.get("retry-after") ?? Number.NaN);
		// It is an estimate: what takes twice as long by it may still come in time.
		if (saidSeconds * 1000 <= 2 * this.#options.holdMs) return;
		const detail = typeof why === "object" && why !== null && "detail" in why ? String(why.detail) : "";
		const retryAfterSeconds = response.status === 422 ? null : saidSeconds > 0 ? saidSeconds : RETRY_SECONDS;
		for (const waiter of [...this.#waiters].filter((each) => each.choice.query === choice.query)) {
			this.#waiters.delete(waiter);
			waiter.failed(new NoExit(`The fleet has no proxy of the kind that is asked for. ${detail}`.trim(), retryAfterSeconds));
		}
	}

	/** Each state once. */
	#say(what: string): void {
		if (what === this.#saidLast) return;
		this.#saidLast = what;
		this.#options.log(what === "" ? `${this.#exits.length} proxies are ready` : what);
	}
}

function followed(path: string): Followed {
	return { path, tag: undefined, askedAtMs: Number.NEGATIVE_INFINITY, usedAtMs: Number.NEGATIVE_INFINITY, ids: null };
}

/** Why a call failed, by the code of the system's or of TLS's (ECONNREFUSED, CERT_HAS_EXPIRED): in its words the address can stand, with more than all may read. */
function reasonOf(error: unknown): string {
	if (error instanceof Error && error.name === "TimeoutError") return ` within ${CALL_MS / 1000} s`;
	const cause = error instanceof Error ? error.cause : undefined;
	return cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
}
