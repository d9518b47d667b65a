/** What the page knows, and when it looks again. */
import { computed, effect, signal } from "@preact/signals";
import { api, done, keptKey, type Pool, Refused, type State, sentenceOf, Unreachable } from "./api.ts";
import { type Bucket, fullBucket, isRich, LONGEST_MS, spent, waitMs } from "./budget.ts";
import { isMoving } from "./phases.ts";
import { route } from "./route.ts";

/** `asking`: nothing has come back yet. `closed`: the deployment has no key at all. */
export type Session = "asking" | "signedOut" | "closed" | "in";

export const session = signal<Session>("asking");
/** Why there is no session, or none any more. */
export const sessionProblem = signal<string | null>(null);
export const state = signal<State | null>(null);
/** When that came; milliseconds since the epoch. */
export const receivedAt = signal(0);
/** When the look began that brought what is shown: what was done before then shows in it. */
export const lookedAt = signal(0);
/** Why what is shown is not what is; null: it is. */
export const disconnected = signal<string | null>(null);
export const now = signal(Date.now());
/** The page is older than what answers it. */
export const isOutdated = signal(false);
/** Actions that have not shown their effect yet. */
export const pending = signal(0);

/** Nothing is to be clicked that would be a guess. */
export const canAct = computed(() => disconnected.value === null && session.value === "in");
export const pools = computed<readonly Pool[]>(() => state.value?.pools ?? []);

export function poolNamed(provider: string | undefined, instance: string | undefined): Pool | undefined {
	return pools.value.find((pool) => pool.provider === provider && pool.instance === instance);
}

/** The pool that the view is about, as the API names it; null: none. */
const selected = computed(() => {
	const { view, parts } = route.value;
	return (view === "pool" || view === "proxy") && parts.length >= 2 ? `${parts[0]}/${parts[1]}` : null;
});

const BUCKET = "muster-looks";
const LOAD_EVERY_MS = 30_000;
const POOR_LOAD_EVERY_MS = 600_000;
const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

let timer: ReturnType<typeof setTimeout> | undefined;
let looking: Promise<void> | null = null;
let again = false;
let failures = 0;
let loadAt = 0;
let firstVersion: string | null = null;
/** Grows with each sign-in and sign-out: what was asked before it says nothing of who is here now. */
let visit = 0;

function bucket(): Bucket {
	try {
		const kept = JSON.parse(sessionStorage.getItem(BUCKET) ?? "") as Bucket;
		if (typeof kept.left === "number" && typeof kept.at === "number") return kept;
	} catch {
		// A tab that is new.
	}
	return fullBucket(Date.now());
}

function keep(next: Bucket): void {
	sessionStorage.setItem(BUCKET, JSON.stringify(next));
}

/** Takes what a view asked for beside the looks out of the tab's bucket. */
export function pay(billed: number): void {
	keep(spent(bucket(), billed, Date.now()));
}

/** Whether only what is needed is to be asked for. */
export function isPoor(): boolean {
	return !isRich(bucket(), Date.now());
}

/** Looks now; at once again where something changes while it does. */
export function look(): Promise<void> {
	if (looking !== null) {
		again = true;
		return looking;
	}
	clearTimeout(timer);
	looking = lookOnce().finally(() => {
		looking = null;
		if (again) {
			again = false;
			void look();
		} else schedule();
	});
	return looking;
}

async function lookOnce(): Promise<void> {
	const pool = selected.value;
	const at = Date.now();
	const asked = visit;
	const every = isRich(bucket(), at) ? LOAD_EVERY_MS : POOR_LOAD_EVERY_MS;
	const wantsLoad: "pool" | "all" | undefined =
		pool !== null ? "pool" : at - loadAt >= every && route.value.view === "overview" ? "all" : undefined;
	const query = { ...(pool === null ? {} : { pool }), ...(wantsLoad === undefined ? {} : { load: wantsLoad }) };
	try {
		const answer = await done(api.GET("/ui/state", { params: { query }, signal: AbortSignal.timeout(20_000) }));
		keep(spent(bucket(), answer.billed_requests, Date.now()));
		if (asked !== visit) return;
		if (wantsLoad === "all") loadAt = at;
		// What was not asked for this time is as it was.
		const before = new Map(pools.value.map((one) => [one.endpoint, one]));
		const known = answer.pools.map((one) => {
			const { load = null, outdated = null } = before.get(one.endpoint) ?? {};
			return one.load === null ? { ...one, load, outdated } : one;
		});
		failures = 0;
		firstVersion ??= answer.version;
		isOutdated.value = firstVersion !== answer.version;
		receivedAt.value = Date.now();
		lookedAt.value = at;
		now.value = Date.now();
		state.value = { ...answer, pools: known };
		disconnected.value = null;
		sessionProblem.value = null;
		session.value = "in";
	} catch (error) {
		keep(spent(bucket(), 1, Date.now()));
		if (asked === visit) failed(error);
	}
}

function failed(error: unknown): void {
	if (error instanceof Refused && (error.status === 401 || error.status === 403 || error.status === 429)) {
		const had = keptKey.read() !== null;
		sessionProblem.value = had ? error.message : null;
		if (error.status !== 429) keptKey.write(null);
		state.value = null;
		session.value = "signedOut";
		return;
	}
	if (error instanceof Refused && error.status === 503 && error.message.includes("AUTH_KEY")) {
		sessionProblem.value = error.message;
		session.value = "closed";
	}
	failures++;
	disconnected.value = error instanceof Unreachable ? "Muster does not answer." : sentenceOf(error);
}

/** A tab that is hidden does not look; a page without a session has nothing to look for. */
function schedule(): void {
	clearTimeout(timer);
	if (document.visibilityState === "hidden" || session.value === "signedOut") return;
	if (failures > 0) {
		const soonest = RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] ?? 0;
		timer = setTimeout(look, Math.max(soonest, Math.min(LONGEST_MS, waitMs(bucket(), 1, true, Date.now()))));
		return;
	}
	const moves = pending.value > 0 || pools.value.some(isMoving);
	const cost = state.value?.billed_requests ?? 1;
	timer = setTimeout(look, Math.min(LONGEST_MS, waitMs(bucket(), cost, moves, Date.now())));
}

export async function signIn(key: string): Promise<void> {
	visit++;
	keptKey.write(key);
	await look();
}

export function signOut(): void {
	visit++;
	keptKey.write(null);
	clearTimeout(timer);
	state.value = null;
	sessionProblem.value = null;
	session.value = "signedOut";
}

/** Begins to look, and goes on as long as the page is there. */
export function begin(): void {
	document.addEventListener("visibilitychange", () => {
		if (document.visibilityState === "hidden") clearTimeout(timer);
		else {
			now.value = Date.now();
			if (session.value !== "signedOut") void look();
		}
	});
	addEventListener("online", () => void look());
	setInterval(() => {
		if (document.visibilityState === "visible") now.value = Date.now();
	}, 1_000);
	let first = true;
	effect(() => {
		void selected.value;
		if (!first && session.peek() === "in") void look();
		first = false;
	});
	effect(() => {
		if (pending.value > 0 && session.peek() === "in") schedule();
	});
	void look();
}
